"""Rows of LeRobot data sets that were annotated, as `recordings.lerobot_writer` writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.check_sources.rows import Row, frames_of_rows
from spatialvlm_ros.rewards.check_sources.steps import FLOAT32, Episode, Played, RewardStep

if TYPE_CHECKING:
    from spatialvlm_ros.rewards.check_sources.provenance import Made

PLACE = _EPISODE, _FRAME = "episode_index", "frame_index"
_POTENTIAL = "spatialvlm.potential"
_REWARD, _BASE, _VALID = "next.reward", "next.reward_base", "next.reward_valid"
_OWN = "spatialvlm."  # before names that the set had already
NAMES = (_POTENTIAL, *PLACE, *(own + n for n in (_REWARD, _BASE, _VALID) for own in ("", _OWN)))

_Place = tuple[int, int]


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
    ordered = sorted(_placed(rows), key=lambda placed: placed[0])
    grouped = groupby(ordered, key=lambda placed: placed[0][0])
    episodes = [_episode([row for _, row in group], made) for _, group in grouped]
    said = {} if made is None else made.said
    return Played([episode for episode in episodes if episode], [], said, FLOAT32)


def _placed(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    """Rows with their places, without those of damaged parts of a set: they have lost theirs, and were not judged."""
    for row in rows:
        place = _place(row)
        if place is not None:
            yield place, row
        elif not _is_unjudged(row):
            raise DatasetError(
                "a row with a reward does not say which it is", dict(row), f"Repair {_EPISODE}, {_FRAME}."
            )


def _place(row: Mapping[str, Any]) -> _Place | None:
    """Number of the episode, and of the row in it; rows of a set without such columns stay in their order."""
    try:
        return int(row.get(_EPISODE, 0)), int(row.get(_FRAME, 0))
    except (TypeError, ValueError, OverflowError):
        return None


def _is_unjudged(row: Mapping[str, Any]) -> bool:
    reward = row.get(_name(_REWARD, row))
    return isinstance(reward, (float, np.floating)) and math.isnan(reward)


def _episode(rows: Sequence[Mapping[str, Any]], made: Made | None) -> Episode:
    """None of the rows of an episode that could not be read has a reward: it is for nobody to learn from."""
    steps = [_step(row, 1 if made is None else made.every) for row in rows]
    if all(math.isnan(step.reward) for step in steps):
        return []
    terminated = steps[-1].valid if made is None else made.terminated
    steps[-1] = replace(steps[-1], terminated=terminated, truncated=not terminated)
    return frames_of_rows([Row(step) for step in steps], 0.0 if made is None else made.ends_at)


def _step(row: Mapping[str, Any], every: int) -> RewardStep:
    try:
        reward, base, valid = (float(row[_name(name, row)]) for name in (_REWARD, _BASE, _VALID))
        potential = math.nan if row[_POTENTIAL] is None else float(row[_POTENTIAL])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        needed = ", ".join((_REWARD, _BASE, _VALID, _POTENTIAL))
        raise DatasetError("a row has not all of its reward", dict(row), f"Needed are numbers: {needed}.") from error
    return RewardStep(reward, potential, base, bool(valid), every)


def _name(name: str, row: Mapping[str, Any]) -> str:
    return _OWN + name if _OWN + name in row else name
