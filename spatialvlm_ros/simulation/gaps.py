"""The distance between two real surfaces (triangle meshes, hollow ones included): exact when near, to 1.5 mm when far.

Convex hulls would say that an apple above a bowl's floor touches the bowl. Here boxes around groups of neighbouring
triangles are taken nearest first, and their triangles measured one against another until nothing nearer is possible.
What is possible is bounded twice: by the boxes, and by the extents along the direction from one nearest point to the
other (a separating axis), which is sharp for things far from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.solids import LEAF, Solid

Float = NDArray[np.float64]

_COARSE_POINTS = 100
_REFINEMENTS = 3
_BATCHES = (4, 16, 64)  # pairs of leaves looked at together
_CHUNKS = (200, 1000, 4000)  # pairs measured at once: few at first, since the first ones lower the bound most

# Gains below this share of the distance (and below this many metres) are not searched for.
_TOLERANCE_SHARE, _TOLERANCE_M, _EXACT_BELOW_M = 0.01, 0.0015, 0.03


@dataclass(frozen=True, eq=False)
class Posed:
    """A solid that stands somewhere: world = rotation @ own + position."""

    solid: Solid
    rotation: Float
    position: Float

    def to_world(self, points: Float) -> Float:
        """(..., 3) own points in the world frame."""
        return points @ self.rotation.T + self.position

    def to_own(self, points: Float) -> Float:
        """(..., 3) world points in the solid's frame."""
        return (points - self.position) @ self.rotation

    @cached_property
    def fine(self) -> Float:
        """(T, 3, 3) small triangles of the surface, world frame."""
        return self.to_world(self.solid.fine)

    @cached_property
    def lower(self) -> Float:
        """(T, 3) least world coordinates of each small triangle."""
        return np.minimum(np.minimum(self.fine[:, 0], self.fine[:, 1]), self.fine[:, 2])

    @cached_property
    def upper(self) -> Float:
        """(T, 3) greatest world coordinates of each small triangle."""
        return np.maximum(np.maximum(self.fine[:, 0], self.fine[:, 1]), self.fine[:, 2])

    @cached_property
    def leaf_lower(self) -> Float:
        """(L, 3) least world coordinates of each leaf."""
        return np.minimum.reduceat(self.lower, self.solid.leaves[:-1])

    @cached_property
    def leaf_upper(self) -> Float:
        """(L, 3) greatest world coordinates of each leaf."""
        return np.maximum.reduceat(self.upper, self.solid.leaves[:-1])

    def center_of(self, triangle: int) -> Float:
        """(3,) middle of a small triangle, world frame."""
        return self.to_world(self.solid.centers[triangle])


