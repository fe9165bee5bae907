"""Masks from boxes without a network: by colour (GrabCut) or by depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes2d import clip_boxes
from spatialvlm_ros.perception.capture import Capture

# GrabCut has failed if it leaves less than this share of the box; then this share of each side, in the middle, is
# taken for certain.
_COLLAPSED, _SEED = 0.1, 0.4


@dataclass(frozen=True)
class GrabCutSegmenter:
    """Separates the colours inside a box from those around it (`Segmenter`; Rother et al. 2004).

    Attributes:
        iterations: of the colour models.
        surroundings: how far around the box background colours are looked at, as a share of its size.
        max_side: longer cut-outs are shrunk to this many pixels first.
    """

    iterations: int = 4
    surroundings: float = 0.5
    max_side: int = 400

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        masks = np.zeros((len(boxes), capture.height, capture.width), bool)
        for mask, box in zip(masks, clip_boxes(boxes, capture.width, capture.height), strict=True):
            self._one(capture.rgb, box, mask)
        return masks

    def _one(self, rgb: NDArray[np.uint8], box: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
        """Fill ``mask`` (H, W) inside ``box``."""
        height, width = mask.shape
        x0, y0, x1, y1 = _whole_pixels(box)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        grow_x, grow_y = (round(self.surroundings * side) + 2 for side in (x1 - x0, y1 - y0))
        left, top = max(x0 - grow_x, 0), max(y0 - grow_y, 0)
        right, bottom = min(x1 + grow_x, width), min(y1 + grow_y, height)
        window = rgb[top:bottom, left:right]
        scale = min(1.0, self.max_side / max(window.shape[:2]))
        size = [max(round(side * scale), 1) for side in window.shape[1::-1]]
        small = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), np.uint8)
        inner = np.round(np.array([x0 - left, y0 - top, x1 - left, y1 - top]) * scale).astype(int)
        labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
        labels[inner[1] : inner[3], inner[0] : inner[2]] = cv2.GC_PR_FGD
        if (labels == cv2.GC_BGD).all() or (labels != cv2.GC_BGD).all():
            # No surroundings to compare with (or nothing left inside): the box itself is all that is known.
            mask[y0:y1, x0:x1] = True
            return
        found = _grab_cut(small, labels, self.iterations)
        if found.sum() < _COLLAPSED * np.count_nonzero(labels):
            # The object has the colours of its surroundings: hold on to the middle of the box.
            rim = ((inner[2:] - inner[:2]) * (1 - _SEED) / 2).astype(int)
            labels[inner[1] + rim[1] : inner[3] - rim[1], inner[0] + rim[0] : inner[2] - rim[0]] = cv2.GC_FGD
            found = _grab_cut(small, labels, self.iterations)
        found = cv2.resize(found, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST).astype(bool)
        mask[y0:y1, x0:x1] = found[y0 - top : y1 - top, x0 - left : x1 - left]


def _grab_cut(rgb: NDArray[np.uint8], labels: NDArray[np.uint8], iterations: int) -> NDArray[np.uint8]:
    """(h, w) 1 where OpenCV finds foreground, from (h, w) first labels; 0 where it gives up."""
    cv2.setRNGSeed(0)  # its colour clusters start at random; the same picture gives the same mask
    labels, models = labels.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    try:
        whole = (0, 0, rgb.shape[1], rgb.shape[0])  # not used with a mask
        cv2.grabCut(np.ascontiguousarray(rgb), labels, whole, *models, iterations, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # fewer different pixels than colour clusters
        return np.zeros_like(labels)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


@dataclass(frozen=True)
class BoxDepthSegmenter:
    """Takes the pixels of a box that lie as far away as its middle (`Segmenter`); needs measured depth.

    An object is taken to be about as deep as it is wide or high: pixels further from the median depth of the middle
    than half of that belong to something else. Only the largest connected piece stays.

    Attributes:
        middle: share of the box, in each direction, whose median depth is the object's.
        depth_factor: how deep an object may be, relative to the larger side of its box in metres.
        min_half_depth: metres; thin and small objects get at least this much.
    """

    middle: float = 0.4
    depth_factor: float = 1.0
    min_half_depth: float = 0.03

    def segment(self, capture: Capture, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        masks = np.zeros((len(boxes), capture.height, capture.width), bool)
        if capture.depth is None:
            return masks
        focal = capture.camera.fx if capture.camera else float(capture.width)
        for mask, box in zip(masks, clip_boxes(boxes, capture.width, capture.height), strict=True):
            self._one(capture.depth, focal, box, mask)
        return masks

    def _one(self, depth: NDArray[np.float32], focal: float, box: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
        x0, y0, x1, y1 = _whole_pixels(box)
        window = depth[y0:y1, x0:x1]
        if not window.size:
            return
        height, width = window.shape
        rim_y, rim_x = (int(side * (1 - self.middle) / 2) for side in (height, width))
        centre = window[rim_y : height - rim_y, rim_x : width - rim_x]
        if not np.isfinite(centre).any():
            centre = window
        if not np.isfinite(centre).any():
            return
        distance = float(np.nanmedian(centre))
        half = max(self.min_half_depth, self.depth_factor * max(height, width) * distance / focal / 2)
        near = np.isfinite(window) & (np.abs(np.nan_to_num(window, nan=np.inf) - distance) < half)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats(near.astype(np.uint8), connectivity=8)
        if len(statistics) > 1:
            mask[y0:y1, x0:x1] = pieces == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))


def _whole_pixels(box: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The pixels that a clipped box touches: x0, y0, x1, y1, x1 and y1 exclusive."""
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
