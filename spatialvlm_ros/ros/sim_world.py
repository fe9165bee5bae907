"""A robot at a table that a node can step, look at and send about. No ROS here.

    world = SimWorld(SceneOptions(seed=4))
    world.follow([0.5, 0.1, 0.8])            # metres, world frame
    world.step(0.1)
    frame = world.render()                   # rgb, depth, and the truth of both

The world frame has its origin on the floor under the robot's base, x away from the base, y to its left, z up; the
table top is at `TABLE_TOP_M`. All is determined by the options and the calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import ConfigError, SimulationError, TransformError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.ros.sim_motion import ToolMotion
from spatialvlm_ros.ros.sim_scene import OPTICAL_FRAME, SceneOptions, draw_scene
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.noise import DepthNoise
from spatialvlm_ros.simulation.rendering import Renderer, require_mujoco
from spatialvlm_ros.simulation.robot.control import WORKSPACE_HIGH, WORKSPACE_LOW, ArmControl
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

WORLD_FRAME, BASE_FRAME, TOOL_FRAME, CAMERA_FRAME = "world", "panda_link0", "tool", "camera_link"
DEPTH_NOISES: Mapping[str, DepthNoise | None] = {"none": None, "realsense": DepthNoise()}
STAND_OFF_M = 0.05
TOLERANCE_M = 0.01

_CRUISE_M = 0.04  # over the highest object, on the way
# How far the hand's parts reach from the tool centre point, seen from above, and how far above it they begin.
_HAND_PARTS_M = ((0.06, 0.0), (0.12, 0.08))
_OPEN = 1.0
_STALLED_STEPS = 25  # control steps without getting nearer: half a second
# Optical axes (x right, y down, z forward) in the body frame of REP-103 (x forward, y left, z up).
_BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class TrueObject:
    """Where an object is.

    Attributes:
        label: its name, unique in the scene.
        position: (3,) middle of its box, metres, world frame.
        optical: (3,) the same in the camera's optical frame.
        size: (3,) metres along the camera's left, the level forward direction, and up (width, depth, height).
        box: (4,) x0, y0, x1, y1 of its visible pixels, ends exclusive; NaN where none is visible.
    """

    label: str
    position: Float
    optical: Float
    size: Float
    box: Float


@dataclass(frozen=True)
class SimFrame:
    """One picture with its truth.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 metres along the optical axis, NaN where there is none.
        objects: the movable objects, all of them.
        time_s: of the simulation.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    objects: tuple[TrueObject, ...]
    time_s: float


@dataclass(frozen=True)
class FrameTransform:
    """Pose of a frame in its parent."""

    parent: str
    child: str
    transform: Transform
    is_static: bool


