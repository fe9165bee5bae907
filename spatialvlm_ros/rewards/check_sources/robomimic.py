"""robomimic data sets that were annotated, as `recordings.robomimic_writer` writes them: a copy, or a file beside."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.rewards.check_sources.provenance import Made, made_with, no_rewards
from spatialvlm_ros.rewards.check_sources.rows import Row, frames_of_rows
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, RewardStep
from spatialvlm_ros.rewards.recordings.robomimic import opened
from spatialvlm_ros.rewards.recordings.robomimic_demo import demo_names, demo_of, group_of, rows_of
from spatialvlm_ros.rewards.recordings.robomimic_writer import GROUP

_log = logging.getLogger(__name__)

_COLUMNS = ("rewards", "potential", "base", "valid")


def read_file(path: Path) -> Played:
    """The episodes of an HDF5 file.

    Raises:
        DatasetError: it has no rewards of ours, or damaged ones.
        SourceError: it is damaged.
    """
    with opened(path) as file:
        names = demo_names(file)
        written = file["data"].attrs.get(f"{GROUP}_reward")
        if written is None:
            raise no_rewards(path)
        made = made_with(str(written), path)
        groups = [_rewards_of(file["data"], name) for name in names]
        episodes = [_episode(group, made) for group in groups if group is not None]
    return Played([episode for episode in episodes if episode], [], made.said)


def _rewards_of(data: Any, name: str) -> Any:
    """The group of an episode's rewards; None where it has no room for them: a copy keeps what is no episode."""
    try:
        return group_of(demo_of(data, name), GROUP)
    except SourceError as error:
        _log.warning("%s is not checked: %s", name, error)
        return None


def _episode(group: Any, made: Made) -> Episode:
    """Of an episode without pictures, or one that could not be read, nobody can learn."""
    columns = {name: _column(group, name) for name in _COLUMNS}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError(f"the rewards in {group.name} have different lengths", lengths, "Annotate it again.")
    steps = [_step(numbers, made.every) for numbers in zip(*columns.values(), strict=True)]
    if all(math.isnan(step.reward) for step in steps):
        return []
    steps[-1] = replace(steps[-1], terminated=made.terminated, truncated=not made.terminated)
    return frames_of_rows([Row(step) for step in steps], made.ends_at)


def _column(group: Any, name: str) -> list[Any]:
    column = rows_of(group, name)
    if column is None or column.ndim != 1 or column.dtype.kind not in "fiub":
        raise DatasetError(f"{name} in {group.name} is no row of numbers", str(column), "Annotate it again.")
    numbers: list[Any] = column[()].tolist()
    return numbers


def _step(numbers: Sequence[Any], every: int) -> RewardStep:
    reward, potential, base, valid = numbers
    return RewardStep(reward, potential, base, bool(valid), every)
