"""Masks of detections on the pixel grid of a depth picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.scenes.lifting import report as reasons
from spatialvlm_ros.scenes.lifting.detection import Detection

Bool = NDArray[np.bool_]

_CORE = 0.5  # of a box's width and height: the middle part, which is taken to lie on the object
_BOX_DEPTH_RANGE = 0.15  # relative depth around that of the core which counts as the object, without a mask


def usable_mask(detection: Detection, depth: NDArray[np.float32]) -> tuple[Bool | None, str]:
    """The (H, W) mask of a detection, or None and the reason why it has none.

    A detection without a mask gets the pixels of its box whose depth is near that of the box's middle.
    """
    if detection.mask is not None:
        if detection.mask.shape != depth.shape:
            return None, reasons.MASK_SIZE
        return (detection.mask, "") if detection.mask.any() else (None, reasons.EMPTY_MASK)
    height, width = depth.shape
    if not np.isfinite(detection.box2d).all():
        return None, reasons.OUT_OF_PICTURE
    x0, y0, x1, y1 = np.clip(np.round(detection.box2d), 0, [width, height, width, height]).astype(int)
    if x1 <= x0 or y1 <= y0:
        return None, reasons.OUT_OF_PICTURE
    dx, dy = int((x1 - x0) * (1 - _CORE) / 2), int((y1 - y0) * (1 - _CORE) / 2)
    core = depth[y0 + dy : y1 - dy, x0 + dx : x1 - dx]
    core = core[np.isfinite(core) & (core > 0)]
    if len(core) == 0:
        return None, reasons.TOO_FEW_POINTS
    middle = float(np.median(core))
    mask = np.zeros(depth.shape, dtype=bool)
    mask[y0:y1, x0:x1] = np.abs(depth[y0:y1, x0:x1] - middle) < _BOX_DEPTH_RANGE * middle
    return mask, ""


def owner_map(parts: list[tuple[int, Bool]], shape: tuple[int, ...]) -> NDArray[np.int16]:
    """(H, W) index of the detection at each pixel, -1 for none; where masks overlap the smaller one wins.

    Args:
        parts: index and (H, W) mask of each detection.
    """
    owners = np.full(shape, -1, dtype=np.int16)
    for index, mask in sorted(parts, key=lambda part: -int(part[1].sum())):
        owners[mask] = index
    return owners
