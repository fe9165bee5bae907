"""Rewards from pictures for Gymnasium environments, one or many side by side.

register()    # of `simulation.robot.registration`: the robot environments
env = SpatialReward(gymnasium.make("spatialvlm_ros/PandaPick-v0"), "pick up the apple", "embedded", gamma=0.99)
observation, info = env.reset(seed=1)
observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
info["spatial_reward"].terms             # why the reward is what it is
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.rewards.frames import RewardFrames
from spatialvlm_ros.rewards.looking import KnownSizes, not_measured
from spatialvlm_ros.rewards.reward import POTENTIAL, BatchRewardEngine
from spatialvlm_ros.rewards.shaping import KEPT
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import task_of
from spatialvlm_ros.rewards.watching import Eye, Info, ManyEnvs, OneEnv, eye_of
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
if TYPE_CHECKING:
    _Wrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    _Wrapper = VectorWrapper  # which is not generic before Gymnasium 1.4
TaskLike = RewardTask | Mapping[str, Any] | str

REPLACE, ADD, INFO = "replace", "add", "info"
# What the learner gets, which part of it is not shaping, and the shaping that is said and not paid: from the frames
# and the environment's own rewards.
PAYMENTS: dict[str, Callable[[RewardFrames, Float], tuple[Float, Float, dict[str, Float]]]] = {
    REPLACE: lambda frames, own: (frames.reward, frames.base, {}),
    ADD: lambda frames, own: (own + frames.shaping, own, {}),
    INFO: lambda frames, own: (own, own, {"shaping": frames.shaping}),
}
_ARGUMENTS = (
    *("task", "model", "gamma", "camera", "every", "mode", "render", "observe", "use", "unseen"),
    *("ends_on_success", "depth", "known_sizes", "follow", "truth", "filtered", "step_s"),
)
_NOT_DUE = "This control step is not measured (every)."


class _Account:
    """Steps the engine of B environments in every control step and measures those that are due.

    A step that is not measured is one that is not seen: it pays the base alone, and the next one that is measured pays
    for all of them, discounted as the engine's ``unseen`` says.
    """

    def __init__(self, engine: BatchRewardEngine, eye: Eye, every: int, payment: str, step_s: float) -> None:
        if payment not in PAYMENTS:
            raise ConfigError("unknown use of a reward", payment, f"Pass one of {', '.join(PAYMENTS)}.")
        if isinstance(every, bool) or not isinstance(every, (int, np.integer)) or every < 1:
            raise ConfigError("every is not a whole number of control steps from 1", every, "Pass 1 or more.")
        if not 0 <= step_s < math.inf or (engine.settings.filtered is not None and step_s == 0):
            raise ConfigError(
                "filtering over time needs the length of a control step", step_s, "Pass step_s, seconds, e.g. 0.2."
            )
        self.engine = engine
        self._step_ns = round(step_s * 1e9)
        self._eye, self._every, self._payment = eye, int(every), payment
        self._count = np.full(len(engine), -1, dtype=np.int64)  # control steps of the episode; -1 before the first
        self._wanted: RewardTask | None = None  # from the next episode on

    def set_task(self, task: TaskLike) -> None:
        """Reward another task from the next episode on."""
        self._wanted = task_of(task)

    def begin(self, info: Info) -> tuple[RewardFrames, dict[str, Any]]:
        """The first frames of new episodes, in all environments."""
        self.engine.reset()
        self._count[:] = -1
        no = np.zeros(len(self.engine))
        frames, _, entries = self.step(info, no, no, no)
        return frames, entries

    def step(
        self, info: Info, own: ArrayLike, terminated: ArrayLike, truncated: ArrayLike
    ) -> tuple[RewardFrames, Float, dict[str, Any]]:
        """The frames of one control step, (B,) what the learner gets, and the columns of info."""
        over, cut = np.asarray(terminated, dtype=bool), np.asarray(truncated, dtype=bool)
        self._count += 1
        first = self._count == 0
        if first.all() and self._wanted is not None:
            self.engine.set_task(self._wanted)
            self._wanted = None
        due = (self._count % self._every == 0) | over | cut
        queries = self.engine.queries()
        rows = [not_measured(queries, Reason.STALE, _NOT_DUE) for _ in due]
        self._eye.begin(np.flatnonzero(first).tolist())
        places = np.flatnonzero(due).tolist()
        if places:
            for place, estimates in zip(places, self._eye.estimates(places, info, queries), strict=True):
                rows[place] = estimates
        stamps = (self._count * self._step_ns).tolist() if self._step_ns else None
        frames = self.engine.step(rows, over, cut, stamps_ns=stamps)
        self._count[frames.terminated | cut] = -1
        own = np.where(first, 0.0, np.asarray(own, dtype=np.float64))
        paid, base, said = PAYMENTS[self._payment](frames, own)
        paid, base = np.where(first, 0.0, paid), np.where(first, 0.0, base)  # nothing was done yet
        potential = np.where(frames.valid, frames.potential, np.nan)
        return frames, paid, {"potential": potential, "base": base, "steps": frames.steps, "env_reward": own, **said}


class SpatialReward(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """An environment whose reward comes from pictures.

    ``info`` of `reset` and `step` holds "spatial_reward" (the `RewardFrame`), "potential" (NaN where it is not known),
    "base" (the part of the reward that is not shaping), "steps" and "env_reward" (that of the environment itself), so
    that `check_reward` can check the wrapped environment; with ``use="info"`` also "shaping", which is said and not
    paid. (Gymnasium's own checker takes two NaN for different numbers:
    let it check with ``every=1`` and a start that can be seen.)

    Args:
        env: one of the package's robot environments, or any other with ``observe`` or ``camera``.
        task: a `RewardTask`, or anything that `task_of` takes.
        model: a `SpatialVLM`, or what `SpatialVLM.from_pretrained` takes; None with ``truth``.
        gamma: the learner's discount per control step.
        camera: of the rendered picture, for environments that only render; robot environments know their own.
        every: measure in each k-th control step, in the first of an episode and in the last. The steps between pay the
            base alone; the sum over an episode, discounted per control step, is the same telescope as with ``every=1``.
        mode: "potential" or "absolute", see `BatchRewardEngine`.
        render: env -> (H, W, 3) uint8; ``env.render()`` if None.
        observe: env -> `Observation`, (`Observation`, tool centre point in the optical frame) or `Sight`.
        use: "replace" the environment's reward, "add" the shaping to it, or leave it and only say so in "info".
        unseen: what the learner does with steps without a potential, see `Discount`.
        ends_on_success: end the episode when the task is done by what was seen.
        depth: whether the model may use the depth of the environment.
        known_sizes: as of `SpatialVLM.look`.
        follow: follow the task's objects from picture to picture instead of measuring each alone; the camera stands
            still.
        truth: exact estimates from the simulation instead of a model: a baseline.
        filtered: filter the lengths over time with these settings, see `BatchRewardEngine`; needs ``step_s``.
        step_s: seconds of a control step, where it is known: then ``reward_std`` knows how alike the errors of two
            pictures are.

    Raises:
        ConfigError: arguments that contradict each other, or an environment that has no pictures.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        task: TaskLike,
        model: SpatialVLM | str | None,
        gamma: float,
        *,
        camera: Camera | None = None,
        every: int = 1,
        mode: str = POTENTIAL,
        render: Callable[[Any], Any] | None = None,
        observe: Callable[[Any], Any] | None = None,
        use: str = REPLACE,
        unseen: str = KEPT,
        ends_on_success: bool = False,
        depth: bool = True,
        known_sizes: KnownSizes | None = None,
        follow: bool = False,
        truth: bool = False,
        filtered: FilterSettings | None = None,
        step_s: float = 0.0,
    ) -> None:
        # Gymnasium makes an environment anew from these (`gymnasium.make(env.spec)`); a model is not copied.
        given: dict[str, Any] = {name: value for name, value in locals().items() if name in _ARGUMENTS}
        gymnasium.utils.RecordConstructorArgs.__init__(self, _disable_deepcopy=True, **given)
        super().__init__(env)
        eye = eye_of(
            OneEnv(env),
            model,
            truth=truth,
            observe=observe,
            camera=camera,
            render=render,
            depth=depth,
            known_sizes=known_sizes,
            follow=follow,
        )
        engine = BatchRewardEngine(
            task, 1, gamma=gamma, mode=mode, unseen=unseen, ends_on_success=ends_on_success, filtered=filtered
        )
        self._account = _Account(engine, eye, every, use, step_s)

    @property
    def gamma(self) -> float:
        """The learner's discount per control step."""
        return self._account.engine.gamma

    @property
    def reward_task(self) -> RewardTask:
        """The task whose rewards these are: of the episode under way."""
        return self._account.engine.task

    def set_task(self, task: TaskLike) -> None:
        """Reward another task from the next episode on; the one under way is finished with its own.

        Raises:
            ConfigError: no such task.
        """
        self._account.set_task(task)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, and look at its first picture."""
        observation, info = self.env.reset(seed=seed, options=options)
        frames, entries = self._account.begin(info)
        return observation, {**info, **_single(frames, entries)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """One control step; look at its picture where it is due.

        Below an `Autoreset` wrapper or above it: the step after an end begins the next episode and pays nothing.
        """
        observation, own, terminated, truncated, info = self.env.step(action)
        frames, paid, entries = self._account.step(info, [float(own)], [terminated], [truncated])
        told = {**info, **_single(frames, entries)}
        return observation, float(paid[0]), bool(frames.terminated[0]), bool(truncated), told


def _single(frames: RewardFrames, entries: Mapping[str, Any]) -> dict[str, Any]:
    return {"spatial_reward": frames.frame(0), **{name: column[0].item() for name, column in entries.items()}}


class SpatialRewardVector(_Wrapper):
    """Environments side by side whose rewards come from pictures, all looked at in one pass of the model.

    ``info`` holds what that of `SpatialReward` holds, as arrays (B,); "spatial_reward" are the `RewardFrames`, whose
    ``frame(i)`` is that of one environment. The step in which an environment is reset by itself pays nothing and looks
    at the first picture of its new episode.

    Args:
        envs: environments that are reset in the step after an end (Gymnasium's NEXT_STEP, its default), or all
            together by `reset` (DISABLED), and say so in ``metadata["autoreset_mode"]``. SAME_STEP throws the last
            picture of each episode away, and is refused.
        others: as of `SpatialReward`; ``observe`` and ``render`` get the vector environment and return one per
            environment. With ``truth`` the environments have to live in this process (`SyncVectorEnv`).

    Raises:
        ConfigError: as `SpatialReward`, or another autoreset mode, or none that is known.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        task: TaskLike,
        model: SpatialVLM | str | None,
        gamma: float,
        *,
        camera: Camera | None = None,
        every: int = 1,
        mode: str = POTENTIAL,
        render: Callable[[Any], Any] | None = None,
        observe: Callable[[Any], Any] | None = None,
        use: str = REPLACE,
        unseen: str = KEPT,
        depth: bool = True,
        known_sizes: KnownSizes | None = None,
        follow: bool = False,
        truth: bool = False,
        filtered: FilterSettings | None = None,
        step_s: float = 0.0,
    ) -> None:
        super().__init__(envs)
        _check_autoreset(envs)
        eye = eye_of(
            ManyEnvs(envs),
            model,
            truth=truth,
            observe=observe,
            camera=camera,
            render=render,
            depth=depth,
            known_sizes=known_sizes,
            follow=follow,
        )
        engine = BatchRewardEngine(task, envs.num_envs, gamma=gamma, mode=mode, unseen=unseen, filtered=filtered)
        self._account = _Account(engine, eye, every, use, step_s)

    @property
    def gamma(self) -> float:
        """The learner's discount per control step."""
        return self._account.engine.gamma

    @property
    def reward_task(self) -> RewardTask:
        """The task whose rewards these are."""
        return self._account.engine.task

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in all environments, and look at their first pictures.

        Raises:
            ConfigError: a ``reset_mask`` that leaves some of them in the middle of theirs.
        """
        mask = (options or {}).get("reset_mask")
        if mask is not None and not np.all(mask):
            raise ConfigError(
                "some of the environments cannot be reset alone", mask, "Let them reset themselves (NEXT_STEP)."
            )
        observations, info = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        frames, entries = self._account.begin(info)
        return observations, {**info, **self._columns(frames, entries)}

    def step(self, actions: Any) -> tuple[Any, Float, Bool, Bool, dict[str, Any]]:
        """One control step of each; look at the pictures that are due in one pass."""
        observations, own, terminated, truncated, info = self.env.step(actions)
        frames, paid, entries = self._account.step(info, own, terminated, truncated)
        return observations, paid, terminated, truncated, {**info, **self._columns(frames, entries)}

    def _columns(self, frames: RewardFrames, entries: Mapping[str, Any]) -> dict[str, Any]:
        there = {f"_{name}": np.ones(self.num_envs, dtype=bool) for name in entries}
        return {"spatial_reward": frames, **entries, **there}


def _check_autoreset(envs: VectorEnv[Any, Any, Any]) -> None:
    """Refuse environments whose resets would be taken for steps."""
    mode = envs.metadata.get("autoreset_mode")
    if mode == AutoresetMode.SAME_STEP:
        raise ConfigError(
            "environments that reset in the step of their end show no last picture",
            "SAME_STEP",
            "Make them with autoreset_mode=AutoresetMode.NEXT_STEP.",
        )
    if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED):
        raise ConfigError(
            "these environments do not say in which step they are reset",
            mode,
            'Set metadata["autoreset_mode"] to AutoresetMode.NEXT_STEP or DISABLED, whichever they do.',
        )
