"""The tracks of the objects that one camera sees, in the frame that its poses are in. No rclpy in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.ros.observations import Seen
from spatialvlm_ros.tracking.object_tracks import ObjectTracks, TrackedObject, TrackSettings

_IDS = count(1)  # of all cameras, and also after a node was deactivated: no id is given twice


class CameraTracks:
    """`ObjectTracks` of a camera whose pose is not always known.

    Args:
        gap_s: seconds after which an object that was not seen gets a new id.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._tracks = ObjectTracks(TrackSettings(max_gap_s=gap_s), _IDS)
        self._fixed_frame, self._placed_ns = "", 0  # of the tracks, and of the last picture with a place in it

    def change(self, gap_s: float) -> None:
        """Go on with another gap."""
        self._gap_s = gap_s
        self._tracks.change(TrackSettings(max_gap_s=gap_s))

    def reset(self) -> None:
        """Forget all tracks."""
        self._tracks.reset()

    def update(self, stamp_ns: int, seen: Seen, located: Sequence[LocatedObject]) -> tuple[TrackedObject, ...]:
        """Take the located objects of one picture in; see `ObjectTracks.update`."""
        if self._fixed_frame and not seen.fixed_frame:
            if 0 <= stamp_ns - self._placed_ns <= self._gap_s * 1e9:
                return self._in_the_picture(stamp_ns, located)
        if seen.fixed_frame != self._fixed_frame:
            self._fixed_frame = seen.fixed_frame
            self._tracks.reset()  # positions of another frame
        self._placed_ns = stamp_ns
        return tuple(self._tracks.update(stamp_ns, located, seen.camera_pose))

    def _in_the_picture(self, stamp_ns: int, located: Sequence[LocatedObject]) -> tuple[TrackedObject, ...]:
        """By boxes alone: a transform that comes late is no reason to take things for other ones."""
        nowhere, unknown = np.full(3, np.nan), np.full((3, 3), np.nan)
        boxes = [replace(one, position=nowhere, covariance=unknown) for one in located]
        tracked = zip(self._tracks.update(stamp_ns, boxes), located, strict=True)
        return tuple(replace(t, located=one, position=nowhere, covariance=unknown) for t, one in tracked)
