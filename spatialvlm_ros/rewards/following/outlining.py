"""Boxes that fit: what a rough box of a model holds, told from its surroundings by colour (OpenCV's GrabCut)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes2d import overlaps

Float = NDArray[np.float64]

_THING = 0.6  # of the sides of the box, around it: where the thing may reach to
_CROP = 1.2  # of the sides of the box, around it: surroundings that are looked at
_PASSES = 4
_FEWEST_PX = 3  # of either side of what is found
_LARGEST_PX = 256  # side of what is cut out: what GrabCut costs grows with its pixels, what it finds hardly
_ALIKE = 0.2  # overlap with the rough box, below which something else was found


@dataclass(frozen=True)
class Outlined:
    """What a rough box holds.

    Attributes:
        box: (4,) x0, y0, x1, y1 in pixels around it.
        mask: (H, W) its pixels.
        told_apart: whether it was told from its surroundings; else both are those of the rough box.
    """

    box: Float
    mask: NDArray[np.bool_]
    told_apart: bool


def outlined(rgb: NDArray[np.uint8], box: Float) -> Outlined:
    """What a rough box (4,) holds in a picture (H, W, 3).

    Meant for a thing on a ground of other colours. Rother, Kolmogorov and Blake: GrabCut, 2004.
    """
    import cv2

    crop = _around(rgb, box, _CROP)
    longest = int((crop[2:] - crop[:2]).max())
    if longest <= _LARGEST_PX:
        return _outlined(rgb, box)
    share = _LARGEST_PX / longest
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    scale = np.tile([small.shape[1] / width, small.shape[0] / height], 2)
    found = _outlined(np.asarray(small, dtype=np.uint8), box * scale)
    mask = cv2.resize(found.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    return Outlined(found.box / scale if found.told_apart else box, mask, found.told_apart)


def _outlined(rgb: NDArray[np.uint8], box: Float) -> Outlined:
    import cv2

    inside, beyond, crop = (_around(rgb, box, margin) for margin in (0.0, _THING, _CROP))
    kinds = np.full(rgb.shape[:2], cv2.GC_BGD, dtype=np.uint8)
    for (x0, y0, x1, y1), kind in ((beyond, cv2.GC_PR_BGD), (inside, cv2.GC_PR_FGD)):
        kinds[y0:y1, x0:x1] = kind
    rough = Outlined(box, kinds == cv2.GC_PR_FGD, False)
    window = (slice(crop[1], crop[3]), slice(crop[0], crop[2]))
    kinds = np.ascontiguousarray(kinds[window])
    if (inside[2:] - inside[:2] < _FEWEST_PX).any() or not (kinds == cv2.GC_BGD).any():
        return rough
    cv2.setRNGSeed(0)  # its mixtures start from a random clustering; the same picture gives the same box
    mixtures = np.zeros((1, 65)), np.zeros((1, 65))
    picture = np.ascontiguousarray(rgb[window])
    cv2.grabCut(picture, kinds, (0, 0, 1, 1), *mixtures, _PASSES, cv2.GC_INIT_WITH_MASK)
    kept = ((kinds == cv2.GC_FGD) | (kinds == cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, parts, _ = cv2.connectedComponentsWithStats(kept)
    if len(parts) < 2:
        return rough
    largest = 1 + int(np.argmax(parts[1:, cv2.CC_STAT_AREA]))
    x, y, width, height = parts[largest, :4]
    found = np.array([x, y, x + width, y + height], dtype=np.float64) + np.tile(crop[:2], 2)
    if min(width, height) < _FEWEST_PX or overlaps(found[None], box[None])[0, 0] < _ALIKE:
        return rough
    mask = np.zeros(rgb.shape[:2], dtype=bool)
    mask[window] = labels == largest
    return Outlined(found, mask, True)


def _around(rgb: NDArray[np.uint8], box: Float, margin: float) -> NDArray[np.int64]:
    """(4,) whole pixels of a box that is larger by a share of its sides on every side, within the picture."""
    height, width = rgb.shape[:2]
    sides = box[2:] - box[:2]
    grown = np.concatenate([box[:2] - margin * sides, box[2:] + margin * sides])
    return np.clip(np.rint(grown), 0, [width, height, width, height]).astype(np.int64)
