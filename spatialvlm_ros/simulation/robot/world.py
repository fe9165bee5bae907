"""A table with a Panda on it and some objects, compiled once and posed again for each layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.gaps import Posed
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot.collision import ConvexPiece, add_collision, convex_pieces, touched_surface
from spatialvlm_ros.simulation.robot.distances import PointDistance
from spatialvlm_ros.simulation.robot.grasping import Grasp, find_grasp
from spatialvlm_ros.simulation.robot.panda import COLLISION_GROUP, PandaHandle, add_panda
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M, Look, build_room, set_physics, table_boxes
from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]

_DENSITY = 350.0  # kg per cubic metre of the hull: things are partly hollow
_MASS_LIMITS_KG = (0.02, 0.5)


@dataclass(frozen=True, eq=False)
class WorldObject:
    """A movable object.

    Attributes:
        label: its name, unique in the world.
        item: what it was made from.
        scale: factors along the item's axes.
        body: name of its MuJoCo body; the body frame is the item frame.
        solid: its surface, scaled.
        pieces: its collision shapes, scaled.
    """

    label: str
    item: AssetItem
    scale: tuple[float, float, float]
    body: str
    solid: Solid
    pieces: tuple[ConvexPiece, ...]

    @cached_property
    def grasp(self) -> Grasp | None:
        """How the gripper takes it from above, or None."""
        return find_grasp(self.solid, touched_surface(self.pieces))

    @cached_property
    def corners(self) -> Float:
        """(K, 3) corners of its convex hull, metres, own frame."""
        points = self.solid.triangles.reshape(-1, 3)
        return points[ConvexHull(points).vertices]

    @cached_property
    def distance(self) -> PointDistance:
        """Metres from a point (3,) in the object's frame to its surface."""
        return PointDistance(self.solid)

    @cached_property
    def radius(self) -> float:
        """Metres from its origin to the farthest point, seen from above."""
        return float(np.linalg.norm(self.solid.triangles[..., :2], axis=-1).max())

    @cached_property
    def mass(self) -> float:
        """Kilograms."""
        return float(np.clip(_DENSITY * sum(p.volume for p in self.pieces), *_MASS_LIMITS_KG))


