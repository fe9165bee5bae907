"""The annotated picture: boxes with names, a line with its length for each standing query, and why some have none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.preview import palette
from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.models.estimate import Estimate, LocatedObject
from spatialvlm_ros.ros.label_placement import Corner, Placement
from spatialvlm_ros.ros.labels import estimate_text, full_text, grouped_labels, name_text, reason_text
from spatialvlm_ros.ros.text_drawing import Colour, TextMask, TextStyle, darken, paste, text_mask

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float64]

_WHITE: Colour = (255, 255, 255)
_GREY: Colour = (205, 205, 205)
_DARK: Colour = (20, 20, 20)
_SHADE = 0.35  # of the brightness is left behind text
_MOST_LISTED = 6
_ALONG = (0.5, 0.4, 0.6, 0.3, 0.7)  # where on a line its label may stand, best first
_SMALL_SHARE = 0.03  # of the picture: labels keep off things that are smaller
_COVERING_SMALL, _COVERING_END = 1.0, 10.0  # how bad that is, text over text being 10


@dataclass(frozen=True)
class _Thing:
    """A located object that can be drawn: its box (x0, y0, x1, y1) inside the picture, whole pixels."""

    title: str
    box: tuple[int, int, int, int]
    colour: Colour

    @property
    def middle(self) -> Float:
        x0, y0, x1, y1 = self.box
        return np.array([(x0 + x1) / 2, (y0 + y1) / 2])


@dataclass(frozen=True)
class _Sheet:
    """What is drawn on, and the sizes that suit it."""

    picture: UInt8
    style: TextStyle
    stroke: int
    placement: Placement

    @staticmethod
    def of(picture: UInt8) -> _Sheet:
        height, width = picture.shape[:2]
        scale = float(np.clip(min(width / 640, height / 480), 0.75, 4))
        style = TextStyle(round(0.45 * scale, 3), max(1, int(scale / 1.5)))
        return _Sheet(picture, style, max(1, round(2 * scale)), Placement(width, height))

    @property
    def margin(self) -> int:
        """Pixels around text."""
        return max(2, round(8 * self.style.scale))


def annotated(
    rgb: UInt8,
    located: Sequence[LocatedObject],
    estimates: Sequence[Estimate],
    reward: str | None = None,
    ids: Sequence[int] = (),
) -> UInt8:
    """The picture with what was found in it.

    Args:
        rgb: (H, W, 3) uint8; it is not changed.
        located: objects in pixels of ``rgb``; those with a box are drawn.
        estimates: standing queries. Valid ones stand at their line or object with ± one standard deviation, those
            about something without a box in the list at the bottom, the invalid ones there in grey with their reason.
        reward: a line for the top left corner.
        ids: of the objects over time, in the order of ``located``; they choose the colours, as in the markers.

    Returns:
        (H, W, 3) uint8, a new array.

    Raises:
        ObservationError: not such a picture.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ObservationError("this is no colour picture", (rgb.dtype, rgb.shape), "Pass (H, W, 3) uint8.")
    sheet = _Sheet.of(np.array(rgb, order="C"))
    things = _things(located, ids, rgb.shape[1], rgb.shape[0])
    labels = grouped_labels(estimates, things)
    _draw_boxes(sheet, things.values())
    _draw_lines(sheet, [(things[a], things[b]) for a, b in labels.at_line])
    if reward:
        _label(sheet, [(reward, _WHITE)], [(sheet.margin, sheet.margin)])
    _draw_list(sheet, _listed(labels.listed, located, estimates))
    _keep_visible(sheet, things, labels.at_line)
    for name, thing in sorted(things.items(), key=lambda item: _area(item[1])):  # small ones have fewest places
        _name_label(sheet, thing, [estimate_text(e) for e in labels.at_object.get(name, ())])
    for (a, b), answers in labels.at_line.items():
        _line_label(sheet, things[a].middle, things[b].middle, [estimate_text(e) for e in answers])
    return sheet.picture


def _things(located: Sequence[LocatedObject], ids: Sequence[int], width: int, height: int) -> dict[str, _Thing]:
    things: dict[str, _Thing] = {}
    for k, item in enumerate(located):
        number = ids[k] if k < len(ids) else -1
        if not item.valid or not np.isfinite(item.box2d).all() or item.name in things:
            continue
        limits = np.array([width, height, width, height]) - 1
        x0, y0, x1, y1 = (int(v) for v in np.clip(np.round(item.box2d), 0, limits))
        red, green, blue = (int(c) for c in palette.rgb(number if number >= 0 else k))
        things[item.name] = _Thing(name_text(item.name, number), (x0, y0, x1, y1), (red, green, blue))
    return things


def _listed(
    answers: Sequence[Estimate], located: Sequence[LocatedObject], estimates: Sequence[Estimate]
) -> list[tuple[str, Colour]]:
    """What has no place in the picture; objects that were not found are said once."""
    rows = [(full_text(answer), _WHITE if answer.valid else _GREY) for answer in answers]
    asked = {name for answer in estimates if not answer.valid for name in (answer.subject, answer.reference)}
    missing = [item for item in located if not item.valid and item.name not in asked]
    return rows + [(f"{item.name}: {reason_text(item)}", _GREY) for item in missing]