@dataclass(frozen=True)
class _Moment:
    """A state to come back to."""

    physics: Float
    tool: Float
    yaw: float

    @staticmethod
    def of(world: World, control: ArmControl) -> _Moment:
        mujoco = require_mujoco()
        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        physics = np.zeros(mujoco.mj_stateSize(world.model, kind))
        mujoco.mj_getState(world.model, world.data, physics, kind)
        return _Moment(physics, control.target.copy(), control.yaw)

    def restore(self, world: World, control: ArmControl) -> None:
        mujoco = require_mujoco()
        control.reset(self.tool, self.yaw)
        mujoco.mj_setState(world.model, world.data, self.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        world.forward()


class SimWorld:
    """The scene and what moves in it. Rendering belongs to the thread that renders first.

    Args:
        options: what is drawn.
        pack: objects and link meshes; None takes the built pack, or plain shapes where there is none.
        depth_noise: one of `DEPTH_NOISES`.
        stand_off_m: the tool stays so far above whatever lies under it, in metres.

    Raises:
        ConfigError: no such task or noise.
        SimulationError: no scene came about.
    """

    def __init__(
        self,
        options: SceneOptions | None = None,
        pack: AssetPack | None = None,
        depth_noise: str = "none",
        stand_off_m: float = STAND_OFF_M,
    ) -> None:
        if depth_noise not in DEPTH_NOISES:
            raise ConfigError("there is no such depth noise", depth_noise, f"One of {', '.join(DEPTH_NOISES)}.")
        self.options = options or SceneOptions()
        scene = draw_scene(self.options, AssetPack.load_or_primitives() if pack is None else pack)
        self._world, self._control, self._view = scene.world, scene.control, scene.view
        self._noise, self._stand_off = DEPTH_NOISES[depth_noise], stand_off_m
        self._renderer: Renderer | None = None
        self._owner = self._owners()
        pose = self._view.pose
        spatial = CanonicalFrame.from_up(pose.up())
        self._size_axes = np.stack([spatial.left, spatial.forward, spatial.up]) @ pose.rotation.T
        self._initial, self._start_s = _Moment.of(self._world, self._control), float(self._world.data.time)
        self._motion = ToolMotion()
        self.reset()

    def reset(self) -> None:
        """Back to the first moment, time 0."""
        self._initial.restore(self._world, self._control)
        self._motion = ToolMotion()
        self._left_over = 0.0
        self._stalled = 0
        self._frames = 0

    def close(self) -> None:
        """Free the graphics memory; in the thread that rendered."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    # ---- motion ----

    def follow(self, position: ArrayLike) -> Float:
        """Send the tool centre point to ``position`` (3,), metres, world frame: up, across and down.

        The tool does not go into things: over an object (or the table) it stops ``stand_off_m`` above it.

        Returns:
            (3,) where it goes.

        Raises:
            SimulationError: the arm cannot reach there; it goes on as before.
        """
        goal = np.asarray(position, dtype=np.float64)
        if goal.shape != (3,) or not np.isfinite(goal).all():
            raise SimulationError("a goal is three finite numbers", position, "Pass metres in the world frame.")
        goal = np.array([*goal[:2], max(goal[2], self._lowest_over(goal[:2]))])
        reached = bool(((goal >= WORKSPACE_LOW - 1e-9) & (goal <= WORKSPACE_HIGH + 1e-9)).all())
        if reached:
            found = self._world.panda.inverse_kinematics(self._world.model, goal, self._control.yaw)
            reached = found.position_error < TOLERANCE_M
        if not reached:
            raise SimulationError(
                "the arm cannot reach that point",
                goal.round(3).tolist(),
                f"Stay between {WORKSPACE_LOW.tolist()} and {WORKSPACE_HIGH.tolist()} (world frame, metres), "
                "and nearer to the base.",
            )
        tops = self._world.boxes().top_along([0.0, 0.0, 1.0])
        cruise = min(float(tops.max()) + _CRUISE_M, float(WORKSPACE_HIGH[2]))
        self._motion.go(self._control.target, goal, cruise)
        self._stalled = 0
        return goal

    def stop(self) -> None:
        """The arm stays where it is."""
        self._motion.stop()

    @property
    def goal(self) -> Float | None:
        """(3,) where the tool is going, world frame; None at rest."""
        return self._motion.goal

    def step(self, dt: float) -> None:
        """Advance by ``dt`` seconds, in whole control steps; the rest is made up for in the next call."""
        self._left_over += dt
        period = self._control.period_s
        while self._left_over > period - 1e-9:
            self._left_over -= period
            before = self._control.target.copy()
            move = self._motion.move(before, period)
            self._control.step(move, _OPEN)
            self._note_progress(move, self._control.target - before)

    def _note_progress(self, wanted: Float, done: Float) -> None:
        """Gives up a way that the arm cannot go."""
        held_up = float(np.linalg.norm(wanted)) > 1e-6 and float(np.linalg.norm(done)) < 1e-6
        self._stalled = self._stalled + 1 if held_up else 0
        if self._stalled > _STALLED_STEPS:
            self._motion.stop()

    def _lowest_over(self, point: Float) -> float:
        """The least height of the tool centre point over ``point`` (2,)."""
        boxes = self._world.boxes()
        tops = boxes.top_along([0.0, 0.0, 1.0])
        away = np.linalg.norm(boxes.centers[:, :2] - point, axis=1)
        radii = np.linalg.norm(boxes.sizes[:, :2], axis=1) / 2
        least = max(TABLE_TOP_M + self._stand_off, float(WORKSPACE_LOW[2]))
        for reach, above in _HAND_PARTS_M:
            under = away < radii + reach
            least = max([least, *(tops[under] + self._stand_off - above)])
        return float(least)

    # ---- what is to be seen ----

    def render(self) -> SimFrame:
        """The camera's picture now."""
        if self._renderer is None:
            self._renderer = Renderer(self._world.model, max(self.options.width, 64), max(self.options.height, 64))
        rendered = self._renderer.render(self._world.data, self._view.pose, self._view.camera)
        assert rendered.rgb is not None and rendered.depth is not None and rendered.geom_ids is not None
        depth = rendered.depth
        if self._noise is not None:
            rng = np.random.default_rng([self.options.seed, self._frames])
            depth = self._noise.apply(depth, rendered.rgb, self._view.camera, rng)
        self._frames += 1
        return SimFrame(rendered.rgb, depth, self._objects(self._owner[rendered.geom_ids]), self.time_s)

    def truth(self) -> tuple[TrueObject, ...]:
        """All movable objects, without a picture: their pixel boxes are NaN."""
        return self._objects(None)

    @property
    def time_s(self) -> float:
        """Seconds since the last reset."""
        return float(self._world.data.time) - self._start_s

    @property
    def camera(self) -> Camera:
        """The camera model; no distortion."""
        return self._view.camera

    @property
    def tool(self) -> Float:
        """(3,) the tool centre point, world frame."""
        return self._world.tcp()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the movable objects."""
        return tuple(made.label for made in self._world.objects)

    def _objects(self, owners: NDArray[np.int64] | None) -> tuple[TrueObject, ...]:
        boxes = self._world.boxes()
        optical = self._view.pose.to_optical(boxes.centers)
        sizes = np.stack([boxes.extent_along(axis) for axis in self._size_axes], axis=1)
        pixels = [_pixel_box(owners, k) for k in range(len(self.labels))]
        return tuple(map(TrueObject, self.labels, boxes.centers.copy(), optical, sizes, pixels))

    def _owners(self) -> NDArray[np.int64]:
        """(n_geoms + 1,) index of the object that a geom belongs to, else -1; the last entry is for "no geom"."""
        model, bodies = self._world.model, self._world.body_ids
        of_body = np.full(model.nbody, -1, dtype=np.int64)
        of_body[bodies] = np.arange(len(bodies))
        return np.append(of_body[model.geom_bodyid], -1)

    # ---- frames and joints ----

    def transforms(self) -> tuple[FrameTransform, ...]:
        """All frames, parents first: world, base, tool, camera body, camera optical frame."""
        base = Transform(np.eye(3), np.array([0.0, 0.0, TABLE_TOP_M]))
        camera = Transform(self._view.pose.rotation @ _BODY_FROM_OPTICAL.T, self._view.pose.position)
        return (
            FrameTransform(WORLD_FRAME, BASE_FRAME, base, True),
            FrameTransform(BASE_FRAME, TOOL_FRAME, base.inverse() @ self._tool_pose(), False),
            FrameTransform(WORLD_FRAME, CAMERA_FRAME, camera, True),
            FrameTransform(CAMERA_FRAME, OPTICAL_FRAME, Transform(_BODY_FROM_OPTICAL, np.zeros(3)), True),
        )

    def in_world(self, frame: str, position: ArrayLike) -> Float:
        """(3,) a point of ``frame`` in the world frame.

        Raises:
            TransformError: there is no such frame.
        """
        poses = {WORLD_FRAME: Transform.identity()}
        for link in self.transforms():
            poses[link.child] = poses[link.parent] @ link.transform
        if frame not in poses:
            raise TransformError("there is no such frame in the simulation", frame, f"One of {', '.join(poses)}.")
        return poses[frame].apply(np.asarray(position, dtype=np.float64)[None])[0]

    def joints(self) -> dict[str, tuple[float, float]]:
        """Position and velocity of each joint: radians for the arm, metres for the fingers."""
        panda, model, data = self._world.panda, self._world.model, self._world.data
        names = [f"panda_joint{k}" for k in range(1, 8)] + ["panda_finger_joint1", "panda_finger_joint2"]
        found = {}
        for name, joint in zip(names, (*panda.joints, *panda.finger_joints), strict=True):
            entry = model.joint(joint)
            found[name] = (float(data.qpos[entry.qposadr[0]]), float(data.qvel[entry.dofadr[0]]))
        return found

    def _tool_pose(self) -> Transform:
        site = self._world.model.site(self._world.panda.tcp_site).id
        return Transform(self._world.data.site_xmat[site].reshape(3, 3).copy(), self._world.tcp())


def _pixel_box(owners: NDArray[np.int64] | None, index: int) -> Float:
    if owners is None or not (mask := owners == index).any():
        return np.full(4, np.nan)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
