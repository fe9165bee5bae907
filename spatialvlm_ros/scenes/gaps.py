"""Least distance between surfaces: of points, of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.geometry.boxes import Boxes

Float = NDArray[np.float64]

_FIRST = 32  # points of a cloud that are asked before the others
_MAX_STEPS = 400
_TOLERANCE = 1e-5  # metres between the pair of points that was found and the least there can be


def surface_gaps(clouds: Sequence[ArrayLike | None]) -> Float:
    """(n, n) least distances in metres between clouds of surface points (N_i, 3), each with each.

    They are upper bounds of the distances of the surfaces, too large by about the spacing of the samples. NaN where a
    cloud is None or empty, 0 on the diagonal.
    """
    from scipy.spatial import cKDTree

    points = [np.zeros((0, 3)) if cloud is None else np.asarray(cloud, dtype=np.float64) for cloud in clouds]
    trees = [cKDTree(cloud) if len(cloud) else None for cloud in points]
    gaps = np.full((len(trees), len(trees)), np.nan)
    np.fill_diagonal(gaps, 0.0)
    for i, first in enumerate(trees):
        for j, second in enumerate(trees[:i]):
            if first is not None and second is not None:
                few, many = (first, second) if first.n <= second.n else (second, first)
                gaps[i, j] = gaps[j, i] = _least_distance(few.data, many)
    return gaps


def _least_distance(points: Float, tree: Any) -> float:
    """Some points tell how near the others have to be to matter: asking all of them alike takes seven times as long."""
    some = float(tree.query(points[:: -(-len(points) // _FIRST)])[0].min())
    return min(some, float(tree.query(points, distance_upper_bound=some)[0].min()))


def box_gap(a: Boxes, b: Boxes) -> Float:
    """(N,) least distance in metres between boxes, row by row; 0 where they overlap.

    Alternating projections on the two boxes converge to a nearest pair of points of two convex sets (Cheney and
    Goldstein 1959), but creep along faces that are nearly parallel. They are steps of projected gradient descent on
    half the squared distance, so they are sped up as that is: by momentum (Nesterov 1983; Beck and Teboulle 2009)
    that starts anew in a row where it points uphill (O'Donoghue and Candes 2015).
    """
    # In the coordinates of a, whose projection is then a clip.
    half_a, half_b = a.sizes / 2, b.sizes / 2
    turn = np.einsum("nji,njk->nik", a.rotations, b.rotations)  # from b to a
    center = np.einsum("nji,nj->ni", a.rotations, b.centers - a.centers)
    gap = np.full(len(a), np.inf)
    rows = np.arange(len(a))
    point = np.clip(center, -half_a, half_a)
    ahead, age = point, np.ones(len(a))
    for _ in range(_MAX_STEPS):
        on_a = np.clip(_closest(center, turn, half_b, ahead), -half_a, half_a)
        apart = on_a - _closest(center, turn, half_b, on_a)
        gap[rows] = np.linalg.norm(apart, axis=1)
        open_ = gap[rows] - _separation(apart, gap[rows], center, turn, half_a, half_b) > _TOLERANCE
        if not open_.any():
            break
        step = on_a - point
        age = np.where(np.einsum("ni,ni->n", ahead - on_a, step) > 0, 1.0, age)
        older = (1 + np.sqrt(1 + 4 * age**2)) / 2
        ahead = on_a + ((age - 1) / older)[:, None] * step
        rows, point, ahead, age = rows[open_], on_a[open_], ahead[open_], older[open_]
        center, turn, half_a, half_b = center[open_], turn[open_], half_a[open_], half_b[open_]
    return np.where(gap < _TOLERANCE, 0.0, gap)


def _separation(apart: Float, gap: Float, center: Float, turn: Float, half_a: Float, half_b: Float) -> Float:
    """(N,) metres between the boxes along the direction ``apart``: no pair of points is nearer; 0 where they touch."""
    direction = apart / np.maximum(gap, _TOLERANCE)[:, None]
    reach_b = (np.abs(np.einsum("nji,nj->ni", turn, direction)) * half_b).sum(axis=1)
    reach_a = (np.abs(direction) * half_a).sum(axis=1)
    between = -reach_a - reach_b - np.einsum("ni,ni->n", direction, center)
    return np.where(gap < _TOLERANCE, 0.0, between)


def _closest(centers: Float, rotations: Float, half: Float, points: Float) -> Float:
    """(N, 3) the point of each (solid) box nearest to each point."""
    local = np.clip(np.einsum("nji,nj->ni", rotations, points - centers), -half, half)
    return centers + np.einsum("nij,nj->ni", rotations, local)


def footprints(boxes: Boxes, ups: Float) -> Boxes:
    """The boxes flattened on the horizontal plane through the camera: zero extent along up.

    Exact for boxes with one axis along up, which is how boxes are made where up is known.
    """
    along = np.abs(np.einsum("nij,ni->nj", boxes.rotations, ups))
    sizes = boxes.sizes.copy()
    sizes[np.arange(len(boxes)), along.argmax(axis=1)] = 0.0
    heights = np.einsum("ni,ni->n", boxes.centers, ups)
    return Boxes(boxes.centers - heights[:, None] * ups, sizes, boxes.rotations)
