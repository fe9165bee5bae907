"""Gymnasium environments: reach an object, pick it up, put it into a container.

import gymnasium, spatialvlm_ros.simulation.robot.environments    # which registers them
env = gymnasium.make("spatialvlm_ros/PandaPick-v0")
observation, info = env.reset(seed=1)
observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
view = env.unwrapped.observation()       # picture, depth, camera, up: what a vision-language model sees
scene = env.unwrapped.scene()            # the truth of that picture
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.robot.cameras import View, default_view, draw_view
from spatialvlm_ros.simulation.robot.casting import Cast, draw_cast, named_cast
from spatialvlm_ros.simulation.robot.control import MAX_STEP_M, MAX_TURN_RAD, ArmControl
from spatialvlm_ros.simulation.robot.layout import arrange
from spatialvlm_ros.simulation.robot.registration import register
from spatialvlm_ros.simulation.robot.tasks import PICK, PLACE_IN, REACH, Task, TaskState, measure
from spatialvlm_ros.simulation.robot.truth import TruthCamera
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]
Observed = Float | NDArray[np.uint8] | dict[str, Any]

REWARDS = ("dense", "sparse")
OBSERVATIONS = ("state", "rgb", "state_rgb")
CAMERAS = ("fixed", "random")

# What the state holds, in order: name and length. Metres, world frame, unless said otherwise.
STATE_LAYOUT: tuple[tuple[str, int], ...] = (
    ("tcp position", 3),
    ("tcp velocity, m/s", 3),
    ("opening between the pads", 1),
    ("left and right finger touch the target, 0 or 1", 2),
    ("sine and cosine of the hand's yaw", 2),
    ("target centre", 3),
    ("target centre minus tcp", 3),
    ("target rotation, quaternion x y z w with w >= 0", 4),
    ("target velocity, m/s", 3),
    ("gap between tcp and target", 1),
    ("goal: the cavity's middle for place_in, else the target centre", 3),
)
STATE_SIZE = sum(length for _, length in STATE_LAYOUT)
_STATE_BOUND = 20.0  # finite, as the checker wants; nothing physical comes near


class PandaEnv(gymnasium.Env[Any, NDArray[np.float32]]):
    """A Panda at a table; see `PandaReach`, `PandaPick` and `PandaPlaceIn`.

    Action, float32: dx, dy, dz in metres per control step (world axes, +-0.05), gripper (-1 closed ... 1 open), and
    with ``rotate`` a turn about the vertical in radians per control step (+-0.4).

    ``terminated`` is True on success, ``truncated`` after ``max_steps``. Dense rewards are metres still to go, negative
    (`tasks`); the sparse reward is -1 until success, then 0.

    Args:
        pack: objects and link meshes: an `AssetPack`, a folder, "default" for the built pack, or None for plain shapes.
        target, container, distractors: labels of objects in the pack; without ``target`` they are drawn.
        world_seed: which objects, when they are drawn. `reset` poses the same objects anew.
        n_distractors: how many are drawn.
        reward: "dense" or "sparse".
        obs: "state" (Box, see `STATE_LAYOUT`), "rgb" (Box of the picture) or "state_rgb" (Dict of both).
        camera: "fixed", or "random" for a new one at each reset.
        width, height: of pictures, in pixels.
        control_hz: control steps per second.
        max_steps: control steps per episode.
        rotate: let the action turn the hand. Without, objects stand so that the grasp fits the hand's fixed yaw.
        render_mode: "rgb_array" or None.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 5}
    task: ClassVar[Task]

    def __init__(
        self,
        pack: AssetPack | str | None = None,
        target: str | None = None,
        container: str | None = None,
        distractors: Sequence[str] = (),
        world_seed: int = 0,
        n_distractors: int = 2,
        reward: str = "dense",
        obs: str = "state",
        camera: str = "fixed",
        width: int = 320,
        height: int = 240,
        control_hz: float = 5.0,
        max_steps: int = 100,
        rotate: bool = False,
        render_mode: str | None = None,
    ) -> None:
        _check("reward", reward, REWARDS)
        _check("obs", obs, OBSERVATIONS)
        _check("camera", camera, CAMERAS)
        _check("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        if max_steps < 1:
            raise ConfigError("an episode needs at least one step", max_steps, "Set max_steps.")
        self.render_mode = render_mode
        self._reward, self._obs, self._camera, self._size = reward, obs, camera, (width, height)
        self._max_steps, self._rotate = max_steps, rotate
        chosen_pack = _open_pack(pack)
        if target is None:
            self.cast: Cast = draw_cast(self.task, chosen_pack, np.random.default_rng(world_seed), n_distractors)
        else:
            self.cast = named_cast(self.task, chosen_pack, target, container, distractors)
        self.world = World(self.cast.items, chosen_pack, self.cast.scales)
        self._control = ArmControl(self.world, control_hz)
        self._pictures: TruthCamera | None = None
        self._view: View = default_view(width, height)
        self._state: TaskState | None = None
        self._steps = 0
        self.action_space: spaces.Space[Any] = _action_space(rotate)
        self.observation_space = _observation_space(obs, width, height)

    # ---- Gymnasium ----

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observed, dict[str, Any]]:
        """Pose objects, hand and (when random) camera anew; ``options`` are not used."""
        super().reset(seed=seed, options=options)
        upright = tuple(k for k in (self.cast.target, self.cast.container) if k is not None)
        arrange(self.world, self._control, self.np_random, upright, None if self._rotate else 0.0)
        if self._camera == "random":
            self._view = draw_view(self.np_random, *self._size, must_see=self._points_of_interest())
        self._steps = 0
        self._state = self._measure()
        return self._observed(), self._info()

    def step(self, action: NDArray[np.float32]) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """One control step."""
        action = np.asarray(action, dtype=np.float64)
        self._control.step(action[:3], float(action[3]), float(action[4]) if self._rotate else 0.0)
        self._steps += 1
        self._state = self._measure()
        success = self.task.success(self._state)
        if self._reward == "dense":
            reward = self.task.dense(self._state)
        else:
            reward = 0.0 if success else -1.0
        return self._observed(), reward, success, self._steps >= self._max_steps, self._info()

    def render(self) -> NDArray[np.uint8] | None:
        """(H, W, 3) the camera's picture, or None without a render mode."""
        return self._picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Free the graphics memory."""
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None

    # ---- pictures and truth ----

    def observation(self) -> Observation:
        """The camera frame: colour, depth, camera model, up direction and camera height over the table."""
        return self._truth_camera().observe(self._view)

    def scene(self) -> Scene:
        """The camera frame with all objects exact; see `truth.TrueView`."""
        return self._truth_camera().take(self._view).scene

    @property
    def view(self) -> View:
        """The camera and where it stands."""
        return self._view

    @property
    def instruction(self) -> str:
        """The task in words."""
        container = self.cast.container
        return self.task.instruction.format(
            target=self.world.objects[self.cast.target].label,
            container="" if container is None else self.world.objects[container].label,
        )

    def _truth_camera(self) -> TruthCamera:
        if self._pictures is None:
            self._pictures = TruthCamera(self.world, *self._size)
        return self._pictures

    def _picture(self) -> NDArray[np.uint8]:
        return self._truth_camera().picture(self._view)

    def _measure(self) -> TaskState:
        return measure(self.world, self.cast.target, self.cast.container)

    def _points_of_interest(self) -> Float:
        return np.concatenate([self.world.boxes().centers, self.world.tcp()[None]])

    def _observed(self) -> Observed:
        if self._obs == "state":
            return self._state_vector()
        if self._obs == "rgb":
            return self._picture()
        return {"state": self._state_vector(), "rgb": self._picture()}

    def _state_vector(self) -> Float:
        """(STATE_SIZE,) see `STATE_LAYOUT`."""
        world, target, container = self.world, self.cast.target, self.cast.container
        tcp, center = world.tcp(), world.boxes().centers[target]
        quaternion = world.quaternion(target)
        values = [
            tcp,
            world.tcp_velocity(),
            [world.opening()],
            np.array(world.pads_on(target), dtype=np.float64),
            [np.sin(self._control.yaw), np.cos(self._control.yaw)],
            center,
            center - tcp,
            quaternion if quaternion[3] >= 0 else -quaternion,
            world.velocity(target),
            [self._state.gap if self._state is not None else 0.0],
            center if container is None else world.cavity_center(container),
        ]
        return np.clip(np.concatenate(values), -_STATE_BOUND, _STATE_BOUND)

    def _info(self) -> dict[str, Any]:
        world, state = self.world, self._state
        assert state is not None
        tcp = world.tcp()
        count = range(len(world.objects))
        return {
            "is_success": self.task.success(state),
            "instruction": self.instruction,
            "target": world.objects[self.cast.target].label,
            "labels": tuple(o.label for o in world.objects),
            "poses": np.stack(
                [np.concatenate([world.data.xpos[world.body_ids[k]], world.quaternion(k)]) for k in count]
            ),
            "gaps": np.array([world.gap_to(k, tcp) for k in count]),
            "touched": np.array([any(world.pads_on(k)) for k in count]),
            "tcp": tcp,
            "opening": world.opening(),
            "elevation": state.elevation,
            "lifted": state.lifted,
            "inside": state.inside,
            "gripped": state.gripped,
            "camera": self._view.camera,
            "camera_pose": self._view.pose,
        }


class PandaReach(PandaEnv):
    """Bring the tool centre point to within 15 mm of the target's surface."""

    task = REACH


