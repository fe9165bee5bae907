"""Collision shapes of objects: what the physics touches, made of convex pieces.

Plain shapes become MuJoCo's own boxes, spheres and cylinders. A mesh without a cavity becomes its convex hull. An open
container is cut into its bottom and sectors of its wall around the cavity, so that things fall into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]
Scale = tuple[float, float, float]

_SECTORS = 12
_LAYERS = 4
_MAX_HULL_VERTICES = 96
_THIN_M = 0.001  # flat pieces get this thickness on either side

# Nouns of primitives that are exactly one MuJoCo geom.
_EXACT = {
    "cube": "BOX",
    "block": "BOX",
    "box": "BOX",
    "ball": "ELLIPSOID",
    "cylinder": "CYLINDER",
    "disk": "CYLINDER",
}

# Sliding, twisting and rolling: twice the usual rolling friction, so that balls come to rest on a table.
_FRICTION = (0.9, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class ConvexPiece:
    """The convex hull of some points.

    Attributes:
        points: (K, 3) its corners, metres, in the object's frame.
        exact: name of the MuJoCo geom type that it is exactly, with its half sizes; None for a hull.
    """

    points: Float
    exact: str | None = None

    @cached_property
    def _planes(self) -> Float:
        return ConvexHull(self.points).equations

    def contains(self, point: Float) -> bool:
        """Whether ``point`` (3,) lies in the piece."""
        return bool((self._planes[:, :3] @ point + self._planes[:, 3] <= 0).all())

    @cached_property
    def volume(self) -> float:
        """Cubic metres."""
        return float(ConvexHull(self.points).volume)


def convex_pieces(item: AssetItem, solid: Solid, scale: Scale) -> tuple[ConvexPiece, ...]:
    """The pieces that stand in for an item whose scaled surface is ``solid``."""
    if item.id.startswith("primitive/") and item.noun in _EXACT:
        return (ConvexPiece(_hull(solid.triangles.reshape(-1, 3)), _EXACT[item.noun]),)
    if item.cavity is None:
        return (ConvexPiece(_hull(solid.triangles.reshape(-1, 3))),)
    axis = np.array(item.cavity.center[:2]) * np.array(scale[:2])
    # The cavity is a box inside; a round bowl goes deeper in its middle.
    inner = float(solid.height_map.at(axis[None])[0])
    floor = (item.cavity.center[2] - item.cavity.size[2] / 2) * scale[2]
    return _bottom_and_walls(solid, axis, min(inner, floor) if np.isfinite(inner) else floor)


def touched_surface(pieces: tuple[ConvexPiece, ...]) -> Solid:
    """The surface of all pieces together, those inside others included."""
    return Solid(np.concatenate([piece.points[ConvexHull(piece.points).simplices] for piece in pieces]))


def _bottom_and_walls(solid: Solid, axis: Float, floor: float) -> tuple[ConvexPiece, ...]:
    """Cut the surface into its bottom and cells of the wall; triangles on a border belong to both sides."""
    triangles = solid.fine
    z = triangles[..., 2]
    pieces = []
    bottom = triangles[z.min(axis=1) <= floor + 1e-4].reshape(-1, 3)
    bottom = bottom[bottom[:, 2] <= floor + 1e-3]
    if len(bottom) >= 4:
        pieces.append(ConvexPiece(_hull(bottom)))
    angles = np.arctan2(triangles[..., 1] - axis[1], triangles[..., 0] - axis[0])
    sector = np.floor((angles + np.pi) / (2 * np.pi) * _SECTORS).astype(int) % _SECTORS
    edges = np.linspace(floor, float(solid.upper[2]) + 1e-6, _LAYERS + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        # What lies in the bottom must not come into the wall's hulls: they would fill the container.
        in_layer = (z.max(axis=1) > low + _THIN_M) & (z.min(axis=1) < high)
        for k in range(_SECTORS):
            cell = triangles[in_layer & (sector == k).any(axis=1)].reshape(-1, 3)
            cell = cell[cell[:, 2] >= floor - 1e-3]
            if len(cell) >= 3:
                pieces.append(ConvexPiece(_hull(cell)))
    return tuple(pieces)


def _hull(points: Float) -> Float:
    """(K, 3) the corners of the convex hull; flat sets of points are thickened first."""
    points = np.unique(np.round(points, 6), axis=0)
    centered = points - points.mean(axis=0)
    axes = np.linalg.svd(centered, full_matrices=False)[2]
    normal = axes[-1]
    if np.ptp(centered @ normal) < _THIN_M:
        points = np.concatenate([points + _THIN_M * normal, points - _THIN_M * normal])
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # a line or a point: its box
        low, high = points.min(axis=0) - _THIN_M, points.max(axis=0) + _THIN_M
        return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])


def add_collision(spec: Any, body: Any, pieces: tuple[ConvexPiece, ...], name: str, mass: float, group: int) -> None:
    """Add the pieces to ``body`` as geoms ``{name}/piece{k}`` that share ``mass`` by volume."""
    mujoco = require_mujoco()

    total = sum(piece.volume for piece in pieces)
    for k, piece in enumerate(pieces):
        common: dict[str, Any] = {
            "name": f"{name}/piece{k}",
            "mass": mass * piece.volume / total,
            "group": group,
            "condim": 6 if len(pieces) == 1 else 4,
            "friction": list(_FRICTION),
            "solref": [0.008, 1.0],
        }
        if piece.exact is not None:
            low, high = piece.points.min(axis=0), piece.points.max(axis=0)
            half = (high - low) / 2
            size = [half[0], half[2], 0.0] if piece.exact == "CYLINDER" else half.tolist()
            kind = getattr(mujoco.mjtGeom, f"mjGEOM_{piece.exact}")
            body.add_geom(type=kind, pos=((low + high) / 2).tolist(), size=size, **common)
            continue
        mesh = spec.add_mesh(name=f"{name}/piece{k}", uservert=piece.points.ravel())
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        mesh.maxhullvert = _MAX_HULL_VERTICES
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"{name}/piece{k}", **common)
