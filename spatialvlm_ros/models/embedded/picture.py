"""From a camera picture to what the embedded model sees: a small canvas with the camera's rays beside the colours.

A picture alone does not fix the scale; the focal length does. Every pixel therefore carries its viewing ray beside its
colour, and ranges are predicted in canonical metres: metres times (canonical focal length / focal length on the
canvas), which is what an object's apparent size tells. The way back is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from spatialvlm_ros.geometry.cameras import Camera

Float = NDArray[np.float64]

CHANNELS = 5  # red, green, blue, ray x, ray y
CANONICAL_FOCAL = 0.86  # focal length over canvas width of a camera that sees 60 degrees
_MEAN, _SPREAD = 0.5, 0.25
_RAY_SPREAD = 0.4


@dataclass(frozen=True)
class Canvas:
    """How a picture lies on the model's canvas: scaled evenly up to whole pixels, centred, padded.

    Attributes:
        width, height: of the canvas in pixels.
        scale: (2,) canvas pixels per picture pixel along x and y; they differ as the inner size is whole pixels.
        left, top: canvas pixels of the picture's upper left corner.
        inner_width, inner_height: size of the picture on the canvas in pixels.
        camera: pinhole model of the canvas.
        lens: the picture's camera where it has distortion (it is straightened on the canvas), else None.
    """

    width: int
    height: int
    scale: tuple[float, float]
    left: int
    top: int
    inner_width: int
    inner_height: int
    camera: Camera
    lens: Camera | None = None

    @staticmethod
    def fit(camera: Camera, width: int, height: int) -> Canvas:
        """The largest even scaling of ``camera``'s picture that fits (height, width)."""
        even = min(width / camera.width, height / camera.height)
        inner_width = max(min(round(camera.width * even), width), 1)
        inner_height = max(min(round(camera.height * even), height), 1)
        sx, sy = inner_width / camera.width, inner_height / camera.height
        left, top = (width - inner_width) // 2, (height - inner_height) // 2
        # Pixel centres are integers, so the picture's corner is at -0.5.
        on_canvas = Camera(
            width,
            height,
            camera.fx * sx,
            camera.fy * sy,
            (camera.cx + 0.5) * sx - 0.5 + left,
            (camera.cy + 0.5) * sy - 0.5 + top,
        )
        lens = None if camera.distortion_model == "none" else camera
        return Canvas(width, height, (sx, sy), left, top, inner_width, inner_height, on_canvas, lens)

    def to_canvas(self, pixels: ArrayLike) -> Float:
        """(..., 2k) picture pixels u, v, u, v, ... on the canvas."""
        values = self._bent(pixels, straighten=True)
        return (values + 0.5) * self._scales(values) + self._corner(values)

    def to_picture(self, pixels: ArrayLike) -> Float:
        """(..., 2k) canvas pixels in the picture."""
        values = np.asarray(pixels, dtype=np.float64)
        return self._bent((values - self._corner(values)) / self._scales(values) - 0.5, straighten=False)

    def lengths_to_picture(self, lengths: ArrayLike) -> Float:
        """(..., 2k) lengths along x, y, x, y, ... from canvas pixels to picture pixels; a lens is left out."""
        values = np.asarray(lengths, dtype=np.float64)
        return values / self._scales(values)

    def _scales(self, values: Float) -> Float:
        return np.tile(self.scale, values.shape[-1] // 2)

    def _corner(self, values: Float) -> Float:
        return np.tile([self.left - 0.5, self.top - 0.5], values.shape[-1] // 2)

    def _bent(self, pixels: ArrayLike, straighten: bool) -> Float:
        """Pixels of the picture without its lens, or back."""
        values = np.asarray(pixels, dtype=np.float64)
        if self.lens is None:
            return values
        flat = values.reshape(-1, 2)
        pinhole = without_lens(self.lens)
        here, there = (self.lens, pinhole) if straighten else (pinhole, self.lens)
        return there.project(here.rays(flat)).reshape(values.shape)


def relative_focal(camera: Camera) -> float:
    """Focal length over picture width."""
    return float(np.sqrt(camera.fx * camera.fy)) / camera.width


def canonical_scale(camera: Camera) -> float:
    """Canonical metres per metre of range."""
    return CANONICAL_FOCAL / relative_focal(camera)


def place(rgb: NDArray[np.uint8], canvas: Canvas) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 picture on its canvas, grey where there is no picture."""
    image = Image.fromarray(rgb if canvas.lens is None else _straightened(rgb, canvas.lens))
    if image.size != (canvas.inner_width, canvas.inner_height):
        # Pillow's bilinear filter averages over the whole footprint when it shrinks.
        image = image.resize((canvas.inner_width, canvas.inner_height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    placed = np.full((canvas.height, canvas.width, 3), 127, np.uint8)
    rows, columns = (
        slice(canvas.top, canvas.top + canvas.inner_height),
        slice(canvas.left, canvas.left + canvas.inner_width),
    )
    placed[rows, columns] = np.asarray(image)
    return placed


def pixel_values(placed: NDArray[np.uint8], camera: Camera) -> NDArray[np.float32]:
    """(5, H, W) float32 of a placed picture: normalised colours, then the ray's x and y over z."""
    height, width = placed.shape[:2]
    values = np.empty((CHANNELS, height, width), np.float32)
    np.multiply(placed.transpose(2, 0, 1), np.float32(1 / 255 / _SPREAD), out=values[:3])
    values[:3] -= _MEAN / _SPREAD
    values[3] = ((np.arange(width) - camera.cx) / camera.fx / _RAY_SPREAD).astype(np.float32)
    values[4] = ((np.arange(height) - camera.cy) / camera.fy / _RAY_SPREAD).astype(np.float32)[:, None]
    return values


def without_lens(camera: Camera) -> Camera:
    """The pinhole camera with the same matrix."""
    return Camera(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)


def _straightened(rgb: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """The picture as a pinhole camera with the same matrix would have taken it."""
    import cv2  # only pictures with a lens need it

    columns, rows = _straightening(camera)
    return cv2.remap(rgb, columns, rows, cv2.INTER_LINEAR, borderValue=(127, 127, 127)).astype(np.uint8)


@lru_cache(maxsize=4)
def _straightening(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float64)
    there = camera.project(without_lens(camera).rays(pixels)).astype(np.float32)
    return there[:, 0].reshape(u.shape), there[:, 1].reshape(u.shape)
