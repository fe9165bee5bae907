"""Least distance between surfaces: of points, of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.geometry.boxes import Boxes

Float = NDArray[np.float64]

_MAX_STEPS = 400
_TOLERANCE = 1e-7  # metres moved in one round of projections


def surface_gap(points_a: ArrayLike, points_b: ArrayLike) -> float:
    """Least distance in metres between two clouds of surface points (N, 3) and (M, 3).

    It is an upper bound of the distance of the surfaces, too large by about the spacing of the samples.
    """
    from scipy.spatial import cKDTree

    a, b = np.asarray(points_a, dtype=np.float64), np.asarray(points_b, dtype=np.float64)
    if len(a) == 0 or len(b) == 0:
        raise GeometryError("a gap needs points on both objects", (len(a), len(b)), "Skip objects without points.")
    if len(a) > len(b):
        a, b = b, a
    return float(cKDTree(b).query(a, k=1)[0].min())


def box_gap(a: Boxes, b: Boxes) -> Float:
    """(N,) least distance in metres between boxes, row by row; 0 where they overlap.

    Alternating projections on the two boxes: they converge to a nearest pair of points of two convex sets
    (Cheney and Goldstein 1959).
    """
    point = a.centers.copy()
    gap = np.full(len(a), np.inf)
    active = np.arange(len(a))
    for _ in range(_MAX_STEPS):
        on_b = _closest(b[active], point[active])
        on_a = _closest(a[active], on_b)
        moved = np.linalg.norm(on_a - point[active], axis=1)
        point[active] = on_a
        gap[active] = np.linalg.norm(on_a - on_b, axis=1)
        active = active[(moved > _TOLERANCE) & (gap[active] > _TOLERANCE)]
        if len(active) == 0:
            break
    return np.where(gap < 1e-6, 0.0, gap)


def _closest(boxes: Boxes, points: Float) -> Float:
    """(N, 3) the point of each (solid) box nearest to each point."""
    half = boxes.sizes / 2
    local = np.clip(boxes.to_local(points), -half, half)
    return boxes.centers + np.einsum("nij,nj->ni", boxes.rotations, local)


def footprints(boxes: Boxes, ups: Float) -> Boxes:
    """The boxes flattened on the horizontal plane through the camera: zero extent along up.

    Exact for boxes with one axis along up, which is how boxes are made where up is known.
    """
    along = np.abs(np.einsum("nij,ni->nj", boxes.rotations, ups))
    sizes = boxes.sizes.copy()
    sizes[np.arange(len(boxes)), along.argmax(axis=1)] = 0.0
    heights = np.einsum("ni,ni->n", boxes.centers, ups)
    return Boxes(boxes.centers - heights[:, None] * ups, sizes, boxes.rotations)
