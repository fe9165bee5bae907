"""Text on pictures with OpenCV, the same with both of its text renderers, quickly.

OpenCV 4 draws strokes and knows ASCII only (``±`` comes out as ``??``). OpenCV 5 draws a real font, in which a larger
thickness makes bolder letters that stand elsewhere, so the usual outline (the text twice) does not fit its text. Here
text is drawn once into a mask, the outline is the mask grown by a pixel, and masks are kept: most texts stay the same
from frame to frame.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Colour = tuple[int, int, int]

_FONT = cv2.FONT_HERSHEY_DUPLEX
_REAL_FONT = int(cv2.__version__.split(".")[0]) >= 5
_PLUS_MINUS = "±"


@dataclass(frozen=True)
class TextStyle:
    """Size of the letters.

    Attributes:
        scale: of OpenCV's fonts; 0.45 is about 10 pixels for a capital.
        weight: thickness of the strokes in pixels.
    """

    scale: float = 0.45
    weight: int = 1

    @property
    def line_height(self) -> int:
        """Pixels from one line to the next; every `TextMask` of this style is as high."""
        return _metrics(self)[2]


@dataclass(frozen=True)
class TextMask:
    """A line of text, to be pasted.

    Attributes:
        fill: (h, w, 1) share of a pixel that the letters cover.
        keep: (h, w, 1) share of the picture that is left under letters and outline.
    """

    fill: Float32
    keep: Float32

    @property
    def width(self) -> int:
        """Pixels."""
        return self.fill.shape[1]

    @property
    def height(self) -> int:
        """Pixels."""
        return self.fill.shape[0]


@lru_cache(maxsize=1024)
def text_mask(text: str, style: TextStyle) -> TextMask:
    """The mask of one line of text, one pixel of outline included."""
    ascent, _, height = _metrics(style)
    text = text if _REAL_FONT else _plain(text)
    width = _width(text, style)
    canvas = np.zeros((height, width + 4), np.uint8)
    origin = (2, ascent + 2)
    if _REAL_FONT:
        cv2.putText(canvas, text, origin, _FONT, style.scale, 255, style.weight, cv2.LINE_AA)
    else:
        _put_strokes(canvas, text, origin, style)
    grown = cv2.dilate(canvas, np.ones((3, 3), np.uint8))
    fill, outline = (m[..., None].astype(np.float32) / np.float32(255) for m in (canvas, grown))
    keep: Float32 = (1 - outline) * (1 - fill)
    fill.flags.writeable = keep.flags.writeable = False  # they are shared by all callers
    return TextMask(fill, keep)


def paste(picture: UInt8, mask: TextMask, corner: tuple[int, int], colour: Colour) -> None:
    """Draw a mask with its top left corner at (x, y), in place; what is outside the picture is cut off."""
    (x, y), (rows, columns) = corner, picture.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + mask.width, columns), min(y + mask.height, rows)
    if x0 >= x1 or y0 >= y1:
        return
    part = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
    under = picture[y0:y1, x0:x1]
    mixed = under * mask.keep[part] + mask.fill[part] * np.array(colour, np.float32)
    under[...] = mixed  # truncates; half a grey value is not seen


def darken(picture: UInt8, box: tuple[int, int, int, int], share: float) -> None:
    """Leave ``share`` of the brightness in a rectangle (x0, y0, x1, y1), in place."""
    x0, y0, x1, y1 = box
    under = picture[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if under.size:
        under[...] = cv2.convertScaleAbs(under, alpha=share)


@lru_cache(maxsize=32)
def _metrics(style: TextStyle) -> tuple[int, int, int]:
    """Ascent, descent and line height in pixels, the same for all texts."""
    (_, ascent), descent = cv2.getTextSize("Ag|", _FONT, style.scale, style.weight)
    return int(ascent), int(descent), int(ascent + descent + 4)


def _width(text: str, style: TextStyle) -> int:
    return int(cv2.getTextSize(text.replace(_PLUS_MINUS, "+"), _FONT, style.scale, style.weight)[0][0])


def _plain(text: str) -> str:
    """Letters without accents, ``?`` for what ASCII has not; ± stays."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c if ord(c) < 128 or c == _PLUS_MINUS else "?" for c in letters if not unicodedata.combining(c))


def _put_strokes(canvas: UInt8, text: str, origin: tuple[int, int], style: TextStyle) -> None:
    """`cv2.putText` of OpenCV 4, with a ± made of its + and a line."""
    x, y = origin
    cv2.putText(canvas, text.replace(_PLUS_MINUS, "+"), origin, _FONT, style.scale, 255, style.weight, cv2.LINE_AA)
    for k, letter in enumerate(text):
        if letter == _PLUS_MINUS:
            left, right = x + _width(text[:k], style), x + _width(text[: k + 1], style)
            inset = (right - left) // 5
            cv2.line(canvas, (left + inset, y + 1), (right - inset, y + 1), 255, style.weight, cv2.LINE_AA)
