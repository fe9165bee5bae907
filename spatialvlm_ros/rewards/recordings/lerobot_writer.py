"""Rewards in LeRobot data sets: columns in a copy of the set, or one Parquet file beside it.

Rows keep LeRobot's convention: ``next.reward`` and ``next.success`` of a row are those of its action, judged in the
next picture. What the set already has under these names stays; ours is then called ``spatialvlm.next.reward`` etc.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.composing import AnnotationsOf
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Provenance
from spatialvlm_ros.rewards.recordings.lerobot import LeRobotRecording, episode_column
from spatialvlm_ros.rewards.recordings.lerobot_metadata import (
    EPISODE_STATS_V2,
    EXTRA,
    INFO,
    STATS,
    EpisodeEntry,
    LeRobotMetadata,
    episode_files,
    read_json,
    read_json_lines,
)
from spatialvlm_ros.rewards.recordings.lerobot_statistics import Statistics, has_quantiles, statistics_of
from spatialvlm_ros.rewards.recordings.transitions import Rows, rows_of

PROVENANCE_FILE = "meta/spatialvlm_reward.json"
_PREFIX = "spatialvlm."
_NOT_COPIED = (".cache", ".git")


@dataclass(frozen=True)
class _Column:
    """A column that is added: its name where that is free, its type, and where its values are in `Rows`."""

    name: str
    dtype: str
    part: str


# The first three are LeRobot's own names, as its environments record them.
_COLUMNS = (
    _Column("next.reward", "float32", "reward"),
    _Column("next.success", "bool", "next_success"),
    _Column("next.done", "bool", "last"),
    _Column("next.reward_std", "float32", "reward_std"),
    _Column("next.reward_base", "float32", "base"),
    _Column("next.reward_valid", "bool", "next_valid"),
    _Column("next.reward_reason", "string", "next_reason"),
    _Column("spatialvlm.potential", "float32", "potential"),
    _Column("spatialvlm.potential_std", "float32", "potential_std"),
    _Column("spatialvlm.success_probability", "float32", "success_probability"),
)

Values = dict[str, NDArray[Any]]


def check_copy(recording: LeRobotRecording) -> None:
    """Raise `SourceError` for a data set that already has rewards of ours."""
    _free_names(recording.metadata)


def compose_copy(
    recording: LeRobotRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """The whole data set with more columns; features and statistics say so.

    Raises:
        SourceError: a file cannot be read, or holds other rows than the metadata says.
    """
    metadata = recording.metadata
    columns = _free_names(metadata)
    values = {e.number: _values(e, annotations_of, columns) for e in recording.episodes()}
    changed = {metadata.root / name for name in metadata.data_files()}
    _copy_tree(metadata.root, target, changed)
    for name in metadata.data_files():
        _add_columns(metadata.root / name, target / name, columns, values)
    _write_info(metadata, target, columns)
    _write_statistics(metadata, target, columns, values)
    _write_json(target / PROVENANCE_FILE, provenance.as_dict())


def compose_beside(
    recording: LeRobotRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """One row for each row of the data set: index, episode_index, frame_index, our columns and ``progress_dense``.

    ``progress_dense`` is the potential under the name that LeRobot's own reward models give such a file's column.
    """
    arrow, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    columns = {column.name: column for column in _COLUMNS}
    tables = []
    start = 0
    for entry, episode in zip(recording.metadata.entries, recording.episodes(), strict=True):
        values = _values(episode, annotations_of, columns)
        steps = np.arange(episode.steps, dtype=np.int64)
        index = _index(recording.metadata, entry, start)
        table = {"index": index, "episode_index": np.full_like(steps, episode.number), "frame_index": steps}
        start = int(index[-1]) + 1 if len(index) else start
        arrays = {name: arrow.array(value) for name, value in table.items()}
        arrays.update({name: _arrow(columns[name], value) for name, value in values.items()})
        arrays["progress_dense"] = arrays["spatialvlm.potential"]
        tables.append(arrow.table(arrays))
    whole = arrow.concat_tables(tables)
    parquet.write_table(whole.replace_schema_metadata({b"spatialvlm_reward": _json(provenance.as_dict())}), target)


def _index(metadata: LeRobotMetadata, entry: EpisodeEntry, start: int) -> NDArray[np.int64]:
    """(length,) the set's own number of each row; counted on from ``start`` where the rows cannot be read."""
    try:
        return episode_column(metadata, entry, "index").astype(np.int64)
    except SourceError:
        return start + np.arange(entry.length, dtype=np.int64)


def _free_names(metadata: LeRobotMetadata) -> dict[str, _Column]:
    """Name in the result -> column; names that the set has already are left to it."""
    result = {}
    for column in _COLUMNS:
        if column.name == "next.done" and column.name in metadata.features:
            continue  # when an episode ends is the recording's to say
        name = column.name
        if name in metadata.features and not name.startswith(_PREFIX):
            name = f"{_PREFIX}{name}"
        if name in metadata.features:
            raise SourceError(f"{metadata.root} already has rewards of ours", name, "Annotate the original instead.")
        result[name] = column
    return result


def _values(episode: EpisodeInfo, annotations_of: AnnotationsOf, columns: Mapping[str, _Column]) -> Values:
    """(steps,) of each column."""
    if episode.steps == 0:
        return {name: np.zeros(0, dtype=_NUMPY[column.dtype]) for name, column in columns.items()}
    rows: Rows = rows_of(annotations_of(episode), episode)
    return {
        name: np.asarray(getattr(rows, column.part)).astype(_NUMPY[column.dtype]) for name, column in columns.items()
    }


