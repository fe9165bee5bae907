"""The Panda arm with its parallel gripper as part of any MuJoCo model.

    spec = mujoco.MjSpec()
    panda = add_panda(spec, pos=(0, 0, 0.7), quat=(0, 0, 0, 1), pack=AssetPack.load_or_primitives())
    model = spec.compile(); data = mujoco.MjData(model)
    panda.set_configuration(model, data, panda.home, opening=0.08)      # pose it without physics
    solution = panda.inverse_kinematics(model, position=(0.5, 0.1, 0.9), yaw=0.3)

"robot arm" names all geoms of the arm with its hand; "gripper" in measurements means the tool centre point
(`tcp_site`) between the finger pads, and in pictures the hand with its fingers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot import kinematics
from spatialvlm_ros.simulation.robot.ik import Solution, solve
from spatialvlm_ros.simulation.robot.shapes import ARM_LINKS, FINGER, HAND, PAD, Block, Link, Rod

Float = NDArray[np.float64]

ARM_LABEL = "robot arm"
GRIPPER_LABEL = "gripper"

VISUAL_GROUP = 2  # drawn
COLLISION_GROUP = 3  # not drawn where meshes are

# The robot collides with everything that has MuJoCo's default masks (1, 1), not with itself: adjoining links overlap.
_CONTYPE, _CONAFFINITY = 2, 1

_STIFFNESS = (4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0)  # N m / rad
_DAMPING_RATIO = 0.1  # of the stiffness, as velocity gain
_GRIP_STIFFNESS, _GRIP_DAMPING, _GRIP_FORCE = 3000.0, 100.0, 50.0  # N/m, N s/m, N shared by both fingers


@dataclass(frozen=True)
class PandaHandle:
    """Names of everything that `add_panda` put into a spec, and what can be done with them once it is compiled.

    Attributes:
        prefix: all names start with it.
        arm_bodies: link0 ... link7.
        gripper_bodies: hand and both fingers.
        joints: the seven arm joints.
        finger_joints: the two sliding joints, metres.
        actuators: position servos of the arm joints (control: radians).
        gripper_actuator: control: mean finger position in metres, 0 closed to 0.04 open.
        tcp_site: tool centre point; its z axis leaves the hand, its y axis is the way the fingers open.
        pad_geoms: the left and the right finger pad.
        home: (7,) the ready pose, hand pointing down.
    """

    prefix: str
    arm_bodies: tuple[str, ...]
    gripper_bodies: tuple[str, ...]
    joints: tuple[str, ...]
    finger_joints: tuple[str, str]
    actuators: tuple[str, ...]
    gripper_actuator: str
    tcp_site: str
    pad_geoms: tuple[str, str]
    home: Float = field(default_factory=lambda: kinematics.READY.copy(), compare=False)

    def body_ids(self, model: Any) -> NDArray[np.intp]:
        """Ids of all robot bodies."""
        return np.array([model.body(name).id for name in (*self.arm_bodies, *self.gripper_bodies)])

    def geom_ids(self, model: Any) -> NDArray[np.intp]:
        """Ids of all robot geoms: what "robot arm" names in a picture."""
        return np.flatnonzero(np.isin(model.geom_bodyid, self.body_ids(model)))

    def gripper_geom_ids(self, model: Any) -> NDArray[np.intp]:
        """Ids of the geoms of the hand and its fingers."""
        bodies = [model.body(name).id for name in self.gripper_bodies]
        return np.flatnonzero(np.isin(model.geom_bodyid, bodies))

    def qpos_addresses(self, model: Any) -> NDArray[np.intp]:
        """(7,) indices of the arm joints in ``qpos``."""
        return np.array([model.joint(name).qposadr[0] for name in self.joints])

    def finger_addresses(self, model: Any) -> NDArray[np.intp]:
        """(2,) indices of the finger joints in ``qpos``."""
        return np.array([model.joint(name).qposadr[0] for name in self.finger_joints])

    def actuator_ids(self, model: Any) -> NDArray[np.intp]:
        """(8,) the arm's servos, then the gripper's."""
        return np.array([model.actuator(name).id for name in (*self.actuators, self.gripper_actuator)])

    def tcp(self, model: Any, data: Any) -> Float:
        """(3,) world position of the tool centre point, metres."""
        return data.site_xpos[model.site(self.tcp_site).id].copy()

    def opening(self, model: Any, data: Any) -> float:
        """Metres between the finger pads, 0 to 0.08."""
        return float(data.qpos[self.finger_addresses(model)].sum())

    def set_configuration(self, model: Any, data: Any, q: ArrayLike, opening: float = 0.08) -> None:
        """Put the arm at joint angles ``q`` (7,) and the pads ``opening`` metres apart, at rest, servos holding.

        Kinematics are not updated: call ``mj_forward`` or ``mj_kinematics`` afterwards.

        Raises:
            SimulationError: the angles or the opening are outside the limits.
        """
        q = np.asarray(q, dtype=np.float64)
        within = (q.shape == (7,)) and ((q >= kinematics.JOINT_LOWER) & (q <= kinematics.JOINT_UPPER)).all()
        if not within:
            raise SimulationError("joint angles outside the Panda's limits", q.tolist(), "See kinematics.JOINT_LOWER.")
        if not 0 <= opening <= 2 * kinematics.FINGER_TRAVEL:
            raise SimulationError("the gripper cannot open that far", opening, "Pass 0 to 0.08 metres.")
        data.qpos[self.qpos_addresses(model)] = q
        data.qpos[self.finger_addresses(model)] = opening / 2
        for name in (*self.joints, *self.finger_joints):
            data.qvel[model.joint(name).dofadr[0]] = 0.0
        data.ctrl[self.actuator_ids(model)] = [*q, opening / 2]

    def inverse_kinematics(
        self,
        model: Any,
        position: ArrayLike,
        yaw: float = 0.0,
        q0: ArrayLike | None = None,
        scratch: Any = None,
    ) -> Solution:
        """Joint angles that bring the tool centre point to ``position`` with the hand pointing down.

        Args:
            model: compiled model that holds this arm.
            position: (3,) metres, world frame.
            yaw: radians about the world's vertical; the fingers open along (sin yaw, -cos yaw, 0).
            q0: (7,) where the search starts and which it stays near; default `home`.
            scratch: an ``MjData`` of the model to compute in (its robot pose is overwritten); made when None.
        """
        c, s = np.cos(yaw), np.sin(yaw)
        down = np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])
        return solve(self, model, np.asarray(position, dtype=np.float64), down, q0, scratch)


def add_panda(
    spec: Any,
    pos: ArrayLike = (0.0, 0.0, 0.0),
    quat: ArrayLike = (0.0, 0.0, 0.0, 1.0),
    pack: AssetPack | None = None,
    prefix: str = "panda/",
) -> PandaHandle:
    """Add a Panda with its hand to ``spec``, fixed to the world.

    The arm's weight is compensated (as its controller does), so servos hold what they are told. Link meshes of the pack
    are drawn where it has them; without, the collision shapes are drawn.

    Args:
        spec: ``mujoco.MjSpec`` to add to.
        pos: (3,) base position, metres.
        quat: (4,) base orientation x, y, z, w; z of the base must point up for `PandaHandle.inverse_kinematics`.
        pack: where link meshes come from.
        prefix: of all names; a second arm needs another one.

    Raises:
        SimulationError: the orientation is not a unit quaternion.
    """
    mujoco = require_mujoco()

    quat = np.asarray(quat, dtype=np.float64)
    if quat.shape != (4,) or abs(np.linalg.norm(quat) - 1) > 1e-6:
        raise SimulationError("the base orientation is not a unit quaternion", quat.tolist(), "Order is x, y, z, w.")
    builder = _Builder(spec, prefix, _meshes_by_link(pack))
    parent = builder.link(
        spec.worldbody, ARM_LINKS[0], pos=np.asarray(pos, dtype=np.float64).tolist(), quat=quat[[3, 0, 1, 2]].tolist()
    )
    for index, link in enumerate(ARM_LINKS[1:]):
        a, d, alpha = kinematics.DH[index]
        turn = [np.cos(alpha / 2), np.sin(alpha / 2), 0.0, 0.0]
        parent = builder.link(parent, link, pos=[a, -d * np.sin(alpha), d * np.cos(alpha)], quat=turn)
        builder.arm_joint(parent, index)
    half = kinematics.HAND_YAW / 2
    hand = builder.link(parent, HAND, pos=[0, 0, kinematics.DH[7, 1]], quat=[np.cos(half), 0, 0, np.sin(half)])
    hand.add_site(name=f"{prefix}tcp", pos=[0, 0, kinematics.TCP_Z], size=[0.004] * 3, group=5)
    for side, quat_wxyz in (("left", [1.0, 0.0, 0.0, 0.0]), ("right", [0.0, 0.0, 0.0, 1.0])):
        finger = builder.link(hand, FINGER, pos=[0, 0, kinematics.FINGER_BASE_Z], quat=quat_wxyz, name=f"{side}_finger")
        finger.add_joint(
            name=f"{prefix}{side}_finger_joint",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[0, 1, 0],
            range=[0, kinematics.FINGER_TRAVEL],
            limited=mujoco.mjtLimited.mjLIMITED_TRUE,
            armature=0.1,
            damping=[10.0, 0.0, 0.0],
        )
    builder.gripper_actuator()
    return PandaHandle(
        prefix=prefix,
        arm_bodies=tuple(f"{prefix}{link.name}" for link in ARM_LINKS),
        gripper_bodies=(f"{prefix}hand", f"{prefix}left_finger", f"{prefix}right_finger"),
        joints=tuple(f"{prefix}joint{i}" for i in range(1, 8)),
        finger_joints=(f"{prefix}left_finger_joint", f"{prefix}right_finger_joint"),
        actuators=tuple(f"{prefix}joint{i}" for i in range(1, 8)),
        gripper_actuator=f"{prefix}gripper",
        tcp_site=f"{prefix}tcp",
        pad_geoms=(f"{prefix}left_finger/pad", f"{prefix}right_finger/pad"),
    )


def _meshes_by_link(pack: AssetPack | None) -> dict[str, list[Any]]:
    meshes: dict[str, list[Any]] = {}
    for item in pack.robot_links if pack is not None else ():
        meshes.setdefault(item.link, []).append(item)
    return meshes


class _Builder:
    """Adds links, joints and servos under one prefix."""

    def __init__(self, spec: Any, prefix: str, meshes: dict[str, list[Any]]) -> None:
        mujoco = require_mujoco()

        self._mj, self._spec, self._prefix, self._meshes = mujoco, spec, prefix, meshes
        self._angle_unit = 180 / np.pi if spec.compiler.degree else 1.0  # in which the spec wants joint limits

    def link(self, parent: Any, link: Link, pos: list[float], quat: list[float], name: str | None = None) -> Any:
        """A body with collision shapes that share the link's mass by volume, and its visual meshes."""
        body_name = f"{self._prefix}{name or link.name}"
        body = parent.add_body(name=body_name, pos=pos, quat=quat, gravcomp=1.0)
        meshes = self._meshes.get(link.name, [])
        volumes = [_volume(shape) for shape in link.shapes]
        for index, (shape, volume) in enumerate(zip(link.shapes, volumes, strict=True)):
            geom_name = f"{body_name}/pad" if shape is PAD else f"{body_name}/shape{index}"
            self._shape(body, shape, geom_name, link.mass * volume / sum(volumes), drawn=not meshes)
        for index, item in enumerate(meshes):
            self._mesh(body, item, f"{body_name}/visual{index}")
        return body

    def _mesh(self, body: Any, item: Any, name: str) -> None:
        from spatialvlm_ros.simulation.assets.mjspec import add_item

        add_item(self._spec, body, item, name, group=VISUAL_GROUP)

    def _shape(self, body: Any, shape: Rod | Block, name: str, mass: float, drawn: bool) -> None:
        common: dict[str, Any] = {
            "name": name,
            "mass": mass,
            "rgba": list(shape.rgba),
            "group": VISUAL_GROUP if drawn else COLLISION_GROUP,
            "contype": _CONTYPE,
            "conaffinity": _CONAFFINITY,
        }
        if shape is PAD:  # rubber: sticks, and resists twisting and rolling of what it holds
            common.update(
                condim=6, friction=[1.5, 0.05, 0.001], priority=1, solref=[0.004, 1], solimp=[0.95, 0.99, 0.001, 0.5, 2]
            )
        if isinstance(shape, Block):
            body.add_geom(type=self._mj.mjtGeom.mjGEOM_BOX, pos=list(shape.center), size=list(shape.half), **common)
            return
        kind = self._mj.mjtGeom.mjGEOM_CAPSULE if shape.rounded else self._mj.mjtGeom.mjGEOM_CYLINDER
        body.add_geom(type=kind, fromto=[*shape.start, *shape.end], size=[shape.radius, 0, 0], **common)

    def arm_joint(self, body: Any, index: int) -> None:
        """Joint ``index`` (0..6) and its position servo."""
        limits = [float(kinematics.JOINT_LOWER[index]), float(kinematics.JOINT_UPPER[index])]
        torque, name = float(kinematics.JOINT_TORQUE[index]), f"{self._prefix}joint{index + 1}"
        body.add_joint(
            name=name,
            type=self._mj.mjtJoint.mjJNT_HINGE,
            axis=[0, 0, 1],
            range=[limit * self._angle_unit for limit in limits],
            limited=self._mj.mjtLimited.mjLIMITED_TRUE,
            armature=0.1,
            damping=[1.0, 0.0, 0.0],
        )
        stiffness = _STIFFNESS[index]
        self._servo(name, self._mj.mjtTrn.mjTRN_JOINT, name, stiffness, _DAMPING_RATIO * stiffness, limits, torque)

    def gripper_actuator(self) -> None:
        """One servo on the mean of both fingers, which a joint equality keeps alike."""
        left, right = f"{self._prefix}left_finger_joint", f"{self._prefix}right_finger_joint"
        tendon = self._spec.add_tendon(name=f"{self._prefix}fingers")
        tendon.wrap_joint(left, 0.5)
        tendon.wrap_joint(right, 0.5)
        equality = self._spec.add_equality(
            name=f"{self._prefix}fingers_alike", type=self._mj.mjtEq.mjEQ_JOINT, name1=left, name2=right
        )
        equality.objtype = self._mj.mjtObj.mjOBJ_JOINT
        equality.data[:5] = [0, 1, 0, 0, 0]
        equality.solref[:] = [0.005, 1]
        equality.solimp[:3] = [0.95, 0.99, 0.001]
        self._servo(
            f"{self._prefix}gripper",
            self._mj.mjtTrn.mjTRN_TENDON,
            f"{self._prefix}fingers",
            _GRIP_STIFFNESS,
            _GRIP_DAMPING,
            [0.0, kinematics.FINGER_TRAVEL],
            _GRIP_FORCE,
        )

    def _servo(
        self, name: str, kind: Any, target: str, stiffness: float, damping: float, limits: list[float], force: float
    ) -> None:
        servo = self._spec.add_actuator(name=name, trntype=kind, target=target)
        servo.set_to_position(kp=stiffness, kv=damping)
        servo.ctrllimited = servo.forcelimited = self._mj.mjtLimited.mjLIMITED_TRUE
        servo.ctrlrange[:] = limits
        servo.forcerange[:] = [-force, force]


def _volume(shape: Rod | Block) -> float:
    if isinstance(shape, Block):
        return float(8 * np.prod(shape.half))
    length = float(np.linalg.norm(np.subtract(shape.end, shape.start)))
    ends = 4 / 3 * np.pi * shape.radius**3 if shape.rounded else 0.0
    return float(np.pi * shape.radius**2 * length + ends)
