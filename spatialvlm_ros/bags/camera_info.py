"""sensor_msgs/msg/CameraInfo to `Camera` and back."""

from __future__ import annotations

import re
from typing import Protocol

import numpy as np

from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry.cameras import Camera

# Names that drivers write -> names of `Camera`.
_MODELS = {
    "": "none",
    "none": "none",
    "plumb_bob": "plumb_bob",
    "rational_polynomial": "rational_polynomial",
    "equidistant": "equidistant",
    "fisheye": "equidistant",
}
# Of coefficients that a model may have.
_NUMBERS = {"plumb_bob": (4, 5), "rational_polynomial": (8,), "equidistant": (4,)}

# At the beginning of a word: not "direct", and not "unrect".
_RECTIFIED = re.compile(r"(?<![A-Za-z])(?:rect|RECT)|Rect")


def named_rectified(topic: str) -> bool:
    """Whether the name of a topic of pictures says that they are rectified ("image_rect_color", "rect/image")."""
    return _RECTIFIED.search(topic) is not None


class RegionOfInterestMessage(Protocol):
    """The fields of sensor_msgs/msg/RegionOfInterest that matter here."""

    x_offset: int
    y_offset: int
    height: int
    width: int


class CameraInfoMessage(Protocol):
    """The fields of sensor_msgs/msg/CameraInfo."""

    height: int
    width: int
    distortion_model: str
    d: object
    k: object
    p: object
    binning_x: int
    binning_y: int
    roi: RegionOfInterestMessage


def camera_from_info(message: CameraInfoMessage, rectified: bool = False) -> Camera:
    """The camera model of the pictures that a CameraInfo message goes with.

    Args:
        message: K, D and P are those of the full sensor; region of interest and binning are applied here.
        rectified: the pictures are rectified (topics called image_rect*): use P and no distortion, else K and D.

    Raises:
        CameraModelError: not calibrated (K of zeros), not finite, of an unknown distortion model, without a size,
            or with a region of interest beyond it.
    """
    matrix = _matrix(message, rectified)
    width, height = int(message.width), int(message.height)
    if width <= 0 or height <= 0:
        raise CameraModelError("a CameraInfo has no picture size", (width, height), "Fix the driver's calibration.")
    model, distortion = ("none", ()) if rectified else _distortion(message)
    camera = Camera.from_K(matrix, width, height, model, distortion)
    return _read_out(camera, message)


def _matrix(message: CameraInfoMessage, rectified: bool) -> np.ndarray:
    name, values = ("P", message.p) if rectified else ("K", message.k)
    values = np.asarray(values, dtype=np.float64).ravel()
    if values.size != (12 if rectified else 9) or not np.isfinite(values).all():
        raise CameraModelError(f"{name} of a CameraInfo is malformed", values.tolist(), "Calibrate the camera.")
    matrix = values.reshape(3, -1)[:, :3]
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise CameraModelError(
            f"{name} of a CameraInfo holds no focal length",
            values.tolist(),
            "The camera is not calibrated (ROS says so with zeros): calibrate it.",
        )
    return matrix


def _distortion(message: CameraInfoMessage) -> tuple[str, tuple[float, ...]]:
    coefficients = tuple(float(c) for c in np.asarray(message.d, dtype=np.float64).ravel())
    if message.distortion_model not in _MODELS:
        raise CameraModelError(
            "a CameraInfo has an unknown distortion model",
            message.distortion_model,
            f"Known are {', '.join(sorted(m for m in _MODELS if m))}.",
        )
    return _in_full(_MODELS[message.distortion_model], coefficients)


def _in_full(model: str, coefficients: tuple[float, ...]) -> tuple[str, tuple[float, ...]]:
    """With as many coefficients as the model has: some drivers leave out zeros at the end, others append them, and
    OpenCV (so image_geometry too) tells plumb_bob from rational_polynomial by the number alone."""
    if model == "none" or len(coefficients) in _NUMBERS[model]:
        return model, coefficients
    used = tuple(map(float, np.trim_zeros(np.array(coefficients), "b")))
    if model != "equidistant":
        model = "plumb_bob" if len(used) <= max(_NUMBERS["plumb_bob"]) else "rational_polynomial"
    most = max(_NUMBERS[model])
    if len(used) > most:
        raise CameraModelError(
            f"a CameraInfo has more than the {most} coefficients of {model}",
            coefficients,
            "Thin prisms and tilted sensors are not known: take rectified pictures.",
        )
    return model, (*used, *[0.0] * (most - len(used)))


def _read_out(camera: Camera, message: CameraInfoMessage) -> Camera:
    """Apply region of interest, then binning: the order in which sensors read out."""
    roi = message.roi
    if roi.width and roi.height and (roi.width, roi.height) != (camera.width, camera.height):
        if roi.x_offset + roi.width > camera.width or roi.y_offset + roi.height > camera.height:
            raise CameraModelError(
                f"the region of interest of a CameraInfo is not within its {camera.width}x{camera.height} pixels",
                (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
                "Mend the driver: x_offset, y_offset, width and height are pixels of the full sensor.",
            )
        camera = camera.cropped(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    columns, rows = max(int(message.binning_x), 1), max(int(message.binning_y), 1)
    if (columns, rows) != (1, 1):
        camera = camera.resized(camera.width // columns, camera.height // rows)
    return camera


def camera_info_fields(camera: Camera) -> dict[str, object]:
    """The fields of a CameraInfo message (without header and roi) that describe ``camera``."""
    matrix = np.asarray(camera.K, dtype=np.float64)
    projection = np.zeros((3, 4))
    projection[:, :3] = matrix
    plain = camera.distortion_model == "none"
    return {
        "height": camera.height,
        "width": camera.width,
        "distortion_model": "plumb_bob" if plain else camera.distortion_model,
        "d": np.zeros(5) if plain else np.asarray(camera.distortion, dtype=np.float64),
        "k": matrix.ravel(),
        "r": np.eye(3).ravel(),
        "p": projection.ravel(),
        "binning_x": 0,
        "binning_y": 0,
    }
