"""LeRobot data sets that were annotated, as `recordings.lerobot_writer` writes them: a copy, or a Parquet file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.check_sources.lerobot_rows import NAMES, PLACE, read_rows
from spatialvlm_ros.rewards.check_sources.provenance import made_with, no_rewards
from spatialvlm_ros.rewards.check_sources.steps import Played
from spatialvlm_ros.rewards.recordings.lerobot_metadata import EXTRA, parquet_damage, read_table
from spatialvlm_ros.rewards.recordings.lerobot_writer import PROVENANCE_FILE

_log = logging.getLogger(__name__)

_NOWHERE = dict.fromkeys(PLACE)  # of rows of a file without such columns, which lies beside the others


def is_beside(path: Path) -> bool:
    """Whether it is a Parquet file."""
    return path.is_file() and path.suffix == ".parquet"


def read_copy(path: Path) -> Played:
    """The episodes of a data set with rewards in it.

    Raises:
        DatasetError: it has none.
        SourceError: it cannot be read.
    """
    provenance = path / PROVENANCE_FILE
    if not provenance.is_file():
        raise no_rewards(path)
    try:
        written = provenance.read_bytes()
    except OSError as error:
        raise _unreadable(provenance, error) from error
    return read_rows(_rows_of(sorted((path / "data").rglob("*.parquet"))), made_with(written, path))


def read_beside(path: Path) -> Played:
    """The episodes of a file of rewards.

    Raises:
        DatasetError: it has none.
        SourceError: it cannot be read.
    """
    try:
        written = (require("pyarrow.parquet", EXTRA).read_schema(path).metadata or {}).get(b"spatialvlm_reward")
    except parquet_damage() as error:
        raise _unreadable(path, error) from error
    if written is None:
        raise no_rewards(path)
    return read_rows(_rows_of([path]), made_with(written, path))


def _rows_of(files: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of all files that can be read: those that could not be when the set was annotated have no rewards.

    Raises:
        SourceError: none of them can be read.
    """
    tables, faults = [], []
    for file in files:
        try:
            tables.append(read_table(file, lambda name: name in NAMES).to_pylist())
        except SourceError as error:
            _log.warning("%s is not checked: %s", file, error)
            faults.append(error)
    if faults and not tables:
        raise faults[0]
    return [{**_NOWHERE, **row} for table in tables for row in table]


def _unreadable(path: Path, error: Exception) -> SourceError:
    return SourceError(f"{path} cannot be read", str(error), "It is damaged: annotate the recording again.")
