"""The message types that this package writes to and reads from bags, made by `rosbags` (no ROS needed)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMU = "sensor_msgs/msg/Imu"
TF = "tf2_msgs/msg/TFMessage"

NANOSECONDS = 1_000_000_000


@functools.cache
def default_typestore() -> Typestore:
    """Definitions of ROS 2 Jazzy, used for writing and for bags that hold no definitions."""
    typesys = require("rosbags.typesys", "bags")
    return typesys.get_typestore(typesys.Stores.ROS2_JAZZY)


def make(type_name: str, **fields: Any) -> Any:
    """A message of that type from its fields."""
    types = default_typestore().types
    if type_name not in types:
        raise SourceError("an unknown message type", type_name, "Use the names in bags/messages.py.")
    return types[type_name](**fields)


def header(stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/msg/Header from nanoseconds."""
    seconds, nanoseconds = divmod(int(stamp_ns), NANOSECONDS)
    stamp = make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def stamp_ns(message: Any) -> int:
    """The header stamp of a message in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def transform(
    parent: str, child: str, rotation: np.ndarray, translation: np.ndarray, stamp: int, frame_prefix: str = ""
) -> Any:
    """geometry_msgs/msg/TransformStamped.

    Args:
        parent, child: frame names; the transform takes child coordinates into the parent.
        rotation: (4,) quaternion x, y, z, w.
        translation: (3,) metres.
        stamp: nanoseconds.
        frame_prefix: put before both names.
    """
    quaternion = make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", map(float, rotation), strict=True)))
    offset = make("geometry_msgs/msg/Vector3", **dict(zip("xyz", map(float, translation), strict=True)))
    return make(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp, frame_prefix + parent),
        child_frame_id=frame_prefix + child,
        transform=make("geometry_msgs/msg/Transform", translation=offset, rotation=quaternion),
    )
