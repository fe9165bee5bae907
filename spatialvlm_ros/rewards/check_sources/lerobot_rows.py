"""Rows of LeRobot data sets that were annotated, as `recordings.lerobot_writer` writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.check_sources.rows import Row, frames_of_rows
from spatialvlm_ros.rewards.check_sources.steps import FLOAT32, Episode, Played, RewardStep

if TYPE_CHECKING:
    from spatialvlm_ros.rewards.check_sources.provenance import Made

_POTENTIAL, _EPISODE, _FRAME = "spatialvlm.potential", "episode_index", "frame_index"
_REWARD, _BASE, _VALID = "next.reward", "next.reward_base", "next.reward_valid"
_OWN = "spatialvlm."  # before names that the set had already
NAMES = (_POTENTIAL, _EPISODE, _FRAME, *(own + n for n in (_REWARD, _BASE, _VALID) for own in ("", _OWN)))


def is_row(row: Mapping[str, Any]) -> bool:
    """Whether it is a row, or the columns, of a set with rewards of ours."""
    return _POTENTIAL in row and _name(_REWARD, row) in row


def read_rows(rows: Iterable[Mapping[str, Any]], made: Made | None = None) -> Played:
    """The episodes of rows.

    Args:
        rows: of a data set, in any order.
        made: how its rewards were made; where that is not known, an episode whose last reward is valid is terminated.

    Raises:
        DatasetError: a row lacks something.
    """
    ordered = sorted(rows, key=_place)
    episodes = [_episode(list(group), made) for _, group in groupby(ordered, key=lambda row: _place(row)[0])]
    said = {} if made is None else made.said
    return Played([episode for episode in episodes if episode], [], said, FLOAT32)


def _place(row: Mapping[str, Any]) -> tuple[int, int]:
    """Number of the episode, and of the row in it; rows without them stay in their order."""
    return int(row.get(_EPISODE, 0)), int(row.get(_FRAME, 0))


def _episode(rows: Sequence[Mapping[str, Any]], made: Made | None) -> Episode:
    """None of the rows of an episode that could not be read has a reward: it is for nobody to learn from."""
    steps = [_step(row, 1 if made is None else made.every) for row in rows]
    if all(math.isnan(step.reward) for step in steps):
        return []
    terminated = steps[-1].valid if made is None else made.terminated
    steps[-1] = replace(steps[-1], terminated=terminated, truncated=not terminated)
    return frames_of_rows([Row(step) for step in steps], 0.0 if made is None else made.ends_at)


def _step(row: Mapping[str, Any], every: int) -> RewardStep:
    reward, base, valid = (row.get(_name(name, row)) for name in (_REWARD, _BASE, _VALID))
    if reward is None or base is None or valid is None:
        names = ", ".join((_REWARD, _BASE, _VALID))
        raise DatasetError("a row has not all of its reward", dict(row), f"Needed are {names}, {_POTENTIAL}.")
    potential = row[_POTENTIAL]
    return RewardStep(
        float(reward), math.nan if potential is None else float(potential), float(base), bool(valid), every
    )


def _name(name: str, row: Mapping[str, Any]) -> str:
    return _OWN + name if _OWN + name in row else name
