"""Point clouds from depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DepthError
from spatialvlm_ros.geometry.cameras import Camera

Float = NDArray[np.float64]


def back_project(depth: NDArray[np.floating], camera: Camera, mask: NDArray[np.bool_] | None = None) -> Float:
    """(N, 3) optical points in metres of every valid pixel of ``depth`` (H, W), row by row.

    Args:
        depth: metres along z, NaN invalid.
        camera: the camera of this depth picture, same size.
        mask: (H, W) bool, only these pixels.

    Raises:
        DepthError: sizes differ.
    """
    if depth.shape != (camera.height, camera.width):
        raise DepthError(
            "depth and camera differ in size",
            (depth.shape, (camera.height, camera.width)),
            "Reproject the depth into this camera first.",
        )
    use = np.isfinite(depth)
    if mask is not None:
        if mask.shape != depth.shape:
            raise DepthError("mask and depth differ in size", (mask.shape, depth.shape), "Use one picture size.")
        use &= mask
    points = camera.pixel_rays()[use] * depth[use].astype(np.float64)[:, None]
    return points[np.isfinite(points).all(axis=1)]  # rays outside the lens model are NaN


def point_map(depth: NDArray[np.floating], camera: Camera) -> Float:
    """(H, W, 3) optical point of every pixel in metres, NaN where the depth is invalid."""
    if depth.shape != (camera.height, camera.width):
        raise DepthError(
            "depth and camera differ in size", (depth.shape, (camera.height, camera.width)), "Reproject it first."
        )
    return camera.pixel_rays() * depth.astype(np.float64)[..., None]
