"""Pictures for the page, as data URIs: colour, depth in false colours, instances in the objects' colours."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.pictures import PictureFormat
from spatialvlm_ros.datasets.preview import palette

_INVALID = np.array([38, 38, 38], dtype=np.uint8)
_BACKGROUND = np.array([226, 228, 232], dtype=np.uint8)


def data_uri(rgb: NDArray[np.uint8], max_width: int, jpeg: bool = True) -> str:
    """(H, W, 3) picture, shrunk to ``max_width`` if wider, as a data URI."""
    height, width = rgb.shape[:2]
    if width > max_width:
        small = cv2.resize(rgb, (max_width, round(height * max_width / width)), interpolation=cv2.INTER_AREA)
        rgb = np.asarray(small, dtype=np.uint8)
    kind = PictureFormat("jpeg", 88) if jpeg else PictureFormat("png")
    return f"data:image/{kind.kind};base64,{base64.b64encode(kind.encode(rgb)).decode()}"


def depth_picture(depth: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float, float]:
    """False colours of an (H, W) depth picture (near is red, invalid dark grey) and the metres of both ends.

    The ends are the 2nd and 98th percentile, or a far wall would leave one colour to all objects.
    """
    valid = np.isfinite(depth)
    near, far = np.percentile(depth[valid], (2, 98)) if valid.any() else (1.0, 1.0)
    scaled = np.clip((np.log(far) - np.log(np.where(valid, depth, far))) / max(np.log(far / near), 1e-3), 0, 1)
    coloured = cv2.applyColorMap((scaled * 255).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].copy()
    coloured[~valid] = _INVALID
    return np.asarray(coloured, dtype=np.uint8), float(near), float(far)


def instances_picture(instances: NDArray[np.uint16], ids: Sequence[int]) -> NDArray[np.uint8]:
    """(H, W) instance numbers in the colours of the objects; ``ids[i]`` is the number of object i."""
    picture = np.broadcast_to(_BACKGROUND, (*instances.shape, 3)).copy()
    for index, number in enumerate(ids):
        if number > 0:
            picture[instances == number] = palette.rgb(index)
    return picture
