"""Recordings (rosbag2, MCAP): colour pictures with depth, camera model and the way up at their time."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.gravity import LEVEL_FRAMES, height_over, up_from_frames
from spatialvlm_ros.bags.images import depth_from_compressed, depth_from_image, rgb_from_compressed, rgb_from_image
from spatialvlm_ros.bags.reader import BagReader, open_bag
from spatialvlm_ros.bags.streams import TopicStream
from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.bag_index import (
    BagFrame,
    BagIndex,
    BagTopics,
    PictureStamp,
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
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.perception.capture import Capture

_log = logging.getLogger(__name__)

__all__ = ["BagCaptures", "BagTopics", "LostDepth"]


@dataclass(frozen=True)
class LostDepth:
    """Depth that was recorded with a picture and cannot be used.

    Attributes:
        reason: `captures.UNREADABLE_DEPTH` or `captures.DEPTH_NOT_REGISTERED`.
        detail: one sentence for people.
    """

    reason: str
    detail: str


@dataclass(frozen=True)
class BagCaptures:
    """The colour pictures of a recording, in the order of their stamps (`CaptureSource`).

    Depth of the nearest stamp within ``max_time_difference`` goes with a picture. Depth of another camera is
    reprojected by way of /tf; where the transform is missing the picture is skipped, never the depth stretched
    (`look` tells of such pictures without their depth).
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
    level_frames: Sequence[str] | str = LEVEL_FRAMES
    ground_frame: str | None = None
    licence: str = "unknown"
    name: str = "bag"

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        # One name is a text in YAML, and its letters are no frames.
        names = [self.level_frames] if isinstance(self.level_frames, str) else self.level_frames
        object.__setattr__(self, "level_frames", tuple(names))
        if self.max_time_difference < 0:
            raise ConfigError("max_time_difference is negative", self.max_time_difference, "Give seconds.")

    def __getstate__(self) -> dict[str, Any]:
        # The index is rebuilt where it is needed; the frame tree of an hour is large.
        return {name: value for name, value in self.__dict__.items() if name not in ("_streams", "_index")}

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
        pictures = {topic for topic in (index.topics.color, index.topics.depth) if topic is not None}
        self.__dict__["_streams"] = {topic: TopicStream(reader, topic) for topic in pictures}
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
        found, lost = self.look(index)
        if isinstance(found, SkippedView):
            return found
        if lost is not None:
            return SkippedView(found.name, lost.reason)
        if found.depth is None and self.need_depth:
            return SkippedView(found.name, reasons.NO_DEPTH)
        return found

    def look(self, index: int) -> tuple[Capture | SkippedView, LostDepth | None]:
        """One picture whether it has depth or not, and why depth that was recorded with it is not in it.

        For those who go on without depth; `capture` skips such a picture.
        """
        content = self._index
        frame = content.frames[index]
        name = f"{frame.stamp_ns:019d}"
        try:
            camera = self._camera(content.topics.color_info, content.topics.color)
            if camera is None and frame.depth is not None:
                return SkippedView(name, reasons.NO_CAMERA), None
            rgb = self._picture(content.topics.color, frame.log_ns, frame.stamp_ns, _RGB)
        except CameraModelError:
            return SkippedView(name, reasons.NO_CAMERA), None
        except ObservationError:
            return SkippedView(name, reasons.UNREADABLE_MESSAGE), None
        if camera is not None and (camera.width, camera.height) != (rgb.shape[1], rgb.shape[0]):
            return SkippedView(name, reasons.WRONG_CAMERA_SIZE), None
        depth = None if frame.depth is None or camera is None else self._depth(frame, frame.depth, camera)
        lost, depth = (depth, None) if isinstance(depth, LostDepth) else (None, depth)
        up, height = self._up(frame), self._height(frame)
        return Capture(rgb, name, camera, depth, up, height, frame.stamp_ns, frame.frame_id), lost

    def _picture(self, topic: str, log_ns: int, stamp_ns: int, converters: dict[str, Any]) -> Any:
        """One picture message of a topic as an array."""
        stream: TopicStream = self.__dict__["_streams"][topic]
        item = stream.at(log_ns, lambda found: time_of(found) == stamp_ns)
        if item is None:
            raise ObservationError(
                f"a message of {topic} cannot be found again", stamp_ns, "The recording has changed."
            )
        return converters[item.type_name](item.message)

    def _camera(self, info_topic: str | None, picture_topic: str) -> Camera | None:
        """The camera of a topic; None if its info was never recorded.

        Raises:
            CameraModelError: not calibrated.
        """
        return self._index.camera(info_topic, picture_topic)

    def _depth(self, frame: BagFrame, recorded: PictureStamp, camera: Camera) -> NDArray[np.float32] | LostDepth:
        """What was recorded, in the colour camera's pixels, or why there is nothing."""
        topic = self._index.topics.depth
        assert topic is not None  # it was recorded; tells the type checker
        try:
            metres = self._picture(topic, recorded.log_ns, recorded.stamp_ns, _DEPTH)
        except (DepthError, ObservationError) as error:
            return LostDepth(reasons.UNREADABLE_DEPTH, str(error))
        try:
            return self._registered(metres, frame, recorded, camera)
        except (CameraModelError, DepthError, TransformError) as error:
            return LostDepth(reasons.DEPTH_NOT_REGISTERED, str(error))

    def _registered(
        self, metres: NDArray[np.float32], frame: BagFrame, recorded: PictureStamp, camera: Camera
    ) -> NDArray[np.float32]:
        topics = self._index.topics
        same_frame = recorded.frame_id.lstrip("/") == frame.frame_id.lstrip("/")
        depth_camera = self._camera(topics.depth_info, str(topics.depth))
        if depth_camera is None:
            # Aligned topics of some drivers come without an info of their own.
            if not same_frame or metres.shape != (camera.height, camera.width):
                raise DepthError(
                    "depth of another frame or size came without its CameraInfo",
                    (recorded.frame_id, metres.shape[::-1]),
                    "Record it too, or depth that is aligned to the colour camera.",
                )
            return metres
        moved = Transform.identity() if same_frame else self._colour_from_depth(frame, recorded)
        return register_depth(metres, depth_camera, camera, moved)

    def _colour_from_depth(self, frame: BagFrame, recorded: PictureStamp) -> Transform:
        return self._index.transforms.lookup(frame.frame_id, recorded.frame_id, frame.stamp_ns)

    def _up(self, frame: BagFrame) -> NDArray[np.float64] | None:
        up = self._up_by_frames(frame)
        return self._up_by_imu(frame) if up is None else up

    def _up_by_frames(self, frame: BagFrame) -> NDArray[np.float64] | None:
        return up_from_frames(self._index.transforms, frame.frame_id, frame.stamp_ns, self.level_frames)

    def _up_by_imu(self, frame: BagFrame) -> NDArray[np.float64] | None:
        imu_frame, up = self._index.imu.nearest(frame.stamp_ns) or ("", None)
        if up is None:
            return None
        try:
            turned: NDArray[np.float64] = self._camera_from_imu(frame, imu_frame) @ up
            return turned
        except TransformError:
            return None

    def _camera_from_imu(self, frame: BagFrame, imu_frame: str) -> NDArray[np.float64]:
        """(3, 3) rotation; an IMU is screwed to its camera, so any time will do."""
        return self._index.transforms.lookup(frame.frame_id, imu_frame).rotation

    def _height(self, frame: BagFrame) -> float | None:
        if self.ground_frame is None:
            return None
        return height_over(self._index.transforms, frame.frame_id, self.ground_frame, frame.stamp_ns)


_RGB = {types.IMAGE: rgb_from_image, types.COMPRESSED_IMAGE: rgb_from_compressed}
_DEPTH = {types.IMAGE: depth_from_image, types.COMPRESSED_IMAGE: depth_from_compressed}
