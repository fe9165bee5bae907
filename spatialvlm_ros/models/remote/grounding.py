"""Boxes out of what a model wrote when it was asked for JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

_KEYS = ("boxes", "bbox_2d", "bbox", "box", "bounding_box", "bounding_boxes", "bboxes", "objects", "detections")
_SAME_IOU = 0.8
_MOST_BOXES = 64
_MOST_DEPTH = 6
_MOST_STARTS = 40


def parse_boxes(text: str, scale: str, size: tuple[int, int], original: tuple[int, int]) -> Float | None:
    """Boxes that a text states.

    Prose around the JSON, code fences, several JSON values and a cut-off end are tolerated; boxes in the wrong order
    are turned, those outside or without area are dropped, and near-copies are counted once.

    Args:
        text: what the model wrote.
        scale: one of `config.BOX_SCALES`, as it was asked for.
        size: (width, height) of the picture as it was sent.
        original: (width, height) of the observation.

    Returns:
        (K, 4) x0, y0, x1, y1 in pixels of the observation, K = 0 when it says that there is none; None when it says
        nothing that can be read.
    """
    text = text.rpartition("</think>")[2]
    found: list[list[float]] = []
    said = False
    for value in _json_values(text):
        rows = _boxes_of(value, _MOST_DEPTH)
        if rows is not None:
            said = True
            found.extend(rows)
    if not said:
        return None
    boxes = np.asarray(found[:_MOST_BOXES], dtype=np.float64).reshape(-1, 4)
    return _tidy(boxes * _factors(scale, size, original), original)


def _json_values(text: str) -> list[Any]:
    """Every outermost JSON object or array of a text, in order."""
    decoder, values, at, starts = json.JSONDecoder(), [], 0, 0
    while starts < _MOST_STARTS:
        begins = [i for i in (text.find("{", at), text.find("[", at)) if i >= 0]
        if not begins:
            break
        at, starts = min(begins), starts + 1
        try:
            value, at = decoder.raw_decode(text, at)
            values.append(value)
        except (ValueError, RecursionError):
            at += 1
    return values


def _boxes_of(value: Any, depth: int) -> list[list[float]] | None:
    """The boxes in a JSON value; None where it holds nothing of that kind."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        inner = [_boxes_of(value[key], depth - 1) for key in _KEYS if key in value]
        return _joined(inner)
    if not isinstance(value, list):
        return None
    if not value:
        return []
    if len(value) == 4 and all(_is_number(v) for v in value):
        return [[float(v) for v in value]]
    return _joined([_boxes_of(v, depth - 1) for v in value if isinstance(v, (list, dict)) and v])


def _joined(parts: list[list[list[float]] | None]) -> list[list[float]] | None:
    known = [p for p in parts if p is not None]
    return [box for part in known for box in part] if known else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _factors(scale: str, size: tuple[int, int], original: tuple[int, int]) -> Float:
    """(4,) pixels of the observation per unit of the boxes."""
    unit = {"thousand": (1000.0, 1000.0), "fraction": (1.0, 1.0), "pixels": (float(size[0]), float(size[1]))}[scale]
    x, y = original[0] / unit[0], original[1] / unit[1]
    return np.array([x, y, x, y])


def _tidy(boxes: Float, original: tuple[int, int]) -> Float:
    ordered = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    clipped = np.clip(ordered, 0, [original[0], original[1]] * 2)
    kept: list[Float] = []
    for box in clipped[(clipped[:, 2:] - clipped[:, :2]).min(axis=1, initial=np.inf) >= 1]:
        if all(_iou(box, other) < _SAME_IOU for other in kept):
            kept.append(box)
    return np.asarray(kept).reshape(-1, 4)


def _iou(a: Float, b: Float) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    overlap = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - overlap
    return overlap / union
