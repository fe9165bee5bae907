"""The pictures of a ROS recording with what the node would have known of them: the camera's way, the vertical."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.gravity import height_over, up_from_frames
from spatialvlm_ros.datasets.sources.bag import BagCaptures
from spatialvlm_ros.datasets.sources.bag_index import BagFrame, BagIndex, PictureStamp
from spatialvlm_ros.geometry.named_frames import TOLERANCE_NS, MissingFrame, named_frame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.rewards.recordings.camera_path import CameraPath, camera_path

Float = NDArray[np.float64]


def _in_lower_case(info: Any) -> Any:
    """A CameraInfo of ROS 1, whose fields are D, K, R and P, as one of ROS 2."""
    if hasattr(info, "k"):
        return info
    return SimpleNamespace(**{name.lower(): getattr(info, name) for name in info.__dataclass_fields__})


@dataclass(frozen=True)
class SequentialPictures(BagCaptures):
    """`BagCaptures` as the node would have seen them.

    Attributes:
        use_tf: whether /tf tells where the camera is; without it the camera is taken to stand still.
        imu_first: whether an IMU tells the vertical before /tf, as in the node.
    """

    use_tf: bool = True
    imu_first: bool = False

    @functools.cached_property
    def _index(self) -> BagIndex:
        index: BagIndex = super()._index
        index.infos = {topic: _in_lower_case(info) for topic, info in index.infos.items()}
        return index

    @functools.cached_property
    def camera_path(self) -> CameraPath:
        """Where the camera is, by the frames that stand still.

        As in the node, a support plane comes last: it may drive along with the robot (base_footprint).
        """
        if not self.use_tf:
            return CameraPath((None,) * len(self))
        ground = self.ground_frame
        still = [frame for frame in self.level_frames if frame != ground]
        return camera_path(self._index.transforms, self._index.frames, [*still, *([ground] if ground else [])])

    def times(self) -> list[tuple[int, int]]:
        """Stamp and time of recording of each picture, nanoseconds."""
        return [(frame.stamp_ns, frame.log_ns) for frame in self._index.frames]

    def frames_known(self) -> tuple[str, ...]:
        """The names of all frames of /tf."""
        return self._index.transforms.frames()

    def without(self, frame_name: str) -> int:
        """In how many pictures /tf does not tell where a frame is."""
        return sum(isinstance(self.place_of(frame_name, number), MissingFrame) for number in range(len(self)))

    def place_of(self, frame_name: str, number: int) -> Float | MissingFrame:
        """(3,) origin of a frame in the optical frame of a picture, metres, or why /tf does not tell it then."""
        index = self._index
        picture = index.frames[number]

        def lookup(name: str) -> Transform:
            """As the node: /tf may end a little before the picture."""
            return index.transforms.lookup(picture.frame_id, name, picture.stamp_ns, TOLERANCE_NS)

        found = named_frame(frame_name, self.use_tf, lookup)
        return found if isinstance(found, MissingFrame) else found.translation.copy()

    def _up(self, frame: BagFrame) -> Float | None:
        up = self._up_by_imu(frame) if self.imu_first else None
        return super()._up(frame) if up is None else up

    def _up_by_frames(self, frame: BagFrame) -> Float | None:
        """As the node: /tf may end a little before the picture, here and below."""
        return up_from_frames(self._index.transforms, frame.frame_id, frame.stamp_ns, self.level_frames, TOLERANCE_NS)

    def _height(self, frame: BagFrame) -> float | None:
        if self.ground_frame is None:
            return None
        return height_over(self._index.transforms, frame.frame_id, self.ground_frame, frame.stamp_ns, TOLERANCE_NS)

    def _colour_from_depth(self, frame: BagFrame, recorded: PictureStamp) -> Transform:
        """As the node: at the time of the depth, which may be a little before or after what /tf tells."""
        return self._index.transforms.lookup(frame.frame_id, recorded.frame_id, recorded.stamp_ns, TOLERANCE_NS)

    def _camera_from_imu(self, frame: BagFrame, imu_frame: str) -> Float:
        """As the node: at the time of the picture, for an IMU in the body of a robot that turns its head."""
        return self._index.transforms.lookup(frame.frame_id, imu_frame, frame.stamp_ns, TOLERANCE_NS).rotation
