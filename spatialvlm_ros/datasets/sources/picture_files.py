"""Reading one picture file as people have them: rotated by EXIF, grey, CMYK, with alpha, huge, cut off."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.geometry.cameras import Camera

EXTENSIONS = frozenset(".jpg .jpeg .png .webp .bmp .tif .tiff .gif .ppm .pgm".split())

MIN_SIDE = 16  # pixels; smaller pictures show nothing

_EXIF_IFD = 0x8769
_FOCAL_LENGTH, _FOCAL_LENGTH_35MM = 0x920A, 0xA405
_FOCAL_PLANE_X, _FOCAL_PLANE_UNIT = 0xA20E, 0xA210
_EXIF_WIDTH = 0xA002
_DIAGONAL_35MM = math.hypot(36, 24)
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0}  # inch, centimetre, millimetre
_PLAUSIBLE_HFOV = (math.radians(3), math.radians(150))


@dataclass(frozen=True)
class PictureFile:
    """One decoded picture.

    Attributes:
        rgb: (H, W, 3) uint8, turned upright.
        focal: focal length in pixels of ``rgb`` by EXIF, None if EXIF does not say.
    """

    rgb: NDArray[np.uint8]
    focal: float | None

    def camera(self) -> Camera | None:
        """Pinhole with square pixels and a centred principal point, None without a focal length."""
        if self.focal is None:
            return None
        height, width = self.rgb.shape[:2]
        return Camera(width, height, self.focal, self.focal, (width - 1) / 2, (height - 1) / 2)


def read_picture(
    path: Path, max_side: int | None = None, max_megapixels: float = 120.0, min_side: int = MIN_SIDE
) -> PictureFile | str:
    """A picture, or the reason why it is unusable (a constant of `captures`). Never raises for bad files.

    Args:
        max_side: larger pictures are shrunk (their focal length with them); None keeps their size.
        max_megapixels: larger ones are refused before they are decoded.
        min_side: pixels.
    """
    try:
        if path.stat().st_size == 0:
            return reasons.EMPTY_FILE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings about size and EXIF; both are handled here
            with Image.open(path) as image:
                if image.width * image.height > max_megapixels * 1e6:
                    return reasons.PICTURE_TOO_LARGE
                if min(image.size) < min_side:
                    return reasons.PICTURE_TOO_SMALL
                focal = _focal_in_pixels(image)
                side = max(image.size)
                if max_side is not None:
                    image.draft("RGB", (max_side, max_side))  # lets JPEG decode at a fraction of its size
                rgb = _to_rgb(ImageOps.exif_transpose(image))
    except Exception:  # noqa: BLE001 - Pillow's plugins raise whatever a damaged file leads them to
        return reasons.UNREADABLE_PICTURE
    rgb = _shrunk(rgb, max_side)
    scale = max(rgb.shape[:2]) / side
    return PictureFile(rgb, None if focal is None else focal * scale)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I;16", "I")):  # 16-bit grey: Pillow's own conversion would clip it
        grey = np.asarray(image).astype(np.float64)
        grey = (grey / 257).clip(0, 255).round().astype(np.uint8)
        return np.stack([grey] * 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _shrunk(rgb: NDArray[np.uint8], max_side: int | None) -> NDArray[np.uint8]:
    import cv2

    height, width = rgb.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return rgb
    scale = max_side / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _focal_in_pixels(image: Image.Image) -> float | None:
    """Focal length by EXIF in pixels of the picture as stored, None if it does not say or says nonsense."""
    try:
        exif = image.getexif().get_ifd(_EXIF_IFD)
    except Exception:  # noqa: BLE001 - EXIF of cheap tools is often malformed; the picture may be fine
        return None
    focal = _from_focal_plane(exif, image.width) or _from_35mm(exif, image.size)
    if focal is None:
        return None
    hfov = 2 * math.atan(image.width / 2 / focal)
    return focal if _PLAUSIBLE_HFOV[0] < hfov < _PLAUSIBLE_HFOV[1] else None


def _from_35mm(exif: Any, size: tuple[int, int]) -> float | None:
    """The equivalent focal length compares diagonals (CIPA DCG-001), so it holds for any aspect ratio."""
    equivalent = _positive(exif.get(_FOCAL_LENGTH_35MM))
    return None if equivalent is None else equivalent / _DIAGONAL_35MM * math.hypot(*size)


def _from_focal_plane(exif: Any, width: int) -> float | None:
    """Millimetres times pixels per millimetre of the sensor; scaled if the picture was resized since."""
    focal, density = _positive(exif.get(_FOCAL_LENGTH)), _positive(exif.get(_FOCAL_PLANE_X))
    unit = _MM_PER_UNIT.get(exif.get(_FOCAL_PLANE_UNIT, 2))
    if focal is None or density is None or unit is None:
        return None
    recorded = _positive(exif.get(_EXIF_WIDTH)) or width
    return focal * density / unit * (width / recorded)


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
