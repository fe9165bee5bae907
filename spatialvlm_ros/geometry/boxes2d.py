"""Boxes in the picture: x0, y0, x1, y1 in pixels, x1 and y1 exclusive."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]


def clip_boxes(boxes: ArrayLike, width: int, height: int) -> Float:
    """(N, 4) boxes cut at the border of a picture; those outside get no area."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.clip(boxes, 0, [width, height, width, height])


def areas(boxes: Float) -> Float:
    """(N,) square pixels, 0 for boxes that are turned inside out."""
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def overlaps(a: Float, b: Float) -> Float:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def iou(a: ArrayLike, b: ArrayLike) -> Float:
    """(N,) intersection over union of boxes (N, 4) row by row; 0 where a box is not finite."""
    a, b = (np.asarray(box, dtype=np.float64).reshape(-1, 4) for box in (a, b))
    shared = areas(np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        result = shared / (areas(a) + areas(b) - shared)
    return np.where(np.isfinite(result), result, 0.0)


def non_maximum_suppression(boxes: Float, scores: Float, max_overlap: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, best first: each overlaps every better one by at most ``max_overlap``.

    Class-agnostic, as the paper's masks and captions are: two names for one box are one object.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    iou = overlaps(boxes, boxes)
    kept: list[int] = []
    for index in order:
        if all(iou[index, other] <= max_overlap for other in kept):
            kept.append(int(index))
    return np.array(kept, dtype=np.intp)
