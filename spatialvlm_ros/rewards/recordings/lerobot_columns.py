"""The columns of rewards in LeRobot data sets: their names, their types and their values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.composing import AnnotationsOf
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo
from spatialvlm_ros.rewards.recordings.lerobot_metadata import EXTRA, LeRobotMetadata, column_names
from spatialvlm_ros.rewards.recordings.transitions import Rows, rows_of

_PREFIX = "spatialvlm."
_NOT_LISTED = "The metadata lists other rows."

Values = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Column:
    """A column that is added: its name where that is free, its type, and where its values are in `Rows`."""

    name: str
    dtype: str
    part: str


# The first three are LeRobot's own names, as its environments record them.
COLUMNS = (
    Column("next.reward", "float32", "reward"),
    Column("next.success", "bool", "next_success"),
    Column("next.done", "bool", "last"),
    Column("next.reward_std", "float32", "reward_std"),
    Column("next.reward_base", "float32", "base"),
    Column("next.reward_valid", "bool", "next_valid"),
    Column("next.reward_reason", "string", "next_reason"),
    Column("spatialvlm.potential", "float32", "potential"),
    Column("spatialvlm.potential_std", "float32", "potential_std"),
    Column("spatialvlm.success_probability", "float32", "success_probability"),
)

NUMPY: dict[str, Any] = {"float32": np.float32, "bool": np.bool_, "string": object}


def free_names(metadata: LeRobotMetadata) -> dict[str, Column]:
    """Name in the result -> column; names that the set has already are left to it.

    Raises:
        SourceError: it already has rewards of ours.
    """
    taken = {*metadata.features, *_stored_names(metadata)}
    result = {}
    for column in COLUMNS:
        if column.name == "next.done" and column.name in taken:
            continue  # when an episode ends is the recording's to say
        name = column.name
        if name in taken and not name.startswith(_PREFIX):
            name = f"{_PREFIX}{name}"
        if name in taken:
            raise SourceError(f"{metadata.root} already has rewards of ours", name, "Annotate the original instead.")
        result[name] = column
    return result


def _stored_names(metadata: LeRobotMetadata) -> list[str]:
    """The columns of the first data file that can be read: the metadata need not list them all."""
    for name in metadata.data_files():
        with suppress(SourceError):
            return column_names(metadata.root / name)
    return []


def values_of(episode: EpisodeInfo, annotations_of: AnnotationsOf, columns: Mapping[str, Column]) -> Values:
    """(steps,) of each column."""
    if episode.steps == 0:
        return {name: np.zeros(0, dtype=NUMPY[column.dtype]) for name, column in columns.items()}
    rows: Rows = rows_of(annotations_of(episode), episode)
    return {
        name: np.asarray(getattr(rows, column.part)).astype(NUMPY[column.dtype]) for name, column in columns.items()
    }


def unknown_values(length: int, columns: Mapping[str, Column]) -> Values:
    """(length,) of each column, of rows that nothing is known of."""
    refused = EpisodeAnnotations.refused(length + 1, Reason.MODEL_ERROR, _NOT_LISTED)
    return values_of(EpisodeInfo(-1, "rows", length, length), lambda episode: refused, columns)


def arrow_of(column: Column, values: NDArray[Any]) -> Any:
    """The values as an array of pyarrow."""
    arrow = require("pyarrow", EXTRA)
    kinds = {"float32": arrow.float32(), "bool": arrow.bool_(), "string": arrow.string()}
    return arrow.array(values.tolist() if column.dtype == "string" else values, type=kinds[column.dtype])