class World:
    """The compiled model with its state.

    Args:
        items: what stands on the table; their labels must differ.
        pack: where the robot's link meshes come from (None: plain shapes).
        scales: for each item factors along its axes; default 1.
        look: colours and light.
        twins: allow objects of the same name.

    Raises:
        SimulationError: two objects have the same name, or MuJoCo refuses the model.

    Attributes:
        model, data: of MuJoCo.
        panda: names of the robot's parts.
        objects: in the order of ``items``.
    """

    def __init__(
        self,
        items: Sequence[AssetItem],
        pack: AssetPack | None = None,
        scales: Sequence[tuple[float, float, float]] | None = None,
        look: Look | None = None,
        twins: bool = False,
    ) -> None:
        labels = [item.label for item in items]
        if not twins and len(set(labels)) != len(labels):
            raise SimulationError("two objects have the same name", labels, "Choose objects with different names.")
        mujoco = require_mujoco()
        spec = mujoco.MjSpec()
        set_physics(spec, mujoco)
        build_room(spec, mujoco, look or Look())
        self.panda: PandaHandle = add_panda(spec, pos=(0.0, 0.0, TABLE_TOP_M), pack=pack)
        scales = scales or [(1.0, 1.0, 1.0)] * len(items)
        self.objects = tuple(
            _add_object(spec, item, scale, f"object{k}/")
            for k, (item, scale) in enumerate(zip(items, scales, strict=True))
        )
        try:
            self.model = spec.compile()
        except ValueError as error:
            raise SimulationError("the robot scene cannot be compiled", str(error), "Leave the object out.") from error
        self.data = mujoco.MjData(self.model)
        self._mj = mujoco
        self.body_ids = np.array([self.model.body(o.body).id for o in self.objects], dtype=np.intp)
        self.table_solid = Solid.of_boxes(*table_boxes())
        self._pads = tuple(self.model.geom(name).id for name in self.panda.pad_geoms)
        self._gripper_bodies = frozenset(self.model.body(name).id for name in self.panda.gripper_bodies)

    # ---- state ----

    def place(self, index: int, position: Float, yaw: float) -> None:
        """Stand an object upright with its origin at ``position`` (3,), at rest."""
        joint = self.model.body(self.objects[index].body).jntadr[0]
        start, velocity = self.model.jnt_qposadr[joint], self.model.jnt_dofadr[joint]
        self.data.qpos[start : start + 3] = position
        self.data.qpos[start + 3 : start + 7] = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
        self.data.qvel[velocity : velocity + 6] = 0.0

    def reset(self) -> None:
        """Everything to its initial state, time 0."""
        self._mj.mj_resetData(self.model, self.data)

    def forward(self) -> None:
        """Bring all derived quantities up to date with the positions."""
        self._mj.mj_forward(self.model, self.data)

    def step(self, count: int) -> None:
        """Advance by ``count`` physics steps of `TIMESTEP_S`."""
        self._mj.mj_step(self.model, self.data, count)

    # ---- truth ----

    def posed(self, index: int) -> Posed:
        """The surface of an object where it is, world frame."""
        body = self.body_ids[index]
        rotation = self.data.xmat[body].reshape(3, 3).copy()
        return Posed(self.objects[index].solid, rotation, self.data.xpos[body].copy())

    def boxes(self) -> Boxes:
        """One box for each object, world frame, yaw-aligned: the third axis is up, the first the object's front."""
        boxes = []
        for made, body in zip(self.objects, self.body_ids, strict=True):
            rotation = self.data.xmat[body].reshape(3, 3)
            boxes.append(upright_box(rotation, made.corners @ rotation.T + self.data.xpos[body]))
        return Boxes.concatenate(boxes)

    def cavity_center(self, index: int) -> Float:
        """(3,) the middle of a container's cavity, world frame; of its box where it has none."""
        made = self.objects[index]
        own = made.solid.center if made.item.cavity is None else np.array(made.item.cavity.center) * made.scale
        return self.posed(index).to_world(own)

    def tcp(self) -> Float:
        """(3,) the tool centre point, world frame, metres."""
        return self.panda.tcp(self.model, self.data)

    def opening(self) -> float:
        """Metres between the finger pads."""
        return self.panda.opening(self.model, self.data)

    def tcp_velocity(self) -> Float:
        """(3,) m/s, world frame."""
        velocity = np.zeros(6)
        site = self.model.site(self.panda.tcp_site).id
        self._mj.mj_objectVelocity(self.model, self.data, self._mj.mjtObj.mjOBJ_SITE, site, velocity, 0)
        return velocity[3:]

    def quaternion(self, index: int) -> Float:
        """(4,) rotation of an object, x, y, z, w."""
        return self.data.xquat[self.body_ids[index]][[1, 2, 3, 0]]

    def velocity(self, index: int) -> Float:
        """(3,) of an object's origin, m/s, world frame."""
        start = self.model.jnt_dofadr[self.model.body(self.objects[index].body).jntadr[0]]
        return self.data.qvel[start : start + 3].copy()

    def yaw(self, index: int) -> float:
        """Radians from world x to an object's x axis, seen from above."""
        rotation = self.data.xmat[self.body_ids[index]]
        return float(np.arctan2(rotation[3], rotation[0]))

    def tilt(self, index: int) -> float:
        """Radians between an object's z axis and the vertical."""
        return float(np.arccos(np.clip(self.data.xmat[self.body_ids[index]][8], -1, 1)))

    def contacts(self) -> frozenset[tuple[int, int]]:
        """Pairs of body ids that touch, smaller first; 0 is the room (floor and table)."""
        count = self.data.ncon
        if count == 0:
            return frozenset()
        touching = self.data.contact.dist[:count] <= 0
        bodies = self.model.geom_bodyid[self.data.contact.geom[:count][touching]]
        return frozenset((min(a, b), max(a, b)) for a, b in bodies.tolist())

    def pads_on(self, index: int) -> tuple[bool, bool]:
        """Whether the left and the right finger touch an object."""
        touching, body = self.contacts(), int(self.body_ids[index])
        left, right = (int(self.model.geom_bodyid[pad]) for pad in self._pads)
        return (min(left, body), max(left, body)) in touching, (min(right, body), max(right, body)) in touching

    def is_supported(self, index: int) -> bool:
        """Whether an object touches anything but the gripper."""
        body = int(self.body_ids[index])
        others = {a if b == body else b for a, b in self.contacts() if body in (a, b)}
        return bool(others - self._gripper_bodies)

    def gap_to(self, index: int, point: Float) -> float:
        """Metres from ``point`` (3,), world, to the surface of an object; 0 inside its material."""
        posed = self.posed(index)
        own = posed.to_own(np.asarray(point, dtype=np.float64))
        if any(piece.contains(own) for piece in self.objects[index].pieces):
            return 0.0
        return self.objects[index].distance(own)


def upright_box(rotation: Float, points: Float) -> Boxes:
    """The least yaw-aligned box around points (N, 3), world frame; its first axis is the object's front made level.

    ``rotation`` (3, 3) is world_from_object.
    """
    front = rotation[:2, 0]
    if np.linalg.norm(front) < 0.5:  # it lies on its front or back: its left side tells the yaw
        front = np.array([rotation[1, 1], -rotation[0, 1]])
    front = front / np.linalg.norm(front)
    axes = np.array([[front[0], -front[1], 0.0], [front[1], front[0], 0.0], [0.0, 0.0, 1.0]])
    local = points @ axes
    low, high = local.min(axis=0), local.max(axis=0)
    return Boxes((axes @ (low + high) / 2)[None], (high - low)[None], axes[None])


def _add_object(spec: Any, item: AssetItem, scale: tuple[float, float, float], name: str) -> WorldObject:
    from spatialvlm_ros.simulation.assets.mjspec import add_item

    solid = Solid.of_item(item, scale)
    made = WorldObject(item.label, item, scale, f"{name}body", solid, convex_pieces(item, solid, scale))
    body = spec.worldbody.add_body(name=made.body, pos=[0, 0, TABLE_TOP_M])
    joint = body.add_freejoint()
    joint.damping = [5e-5, 0.0, 0.0]  # air and deformation: rolling things come to rest
    add_item(spec, body, item, name=f"{name}visual", scale=scale)
    add_collision(spec, body, made.pieces, f"{name}hull", made.mass, COLLISION_GROUP)
    return made