def _area(thing: _Thing) -> int:
    x0, y0, x1, y1 = thing.box
    return (x1 - x0) * (y1 - y0)


def _draw_boxes(sheet: _Sheet, things: Iterable[_Thing]) -> None:
    for thing in things:
        x0, y0, x1, y1 = thing.box
        cv2.rectangle(sheet.picture, (x0, y0), (x1, y1), _DARK, sheet.stroke + 2)
        cv2.rectangle(sheet.picture, (x0, y0), (x1, y1), thing.colour, sheet.stroke)


def _draw_lines(sheet: _Sheet, pairs: Iterable[tuple[_Thing, _Thing]]) -> None:
    for first, second in pairs:
        ends = [tuple(int(v) for v in thing.middle) for thing in (first, second)]
        cv2.line(sheet.picture, ends[0], ends[1], _DARK, sheet.stroke + 2, cv2.LINE_AA)
        cv2.line(sheet.picture, ends[0], ends[1], _WHITE, sheet.stroke, cv2.LINE_AA)
        for end, thing in zip(ends, (first, second), strict=True):
            cv2.circle(sheet.picture, end, 2 * sheet.stroke + 1, _DARK, -1, cv2.LINE_AA)
            cv2.circle(sheet.picture, end, 2 * sheet.stroke, thing.colour, -1, cv2.LINE_AA)


def _keep_visible(sheet: _Sheet, things: dict[str, _Thing], lines: Iterable[tuple[str, str]]) -> None:
    """Labels that are placed from now on cover neither the ends of lines nor small things, if they can."""
    for thing in things.values():
        if _area(thing) < _SMALL_SHARE * sheet.picture.shape[0] * sheet.picture.shape[1]:
            sheet.placement.reserve(thing.box, _COVERING_SMALL)
    for name in {name for pair in lines for name in pair}:
        reach = 2 * sheet.stroke + 1
        x, y = things[name].middle
        sheet.placement.reserve((x - reach, y - reach, x + reach, y + reach), _COVERING_END)


def _draw_list(sheet: _Sheet, listed: Sequence[tuple[str, Colour]]) -> None:
    if not listed:
        return
    rows = list(listed)
    if len(rows) > _MOST_LISTED:
        rows = [*rows[: _MOST_LISTED - 1], (f"and {len(rows) - _MOST_LISTED + 1} more", _GREY)]
    _label(sheet, rows, [(sheet.margin, sheet.picture.shape[0])])  # moved up to the bottom left corner


def _name_label(sheet: _Sheet, thing: _Thing, rows: Sequence[str]) -> None:
    x0, y0, x1, y1 = thing.box
    texts = [(thing.title, _WHITE), *((row, _WHITE) for row in rows)]
    width, height = _size(sheet, [text_mask(text, sheet.style) for text, _ in texts])
    corners = [
        (x0, y0 - height),
        (x0, y0),
        (x1 - width, y0 - height),
        (x1 - width, y0),
        (x0, y1),
        (x1 - width, y1),
        (x1, y0),
        (x0 - width, y0),
        (x0, y1 - height),
        (x1 - width, y1 - height),
    ]
    _label(sheet, texts, corners, thing.colour)


def _line_label(sheet: _Sheet, start: Float, end: Float, rows: Sequence[str]) -> None:
    masks = [text_mask(row, sheet.style) for row in rows]
    width, height = _size(sheet, masks)
    points = [start + t * (end - start) for t in _ALONG]
    corners: list[Corner] = [(x - width / 2, y - height / 2) for x, y in points]
    beside = ((x, y + side * height) for side in (-1.1, 1.1, -2.1, 2.1) for x, y in points)
    corners += [(x - width / 2, y - height / 2) for x, y in beside]
    _label(sheet, [(row, _WHITE) for row in rows], corners)


def _size(sheet: _Sheet, masks: Sequence[TextMask]) -> tuple[int, int]:
    return max(mask.width for mask in masks) + 2 * sheet.margin, sum(mask.height for mask in masks)


def _label(
    sheet: _Sheet,
    rows: Sequence[tuple[str, Colour]],
    corners: Sequence[Corner],
    title_colour: Colour | None = None,
) -> None:
    """Rows of text on a shade, at the first free of the corners; the first on ``title_colour``."""
    masks = [text_mask(text, sheet.style) for text, _ in rows]
    width, height = _size(sheet, masks)
    x, y = sheet.placement.place(width, height, corners)
    darken(sheet.picture, (x, y, x + width, y + height), _SHADE)
    for k, (mask, (_, colour)) in enumerate(zip(masks, rows, strict=True)):
        if k == 0 and title_colour is not None:
            cv2.rectangle(sheet.picture, (x, y), (x + width - 1, y + mask.height - 1), title_colour, -1)
        paste(sheet.picture, mask, (x + sheet.margin, y), colour)
        y += mask.height
