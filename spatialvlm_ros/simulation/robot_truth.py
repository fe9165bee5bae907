"""The robot arm as two things of a scene: "robot arm" and "gripper"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.gaps import Posed
from spatialvlm_ros.simulation.layouts import Layout
from spatialvlm_ros.simulation.robot.panda import ARM_LABEL, GRIPPER_LABEL
from spatialvlm_ros.simulation.solids import Solid, yaw_matrix
from spatialvlm_ros.simulation.stage import Stage
from spatialvlm_ros.simulation.truth import Thing

Float = NDArray[np.float64]

# The region between the finger pads along the hand's x (their width) and z (their height), metres; along y it is
# as wide as the pads stand apart.
_PAD_WIDTH_M, _PAD_HEIGHT_M = 0.019, 0.019
_ROUND_SEGMENTS = 24


def robot_things(layout: Layout, stage: Stage) -> tuple[Thing, ...]:
    """Nothing without a robot; else the arm (its surface and box are those of arm and hand together) and the gripper.

    The gripper's box is the tool centre region: its middle is the tool centre point between the finger pads. Its
    surface, for gaps and contacts, is that of the hand with its fingers. Pixels of the hand belong to the gripper,
    those of the links to the arm. The layout must be on the stage (`Stage.arrange`).
    """
    arm, handle = layout.arm, stage.arm
    if arm is None or handle is None:
        return ()
    rotation = yaw_matrix(arm.yaw)
    everything = _solid(stage, stage.arm_geoms, rotation, arm.position)
    hand_only = _solid(stage, stage.gripper_geoms, rotation, arm.position)
    links = np.setdiff1d(stage.arm_geoms, stage.gripper_geoms)
    plane = "table"
    body = Posed(everything, rotation, arm.position)
    tcp = handle.tcp(stage.model, stage.data)
    site = stage.data.site_xmat[stage.model.site(handle.tcp_site).id].reshape(3, 3)
    # The box stands upright with its y axis along the fingers' opening, also when the hand is tilted.
    heading = yaw_matrix(float(np.arctan2(site[1, 1], site[0, 1]) - np.pi / 2))
    hand = Posed(Solid((hand_only.triangles @ rotation.T + arm.position - tcp) @ heading), heading, tcp)
    region = np.array([_PAD_WIDTH_M, max(arm.opening, 0.001), _PAD_HEIGHT_M])
    return (
        Thing(ARM_LABEL, ARM_LABEL, (), "robot/panda", body, links, plane, everything.center, everything.size),
        Thing(GRIPPER_LABEL, GRIPPER_LABEL, (), "robot/panda", hand, stage.gripper_geoms, plane, np.zeros(3), region),
    )


def _solid(stage: Stage, geoms: NDArray[np.intp], rotation: Float, position: Float) -> Solid:
    """Triangles of geoms in the frame of the robot's base."""
    world = np.concatenate([_geom_triangles(stage.model, stage.data, int(g)) for g in geoms])
    return Solid((world - position) @ rotation)


def _geom_triangles(model: Any, data: Any, geom: int) -> Float:
    """(T, 3, 3) world triangles of a mesh, box, cylinder or capsule geom."""
    import mujoco

    kind, size = model.geom_type[geom], model.geom_size[geom]
    rotation, position = data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = int(model.geom_dataid[geom])
        start, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        first, number = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        own = model.mesh_vert[first : first + number][model.mesh_face[start : start + count]].astype(np.float64)
    elif kind == mujoco.mjtGeom.mjGEOM_BOX:
        own = Solid.of_boxes(np.zeros((1, 3)), 2 * size[None]).triangles
    else:
        own = _rod(float(size[0]), float(size[1]), kind == mujoco.mjtGeom.mjGEOM_CAPSULE)
    return own @ rotation.T + position


def _rod(radius: float, half: float, rounded: bool) -> Float:
    """(T, 3, 3) a cylinder along z, with half balls at its ends when rounded."""
    angles = np.linspace(0, np.pi / 2, 7)
    upper = (
        [(radius * np.cos(a), half + radius * np.sin(a)) for a in angles] if rounded else [(radius, half), (0, half)]
    )
    outline = np.array([(r, -z) for r, z in reversed(upper)] + list(upper))
    turn = np.linspace(0, 2 * np.pi, _ROUND_SEGMENTS + 1)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    grid = np.concatenate(
        [outline[:, None, :1] * ring[None], np.broadcast_to(outline[:, None, 1:], (len(outline), len(ring), 1))], axis=2
    )
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    triangles = np.concatenate([np.stack([a, b, c], axis=2), np.stack([a, c, d], axis=2)]).reshape(-1, 3, 3)
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    return triangles[area > 1e-12]
