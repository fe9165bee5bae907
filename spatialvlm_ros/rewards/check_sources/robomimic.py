"""robomimic data sets that were annotated, as `recordings.robomimic_writer` writes them: a copy, or a file beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialvlm_ros.rewards.check_sources.provenance import Made, made_with, no_rewards
from spatialvlm_ros.rewards.check_sources.rows import Row, frames_of_rows
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, RewardStep
from spatialvlm_ros.rewards.recordings.robomimic import opened
from spatialvlm_ros.rewards.recordings.robomimic_demo import demo_names
from spatialvlm_ros.rewards.recordings.robomimic_writer import GROUP

_COLUMNS = ("rewards", "potential", "base", "valid")


def read_file(path: Path) -> Played:
    """The episodes of an HDF5 file.

    Raises:
        DatasetError: it has no rewards of ours.
        SourceError: it is damaged.
    """
    with opened(path) as file:
        names = demo_names(file)
        written = file["data"].attrs.get(f"{GROUP}_reward")
        if written is None:
            raise no_rewards(path)
        made = made_with(str(written), path)
        episodes = [_episode(file["data"][name], made) for name in names]
    return Played([episode for episode in episodes if episode], [], made.said)


def _episode(demo: Any, made: Made) -> Episode:
    """Of an episode without pictures, or one that could not be read, nobody can learn."""
    group = demo.get(GROUP)
    if group is None or not len(group.get("rewards", ())):
        return []
    columns = [group[name][()].tolist() for name in _COLUMNS]
    steps = [_step(numbers, made.every) for numbers in zip(*columns, strict=True)]
    if all(math.isnan(step.reward) for step in steps):
        return []
    steps[-1] = replace(steps[-1], terminated=made.terminated, truncated=not made.terminated)
    return frames_of_rows([Row(step) for step in steps], made.ends_at)


def _step(numbers: Sequence[Any], every: int) -> RewardStep:
    reward, potential, base, valid = numbers
    return RewardStep(reward, potential, base, bool(valid), every)
