"""From a camera picture to what the embedded model sees: a small canvas with the camera's rays beside the colours.

A picture alone does not fix the scale; the focal length does. Every pixel therefore carries its viewing ray beside its
colour, and ranges are predicted in canonical metres: metres times (canonical focal length / focal length on the
canvas), which is what an object's apparent size tells. The way back is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from spatialvlm_ros.geometry.cameras import Camera

Float = NDArray[np.float64]

CHANNELS = 5  # red, green, blue, ray x, ray y
CANONICAL_FOCAL = 0.86  # focal length over canvas width of a camera that sees 60 degrees

# What a model learns of the camera. RAYS: the whole picture, each pixel with its viewing ray. FOCAL_TOKEN: the same
# with no ray; only the token of the focal length tells. CANONICAL: every picture as one camera would have taken it.
RAYS, FOCAL_TOKEN, CANONICAL = "rays", "focal_token", "canonical"
CAMERA_MODES = (RAYS, FOCAL_TOKEN, CANONICAL)
_ONE_FOCAL = 0.6  # of CANONICAL, over the canvas width: 80 degrees just fit, a wider picture loses its border

GREY = 127  # where there is no picture
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
        part: edges x0, y0, x1, y1 of the part of the picture that is on the canvas; None for all of it. ``left``,
            ``top`` and the inner size then are those of the part, which may be empty.
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
    part: tuple[float, float, float, float] | None = None

    @staticmethod
    def of(camera: Camera, width: int, height: int, mode: str = RAYS) -> Canvas:
        """The canvas (height, width) of a picture in one of the `CAMERA_MODES`."""
        return (Canvas.resampled if mode == CANONICAL else Canvas.fit)(camera, width, height)

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

    @staticmethod
    def resampled(camera: Camera, width: int, height: int) -> Canvas:
        """The picture as one and the same camera would have taken it, padded and cropped."""
        scale, inner, part = one_camera(camera, (0.0, 0.0, camera.width, camera.height), width, height)
        focal, lens = _ONE_FOCAL * width, None if camera.distortion_model == "none" else camera
        on_canvas = Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        return Canvas(width, height, scale, *inner, on_canvas, lens, part)

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
        x0, y0 = (0.0, 0.0) if self.part is None else self.part[:2]
        corner = [self.left - 0.5 - x0 * self.scale[0], self.top - 0.5 - y0 * self.scale[1]]
        return np.tile(corner, values.shape[-1] // 2)

    def _bent(self, pixels: ArrayLike, straighten: bool) -> Float:
        """Pixels of the picture without its lens, or back."""
        values = np.asarray(pixels, dtype=np.float64)
        if self.lens is None:
            return values
        flat = values.reshape(-1, 2)
        pinhole = without_lens(self.lens)
        here, there = (self.lens, pinhole) if straighten else (pinhole, self.lens)
        return there.project(here.rays(flat)).reshape(values.shape)


def one_camera(
    camera: Camera, part: tuple[float, float, float, float], width: int, height: int
) -> tuple[tuple[float, float], tuple[int, int, int, int], tuple[float, float, float, float]]:
    """Where a part of a picture lies on the canvas of the one camera: principal point in the middle, one focal length.

    Args:
        camera: of the picture; its lens is left out.
        part: edges x0, y0, x1, y1 in the picture.
        width, height: of the canvas.

    Returns:
        Canvas pixels per picture pixel along x and y; the whole canvas pixels that are filled (left, top, width,
        height; the size is 0 where there are none); the edges in the picture of what fills them.
    """
    sx, sy = _ONE_FOCAL * width / camera.fx, _ONE_FOCAL * width / camera.fy
    left, inner_width, x0, x1 = _filled(sx, camera.cx, part[0], part[2], width)
    top, inner_height, y0, y1 = _filled(sy, camera.cy, part[1], part[3], height)
    return (sx, sy), (left, top, inner_width, inner_height), (x0, y0, x1, y1)


def _filled(scale: float, middle: float, low: float, high: float, size: int) -> tuple[int, int, float, float]:
    """Along one axis: first filled canvas pixel, their number, and the edges of what fills them in the picture."""
    corner = size / 2 - (middle + 0.5) * scale  # of the picture on the canvas; its pixel centres are integers
    first = max(math.ceil(corner + low * scale), 0)
    count = max(min(math.floor(corner + high * scale), size) - first, 0)
    start = (first - corner) / scale
    return first, count, max(start, low), min(start + count / scale, high)


def relative_focal(camera: Camera) -> float:
    """Focal length over picture width."""
    return float(np.sqrt(camera.fx * camera.fy)) / camera.width


def canonical_scale(camera: Camera) -> float:
    """Canonical metres per metre of range."""
    return CANONICAL_FOCAL / relative_focal(camera)


def place(rgb: NDArray[np.uint8], canvas: Canvas) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 picture on its canvas, grey where there is no picture."""
    placed = np.full((canvas.height, canvas.width, 3), GREY, np.uint8)
    inner = (canvas.inner_width, canvas.inner_height)
    if 0 in inner:
        return placed
    image = Image.fromarray(rgb if canvas.lens is None else _straightened(rgb, canvas.lens))
    if image.size != inner or canvas.part is not None:
        # Pillow's bilinear filter averages over the whole footprint when it shrinks.
        image = image.resize(inner, Image.Resampling.BILINEAR, canvas.part, reducing_gap=2.0)
    rows, columns = (
        slice(canvas.top, canvas.top + canvas.inner_height),
        slice(canvas.left, canvas.left + canvas.inner_width),
    )
    placed[rows, columns] = np.asarray(image)
    return placed


def pixel_values(placed: NDArray[np.uint8], camera: Camera, mode: str = RAYS) -> NDArray[np.float32]:
    """(5, H, W) float32 of a placed picture: normalised colours, then the ray's x and y over z (0 in FOCAL_TOKEN)."""
    height, width = placed.shape[:2]
    values = np.empty((CHANNELS, height, width), np.float32)
    np.multiply(placed.transpose(2, 0, 1), np.float32(1 / 255 / _SPREAD), out=values[:3])
    values[:3] -= _MEAN / _SPREAD
    if mode == FOCAL_TOKEN:
        values[3:] = 0.0
        return values
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
    return cv2.remap(rgb, columns, rows, cv2.INTER_LINEAR, borderValue=(GREY,) * 3).astype(np.uint8)


@lru_cache(maxsize=4)
def _straightening(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float64)
    there = camera.project(without_lens(camera).rays(pixels)).astype(np.float32)
    return there[:, 0].reshape(u.shape), there[:, 1].reshape(u.shape)
