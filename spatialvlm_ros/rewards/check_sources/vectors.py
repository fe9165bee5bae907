"""Vector environments, played with random actions: each of their environments has episodes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.check_sources.environments import of_info, start_of, untold
from spatialvlm_ros.rewards.check_sources.rounds import play_rounds
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, Playing, RewardStep, in_episodes

_TOLD = ("potential", "base", "steps", "shaping", "reward_frame")


def is_vector(source: Any) -> bool:
    """Whether it steps like a `gymnasium.vector.VectorEnv`."""
    return all(hasattr(source, name) for name in ("reset", "step", "num_envs", "single_action_space"))


def play_vector(envs: Any, playing: Playing) -> Played:
    """Rounds with random actions, until there are enough episodes; the first round is played twice."""

    def run(seed: int, actions: Sequence[Any]) -> tuple[list[Episode], bool]:
        played = _Round(envs)
        return played.run(seed, actions), played.silent

    return play_rounds(envs.action_space, run, envs.num_envs, playing)


class _Round:
    """All environments from one reset on."""

    def __init__(self, envs: Any) -> None:
        from gymnasium.vector import AutoresetMode  # whoever has such environments has it

        self._envs, self._modes = envs, AutoresetMode
        self._mode = envs.metadata.get("autoreset_mode")
        if self._mode not in list(AutoresetMode):
            raise ConfigError(
                "these environments do not say in which step they are reset",
                self._mode,
                'Set metadata["autoreset_mode"] to the AutoresetMode that they have.',
            )
        self.silent = False

    def run(self, seed: int, actions: Sequence[Any]) -> list[Episode]:
        """The episodes, those of the first environment first."""
        rows = range(self._envs.num_envs)
        _, info = self._envs.reset(seed=seed)
        columns = [[start_of(_of_row(info, row))] for row in rows]
        over = np.zeros(len(rows), dtype=bool)
        for action in actions:
            _, reward, terminated, truncated, info = self._envs.step(action)
            for row in rows:
                resets = bool(over[row]) and self._mode == self._modes.NEXT_STEP
                ends = float(reward[row]), bool(terminated[row]), bool(truncated[row])
                columns[row] += [start_of(_of_row(info, row))] if resets else self._stepped(info, row, *ends)
            over = np.asarray(terminated, dtype=bool) | np.asarray(truncated, dtype=bool)
            if self._mode == self._modes.DISABLED and over.any():
                break  # an environment whose episode is over must not be stepped
        return [episode for column in columns for episode in in_episodes(column)]

    def _stepped(
        self, info: Mapping[str, Any], row: int, reward: float, terminated: bool, truncated: bool
    ) -> list[RewardStep]:
        """The frame of one environment; also the first of its next episode where that comes with the same step."""
        again = (terminated or truncated) and self._mode == self._modes.SAME_STEP
        said = _of_row(info.get("final_info", {}) if again else info, row)
        step = of_info(said, reward, terminated, truncated)
        self.silent = self.silent or step is None
        made = [step or untold(reward, terminated or truncated)]
        return [*made, start_of(_of_row(info, row))] if again else made


def _of_row(info: Mapping[str, Any], row: int) -> dict[str, Any]:
    """What info tells of one environment; a mask of the same name says whether it does."""
    return {
        name: info[name][row] for name in _TOLD if name in info and (f"_{name}" not in info or info[f"_{name}"][row])
    }
