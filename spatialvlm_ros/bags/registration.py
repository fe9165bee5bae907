"""Depth of one camera seen from another: points are moved and projected, never a picture stretched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DepthError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.points import point_map
from spatialvlm_ros.geometry.transforms import Transform

_LARGEST_FOOTPRINT = 6  # pixels; a coarser depth camera leaves holes


def register_depth(
    depth: NDArray[np.float32], depth_camera: Camera, colour_camera: Camera, colour_from_depth: Transform
) -> NDArray[np.float32]:
    """Depth in the pixels of the colour camera.

    Each depth pixel covers as many colour pixels as its footprint has there; where several fall on one pixel the
    nearest wins. What the depth camera does not see stays NaN.

    Args:
        depth: (h, w) float32 metres, NaN invalid, of ``depth_camera``.
        colour_from_depth: takes points of the depth camera's optical frame into the colour camera's.

    Returns:
        (H, W) float32 metres along the colour camera's optical axis, NaN where nothing falls.
    """
    points = point_map(depth, depth_camera).reshape(-1, 3)
    points = colour_from_depth.apply(points[np.isfinite(points).all(axis=1)])
    points = points[points[:, 2] > 1e-3]
    result = np.full(colour_camera.height * colour_camera.width, np.inf)
    if not len(points):
        raise DepthError(
            "no depth falls before the colour camera", int(np.isfinite(depth).sum()), "Check the transform."
        )
    centres = colour_camera.project(points)
    z = points[:, 2]
    usable = np.isfinite(centres).all(axis=1)
    centres, z = centres[usable], z[usable]
    footprint = [colour_camera.fx / depth_camera.fx, colour_camera.fy / depth_camera.fy]
    across, down = (int(np.clip(np.ceil(f - 1e-6), 1, _LARGEST_FOOTPRINT)) for f in footprint)
    for dv in range(down):
        for du in range(across):
            offset = [du - (across - 1) / 2, dv - (down - 1) / 2]
            u, v = np.floor(centres + offset + 0.5).astype(np.int64).T
            inside = (u >= 0) & (u < colour_camera.width) & (v >= 0) & (v < colour_camera.height)
            np.minimum.at(result, v[inside] * colour_camera.width + u[inside], z[inside])
    result[~np.isfinite(result)] = np.nan
    return result.reshape(colour_camera.height, colour_camera.width).astype(np.float32)
