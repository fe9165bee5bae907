"""The distance from a point, such as the tool centre point, to the surface of an object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]


def distance_to_surface(solid: Solid, point: Float) -> float:
    """Metres from a point (3,) to the nearest triangle, both in the solid's frame; exact."""
    nearest = int(solid.tree.query(point)[1])
    bound = float(point_triangle_distances(point, solid.fine[[nearest]])[0])
    near = np.asarray(solid.tree.query_ball_point(point, bound + float(solid.radii.max())), dtype=np.intp)
    near = near[np.linalg.norm(solid.centers[near] - point, axis=1) - solid.radii[near] < bound]
    if len(near) == 0:
        return bound
    return min(bound, float(point_triangle_distances(point, solid.fine[near]).min()))


def point_triangle_distances(point: Float, triangles: Float) -> Float:
    """(N,) distances from a point (3,) to triangles (N, 3, 3): to the face if the foot is inside, else to an edge."""
    starts, ends = triangles, np.roll(triangles, -1, axis=1)  # (N, 3 edges, 3)
    edges, offsets = ends - starts, point - starts
    lengths = np.maximum(np.einsum("nkc,nkc->nk", edges, edges), 1e-30)
    share = np.clip(np.einsum("nkc,nkc->nk", offsets, edges) / lengths, 0.0, 1.0)
    to_edges = np.linalg.norm(offsets - share[..., None] * edges, axis=2).min(axis=1)
    normals = np.cross(edges[:, 0], edges[:, 1])
    inside = (np.einsum("nkc,nkc->nk", np.cross(edges, offsets), normals[:, None]) >= 0).all(axis=1)
    sizes = np.linalg.norm(normals, axis=1)
    flat = sizes <= 1e-15
    heights = np.abs(np.einsum("nc,nc->n", offsets[:, 0], normals)) / np.where(flat, 1.0, sizes)
    return np.where(inside & ~flat, heights, to_edges)
