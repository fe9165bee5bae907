"""Located objects over time: stable ids, and smoothed positions with their covariance.

    tracks = ObjectTracks()
    for observation in frames:
        seen = tracks.update(observation.stamp, [view.locate(name) for name in names])

A track belongs to a name. Two names that point at the same place get two ids: which of them is right is not decided
here. In one frame a name stands for one object; of several answers with the same name the one with the best score
counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import count

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError, QueryError
from spatialvlm_ros.geometry.boxes2d import overlaps
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.tracking.position_state import Motion, PositionState, SeenPosition

Float = NDArray[np.float64]

_MOST_PIXELS = 1e6


@dataclass(frozen=True)
class TrackSettings:
    """Parameters of `ObjectTracks`.

    Attributes:
        max_gap_s: an object that was not seen for longer gets a new id.
        max_speed: m/s by which things are moved; a jump is judged by the time that it had.
        max_deviations: a position further off than this (Mahalanobis, after the possible way) is another place.
        min_iou: overlap with the last box from which a box is the same place.
        confirm_frames: so many frames have to agree on another place before it gets a new id.
        shared_range_share: share 0..1 of the variance along the ray that all frames have in common.
        acceleration, speed, correlated_share, correlation_time_s, claim_time_s: as in `FilterSettings`.

    Raises:
        ConfigError: a value is out of its range.
    """

    max_gap_s: float = 3.0
    max_speed: float = 1.0
    max_deviations: float = 4.0
    min_iou: float = 0.3
    confirm_frames: int = 2
    shared_range_share: float = 0.8
    acceleration: float = 0.3
    speed: float = 0.1
    correlated_share: float = 0.9
    correlation_time_s: float = 5.0
    claim_time_s: float = 1.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not value >= 0:  # also refuses NaN
                raise ConfigError(f"{entry.name} is not a number of at least 0", value, "Change the tracks' settings.")
        for name in ("shared_range_share", "correlated_share", "min_iou"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} is more than 1", getattr(self, name), "It is a share, 0 to 1.")
        for name in ("max_gap_s", "max_deviations", "correlation_time_s", "claim_time_s", "confirm_frames"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} is 0", 0, "Pass a positive value.")

    def motion(self) -> Motion:
        """The part that is about one position."""
        return Motion(self.acceleration, self.speed, self.correlated_share, self.correlation_time_s, self.claim_time_s)


@dataclass(frozen=True)
class TrackedObject:
    """An object at the time of the last frame.

    Attributes:
        track_id: counts up from 1 and is never given twice; -1 while there is no track.
        name: as it was asked for.
        valid, reason: as in `Estimate`; valid also while it is out of sight for at most `max_gap_s`, then `stale`.
        position: (3,) metres, smoothed, in the fixed frame where camera poses were given, else in the optical frame;
            NaN when unknown.
        covariance: (3, 3) m^2, one variance along the ray and one across it; smoothing does not shrink the shared
            error along the ray.
        box2d: (4,) x0, y0, x1, y1 pixels in this frame; NaN when it was not seen in it.
        age_s: seconds since it was last seen; inf if never.
        updates: frames in which it was seen as this track.
        located: the answer of this frame.
    """

    track_id: int
    name: str
    valid: bool
    reason: Reason
    age_s: float
    updates: int
    located: LocatedObject
    position: Float = field(default_factory=lambda: np.full(3, np.nan))
    covariance: Float = field(default_factory=lambda: np.full((3, 3), np.nan))
    box2d: Float = field(default_factory=lambda: np.full(4, np.nan))


@dataclass
class _Elsewhere:
    """Another place where the object was seen, not yet believed."""

    seen: _Seen
    stamp_ns: int
    frames: int


@dataclass
class _Track:
    track_id: int
    stamp_ns: int
    box: Float | None
    position: PositionState | None
    updates: int = 1
    elsewhere: _Elsewhere | None = None


@dataclass(frozen=True)
class _Seen:
    """The usable part of a `LocatedObject`."""

    box: Float | None
    position: SeenPosition | None


class ObjectTracks:
    """One track per name.

    Args:
        settings: see there.
        ids: where the ids come from, if several must not give the same ones; else they count up from 1.
    """

    def __init__(self, settings: TrackSettings | None = None, ids: Iterator[int] | None = None) -> None:
        self.change(settings or TrackSettings())
        self._tracks: dict[str, _Track] = {}
        self._stamp_ns: int | None = None
        self._ids = count(1) if ids is None else ids

    def change(self, settings: TrackSettings) -> None:
        """Go on with other settings; the tracks stay what they are."""
        self.settings = settings
        self._motion = settings.motion()

    def reset(self) -> None:
        """Forget all tracks. Ids go on counting, so none is mistaken for an older one."""
        self._tracks, self._stamp_ns = {}, None

    def update(
        self, stamp_ns: int, located: Sequence[LocatedObject], camera: Transform | None = None
    ) -> list[TrackedObject]:
        """Take the located objects of one frame in.

        Args:
            stamp_ns: of the frame, in nanoseconds of any clock. Earlier than the last frame: all is forgotten first.
                The same: it is the same frame, and counts once.
            located: of the frame; invalid ones only let time pass.
            camera: takes points of the optical frame into a fixed frame. Without it the camera is taken to stand still.

        Returns:
            One `TrackedObject` per located object.

        Raises:
            QueryError: the stamp is not an integer.
        """
        if not isinstance(stamp_ns, (int, np.integer)):
            raise QueryError("a stamp is an integer of nanoseconds", stamp_ns, "Convert seconds: int(seconds * 1e9).")
        stamp = int(stamp_ns)
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self.reset()
        self._stamp_ns = stamp
        pose = camera or Transform.identity()
        for one in _best_of_each_name(located):
            seen = _usable(one, pose, self.settings)
            if seen is not None:
                self._take(one.name, stamp, seen)
        return [self._written(stamp, one) for one in located]

    def _take(self, name: str, stamp: int, seen: _Seen) -> None:
        track = self._tracks.get(name)
        if track is None or (stamp - track.stamp_ns) * 1e-9 > self.settings.max_gap_s:
            self._begin(name, stamp, seen)
        elif stamp == track.stamp_ns:
            return
        elif self._same_place(track, stamp, seen):
            self._continue(track, stamp, seen)
        elif self._confirmed(track, stamp, seen):
            self._begin(name, stamp, seen)

    def _begin(self, name: str, stamp: int, seen: _Seen) -> None:
        position = None if seen.position is None else PositionState(seen.position, self._motion)
        self._tracks[name] = _Track(next(self._ids), stamp, seen.box, position)

    def _continue(self, track: _Track, stamp: int, seen: _Seen) -> None:
        seconds = (stamp - track.stamp_ns) * 1e-9
        settings = self.settings
        if seen.position is not None and track.position is not None:
            track.position.correct(seen.position, seconds, settings.max_speed * seconds, settings.max_deviations)
        elif seen.position is not None:
            track.position = PositionState(seen.position, self._motion)
        elif track.position is not None:
            track.position.predict(seconds)
        track.box = seen.box if seen.box is not None else track.box
        track.stamp_ns, track.updates, track.elsewhere = stamp, track.updates + 1, None

    def _same_place(self, track: _Track, stamp: int, seen: _Seen) -> bool:
        """In 3D or in the picture."""
        seconds = (stamp - track.stamp_ns) * 1e-9
        if track.box is not None and seen.box is not None:
            if overlaps(track.box[None], seen.box[None])[0, 0] >= self.settings.min_iou:
                return True
        if track.position is not None and seen.position is not None:
            way = self.settings.max_speed * seconds
            return track.position.deviations_to(seen.position, seconds, way) <= self.settings.max_deviations
        return track.box is None or seen.box is None  # one is known in 3D only, the other in the picture only

    def _confirmed(self, track: _Track, stamp: int, seen: _Seen) -> bool:
        """Count the frames that agree on another place."""
        frames = 1
        before = track.elsewhere
        if before is not None:
            if stamp == before.stamp_ns:
                return False
            position = None if before.seen.position is None else PositionState(before.seen.position, self._motion)
            if self._same_place(_Track(-1, before.stamp_ns, before.seen.box, position), stamp, seen):
                frames = before.frames + 1
        track.elsewhere = _Elsewhere(seen, stamp, frames)
        return frames >= self.settings.confirm_frames

    def _written(self, stamp: int, one: LocatedObject) -> TrackedObject:
        track = self._tracks.get(one.name)
        if track is None:
            reason = one.reason if not one.valid else Reason.MODEL_ERROR
            return TrackedObject(-1, one.name, False, reason, float("inf"), 0, one)
        age = (stamp - track.stamp_ns) * 1e-9
        if age > self.settings.max_gap_s:
            return TrackedObject(-1, one.name, False, Reason.STALE, age, 0, one)
        position, covariance = np.full(3, np.nan), np.full((3, 3), np.nan)
        if track.position is not None:
            position, covariance = track.position.after(age)
        box = np.full(4, np.nan) if age > 0 or track.box is None else track.box.copy()
        return TrackedObject(
            track.track_id, one.name, True, Reason.OK, age, track.updates, one, position, covariance, box
        )


def _best_of_each_name(located: Sequence[LocatedObject]) -> list[LocatedObject]:
    best: dict[str, LocatedObject] = {}
    for one in located:
        if one.valid and (one.name not in best or one.score > best[one.name].score):
            best[one.name] = one
    return list(best.values())


def _usable(one: LocatedObject, camera: Transform, settings: TrackSettings) -> _Seen | None:
    """What is usable of it; None if nothing is."""
    box = np.asarray(one.box2d, dtype=np.float64)
    given = bool((np.abs(box) <= _MOST_PIXELS).all() and (box[2:] > box[:2]).all())
    position = SeenPosition.of(one.position, one.covariance, camera, settings.shared_range_share)
    if not given and position is None:
        return None
    return _Seen(box.copy() if given else None, position)