_NUMPY: dict[str, Any] = {"float32": np.float32, "bool": np.bool_, "string": object}


def _arrow(column: _Column, values: NDArray[Any]) -> Any:
    arrow = require("pyarrow", EXTRA)
    kinds = {"float32": arrow.float32(), "bool": arrow.bool_(), "string": arrow.string()}
    return arrow.array(values.tolist() if column.dtype == "string" else values, type=kinds[column.dtype])


def _copy_tree(source: Path, target: Path, changed: set[Path]) -> None:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder) / name in changed or name in _NOT_COPIED}

    shutil.copytree(source, target, ignore=ignored)


def _add_columns(source: Path, target: Path, columns: Mapping[str, _Column], values: Mapping[int, Values]) -> None:
    """Write a Parquet file again with more columns, in the same groups of rows."""
    parquet, arrow = require("pyarrow.parquet", EXTRA), require("pyarrow", EXTRA)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with parquet.ParquetFile(source) as file:
            schema, numbered = _schema(file.schema_arrow, columns), _numbered(file)
            compression = _compression(file)
            with parquet.ParquetWriter(target, schema, compression=compression) as writer:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    added = _picked(table, columns, values, numbered)
                    writer.write_table(arrow.table([*table.columns, *added], schema=schema))
    except (OSError, arrow.ArrowException) as error:
        raise SourceError(f"{source} cannot be read", str(error), "Download the data set again.") from error


def _numbered(file: Any) -> dict[int, NDArray[np.int64]]:
    """Number of an episode -> the frame_index of its rows, rising; those of an episode that is left out have gaps."""
    table = file.read(columns=["episode_index", "frame_index"])
    episodes, frames = (table.column(name).to_numpy() for name in ("episode_index", "frame_index"))
    return {int(number): np.sort(frames[episodes == number]) for number in np.unique(episodes)}


def _picked(
    table: Any,
    columns: Mapping[str, _Column],
    values: Mapping[int, Values],
    numbered: Mapping[int, NDArray[np.int64]],
) -> list[Any]:
    """The new columns of some rows, which say themselves which they are."""
    episodes = table.column("episode_index").to_numpy()
    frames = table.column("frame_index").to_numpy()
    result = []
    for name, column in columns.items():
        cells = np.empty(table.num_rows, dtype=_NUMPY[column.dtype])
        for number in np.unique(episodes):
            here = episodes == number
            own = values[int(number)][name] if int(number) in values else np.zeros(0)
            if len(numbered[int(number)]) > len(own):
                raise SourceError("a data file has rows that the metadata does not list", int(number), "It is damaged.")
            cells[here] = own[np.searchsorted(numbered[int(number)], frames[here])]
        result.append(_arrow(column, cells))
    return result


def _schema(schema: Any, columns: Mapping[str, _Column]) -> Any:
    """With the new columns, also in the description that the `datasets` library keeps there."""
    arrow = require("pyarrow", EXTRA)
    for name, column in columns.items():
        schema = schema.append(arrow.field(name, _arrow(column, np.zeros(0, dtype=_NUMPY[column.dtype])).type))
    metadata = dict(schema.metadata or {})
    if b"huggingface" in metadata:
        described = json.loads(metadata[b"huggingface"])
        for name, column in columns.items():
            described["info"]["features"][name] = {"dtype": column.dtype, "_type": "Value"}
        metadata[b"huggingface"] = _json(described)
    return schema.with_metadata(metadata)


def _compression(file: Any) -> str:
    if file.num_row_groups == 0:
        return "snappy"
    name = str(file.metadata.row_group(0).column(0).compression).lower()
    return "none" if name == "uncompressed" else name


def _write_info(metadata: LeRobotMetadata, target: Path, columns: Mapping[str, _Column]) -> None:
    info = json.loads(json.dumps(metadata.info))
    for name, column in columns.items():
        info["features"][name] = {"dtype": column.dtype, "shape": [1], "names": None}
    _write_json(target / INFO, info)


def _write_statistics(
    metadata: LeRobotMetadata, target: Path, columns: Mapping[str, _Column], values: Mapping[int, Values]
) -> None:
    """Into whichever files the data set keeps its statistics in."""
    numeric = [name for name, column in columns.items() if column.dtype != "string"]
    whole = {name: _joined(values, name) for name in numeric}
    if (metadata.root / STATS).is_file():
        statistics = read_json(metadata.root / STATS)
        quantiles = has_quantiles(statistics)
        statistics.update({name: statistics_of(whole[name], quantiles) for name in numeric})
        _write_json(target / STATS, statistics)
    if (metadata.root / EPISODE_STATS_V2).is_file():
        lines = read_json_lines(metadata.root / EPISODE_STATS_V2)
        for line in lines:
            quantiles = has_quantiles(line["stats"])
            for name in numeric:
                own = values[int(line["episode_index"])][name]
                line["stats"][name] = statistics_of(own, quantiles, whole[name])
        (target / EPISODE_STATS_V2).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    if metadata.version[0] == 3:
        for path in episode_files(metadata.root):
            _add_episode_statistics(path, target / path.relative_to(metadata.root), numeric, values, whole)


def _joined(values: Mapping[int, Values], name: str) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(v[name], dtype=np.float64) for v in values.values()] or [np.zeros(0)])


def _add_episode_statistics(
    source: Path, target: Path, numeric: list[str], values: Mapping[int, Values], whole: Mapping[str, NDArray[Any]]
) -> None:
    """Columns ``stats/NAME/mean`` ... beside those of the other features, where there are any."""
    arrow, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    table = parquet.read_table(source)
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


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=False).encode()
