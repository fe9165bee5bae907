"""Fewer triangles for a textured object of several materials: quadric edge collapse, many independent edges at a time.

Two vertices become one at the place of one of them (half-edge collapse), so that every vertex that stays keeps its
exact place and texture coordinates. The error is that of Garland and Heckbert, "Surface simplification using quadric
error metrics" (1997): squared distance to the planes of the triangles, and to planes upright on open edges.

Words: a *point* is a place; a *wedge* is a point as seen by one material and texture coordinate (several wedges share
the point along a texture seam or a border of materials). A point may move along a seam, not off it, as long as enough
other edges can go; only then do texture coordinates start to slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.sources.raw import RawPart

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_OPEN_EDGE_WEIGHT = 10.0
_SEAM_WEIGHT = 0.3
_SHORT_EDGE_WEIGHT = 1e-7  # among edges that cost nothing (flat places), the shorter first
_STALLED = 0.003  # a round that removes a smaller share of the triangles is a slow one ...
_SLOW_ROUNDS = 12  # ... and after this many in a row the next stage begins


@dataclass(frozen=True)
class _Stage:
    """How free the choice of edges is: across seams or not, and how far a triangle may turn (cosine)."""

    across_seams: bool
    least_cosine: float


_STAGES = (_Stage(False, 0.25), _Stage(True, 0.25), _Stage(True, -2.0))


def decimate(parts: Sequence[RawPart], max_faces: int) -> list[RawPart]:
    """Bring an object of welded parts to ``max_faces`` triangles at most; parts that vanish are left out."""
    if sum(len(part.faces) for part in parts) <= max_faces:
        return list(parts)
    mesh = _Mesh(parts)
    for stage in _STAGES:
        mesh.forget_failures()
        slow_rounds = 0
        while len(mesh.faces) > max_faces and slow_rounds < _SLOW_ROUNDS:
            before = len(mesh.faces)
            if not mesh.collapse_cheapest(max_faces, stage):
                break
            slow_rounds = slow_rounds + 1 if before - len(mesh.faces) < _STALLED * before else 0
    return mesh.parts()


class _Mesh:
    """The object while it shrinks.

    Attributes:
        faces: (F, 3) wedges; face_part: (F,) the part each belongs to.
        point_of: (W,) point of each wedge; uv: (W, 2).
        places: (P, 3) of the points; quadrics: (P, 10) upper triangles of symmetric 4x4 matrices.
    """

    def __init__(self, parts: Sequence[RawPart]) -> None:
        self._sources = list(parts)
        self._rng = np.random.default_rng(0)
        offsets = np.cumsum([0] + [len(part.vertices) for part in parts])
        vertices = np.concatenate([part.vertices for part in parts])
        self._center = vertices.mean(axis=0)
        self._unit = float(np.ptp(vertices, axis=0).max()) or 1.0
        normalised = (vertices - self._center) / self._unit
        _, first, point_of = np.unique(np.round(normalised, 6), axis=0, return_index=True, return_inverse=True)
        self.places: Float = normalised[first]
        self.point_of: Int = point_of.reshape(-1).astype(np.int64)
        self.uv: Float = np.concatenate([np.zeros((len(p.vertices), 2)) if p.uv is None else p.uv for p in parts])
        self.faces: Int = np.concatenate([part.faces + start for part, start in zip(parts, offsets, strict=False)])
        self.face_part: Int = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
        self._drop_flat_faces()
        self.quadrics: Float = self._first_quadrics()
        self.forget_failures()

    def forget_failures(self) -> None:
        """Try again the edges that would have folded a triangle."""
        self._failed: Int = np.zeros(0, np.int64)

    def parts(self) -> list[RawPart]:
        """The parts as they are now, in the unit they came in."""
        result = []
        for index, source in enumerate(self._sources):
            faces = self.faces[self.face_part == index]
            if len(faces) == 0:
                continue
            used, inverse = np.unique(faces, return_inverse=True)
            vertices = self.places[self.point_of[used]] * self._unit + self._center
            uv = None if source.uv is None else self.uv[used]
            result.append(replace(source, vertices=vertices, uv=uv, faces=inverse.reshape(-1, 3)))
        return result

    def collapse_cheapest(self, max_faces: int, stage: _Stage) -> bool:
        """One round: collapse the cheapest edges that do not touch each other; False when none is left."""
        corner = self.point_of[self.faces]  # (F, 3) points
        count, wedges = len(self.places), len(self.point_of)
        start = np.concatenate([corner[:, [0, 1, 2]], corner[:, [1, 2, 0]]]).T.ravel()
        end = np.concatenate([corner[:, [1, 2, 0]], corner[:, [0, 1, 2]]]).T.ravel()
        start_wedge = np.concatenate([self.faces[:, [0, 1, 2]], self.faces[:, [1, 2, 0]]]).T.ravel()
        end_wedge = np.concatenate([self.faces[:, [1, 2, 0]], self.faces[:, [0, 1, 2]]]).T.ravel()
        edge = start * count + end
        # Directed edges (a -> b), and how many wedges of a have a partner at b across that edge.
        edges, partners = np.unique(np.unique(edge * wedges + start_wedge) // wedges, return_counts=True)
        allowed = ~np.isin(edges, self._failed)
        if not stage.across_seams:
            wedges_of = np.bincount(self.point_of[np.unique(self.faces)], minlength=count)
            allowed &= partners == wedges_of[edges // count]
        edges = edges[allowed]
        if len(edges) == 0:
            return False
        a, b = self._cheapest_of_each_point(edges)
        wanted = max(1, (len(self.faces) - max_faces) // 2)
        a, b = a[: max(1, min(wanted, len(a) // 3))], b[: max(1, min(wanted, len(b) // 3))]
        target = self._independent(a, b, corner)
        self._undo_folds(target, corner, stage.least_cosine)
        moved = target != np.arange(count)
        if not moved.any():
            return len(self._failed) > 0 and bool(len(a))
        self._apply(target, (start, end, start_wedge, end_wedge))
        return True

    def _cheapest_of_each_point(self, edges: Int) -> tuple[Int, Int]:
        """Of the directed edges that leave a point the cheapest one; sorted by cost."""
        count = len(self.places)
        a, b = edges // count, edges % count
        cost = _error(self.quadrics[a] + self.quadrics[b], self.places[b])
        length = ((self.places[a] - self.places[b]) ** 2).sum(axis=1)
        # At random among equals: in rows one after the other, neighbours would keep each other from moving.
        cost = np.maximum(cost, 0) + _SHORT_EDGE_WEIGHT * length * self._rng.uniform(0.5, 1.5, len(length))
        order = np.lexsort((cost, a))
        first = order[np.unique(a[order], return_index=True)[1]]
        first = first[np.argsort(cost[first], kind="stable")]
        return a[first], b[first]

    def _independent(self, a: Int, b: Int, corner: Int) -> Int:
        """(P,) where each point goes: only points that are the cheapest in all their triangles move."""
        count = len(self.places)
        rank = np.full(count, np.iinfo(np.int64).max)
        rank[a] = np.arange(len(a))
        ranks = rank[corner]
        beaten = (ranks > ranks.min(axis=1, keepdims=True)) & (ranks < np.iinfo(np.int64).max)
        loses = np.zeros(count, dtype=bool)
        loses[corner[beaten]] = True
        target = np.arange(count)
        keep = ~loses[a]
        target[a[keep]] = b[keep]
        return target

    def _undo_folds(self, target: Int, corner: Int, least_cosine: float) -> None:
        """Take back (and remember) moves that would turn a triangle over or make it a line."""
        new = target[corner]
        changed = (new != corner).any(axis=1) & ~_is_degenerate(new)
        old_normal = _normals(self.places[corner[changed]])
        new_normal = _normals(self.places[new[changed]])
        lengths = np.linalg.norm(old_normal, axis=1) * np.linalg.norm(new_normal, axis=1)
        bad = (old_normal * new_normal).sum(axis=1) <= least_cosine * lengths - (least_cosine < -1)
        rows = corner[changed][bad]
        movers = rows[target[rows] != rows]
        if len(movers):
            failed = np.unique(movers)
            self._failed = np.concatenate([self._failed, failed * len(self.places) + target[failed]])
            target[failed] = failed

    def _apply(self, target: Int, directed: tuple[Int, Int, Int, Int]) -> None:
        start, end, start_wedge, end_wedge = directed
        along = (target[start] == end) & (start != end)
        partner = np.arange(len(self.point_of))
        partner[start_wedge[along]] = end_wedge[along]
        moved = np.flatnonzero(target != np.arange(len(target)))
        np.add.at(self.quadrics, target[moved], self.quadrics[moved])
        self.faces = partner[self.faces]
        self.point_of = target[self.point_of]  # wedges without a partner slide with their point
        self._drop_flat_faces()

    def _drop_flat_faces(self) -> None:
        keep = ~_is_degenerate(self.point_of[self.faces])
        self.faces, self.face_part = self.faces[keep], self.face_part[keep]

    def _first_quadrics(self) -> Float:
        corner = self.point_of[self.faces]
        count, wedges = len(self.places), len(self.point_of)
        quadrics = np.zeros((count, 10))
        normals = _normals(self.places[corner])
        area = np.linalg.norm(normals, axis=1)
        normals /= np.maximum(area, 1e-30)[:, None]
        planes = _plane_quadrics(normals, self.places[corner[:, 0]]) * area[:, None]
        for k in range(3):
            np.add.at(quadrics, corner[:, k], planes)
        # Edges with one triangle are open; edges whose sides have different wedges are seams.
        start, end = corner.T.ravel(), corner[:, [1, 2, 0]].T.ravel()
        face = np.tile(np.arange(len(corner)), 3)
        low, high = np.minimum(start, end), np.maximum(start, end)
        wedge_a, wedge_b = self.faces.T.ravel(), self.faces[:, [1, 2, 0]].T.ravel()
        wedge_low = np.where(start < end, wedge_a, wedge_b)
        edge, inverse, uses = np.unique(low * count + high, return_inverse=True, return_counts=True)
        inverse = inverse.reshape(-1)
        sides = np.bincount(np.unique(inverse * wedges + wedge_low) // wedges, minlength=len(edge))
        weight = np.where(uses == 1, _OPEN_EDGE_WEIGHT, np.where(sides > 1, _SEAM_WEIGHT, 0.0))[inverse]
        chosen = weight > 0
        start, end, face, weight = start[chosen], end[chosen], face[chosen], weight[chosen]
        along = self.places[end] - self.places[start]
        upright = np.cross(along, normals[face])
        length = np.linalg.norm(upright, axis=1)
        upright /= np.maximum(length, 1e-30)[:, None]
        walls = _plane_quadrics(upright, self.places[start]) * (weight * length**2)[:, None]
        np.add.at(quadrics, start, walls)
        np.add.at(quadrics, end, walls)
        return quadrics


def _is_degenerate(corner: Int) -> NDArray[np.bool_]:
    return (corner[:, 0] == corner[:, 1]) | (corner[:, 1] == corner[:, 2]) | (corner[:, 2] == corner[:, 0])


def _normals(corners: Float) -> Float:
    """(F, 3) normals of (F, 3, 3) triangles, as long as twice their area."""
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


_ROWS, _COLUMNS = np.triu_indices(4)


def _plane_quadrics(normals: Float, points: Float) -> Float:
    """(N, 10) quadrics of planes through points."""
    plane = np.column_stack([normals, -(normals * points).sum(axis=1)])
    return plane[:, _ROWS] * plane[:, _COLUMNS]


def _error(quadrics: Float, points: Float) -> Float:
    """(N,) value of each quadric at its point."""
    homogeneous = np.column_stack([points, np.ones(len(points))])
    twice = np.where(_ROWS == _COLUMNS, 1.0, 2.0)
    return (quadrics * twice * homogeneous[:, _ROWS] * homogeneous[:, _COLUMNS]).sum(axis=1)
