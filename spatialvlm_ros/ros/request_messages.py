"""What a client asks, as messages: queries, pictures, cameras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import ObjectRef, Query, Region
from spatialvlm_ros.ros.image_messages import image_message
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.query_text import read_query


def as_queries(queries: Sequence[Query | str]) -> list[Query]:
    """Queries, of lines ``relation: subject | reference`` too.

    Raises:
        ConfigError: a line is no query.
    """
    return [read_query(query) if isinstance(query, str) else query for query in queries]


def object_text(thing: ObjectRef | None) -> str:
    """An object as messages name it; `query_text.read_object` reads it back."""
    if isinstance(thing, Region):
        pixels = ", ".join(f"{p:g}" for p in thing.pixels)
        return f"[{pixels}] {thing.name}".rstrip()
    return thing or ""


def query_message(query: Query) -> Any:
    """``spatialvlm_ros/msg/Query``."""
    subject, reference = object_text(query.subject), object_text(query.reference)
    return interfaces().msg.Query(subject=subject, reference=reference, relation=query.kind.value)


def picture_message(rgb: NDArray[np.uint8]) -> Any:
    """sensor_msgs/Image of a picture.

    Args:
        rgb: (H, W, 3) uint8.

    Raises:
        ObservationError: it is no such picture.
    """
    pixels = np.asarray(rgb)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ObservationError("this is no colour picture", (pixels.dtype, pixels.shape), "Pass (H, W, 3) uint8.")
    return image_message(pixels, "rgb8")


def camera_message(camera: Camera) -> Any:
    """sensor_msgs/CameraInfo of a camera, its distortion included."""
    from sensor_msgs.msg import CameraInfo

    fields = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in camera_info_fields(camera).items()}
    return CameraInfo(**fields)