class PandaPick(PandaEnv):
    """Hold the target between both fingers, 10 cm over the table."""

    task = PICK


class PandaPlaceIn(PandaEnv):
    """Let the target rest inside the container, not touched by the fingers."""

    task = PLACE_IN


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"the environment's {name} is unknown", value, f"Choose one of {allowed}.")


def _open_pack(pack: AssetPack | str | None) -> AssetPack:
    if isinstance(pack, AssetPack):
        return pack
    if pack is None:
        return AssetPack.primitives()
    return AssetPack.load(None if pack == "default" else pack)


def _action_space(rotate: bool) -> spaces.Box:
    limits = [MAX_STEP_M] * 3 + [1.0] + ([MAX_TURN_RAD] if rotate else [])
    high = np.array(limits, dtype=np.float32)
    return spaces.Box(-high, high, dtype=np.float32)


def _observation_space(obs: str, width: int, height: int) -> spaces.Space[Any]:
    state = spaces.Box(-_STATE_BOUND, _STATE_BOUND, (STATE_SIZE,), dtype=np.float64)
    picture = spaces.Box(0, 255, (height, width, 3), dtype=np.uint8)
    if obs == "state_rgb":
        return spaces.Dict({"state": state, "rgb": picture})
    return state if obs == "state" else picture


register()  # for gymnasium.make("spatialvlm_ros.simulation.robot.environments:spatialvlm_ros/PandaPick-v0")
