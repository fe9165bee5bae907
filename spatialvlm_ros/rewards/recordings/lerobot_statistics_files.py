"""Where a LeRobot data set keeps its statistics: read before any work, written with those of the rewards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.lerobot_columns import Column, Values
from spatialvlm_ros.rewards.recordings.lerobot_metadata import (
    EPISODE_STATS_V2,
    EXTRA,
    STATS,
    LeRobotMetadata,
    episode_files,
    read_json,
    read_json_lines,
    read_table,
    whole_number,
    write_json,
)
from spatialvlm_ros.rewards.recordings.lerobot_statistics import Statistics, has_quantiles, statistics_of


def check_statistics(metadata: LeRobotMetadata) -> None:
    """Raise `SourceError` for statistics that cannot be read: they go into the copy."""
    _of_the_set(metadata)
    _of_episodes(metadata)
    for path in _tables(metadata):
        read_table(path)


def write_statistics(
    metadata: LeRobotMetadata, target: Path, columns: Mapping[str, Column], values: Mapping[int, Values]
) -> None:
    """Into whichever files the data set keeps its statistics in.

    Raises:
        SourceError: they cannot be read.
    """
    numeric = [name for name, column in columns.items() if column.dtype != "string"]
    whole = {name: _joined(values, name) for name in numeric}
    statistics = _of_the_set(metadata)
    if statistics is not None:
        quantiles = has_quantiles(statistics)
        write_json(target / STATS, {**statistics, **{n: statistics_of(whole[n], quantiles) for n in numeric}})
    lines = _of_episodes(metadata)
    if lines is not None:
        text = "".join(f"{json.dumps(_with_rewards(line, numeric, values, whole))}\n" for line in lines)
        (target / EPISODE_STATS_V2).write_text(text, encoding="utf-8")
    for path in _tables(metadata):
        _write_table(path, target / path.relative_to(metadata.root), numeric, values, whole)


def _of_the_set(metadata: LeRobotMetadata) -> dict[str, Any] | None:
    path = metadata.root / STATS
    if not path.is_file():
        return None
    statistics = read_json(path)
    _check_mappings(path, statistics)
    return statistics


def _of_episodes(metadata: LeRobotMetadata) -> list[dict[str, Any]] | None:
    path = metadata.root / EPISODE_STATS_V2
    if not path.is_file():
        return None
    lines = read_json_lines(path)
    for line in lines:
        whole_number(line, "episode_index", path)
        _check_mappings(path, line.get("stats"))
    return lines


def _check_mappings(path: Path, statistics: Any) -> None:
    if not isinstance(statistics, dict) or not all(isinstance(entry, dict) for entry in statistics.values()):
        raise SourceError(f"{path} holds no statistics by feature", statistics, "Download the data set again.")


def _with_rewards(
    line: dict[str, Any], numeric: Sequence[str], values: Mapping[int, Values], whole: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """A line with the statistics of our columns; one of an episode that the set does not list stays as it is."""
    own = values.get(line["episode_index"])
    if own is None:
        return line
    quantiles = has_quantiles(line["stats"])
    added = {name: statistics_of(own[name], quantiles, whole[name]) for name in numeric}
    return {**line, "stats": {**line["stats"], **added}}


def _joined(values: Mapping[int, Values], name: str) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(v[name], dtype=np.float64) for v in values.values()] or [np.zeros(0)])


def _tables(metadata: LeRobotMetadata) -> list[Path]:
    """Of version 3: the files that list the episodes, with their statistics."""
    return episode_files(metadata.root) if metadata.version[0] == 3 else []


def _write_table(
    source: Path, target: Path, numeric: list[str], values: Mapping[int, Values], whole: Mapping[str, NDArray[Any]]
) -> None:
    """Columns ``stats/NAME/mean`` ... beside those of the other features, where there are any."""
    arrow, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    table = read_table(source)
    if not any(name.startswith("stats/") for name in table.column_names):
        return
    quantiles = has_quantiles(table.column_names)
    numbers = table.column("episode_index").to_pylist()
    for name in numeric:
        of_episodes: list[Statistics] = [statistics_of(values[n][name], quantiles, whole[name]) for n in numbers]
        for part in of_episodes[0] if of_episodes else ():
            kind = arrow.list_(arrow.int64() if part == "count" else arrow.float64())
            column = arrow.array([entry[part] for entry in of_episodes], type=kind)
            table = table.append_column(f"stats/{name}/{part}", column)
    parquet.write_table(table, target)
