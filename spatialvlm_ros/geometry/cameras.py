"""The pinhole camera with lens distortion, in the conventions of sensor_msgs/CameraInfo.

Optical frame (REP-103): x right, y down, z forward, metres. Pixels: the centre of the upper left pixel is
(0, 0), so the picture spans -0.5 .. W-0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry import distortion as lens

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one camera.

    Attributes:
        width, height: picture size in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels.
        distortion_model: "none", "plumb_bob", "rational_polynomial" or "equidistant".
        distortion: coefficients in the order of CameraInfo.d.

    Raises:
        CameraModelError: a size or focal length is not positive, a number not finite, the distortion unknown.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = "none"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if int(getattr(self, name)) <= 0:
                raise CameraModelError(f"camera {name} must be positive", getattr(self, name), "Is CameraInfo filled?")
            object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("fx", "fy", "cx", "cy"):
            value = float(getattr(self, name))
            if not np.isfinite(value):
                raise CameraModelError(f"camera {name} is not finite", value, "Calibrate the camera.")
            object.__setattr__(self, name, value)
        if self.fx <= 0 or self.fy <= 0:
            raise CameraModelError(
                "focal lengths must be positive", (self.fx, self.fy), "A K of zeros means an uncalibrated camera."
            )
        object.__setattr__(self, "distortion", tuple(float(d) for d in self.distortion))
        lens.check(self.distortion_model, self.distortion)

    # ---- making one ----

    @staticmethod
    def from_hfov(width: int, height: int, hfov: float) -> Camera:
        """Square pixels, centred principal point, horizontal field of view ``hfov`` in radians (0..pi)."""
        if not 0 < hfov < np.pi:
            raise CameraModelError("horizontal field of view must lie between 0 and pi", hfov, "Pass radians.")
        focal = width / 2 / np.tan(hfov / 2)
        return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    @staticmethod
    def from_K(
        K: ArrayLike, width: int, height: int, distortion_model: str = "none", D: Sequence[float] = ()
    ) -> Camera:
        """From a (3, 3) or (9,) camera matrix in pixels. An empty or all-zero D is no distortion (not so for
        equidistant, which bends without coefficients)."""
        matrix = np.asarray(K, dtype=np.float64)
        if matrix.size != 9:
            raise CameraModelError("a camera matrix has 9 numbers", matrix.shape, "Pass CameraInfo.k.")
        matrix = matrix.reshape(3, 3)
        model = distortion_model or "none"
        coefficients = tuple(float(d) for d in D)
        if model != "equidistant" and not any(coefficients):
            model, coefficients = "none", ()
        return Camera(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], model, coefficients)

    # ---- what it is ----

    @property
    def K(self) -> Float:
        """(3, 3) camera matrix in pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])

    def hfov(self) -> float:
        """Horizontal field of view in radians, of the undistorted pinhole."""
        return float(np.arctan((self.cx + 0.5) / self.fx) + np.arctan((self.width - 0.5 - self.cx) / self.fx))

    def vfov(self) -> float:
        """Vertical field of view in radians, of the undistorted pinhole."""
        return float(np.arctan((self.cy + 0.5) / self.fy) + np.arctan((self.height - 0.5 - self.cy) / self.fy))

    # ---- what it does ----

    def project(self, points: ArrayLike) -> Float:
        """(N, 3) optical points in metres -> (N, 2) pixels; NaN for points not in front of the camera."""
        points = np.asarray(points, dtype=np.float64)
        z = points[:, 2]
        in_front = z > 1e-9
        normalised = points[:, :2] / np.where(in_front, z, np.nan)[:, None]
        bent = lens.distort(normalised, self.distortion_model, self.distortion)
        return bent * [self.fx, self.fy] + [self.cx, self.cy]

    def rays(self, pixels: ArrayLike) -> Float:
        """(N, 2) pixels -> (N, 3) directions with z = 1 in the optical frame, NaN where the lens has no inverse."""
        pixels = np.asarray(pixels, dtype=np.float64)
        normalised = (pixels - [self.cx, self.cy]) / [self.fx, self.fy]
        flat = lens.undistort(normalised, self.distortion_model, self.distortion)
        return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)

    def unproject(self, pixels: ArrayLike, depth: ArrayLike) -> Float:
        """(N, 2) pixels and (N,) depth along z in metres -> (N, 3) optical points in metres."""
        return self.rays(pixels) * np.asarray(depth, dtype=np.float64)[:, None]

    def pixel_rays(self) -> Float:
        """(H, W, 3) direction with z = 1 of every pixel centre. Computed once per camera; read only."""
        return _pixel_rays(self)

    def contains(self, pixels: ArrayLike) -> NDArray[np.bool_]:
        """(N,) whether pixels (N, 2) lie inside the picture."""
        u, v = np.asarray(pixels, dtype=np.float64).T
        return (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)

    # ---- its picture changed ----

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same picture resampled to ``width`` x ``height`` (pixel edges stay aligned)."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, x0: int, y0: int, width: int, height: int) -> Camera:
        """The camera of the window with upper left pixel (x0, y0)."""
        return replace(self, width=width, height=height, cx=self.cx - x0, cy=self.cy - y0)


@lru_cache(maxsize=8)
def _pixel_rays(camera: Camera) -> Float:
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1)).reshape(camera.height, camera.width, 3)
    rays.flags.writeable = False
    return rays
