"""Recorded rewards: frames, mappings or columns, in memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.check_sources import lerobot_rows
from spatialvlm_ros.rewards.check_sources.rows import Row, frames_of_rows
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, Playing, RewardStep, in_episodes, of_frame
from spatialvlm_ros.rewards.frames import RewardFrame

_COLUMNS = ("reward", "potential", "base", "valid", "steps", "terminated", "truncated")


def is_recording(source: Any) -> bool:
    """Whether it is rows or columns."""
    return isinstance(source, (Mapping, Iterable)) and not isinstance(source, (str, bytes))


def read_recording(source: Any, playing: Playing) -> Played:
    """The episodes of a recording.

    Raises:
        DatasetError: it is empty or malformed.
    """
    rows = _rows(source) if isinstance(source, Mapping) else list(source)
    if not rows:
        raise DatasetError("the episode has no frame", 0, "Record at least the first frame.")
    if isinstance(rows[0], Mapping) and lerobot_rows.is_row(rows[0]):
        return lerobot_rows.read_rows(rows)
    if playing.transitions:
        return Played(_of_transitions(rows))
    steps = [of_frame(row) if isinstance(row, RewardFrame) else _of_row(row, k) for k, row in enumerate(rows)]
    return Played(in_episodes(steps))


def _rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = lerobot_rows.NAMES if lerobot_rows.is_row(columns) else _COLUMNS
    arrays: dict[str, NDArray[Any]] = {
        name: np.atleast_1d(np.asarray(columns[name])) for name in names if name in columns
    }
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError("the columns of a recording have different lengths", lengths, "One entry per frame each.")
    count = next(iter(lengths.values()), 0)
    return [{name: array[k] for name, array in arrays.items()} for k in range(count)]


def _of_transitions(rows: Sequence[Any]) -> list[Episode]:
    """Rows whose reward is that of their action, judged in the next row's picture."""
    steps = [_of_row(row, number) for number, row in enumerate(rows)]
    said = [isinstance(row, Mapping) and "valid" in row for row in rows]
    made: list[Episode] = []
    begin = 0
    for episode in in_episodes(steps):
        valid = said[begin : begin + len(episode)]
        begin += len(episode)
        made.append(frames_of_rows([Row(*each) for each in zip(episode, valid, strict=True)]))
    return made


def _of_row(row: Any, number: int) -> RewardStep:
    if isinstance(row, RewardStep):
        return row
    if not isinstance(row, Mapping) or "reward" not in row or "potential" not in row:
        raise DatasetError(
            f"frame {number} has no reward and potential", row, "Record both in each frame, NaN where unknown."
        )
    try:
        potential = _number(row["potential"])
        return RewardStep(
            _number(row["reward"]),
            potential,
            float(row.get("base", 0.0)),
            bool(row.get("valid", math.isfinite(potential))),
            int(row.get("steps", 1)),
            bool(row.get("terminated", False)),
            bool(row.get("truncated", False)),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"frame {number} is not made of numbers", row, str(error)) from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
