"""A rigid thing as depth saw it: its points, its upright box, and how far it is to its surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_INSIDE_M = 1e-9


@dataclass(frozen=True)
class Body:
    """A thing where it stood when it was first seen, in the fixed frame.

    Attributes:
        points: (N, 3) metres, of its visible surface.
        box: one upright box around the whole thing.
        height: metres of its bottom over the plane that supports it.
        std: metres, deviation of its surface.
    """

    points: Float
    box: Boxes
    height: float = 0.0
    std: float = 0.004

    def distance(self, point: Float) -> float:
        """Metres from a point (3,) to the convex hull of what was seen of it; 0 inside.

        What was not seen is left out: the hand comes to the side that the camera sees, or from above.
        """
        triangles, planes = self._hull
        if (planes[:, :3] @ point + planes[:, 3] <= _INSIDE_M).all():
            return 0.0
        return float(triangle_distances(point, triangles).min())

    @cached_property
    def _hull(self) -> tuple[Float, Float]:
        """(T, 3, 3) triangles and (T, 4) their planes; those of the box where the points lie in one plane."""
        from scipy.spatial import ConvexHull, QhullError

        try:
            hull, points = ConvexHull(self.points), self.points
        except (QhullError, ValueError):
            points = self.box.corners()[0]
            hull = ConvexHull(points)
        return points[hull.simplices], hull.equations


def triangle_distances(point: Float, triangles: Float) -> Float:
    """(T,) metres from a point (3,) to triangles (T, 3, 3): to the face where its foot is inside, else to an edge."""
    edges = np.roll(triangles, -1, axis=1) - triangles
    normals = np.cross(edges[:, 0], edges[:, 1])
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    offsets = point - triangles
    lengths = np.maximum(np.einsum("tkc,tkc->tk", edges, edges), 1e-30)
    share = np.clip(np.einsum("tkc,tkc->tk", offsets, edges) / lengths, 0.0, 1.0)
    to_edges = offsets - share[..., None] * edges
    nearest = np.einsum("tkc,tkc->tk", to_edges, to_edges).min(axis=1)
    inward = np.cross(normals[:, None], edges)
    over = (np.einsum("tkc,tkc->tk", offsets, inward) >= 0).all(axis=1)
    heights = np.einsum("tc,tc->t", offsets[:, 0], normals)
    return np.sqrt(np.where(over, heights**2, nearest))
