"""Recordings (rosbag2, MCAP): colour pictures with depth, camera model and the way up at their time."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.gravity import LEVEL_FRAMES, height_over, up_from_frames, up_from_imu
from spatialvlm_ros.bags.images import depth_from_compressed, depth_from_image, rgb_from_compressed, rgb_from_image
from spatialvlm_ros.bags.reader import BagReader, open_bag
from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.bag_index import (
    BagFrame,
    BagIndex,
    BagTopics,
    build_index,
    discover_topics,
    time_of,
)
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import (
    CameraModelError,
    ConfigError,
    DepthError,
    ObservationError,
    SourceError,
    TransformError,
)
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.registration import register_depth
from spatialvlm_ros.perception.capture import Capture

_log = logging.getLogger(__name__)

__all__ = ["BagCaptures", "BagTopics"]


@dataclass(frozen=True)
class BagCaptures:
    """The colour pictures of a recording, in the order of their stamps (`CaptureSource`).

    Depth of the nearest stamp within ``max_time_difference`` goes with a picture. Depth of another camera is
    reprojected by way of /tf; where the transform is missing the picture is skipped, never the depth stretched.
    A recording that was cut off gives what is there; ``problems`` says what was lost.

    Attributes:
        path: rosbag2 folder, .mcap, .db3 or ROS 1 .bag.
        topics: None looks for one colour topic, its depth and camera info.
        max_time_difference: seconds between colour and depth.
        need_depth: skip pictures without depth; False leaves them to a depth model.
        level_frames: frames with a vertical z axis, the first one known wins.
        ground_frame: frame on the ground under the camera (e.g. base_footprint); gives the camera height.
        licence: of the pictures.
    """

    path: Path
    topics: BagTopics | None = None
    max_time_difference: float = 0.03
    need_depth: bool = True
    level_frames: tuple[str, ...] = LEVEL_FRAMES
    ground_frame: str | None = None
    licence: str = "unknown"
    name: str = "bag"

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "level_frames", tuple(self.level_frames))
        if self.max_time_difference < 0:
            raise ConfigError("max_time_difference is negative", self.max_time_difference, "Give seconds.")

    def __getstate__(self) -> dict[str, Any]:
        # The index is rebuilt where it is needed; the frame tree of an hour is large.
        return {name: value for name, value in self.__dict__.items() if name not in ("_reader", "_index")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __len__(self) -> int:
        return len(self._index.frames)

    @property
    def problems(self) -> dict[str, int]:
        """What could not be read, by reason."""
        return dict(self._index.problems)

    @functools.cached_property
    def _index(self) -> BagIndex:
        reader = open_bag(self.path)
        try:
            index = build_index(reader, self._topics_of(reader), self.max_time_difference)
        except SourceError as error:  # whole at its end, but damaged in the middle
            _log.warning("%s Reading what is there.", error)
            reader = open_bag(self.path, salvage=True)
            index = build_index(reader, self._topics_of(reader), self.max_time_difference)
        self.__dict__["_reader"] = reader
        if index.problems:
            lost = ", ".join(f"{count} x {reason}" for reason, count in sorted(index.problems.items()))
            _log.warning("Recording %s is damaged: %s; %d pictures read.", self.path, lost, len(index.frames))
        if not index.frames:
            raise SourceError(
                f"the recording {self.path} has no picture on {index.topics.color}",
                sorted(reader.topics.items()),
                "Name the colour topic under topics.",
            )
        return index

    def _topics_of(self, reader: BagReader) -> BagTopics:
        return self.topics or discover_topics(reader.topics)

    def capture(self, index: int) -> Capture | SkippedView:
        content = self._index
        frame = content.frames[index]
        name = f"{frame.stamp_ns:019d}"
        try:
            camera = self._camera(content.topics.color_info, content.topics.color)
            if camera is None and frame.depth is not None:
                return SkippedView(name, reasons.NO_CAMERA)
            rgb = self._picture(content.topics.color, frame.log_ns, frame.stamp_ns, _RGB)
            if camera is not None and (camera.width, camera.height) != (rgb.shape[1], rgb.shape[0]):
                return SkippedView(name, reasons.WRONG_CAMERA_SIZE)
            depth = None if frame.depth is None or camera is None else self._depth(frame, camera)
        except (TransformError, _NotRegistered):
            return SkippedView(name, reasons.DEPTH_NOT_REGISTERED)
        except CameraModelError:
            return SkippedView(name, reasons.NO_CAMERA)
        except DepthError:
            return SkippedView(name, reasons.UNREADABLE_DEPTH)
        except ObservationError:
            return SkippedView(name, reasons.UNREADABLE_MESSAGE)
        if depth is None and self.need_depth:
            return SkippedView(name, reasons.NO_DEPTH)
        return Capture(rgb, name, camera, depth, self._up(frame), self._height(frame), frame.stamp_ns, frame.frame_id)

    def _picture(self, topic: str, log_ns: int, stamp_ns: int, converters: dict[str, Any]) -> Any:
        """One picture message of a topic as an array."""
        reader: BagReader = self.__dict__["_reader"]
        for item in reader.messages([topic], log_ns, log_ns + 1):
            if time_of(item) == stamp_ns:
                return converters[item.type_name](item.message)
        raise ObservationError(f"a message of {topic} cannot be found again", stamp_ns, "The recording has changed.")

    def _camera(self, info_topic: str | None, picture_topic: str) -> Camera | None:
        """The camera of a topic; None if its info was never recorded.

        Raises:
            CameraModelError: not calibrated.
        """
        return self._index.camera(info_topic, picture_topic)

    def _depth(self, frame: BagFrame, camera: Camera) -> NDArray[np.float32]:
        content = self._index
        topics = content.topics
        assert frame.depth is not None and topics.depth is not None  # asked before; tells the type checker
        depth = self._picture(topics.depth, frame.depth.log_ns, frame.depth.stamp_ns, _DEPTH)
        depth_camera = self._camera(topics.depth_info, topics.depth)
        same_frame = frame.depth.frame_id == frame.frame_id
        if depth_camera is None and same_frame and depth.shape == (camera.height, camera.width):
            depth_camera = camera  # aligned topics of some drivers come without an info of their own
        if depth_camera is None or (depth_camera.height, depth_camera.width) != depth.shape:
            raise _NotRegistered
        if same_frame and depth_camera == camera:
            return depth
        transform = content.transforms.lookup(frame.frame_id, frame.depth.frame_id, frame.stamp_ns)
        try:
            return register_depth(depth, depth_camera, camera, transform)
        except DepthError as error:  # nothing of it is before the colour camera: the transform is wrong
            raise _NotRegistered from error

    def _up(self, frame: BagFrame) -> NDArray[np.float64] | None:
        up = up_from_frames(self._index.transforms, frame.frame_id, frame.stamp_ns, self.level_frames)
        return self._up_by_imu(frame) if up is None else up

    def _up_by_imu(self, frame: BagFrame) -> NDArray[np.float64] | None:
        nearest = self._index.nearest_imu(frame.stamp_ns)
        if nearest is None:
            return None
        try:
            return up_from_imu(nearest, self._camera_from_imu(frame, nearest.header.frame_id))
        except TransformError:
            return None

    def _camera_from_imu(self, frame: BagFrame, imu_frame: str) -> NDArray[np.float64]:
        """(3, 3) rotation; an IMU is screwed to its camera, so any time will do."""
        return self._index.transforms.lookup(frame.frame_id, imu_frame).rotation

    def _height(self, frame: BagFrame) -> float | None:
        if self.ground_frame is None:
            return None
        return height_over(self._index.transforms, frame.frame_id, self.ground_frame, frame.stamp_ns)


class _NotRegistered(Exception):
    """Depth and colour cannot be brought together."""


_RGB = {types.IMAGE: rgb_from_image, types.COMPRESSED_IMAGE: rgb_from_compressed}
_DEPTH = {types.IMAGE: depth_from_image, types.COMPRESSED_IMAGE: depth_from_compressed}
