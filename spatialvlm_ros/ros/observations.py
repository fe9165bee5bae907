"""Messages of one camera to an `Observation`: pixels, camera model, registered depth, the vertical, the gripper.

Nothing is guessed and nothing is resized: what does not fit is left out or refused, with a reason. No rclpy in here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.camera_info import camera_from_info, named_rectified
from spatialvlm_ros.bags.images import (
    depth_from_compressed,
    depth_from_image,
    rgb_from_compressed,
    rgb_from_image,
)
from spatialvlm_ros.errors import CameraModelError, DepthError, ObservationError, SpatialVLMError, TransformError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.registration import register_depth
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.ros.bearings import Bearings
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.transform_store import TransformStore
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]


class FrameRefusedError(SpatialVLMError):
    """No observation can be made of these messages.

    Attributes:
        reason: what an answer says.
        fault_name: what is counted.
    """

    def __init__(self, fault_name: str, reason: Reason, error: SpatialVLMError) -> None:
        super().__init__(str(error).removesuffix("."))
        self.fault_name, self.reason = fault_name, reason


@dataclass(frozen=True)
class CameraMessages:
    """What belongs together, as it came.

    Attributes:
        image, info, depth, depth_info: messages; all but the image may be None.
        received: monotonic seconds at which the last of them arrived.
    """

    image: Any
    info: Any = None
    depth: Any = None
    depth_info: Any = None
    received: float = 0.0

    @property
    def stamp_ns(self) -> int:
        """Of the picture."""
        return nanoseconds(self.image.header.stamp)


@dataclass(frozen=True)
class Seen:
    """An observation, and what the node knows beside it.

    Attributes:
        gripper: (3,) tool centre point in the optical frame, metres, or None.
        fixed_frame: name of a frame that stands still, and ``camera_pose``, which takes points of the optical frame
            into it; "" and None where none is known.
        faults: what was wrong but could be left out: name -> sentence.
    """

    observation: Observation
    gripper: Float | None = None
    fixed_frame: str = ""
    camera_pose: Transform | None = None
    faults: dict[str, str] = field(default_factory=dict)


def in_frame(seen: Seen, transforms: TransformStore, target_frame: str, stamp_ns: int) -> Transform:
    """Takes points of the optical frame into the frame that numbers are published in.

    Raises:
        TransformError: the frames are not linked at that time.
    """
    optical = seen.observation.frame_id
    if not target_frame or target_frame == optical:
        return Transform.identity()
    if target_frame == seen.fixed_frame and seen.camera_pose is not None:
        return seen.camera_pose
    try:
        return transforms.lookup(target_frame, optical, stamp_ns)
    except TransformError:
        if seen.camera_pose is None:
            raise
        return transforms.lookup(target_frame, seen.fixed_frame, stamp_ns) @ seen.camera_pose


def nanoseconds(stamp: Any) -> int:
    """Of a builtin_interfaces/Time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


class ObservationBuilder:
    """Makes observations for one camera.

    Args:
        settings: of the node.
        transforms: what is known of the frames.
        image_topic, depth_topic: their resolved names tell whether pictures are rectified (``rectified: auto``).

    Attributes:
        imu: is given the messages of the IMU.
    """

    def __init__(
        self,
        settings: Settings,
        transforms: TransformStore,
        image_topic: str = "image",
        depth_topic: str = "depth",
    ) -> None:
        self._transforms = transforms
        self._rectified, self._depth_rectified = (_is_rectified(settings, name) for name in (image_topic, depth_topic))
        self._bearings = Bearings(settings, transforms)
        self.imu = self._bearings.imu

    def build(self, messages: CameraMessages) -> Seen:
        """One observation.

        Raises:
            FrameRefusedError: the picture cannot be read, or its camera is not known.
        """
        image = messages.image
        rgb = _picture(image)
        camera = self._camera(messages.info, rgb.shape[1], rgb.shape[0])
        frame, stamp = image.header.frame_id.lstrip("/"), messages.stamp_ns
        faults: dict[str, str] = {}
        depth = self._depth(messages, camera, frame, faults)
        found = self._bearings.of(frame, stamp)
        faults.update(found.faults)
        observation = Observation(rgb, camera, depth, found.up, found.height, stamp, frame or "camera")
        return Seen(observation, found.gripper, found.fixed_frame, found.camera_pose, faults)

    # ---- camera ----

    def _camera(self, info: Any, width: int, height: int) -> Camera:
        try:
            if info is None:
                raise CameraModelError("no CameraInfo has come", remedy="Is camera_info remapped to the camera's?")
            camera = _camera_of(_Info.of(info), self._rectified)
            if (camera.width, camera.height) != (width, height):
                raise CameraModelError(
                    f"a picture of {width}x{height} came with the CameraInfo of another size",
                    (camera.width, camera.height),
                    "Is it the CameraInfo of this topic?",
                )
        except SpatialVLMError as error:
            raise FrameRefusedError("camera_info", Reason.NO_CAMERA_INFO, error) from error
        return camera

    # ---- depth ----

    def _depth(
        self, messages: CameraMessages, camera: Camera, frame: str, faults: dict[str, str]
    ) -> NDArray[np.float32] | None:
        """Depth in the colour camera's pixels, or None with the fault noted."""
        if messages.depth is None:
            return None
        try:
            metres = _depth_picture(messages.depth)
        except SpatialVLMError as error:
            faults["depth_unreadable"] = str(error)
            return None
        try:
            return self._registered(metres, messages, camera, frame)
        except SpatialVLMError as error:
            faults[Reason.DEPTH_NOT_REGISTERED.value] = str(error)
            return None

    def _registered(
        self, metres: NDArray[np.float32], messages: CameraMessages, camera: Camera, frame: str
    ) -> NDArray[np.float32]:
        depth_frame = messages.depth.header.frame_id.lstrip("/")
        if messages.depth_info is None:
            same = depth_frame == frame and metres.shape == (camera.height, camera.width)
            if not same:
                raise DepthError(
                    "depth of another frame or size came without its CameraInfo",
                    (depth_frame, metres.shape[::-1]),
                    "Remap depth_camera_info, or give depth that is aligned to the colour camera.",
                )
            return metres
        depth_camera = _camera_of(_Info.of(messages.depth_info), self._depth_rectified)
        stamp = nanoseconds(messages.depth.header.stamp)
        pose = Transform.identity() if depth_frame == frame else self._transforms.lookup(frame, depth_frame, stamp)
        return register_depth(metres, depth_camera, camera, pose)


