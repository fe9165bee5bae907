"""Texture pictures: made small, written as JPEG, and named by their colour."""

from __future__ import annotations

import colorsys
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_TEXTURE_SIDE = 256
_JPEG_QUALITY = 82


@dataclass(frozen=True, eq=False)
class Texture:
    """A decoded texture: (H, W, 3) uint8 of at most `MAX_TEXTURE_SIDE` a side, and its see-through share."""

    rgb: NDArray[np.uint8]
    cut_out: float


def decode_texture(data: bytes) -> Texture | None:
    """Decode and shrink a picture; see-through pixels take the mean colour of the others. None if unreadable."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            rgba = picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    rgba.thumbnail((MAX_TEXTURE_SIDE, MAX_TEXTURE_SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(rgba)
    clear = pixels[..., 3] < 128
    rgb = pixels[..., :3].copy()
    if clear.any() and not clear.all():
        rgb[clear] = rgb[~clear].mean(axis=0).astype(np.uint8)
    return Texture(rgb, float(clear.mean()))


def encode_jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """JPEG bytes of an (H, W, 3) picture, shrunk to `MAX_TEXTURE_SIDE`."""
    from PIL import Image

    picture = Image.fromarray(rgb)
    picture.thumbnail((MAX_TEXTURE_SIDE, MAX_TEXTURE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def color_name(red: float, green: float, blue: float) -> str:
    """The everyday name of a colour given as 0..1 sRGB values."""
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    hue *= 360
    chroma = max(red, green, blue) - min(red, green, blue)
    if lightness < 0.13:
        return "black"
    if chroma < 0.10 or saturation < 0.12:
        return "black" if lightness < 0.22 else "gray" if lightness < 0.70 else "white"
    if lightness > 0.88 and chroma < 0.16:
        return "white"
    if 15 <= hue < 70 and chroma < (0.55 if hue < 45 else 0.42):
        return "beige" if lightness > 0.6 else "brown"
    if hue < 15 or hue >= 345:
        return "pink" if lightness > 0.68 else "brown" if chroma < 0.25 else "red"
    limits = ((42, "orange"), (70, "yellow"), (165, "green"), (200, "turquoise"), (260, "blue"), (305, "purple"))
    return next((name for limit, name in limits if hue < limit), "pink")


def main_color(samples: NDArray[np.float64], share: float = 0.7) -> str:
    """The one colour name that at least ``share`` of the samples have, or "" when there are several colours.

    Args:
        samples: (N, 3) colours 0..1, evenly spread over what can be seen.
    """
    totals: dict[str, int] = {}
    for red, green, blue in samples.tolist():
        name = color_name(red, green, blue)
        totals[name] = totals.get(name, 0) + 1
    if not totals:
        return ""
    name = max(totals, key=lambda key: totals[key])
    return name if totals[name] >= share * len(samples) else ""
