"""The picture at the end: what was found in it, and below it what was measured beside what is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.ros.demo.state import Row
from spatialvlm_ros.ros.demo.view import measured_text, name_of, value_text
from spatialvlm_ros.ros.drawing import annotated
from spatialvlm_ros.ros.text_drawing import Colour, TextStyle, paste, text_mask

UInt8 = NDArray[np.uint8]

_LEAST_WIDTH = 1000  # pixels: smaller pictures are enlarged before they are written on
_STYLE = TextStyle(0.55)
_COLUMNS = (0.02, 0.38, 0.60, 0.78)  # shares of the width
_HEAD = ("one picture, not filtered", "measured", "90% interval", "true (green: inside)")
_BACKGROUND, _GREY, _WHITE, _GREEN, _RED = (
    (24, 24, 28),
    (170, 170, 170),
    (255, 255, 255),
    (120, 220, 120),
    (255, 140, 120),
)


def explained_picture(
    rgb: UInt8, rows: Sequence[Row], objects: Sequence[LocatedObject], ids: Sequence[int] = ()
) -> UInt8:
    """The annotated picture with a table below it.

    Args:
        rgb: (H, W, 3) uint8.
        rows: the standing queries of this picture with their truth.
        objects: located in it, boxes in pixels of ``rgb``; ids: theirs over time.

    Returns:
        (H', W', 3) uint8, at least `_LEAST_WIDTH` wide.
    """
    factor = max(1, math.ceil(_LEAST_WIDTH / rgb.shape[1]))
    large = np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), np.uint8)
    located = [replace(thing, box2d=thing.box2d * factor) for thing in objects]
    picture = annotated(large, located, [row.estimate for row in rows], ids=ids)
    return np.concatenate([picture, _table(rows, picture.shape[1])])


def write_picture(path: Path, picture: UInt8) -> None:
    """As PNG."""
    encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(encoded.tobytes())
    unfinished.replace(path)


def _table(rows: Sequence[Row], width: int) -> UInt8:
    step = _STYLE.line_height + 4
    sheet = np.full((step * (len(rows) + 1) + 16, width, 3), _BACKGROUND, np.uint8)
    _write(sheet, 8, _HEAD, [_GREY] * len(_HEAD))
    for number, row in enumerate(rows, 1):
        _write(sheet, 8 + number * step, *_cells(row))
    return sheet


def _cells(row: Row) -> tuple[tuple[str, ...], list[Colour]]:
    estimate = row.estimate
    low, high = estimate.interval
    length = estimate.valid and high > low
    interval = f"{low:.3f} to {high:.3f}" if length else ""
    truth = value_text(row, row.truth) if math.isfinite(row.truth) else ""
    inside = low <= row.truth <= high if length else (estimate.value > 0.5) == (row.truth > 0.5)
    verdict = _GREY if not math.isfinite(row.error) else _GREEN if inside else _RED
    measured = _WHITE if estimate.valid else _GREY
    return (name_of(estimate), measured_text(row), interval, truth), [_WHITE, measured, measured, verdict]


def _write(sheet: UInt8, y: int, texts: Sequence[str], colours: Sequence[Colour]) -> None:
    for share, text, colour in zip(_COLUMNS, texts, colours, strict=True):
        if text:
            paste(sheet, text_mask(text, _STYLE), (round(share * sheet.shape[1]), y), colour)