def _is_rectified(settings: Settings, topic: str) -> bool:
    return named_rectified(topic) if settings.rectified == "auto" else settings.rectified == "true"


# ---- pixels ----


def _picture(message: Any) -> NDArray[np.uint8]:
    compressed = hasattr(message, "format")
    try:
        return rgb_from_compressed(message) if compressed else _rgb_or_rare(message)
    except SpatialVLMError as error:
        raise FrameRefusedError("picture_unreadable", Reason.MODEL_ERROR, error) from error
    except (TypeError, ValueError, BufferError) as error:  # fields of impossible values
        fault = ObservationError("an image message cannot be read", str(error), "Skip this message.")
        raise FrameRefusedError("picture_unreadable", Reason.MODEL_ERROR, fault) from error


def _rgb_or_rare(message: Any) -> NDArray[np.uint8]:
    """The common encodings here, the rare ones (Bayer, YUV) by cv_bridge where the distribution brings one."""
    try:
        return rgb_from_image(message)
    except ObservationError:
        convert = _cv_bridge()
        if convert is None or message.encoding.startswith(("16UC1", "32F", "64F")):
            raise
        try:
            return np.ascontiguousarray(convert(message, "rgb8"), dtype=np.uint8)
        except Exception as error:
            raise ObservationError(
                "cv_bridge cannot convert the picture either", f"{message.encoding}: {error}", "Convert the topic."
            ) from error


@lru_cache(maxsize=1)
def _cv_bridge() -> Callable[[Any, str], Any] | None:
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        return bridge.imgmsg_to_cv2 if hasattr(bridge, "imgmsg_to_cv2") else None
    except Exception:  # noqa: BLE001  ROS 1 code on PyPI and builds against another NumPy fail in many ways
        return None


def _depth_picture(message: Any) -> NDArray[np.float32]:
    try:
        return depth_from_compressed(message) if hasattr(message, "format") else depth_from_image(message)
    except (TypeError, ValueError, BufferError) as error:
        raise DepthError("a depth message cannot be read", str(error), "Skip this message.") from error


# ---- camera models, kept while the driver repeats itself ----


@dataclass(frozen=True)
class _Region:
    x_offset: int
    y_offset: int
    height: int
    width: int


@dataclass(frozen=True)
class _Info:
    """The fields of a CameraInfo by value, so that equal messages have one camera model (and its cached rays)."""

    height: int
    width: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    p: tuple[float, ...]
    binning_x: int
    binning_y: int
    roi: _Region

    @staticmethod
    def of(message: Any) -> _Info:
        roi = message.roi
        return _Info(
            int(message.height),
            int(message.width),
            str(message.distortion_model),
            tuple(map(float, message.d)),
            tuple(map(float, message.k)),
            tuple(map(float, message.p)),
            int(message.binning_x),
            int(message.binning_y),
            _Region(int(roi.x_offset), int(roi.y_offset), int(roi.height), int(roi.width)),
        )


@lru_cache(maxsize=32)
def _camera_of(info: Any, rectified: bool) -> Camera:
    return camera_from_info(info, rectified)