def surface_gap(a: Posed, b: Posed) -> float:
    """Least distance in metres between the surfaces of ``a`` and ``b``; 0 where they touch or cut each other."""
    if len(a.solid.fine) > len(b.solid.fine):
        a, b = b, a
    starts_a, starts_b = a.solid.leaves, b.solid.leaves
    i, j, bound = _near_centers(a, b)
    start_pair = _members(np.array([i // LEAF]), np.array([j // LEAF]), starts_a, starts_b)
    bound = _nearest(a.fine, b.fine, *start_pair, np.zeros(len(start_pair[0])), bound)
    if bound == 0.0:
        return bound
    limit = _worth_finding(bound)
    # How far each triangle and each leaf reaches towards the other thing.
    way = b.center_of(j) - a.center_of(i)
    way = way / max(float(np.linalg.norm(way)), 1e-9)
    reach_a, reach_b = _extremes(a.fine @ way, np.maximum), _extremes(b.fine @ way, np.minimum)
    leaf_a, leaf_b = np.maximum.reduceat(reach_a, starts_a[:-1]), np.minimum.reduceat(reach_b, starts_b[:-1])
    near_a = np.flatnonzero(leaf_b.min() - leaf_a < limit)
    near_b = np.flatnonzero(leaf_b - leaf_a.max() < limit)
    # First the leaves that are near the other thing as a whole, then pairs of leaves.
    box_a, box_b = (
        (a.leaf_lower.min(axis=0), a.leaf_upper.max(axis=0)),
        (b.leaf_lower.min(axis=0), b.leaf_upper.max(axis=0)),
    )
    near_a = near_a[_box_distances(a.leaf_lower[near_a], a.leaf_upper[near_a], *box_b) < limit]
    near_b = near_b[_box_distances(b.leaf_lower[near_b], b.leaf_upper[near_b], *box_a) < limit]
    floors = _box_distances(
        a.leaf_lower[near_a, None], a.leaf_upper[near_a, None], b.leaf_lower[None, near_b], b.leaf_upper[None, near_b]
    )
    np.maximum(floors, leaf_b[None, near_b] - leaf_a[near_a, None], out=floors)  # (leaves of a, leaves of b)
    first, second = np.nonzero(floors < limit)
    floors = floors[first, second]
    order = np.argsort(floors)
    first, second, floors = near_a[first[order]], near_b[second[order]], floors[order]
    start, batch = 0, 0
    while start < len(first) and floors[start] < _worth_finding(bound):
        part = slice(start, start + _BATCHES[batch])
        i, j = _members(first[part], second[part], starts_a, starts_b)
        apart = _box_distances(a.lower[i], a.upper[i], b.lower[j], b.upper[j])
        bound = _nearest(a.fine, b.fine, i, j, np.maximum(apart, reach_b[j] - reach_a[i]), bound)
        start, batch = part.stop, min(batch + 1, len(_BATCHES) - 1)
    return bound


def _near_centers(a: Posed, b: Posed) -> tuple[int, int, float]:
    """Small triangles of ``a`` and ``b`` whose centres are near each other, and the distance of these."""
    step = max(1, len(a.solid.centers) // _COARSE_POINTS)
    distances, partners = b.solid.tree.query(b.to_own(a.to_world(a.solid.centers[::step])))
    best = int(np.argmin(distances))
    i, j, bound = best * step, int(partners[best]), float(distances[best])
    for _ in range(_REFINEMENTS):  # from one to the other and back
        _, i = a.solid.tree.query(a.to_own(b.center_of(j)))
        bound, j = b.solid.tree.query(b.to_own(a.center_of(int(i))))
    return int(i), int(j), float(bound)


def _extremes(values: Float, choose: np.ufunc) -> Float:
    """(T,) the greatest or least of three values (T, 3)."""
    return choose(choose(values[:, 0], values[:, 1]), values[:, 2])


def _nearest(a: Float, b: Float, i: NDArray[np.intp], j: NDArray[np.intp], floors: Float, bound: float) -> float:
    """The least of ``bound`` and the distances of triangles a[i] from b[j], which are at least ``floors``."""
    kept = np.flatnonzero(floors < _worth_finding(bound))
    kept = kept[np.argsort(floors[kept])]
    start, chunk = 0, 0
    while start < len(kept) and floors[kept[start]] < _worth_finding(bound):
        part = kept[start : start + _CHUNKS[chunk]]
        bound = min(bound, float(triangle_distances(a[i[part]], b[j[part]]).min()))
        start, chunk = start + _CHUNKS[chunk], min(chunk + 1, len(_CHUNKS) - 1)
    return bound


def _members(
    first: NDArray[np.intp], second: NDArray[np.intp], starts_a: NDArray[np.intp], starts_b: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of triangles of pairs of leaves."""
    offset = np.arange(LEAF)
    i = np.broadcast_to((starts_a[first][:, None] + offset)[:, :, None], (len(first), LEAF, LEAF)).reshape(-1)
    j = np.broadcast_to((starts_b[second][:, None] + offset)[:, None, :], (len(first), LEAF, LEAF)).reshape(-1)
    there = (i < starts_a[-1]) & (j < starts_b[-1])  # the last leaf may be smaller
    return i[there], j[there]


def _box_distances(lower_a: Float, upper_a: Float, lower_b: Float, upper_b: Float) -> Float:
    """Distances between axis-aligned boxes, (..., 3) each."""
    total = np.zeros(np.broadcast_shapes(lower_a.shape, lower_b.shape)[:-1])
    for k in range(3):
        apart = np.maximum(lower_a[..., k] - upper_b[..., k], lower_b[..., k] - upper_a[..., k])
        np.maximum(apart, 0.0, out=apart)
        total += apart * apart
    return np.sqrt(total)


def _worth_finding(bound: float) -> float:
    """A pair of triangles is only measured when it could be nearer than this."""
    return bound if bound < _EXACT_BELOW_M else bound - min(_TOLERANCE_SHARE * bound, _TOLERANCE_M)


def gap_matrix(bodies: list[Posed]) -> Float:
    """(n, n) `surface_gap` of every pair, 0 on the diagonal."""
    gaps = np.zeros((len(bodies), len(bodies)))
    for i in range(len(bodies)):
        for j in range(i):
            gaps[i, j] = gaps[j, i] = surface_gap(bodies[i], bodies[j])
    return gaps


def triangle_distances(a: Float, b: Float) -> Float:
    """(N,) distances between triangles a and b, (N, 3, 3) each; 0 for those that cut each other."""
    best = np.full(len(a), np.inf)
    for k in range(3):
        np.minimum(best, _point_triangle_squared(a[:, k], b), out=best)
        np.minimum(best, _point_triangle_squared(b[:, k], a), out=best)
        for m in range(3):
            edges = (a[:, k], a[:, (k + 1) % 3], b[:, m], b[:, (m + 1) % 3])
            np.minimum(best, _segment_segment_squared(*edges), out=best)
    close = best < 1e-4  # only triangles within a centimetre are worth a test for crossing
    if close.any():
        crossing = np.zeros(int(close.sum()), bool)
        for k in range(3):
            crossing |= _segment_cuts(a[close, k], a[close, (k + 1) % 3], b[close])
            crossing |= _segment_cuts(b[close, k], b[close, (k + 1) % 3], a[close])
        best[np.flatnonzero(close)[crossing]] = 0.0
    return np.sqrt(best)


def _dot(a: Float, b: Float) -> Float:
    return np.einsum("ni,ni->n", a, b)


def _point_triangle_squared(p: Float, t: Float) -> Float:
    """(N,) squared distance of points (N, 3) to the INSIDE of triangles; inf where the foot lies outside.

    The borders are covered by the edge-edge distances.
    """
    u, v, w = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0], p - t[:, 0]
    uu, uv, vv, wu, wv = _dot(u, u), _dot(u, v), _dot(v, v), _dot(w, u), _dot(w, v)
    determinant = uu * vv - uv * uv
    flat = determinant <= 1e-18 * np.maximum(uu * vv, 1e-30)
    safe = np.where(flat, 1.0, determinant)
    s, q = (vv * wu - uv * wv) / safe, (uu * wv - uv * wu) / safe
    foot = w - s[:, None] * u - q[:, None] * v
    inside = ~flat & (s >= 0) & (q >= 0) & (s + q <= 1)
    return np.where(inside, _dot(foot, foot), np.inf)


def _segment_segment_squared(a0: Float, a1: Float, b0: Float, b1: Float) -> Float:
    """(N,) squared distances between segments (Ericson, Real-Time Collision Detection, 5.1.9)."""
    d1, d2, r = a1 - a0, b1 - b0, a0 - b0
    a, e, f, c, b = _dot(d1, d1), _dot(d2, d2), _dot(d2, r), _dot(d1, r), _dot(d1, d2)
    a, e = np.maximum(a, 1e-30), np.maximum(e, 1e-30)
    determinant = a * e - b * b
    parallel = determinant <= 1e-14 * a * e
    s = np.where(parallel, 0.0, np.clip((b * f - c * e) / np.where(parallel, 1.0, determinant), 0, 1))
    t = (b * s + f) / e
    s = np.where(t < 0, np.clip(-c / a, 0, 1), np.where(t > 1, np.clip((b - c) / a, 0, 1), s))
    t = np.clip(t, 0, 1)
    between = r + s[:, None] * d1 - t[:, None] * d2
    return _dot(between, between)


def _segment_cuts(p: Float, q: Float, t: Float) -> NDArray[np.bool_]:
    """(N,) whether segments p-q pass through the inside of triangles (N, 3, 3)."""
    normal = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    height_p, height_q = _dot(p - t[:, 0], normal), _dot(q - t[:, 0], normal)
    opposite = height_p * height_q < 0
    share = height_p / np.where(opposite, height_p - height_q, 1.0)
    hit = p + share[:, None] * (q - p)
    inside = opposite
    for k in range(3):
        corner, following = t[:, k], t[:, (k + 1) % 3]
        inside = inside & (_dot(np.cross(following - corner, hit - corner), normal) >= 0)
    return inside
