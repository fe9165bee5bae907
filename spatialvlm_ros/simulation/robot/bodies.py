"""The robot's drawn surface, body by body, for boxes and gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from spatialvlm_ros.simulation.gaps import Posed
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot.distances import near_gap
from spatialvlm_ros.simulation.robot.panda import VISUAL_GROUP, PandaHandle
from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]

_AROUND = 32  # corners of a circle


class RobotSurface:
    """The surfaces of the robot's bodies, made once from the geoms that are drawn.

    Args:
        model: compiled model.
        panda: its robot.
    """

    def __init__(self, model: Any, panda: PandaHandle) -> None:
        robot = panda.geom_ids(model)
        drawn = robot[model.geom_group[robot] == VISUAL_GROUP]
        self._bodies = [int(b) for b in panda.body_ids(model)]
        self._solids = [
            Solid(np.concatenate([_geom_triangles(model, int(g)) for g in drawn[model.geom_bodyid[drawn] == body]]))
            for body in self._bodies
        ]
        self._centers = np.stack([solid.center for solid in self._solids])
        self._radii = np.array([np.linalg.norm(s.size) / 2 for s in self._solids])

    def posed(self, data: Any) -> list[Posed]:
        """Each body's surface where it is."""
        return [
            Posed(solid, data.xmat[body].reshape(3, 3).copy(), data.xpos[body].copy())
            for body, solid in zip(self._bodies, self._solids, strict=True)
        ]

    def points(self, data: Any) -> Float:
        """(N, 3) corners of all drawn triangles, world frame."""
        return np.concatenate([p.to_world(p.solid.triangles.reshape(-1, 3)) for p in self.posed(data)])

    def gap(self, data: Any, other: Posed) -> float:
        """Metres from the nearest part of the robot to another surface."""
        posed = self.posed(data)
        centers = np.stack([p.to_world(c) for p, c in zip(posed, self._centers, strict=True)])
        nearest = np.linalg.norm(centers - other.to_world(other.solid.center), axis=1)
        floor = nearest - self._radii - np.linalg.norm(other.solid.size) / 2
        best = np.inf
        for index in np.argsort(floor):
            if floor[index] >= best:
                break
            best = min(best, near_gap(posed[int(index)], other))
        return float(best)


def _geom_triangles(model: Any, geom: int) -> Float:
    """(T, 3, 3) surface of a geom in the frame of its body."""
    mujoco = require_mujoco()
    kind, size = model.geom_type[geom], model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
        faces = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
        triangles = vertices.astype(np.float64)[faces]
    else:
        points = _OUTLINES[mujoco.mjtGeom(kind).name](size)
        triangles = points[ConvexHull(points).simplices]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    return triangles @ rotation.reshape(3, 3).T + model.geom_pos[geom]


def _box(size: Float) -> Float:
    return np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * size


def _circle() -> Float:
    turn = np.arange(_AROUND) * (2 * np.pi / _AROUND)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def _cylinder(size: Float) -> Float:
    ring = _circle() * size[0]
    return np.concatenate([np.column_stack([ring, np.full(_AROUND, z)]) for z in (-size[1], size[1])])


def _capsule(size: Float) -> Float:
    rows = []
    for angle in np.linspace(0, np.pi / 2, 8):
        ring = _circle() * size[0] * np.cos(angle)
        for sign in (-1, 1):
            rows.append(np.column_stack([ring, np.full(_AROUND, sign * (size[1] + size[0] * np.sin(angle)))]))
    return np.unique(np.concatenate(rows).round(9), axis=0)


_OUTLINES = {"mjGEOM_BOX": _box, "mjGEOM_CYLINDER": _cylinder, "mjGEOM_CAPSULE": _capsule}
