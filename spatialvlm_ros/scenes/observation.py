"""One camera frame, as every part of this package sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.geometry.cameras import Camera


@dataclass(frozen=True)
class Observation:
    """One camera frame.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: model of the camera that took it; its size is (W, H).
        depth: (H, W) float32 metres along the optical axis, NaN where invalid; None without a depth sensor.
        up: (3,) unit vector against gravity in the optical frame, or None if unknown.
        camera_height: metres of the camera above the support plane, or None if unknown; negative below it.
        stamp_ns: time of the exposure in nanoseconds.
        frame_id: name of the optical frame.
    """

    rgb: NDArray[np.uint8]
    camera: Camera
    depth: NDArray[np.float32] | None = None
    up: NDArray[np.float64] | None = None
    camera_height: float | None = None
    stamp_ns: int = 0
    frame_id: str = "camera_optical_frame"

    def __post_init__(self) -> None:
        rgb = self.rgb
        if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ObservationError(
                "a picture must be an (H, W, 3) uint8 array",
                (getattr(rgb, "dtype", type(rgb).__name__), getattr(rgb, "shape", None)),
                "Convert it first.",
            )
        if rgb.size == 0:
            raise ObservationError("the picture is empty", rgb.shape, "Skip this frame.")
        if rgb.shape[:2] != (self.camera.height, self.camera.width):
            raise ObservationError(
                "the picture and its camera model differ in size",
                (rgb.shape[1::-1], (self.camera.width, self.camera.height)),
                "Use the camera model of this picture, or Camera.resized.",
            )
        if self.depth is not None:
            if not isinstance(self.depth, np.ndarray):
                raise ObservationError(
                    "depth is not an array", type(self.depth).__name__, "Pass (H, W) float32 metres."
                )
            if self.depth.shape != rgb.shape[:2]:
                raise ObservationError(
                    "depth and picture differ in size",
                    (self.depth.shape, rgb.shape[:2]),
                    "Reproject the depth into the colour camera; never stretch it.",
                )
            if self.depth.dtype != np.float32:
                raise ObservationError(
                    "depth must be float32 metres", self.depth.dtype, "Use geometry.depth.depth_to_metres."
                )
        if self.up is not None:
            up = _as_numbers(self.up)
            norm = float(np.linalg.norm(up)) if up.shape == (3,) else float("nan")
            if not np.isfinite(norm) or norm < 1e-6:
                raise ObservationError(
                    "the up vector is not a direction", self.up, "Pass (3,) finite numbers, or None."
                )
            object.__setattr__(self, "up", up / norm)
        if self.camera_height is not None:
            height = _as_numbers(self.camera_height)
            if height.ndim or not np.isfinite(height):
                raise ObservationError(
                    "the camera height is not one finite number", self.camera_height, "Pass metres, or None."
                )
            object.__setattr__(self, "camera_height", float(height))


def _as_numbers(value: object) -> NDArray[np.float64]:
    """An array, of NaN where the value is not made of numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array(np.nan)
