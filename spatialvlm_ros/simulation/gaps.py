"""The distance between two real surfaces (triangle meshes, hollow ones included): exact when near, to 1 mm when far.

Convex hulls would say that an apple above a bowl's floor touches the bowl. Here candidates are found with bounding
spheres of small triangles, nearest first, and measured triangle against triangle until nothing nearer is possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]

_COARSE_POINTS = 200
_CHUNKS = (200, 1000, 4000)  # pairs measured at once: few at first, since the first ones lower the bound most

# Gains below this share of the distance (and below this many metres) are not searched for.
_TOLERANCE_SHARE, _TOLERANCE_M, _EXACT_BELOW_M = 0.003, 0.001, 0.03


@dataclass(frozen=True)
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


def surface_gap(a: Posed, b: Posed) -> float:
    """Least distance in metres between the surfaces of ``a`` and ``b``; 0 where they touch or cut each other."""
    if len(a.solid.centers) > len(b.solid.centers):
        a, b = b, a
    # Work in b's frame, where its tree is.
    own = b.to_own(a.to_world(a.solid.fine))
    centers = own.mean(axis=1)
    step = max(1, len(centers) // _COARSE_POINTS)
    bound = float(b.solid.tree.query(centers[::step])[0].min())
    near = _distance_to_box(centers, b.solid.lower, b.solid.upper) - a.solid.radii < _worth_finding(bound)
    chosen = np.flatnonzero(near)
    if len(chosen) == 0:
        return bound
    distance, partner = b.solid.tree.query(centers[chosen])
    # The nearest few by their centres, measured exactly, give a bound that throws out most of the rest.
    floor = distance - a.solid.radii[chosen] - b.solid.radii[partner]
    best = np.argsort(floor)[: _CHUNKS[0]]
    bound = min(bound, float(triangle_distances(own[chosen[best]], b.solid.fine[partner[best]]).min()))
    if bound == 0.0:
        return bound
    reach_b = float(b.solid.radii.max())
    chosen = chosen[distance - a.solid.radii[chosen] - reach_b < _worth_finding(bound)]
    first, second = _pairs_within(centers, chosen, a, b, _worth_finding(bound) + reach_b)
    floor = np.linalg.norm(centers[first] - b.solid.centers[second], axis=1)
    floor -= a.solid.radii[first] + b.solid.radii[second]
    kept = floor < _worth_finding(bound)
    first, second, floor = first[kept], second[kept], floor[kept]
    # Boxes around the triangles tell more than spheres where flat faces lie opposite each other.
    least, most = own.min(axis=1), own.max(axis=1)
    apart = np.maximum(least[first] - b.solid.fine_upper[second], b.solid.fine_lower[second] - most[first])
    floor = np.maximum(floor, np.linalg.norm(np.maximum(apart, 0.0), axis=1))
    order = np.argsort(floor)
    order = order[: np.searchsorted(floor[order], _worth_finding(bound))]
    first, second, floor = first[order], second[order], floor[order]
    start, chunk = 0, 0
    while start < len(first) and floor[start] < _worth_finding(bound):
        part = slice(start, start + _CHUNKS[chunk])
        bound = min(bound, float(triangle_distances(own[first[part]], b.solid.fine[second[part]]).min()))
        start, chunk = part.stop, min(chunk + 1, len(_CHUNKS) - 1)
    return bound


def _pairs_within(
    centers: Float, chosen: NDArray[np.intp], a: Posed, b: Posed, reach: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Triangles of ``a`` and ``b`` whose centres are nearer than ``reach`` plus the radius of the first."""
    lists = b.solid.tree.query_ball_point(centers[chosen], reach + a.solid.radii[chosen])
    counts = [len(one) for one in lists]
    if sum(counts) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    return np.repeat(chosen, counts), np.concatenate([np.asarray(one, dtype=np.intp) for one in lists])


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


def _distance_to_box(points: Float, lower: Float, upper: Float) -> Float:
    outside = np.maximum(np.maximum(lower - points, points - upper), 0.0)
    return np.linalg.norm(outside, axis=1)


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
