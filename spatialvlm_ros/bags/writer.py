"""Writing rosbag2 recordings (MCAP) without ROS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.bags import messages
from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.bags.images import image_fields
from spatialvlm_ros.bags.own_messages import full_typestore
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.optional import require


class BagWriter:
    """Writes a rosbag2 folder (``metadata.yaml`` and one MCAP file) that ``ros2 bag play`` accepts.

    Example:
        >>> with BagWriter("recording") as bag:                             # doctest: +SKIP
        ...     bag.camera_info("/camera/color/camera_info", camera, stamp_ns=0, frame_id="camera")
        ...     bag.image("/camera/color/image_raw", rgb, "rgb8", stamp_ns=0, frame_id="camera")

    Args:
        path: folder to make; it must not exist.
        compressed: compress chunks with zstd.

    Raises:
        SourceError: the folder exists or cannot be made.
    """

    def __init__(self, path: str | Path, compressed: bool = False) -> None:
        rosbag2 = require("rosbags.rosbag2", "bags")
        self.path = Path(path)
        try:
            self._writer = rosbag2.Writer(self.path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
            if compressed:
                self._writer.set_compression(rosbag2.CompressionMode.STORAGE, rosbag2.CompressionFormat.ZSTD)
            self._writer.open()
        except (rosbag2.WriterError, OSError) as error:
            raise SourceError(
                f"the bag {self.path} cannot be written", str(error), "Choose a folder that does not exist yet."
            ) from error
        self._connections: dict[str, Any] = {}

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file: index, footer, metadata.yaml."""
        self._writer.close()

    def write(self, topic: str, message: Any, log_ns: int) -> None:
        """Any message made by `messages.make`; ``log_ns`` is the time of recording in nanoseconds."""
        store = messages.default_typestore()
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, kind, typestore=store)
        self._check_kind(topic, kind)
        self._writer.write(self._connections[topic], int(log_ns), store.serialize_cdr(message, kind))

    def write_serialized(self, topic: str, kind: str, data: bytes, log_ns: int, latched: bool = False) -> None:
        """A message as it came over the wire, of ROS or of this package.

        Args:
            topic: it came on.
            kind: its type, e.g. "spatialvlm_ros/msg/EstimateArray".
            data: CDR bytes with their header of 4 bytes.
            log_ns: time of recording in nanoseconds.
            latched: the topic keeps its last message for late subscribers; players then do so too.

        Raises:
            SourceError: an unknown type, or the topic already holds another one.
        """
        store = full_typestore()
        if kind not in store.types:
            raise SourceError("an unknown message type", kind, "Only those of ROS and of this package are known.")
        if topic not in self._connections:
            qos = (_latched(),) if latched else ()
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=store, offered_qos_profiles=qos
            )
        self._check_kind(topic, kind)
        self._writer.write(self._connections[topic], int(log_ns), data)

    def _check_kind(self, topic: str, kind: str) -> None:
        if self._connections[topic].msgtype != kind:
            raise SourceError(
                f"topic {topic} already holds another type", (self._connections[topic].msgtype, kind), "Use two topics."
            )

    def image(
        self,
        topic: str,
        pixels: NDArray[np.generic],
        encoding: str,
        stamp_ns: int,
        frame_id: str,
        log_ns: int | None = None,
    ) -> None:
        """A picture as sensor_msgs/Image. Depth: uint16 mm as "16UC1" or float32 m as "32FC1"."""
        header = messages.header(stamp_ns, frame_id)
        message = messages.make(messages.IMAGE, header=header, **image_fields(pixels, encoding))
        self.write(topic, message, _or(log_ns, stamp_ns))

    def compressed_image(
        self,
        topic: str,
        pixels: NDArray[np.generic],
        stamp_ns: int,
        frame_id: str,
        kind: str = "jpeg",
        log_ns: int | None = None,
    ) -> None:
        """A picture as sensor_msgs/CompressedImage.

        Args:
            pixels: (H, W, 3) uint8 RGB for "jpeg" and "png", (H, W) uint16 mm for "compressedDepth".
            kind: "jpeg", "png" or "compressedDepth".
        """
        encoded, text = _encode(pixels, kind)
        message = messages.make(
            messages.COMPRESSED_IMAGE, header=messages.header(stamp_ns, frame_id), format=text, data=encoded
        )
        self.write(topic, message, _or(log_ns, stamp_ns))

    def camera_info(self, topic: str, camera: Camera, stamp_ns: int, frame_id: str, log_ns: int | None = None) -> None:
        """The camera model as sensor_msgs/CameraInfo."""
        roi = messages.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        header = messages.header(stamp_ns, frame_id)
        message = messages.make(messages.CAMERA_INFO, header=header, roi=roi, **camera_info_fields(camera))
        self.write(topic, message, _or(log_ns, stamp_ns))

    def transform(
        self,
        parent: str,
        child: str,
        rotation: ArrayLike,
        translation: ArrayLike,
        stamp_ns: int,
        static: bool = False,
        log_ns: int | None = None,
    ) -> None:
        """One link of the frame tree on /tf or /tf_static; ``rotation`` is a quaternion x, y, z, w."""
        link = messages.transform(parent, child, np.asarray(rotation), np.asarray(translation), stamp_ns)
        message = messages.make(messages.TF, transforms=[link])
        self.write("/tf_static" if static else "/tf", message, _or(log_ns, stamp_ns))

    def imu(
        self,
        topic: str,
        acceleration: ArrayLike,
        stamp_ns: int,
        frame_id: str,
        orientation: ArrayLike | None = None,
        log_ns: int | None = None,
    ) -> None:
        """sensor_msgs/Imu with (3,) m/s^2 (at rest it points up) and, if known, a quaternion x, y, z, w."""
        known = orientation is not None
        quaternion = np.asarray(orientation if known else (0, 0, 0, 1), dtype=np.float64)
        zero = messages.make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
        measured = dict(zip("xyz", np.asarray(acceleration, dtype=np.float64).tolist(), strict=True))
        covariance = np.zeros(9)
        unknown = np.zeros(9)
        unknown[0] = -1.0  # the message's own way of saying "not measured"
        message = messages.make(
            messages.IMU,
            header=messages.header(stamp_ns, frame_id),
            orientation=messages.make(
                "geometry_msgs/msg/Quaternion", **dict(zip("xyzw", quaternion.tolist(), strict=True))
            ),
            orientation_covariance=covariance if known else unknown,
            angular_velocity=zero,
            angular_velocity_covariance=unknown,
            linear_acceleration=messages.make("geometry_msgs/msg/Vector3", **measured),
            linear_acceleration_covariance=covariance,
        )
        self.write(topic, message, _or(log_ns, stamp_ns))


