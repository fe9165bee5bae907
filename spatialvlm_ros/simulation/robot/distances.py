"""Distances from points and from surfaces to surfaces, quick enough for every frame of an episode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.gaps import Posed, triangle_distances
from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]

_MEASURED_PAIRS = 128


def near_gap(a: Posed, b: Posed) -> float:
    """Least distance in metres between two surfaces; 0 where they touch or cut each other.

    Only the most promising pairs of small triangles are measured, so the value is an upper bound; on robot links and
    table things it is that of `spatialvlm_ros.simulation.gaps.surface_gap` to within 0.1 mm, at a tenth of the time.
    """
    if len(a.solid.centers) > len(b.solid.centers):
        a, b = b, a
    distance, partner = b.solid.tree.query(b.to_own(a.to_world(a.solid.centers)))
    least = distance - a.solid.radii - b.solid.radii[partner]
    chosen = np.argpartition(least, min(_MEASURED_PAIRS, len(least)) - 1)[:_MEASURED_PAIRS]
    own = b.to_own(a.to_world(a.solid.fine[chosen]))
    return float(triangle_distances(own, b.solid.fine[partner[chosen]]).min())


class PointDistance:
    """Exact distances from points to one surface; what does not depend on the point is prepared once.

    Args:
        solid: the surface; points are given in its frame.
    """

    def __init__(self, solid: Solid) -> None:
        self._solid = solid
        self._reach = float(solid.radii.max())
        self._starts = solid.fine  # (T, 3 edges, 3)
        self._edges = np.roll(solid.fine, -1, axis=1) - solid.fine
        self._lengths = np.maximum(np.einsum("nkc,nkc->nk", self._edges, self._edges), 1e-30)
        normals = np.cross(self._edges[:, 0], self._edges[:, 1])
        sizes = np.linalg.norm(normals, axis=1, keepdims=True)
        self._normals = normals / np.where(sizes > 1e-15, sizes, np.inf)  # zero for slivers
        # The inner side of edge k is where offset . inward_k >= 0.
        self._inward = np.cross(self._normals[:, None], self._edges)
        self._flat = sizes[:, 0] <= 1e-15

    def __call__(self, point: Float) -> float:
        """Metres from a point (3,) to the nearest triangle."""
        _, nearest = self._solid.tree.query(point)
        bound = float(self._measure(point, np.array([nearest]))[0])
        near = np.asarray(self._solid.tree.query_ball_point(point, bound + self._reach), dtype=np.intp)
        offsets = self._solid.centers[near] - point
        near = near[np.sqrt(np.einsum("nc,nc->n", offsets, offsets)) - self._solid.radii[near] < bound]
        return min(bound, float(self._measure(point, near).min())) if len(near) else bound

    def _measure(self, point: Float, index: NDArray[np.intp]) -> Float:
        """(N,) distances to triangles: to the face if the foot of the point is inside, else to an edge."""
        edges, offsets = self._edges[index], point - self._starts[index]
        share = (np.einsum("nkc,nkc->nk", offsets, edges) / self._lengths[index]).clip(0.0, 1.0)
        to_edges = offsets - share[..., None] * edges
        squared = np.einsum("nkc,nkc->nk", to_edges, to_edges).min(axis=1)
        inside = (np.einsum("nkc,nkc->nk", offsets, self._inward[index]) >= 0).all(axis=1) & ~self._flat[index]
        heights = np.einsum("nc,nc->n", offsets[:, 0], self._normals[index])
        return np.sqrt(np.where(inside, heights**2, squared))
