"""Gymnasium environments, played with random actions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from spatialvlm_ros.rewards.check_sources.rounds import play_rounds
from spatialvlm_ros.rewards.check_sources.steps import (
    Episode,
    Played,
    Playing,
    RewardStep,
    first_step,
    of_frame,
)
from spatialvlm_ros.rewards.frames import RewardFrame


def is_environment(source: Any) -> bool:
    """Whether it steps like a `gymnasium.Env`; vector environments of other libraries do not."""
    return all(hasattr(source, name) for name in ("reset", "step", "action_space")) and not hasattr(source, "num_envs")


def play_environment(env: Any, playing: Playing) -> Played:
    """Episodes with random actions; the first one is played twice."""
    return play_rounds(env.action_space, partial(_run, env), 1, playing)


def _run(env: Any, seed: int, actions: Sequence[Any]) -> tuple[list[Episode], bool]:
    """See `Run`: one episode."""
    _, info = env.reset(seed=seed)
    silent = False
    episode: Episode = [start_of(info)]
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        step = of_info(info, float(reward), bool(terminated), bool(truncated))
        silent = silent or step is None
        episode.append(step or untold(float(reward), bool(terminated or truncated)))
        if terminated or truncated:
            break
    return [episode], silent


def start_of(info: Mapping[str, Any]) -> RewardStep:
    """The first frame of an episode, by the info that `reset` gives."""
    said = of_info(info, 0.0, False, False)
    return first_step(math.nan if said is None or not said.valid else said.potential)


def untold(reward: float, over: bool) -> RewardStep:
    """A frame of an environment that does not say its potential."""
    return RewardStep(reward, math.nan, reward, False, 1, False, over)


def of_info(info: Mapping[str, Any], reward: float, terminated: bool, truncated: bool) -> RewardStep | None:
    """The frame of a step by its info; None where that does not say the potential."""
    frame = info.get("reward_frame")
    if isinstance(frame, RewardFrame):
        found = of_frame(frame)
        return RewardStep(reward, found.potential, found.base, found.valid, found.steps, terminated, truncated)
    if "potential" not in info:
        return None
    potential, base = float(info["potential"]), float(info.get("base", 0.0))
    if "shaping" in info:  # it is said beside a reward that is left as it was: the two together are checked
        reward += float(info["shaping"])
    return RewardStep(
        reward, potential, base, math.isfinite(potential), int(info.get("steps", 1)), terminated, truncated
    )