def _latched() -> Any:
    """What a publisher of /tf_static offers."""
    kinds = require("rosbags.interfaces", "bags")
    for_ever = kinds.QosTime(0x7FFFFFFF, 0xFFFFFFFF)
    return kinds.Qos(
        kinds.QosHistory.KEEP_LAST,
        1,
        kinds.QosReliability.RELIABLE,
        kinds.QosDurability.TRANSIENT_LOCAL,
        deadline=for_ever,
        lifespan=for_ever,
        liveliness=kinds.QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=for_ever,
        avoid_ros_namespace_conventions=False,
    )


def _or(log_ns: int | None, stamp_ns: int) -> int:
    return stamp_ns if log_ns is None else log_ns


def _encode(pixels: NDArray[np.generic], kind: str) -> tuple[NDArray[np.uint8], str]:
    if kind == "compressedDepth":
        if pixels.dtype != np.uint16 or pixels.ndim != 2:
            raise SourceError("compressedDepth holds uint16 mm", (pixels.dtype.name, pixels.shape), "Convert it first.")
        png = cv2.imencode(".png", np.asarray(pixels, np.uint16))[1].reshape(-1)
        return np.concatenate([np.zeros(12, np.uint8), png]), "16UC1; compressedDepth png"
    if kind not in ("jpeg", "png"):
        raise SourceError("unknown compression of a picture", kind, "Use jpeg, png or compressedDepth.")
    bgr = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    return cv2.imencode(f".{kind}", bgr)[1].reshape(-1), f"rgb8; {kind} compressed bgr8"
