"""A data file of a LeRobot set, written again with columns of rewards: also one that is damaged in parts.

What of a group of rows cannot be read is empty in the copy, and nothing else is lost. A file that cannot be opened is
copied as it is.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.lerobot_columns import NUMPY, Column, Values, arrow_of, unknown_values
from spatialvlm_ros.rewards.recordings.lerobot_metadata import EXTRA, column_names, parquet_damage

_log = logging.getLogger(__name__)

Numbers = NDArray[np.int64]
_EPISODE, _FRAME = "episode_index", "frame_index"
_NOBODYS = -1  # episode or frame of a row that does not say it


def add_columns(source: Path, target: Path, columns: Mapping[str, Column], values: Mapping[int, Values]) -> None:
    """Write a Parquet file again with more columns, in the same groups of rows.

    Args:
        source, target: the file and its copy.
        columns: name -> column.
        values: number of an episode -> its values. Rows of an episode that is not among them, or has another number of
            rows, are not valid.
    """
    parquet = require("pyarrow.parquet", EXTRA)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        column_names(source)
    except SourceError as error:
        _log.warning("%s gets no rewards: %s", source, error)
        if source.is_file():
            shutil.copyfile(source, target)
        return
    with parquet.ParquetFile(source) as file:
        schema, cells = _schema(file.schema_arrow, columns), _cells(file, source, columns, values)
        with parquet.ParquetWriter(target, schema, compression=_compression(file)) as writer:
            start = 0
            for group in range(file.num_row_groups):
                table = _read_group(file, source, group, file.schema_arrow.names)
                rows = slice(start, start + table.num_rows)
                added = [arrow_of(column, cells[name][rows]) for name, column in columns.items()]
                writer.write_table(require("pyarrow", EXTRA).table([*table.columns, *added], schema=schema))
                start = rows.stop


def _read_group(file: Any, source: Path, group: int, names: list[str]) -> Any:
    """The columns of a group of rows; those that cannot be read are empty."""
    try:
        return file.read_row_group(group, columns=names)
    except parquet_damage():
        arrow, rows = require("pyarrow", EXTRA), file.metadata.row_group(group).num_rows
        read = {name: _read_column(file, source, group, name) for name in names}
        fields = {name: file.schema_arrow.field(name) for name in names}
        whole = [_nothing(rows, fields[name].type) if read[name] is None else read[name] for name in names]
        return arrow.table(whole, schema=arrow.schema([fields[name] for name in names]))


def _nothing(rows: int, kind: Any) -> Any:
    """(rows,) nulls; lists of one size hold nulls: Arrow before 26 cannot read a null list of one size."""
    arrow = require("pyarrow", EXTRA)
    if arrow.types.is_fixed_size_list(kind):
        return arrow.FixedSizeListArray.from_arrays(_nothing(rows * kind.list_size, kind.value_type), type=kind)
    return arrow.nulls(rows, kind)


def _read_column(file: Any, source: Path, group: int, name: str) -> Any:
    try:
        return file.read_row_group(group, columns=[name]).column(name)
    except parquet_damage() as error:
        _log.warning("%s of group %d in %s cannot be read, it is empty in the copy: %s", name, group, source, error)
        return None


def _cells(
    file: Any, source: Path, columns: Mapping[str, Column], values: Mapping[int, Values]
) -> dict[str, NDArray[Any]]:
    """(rows,) of each new column. The rows say themselves which they are; those of an episode may have gaps."""
    episodes, frames = _numbers(file, source)
    cells = {name: np.empty(len(episodes), dtype=NUMPY[column.dtype]) for name, column in columns.items()}
    for number in np.unique(episodes).tolist():
        (rows,) = np.nonzero(episodes == number)
        rows = rows[np.argsort(frames[rows], kind="stable")]
        own = values.get(number)
        if own is None or any(len(part) != len(rows) for part in own.values()) or _NOBODYS in frames[rows]:
            _log.warning("%d rows of episode %d in %s are not those that the metadata lists", len(rows), number, source)
            own = unknown_values(len(rows), columns)
        for name in columns:
            cells[name][rows] = own[name]
    return cells


def _numbers(file: Any, source: Path) -> tuple[Numbers, Numbers]:
    """(rows,) the episode of each row, and its frame."""
    there = [name for name in (_EPISODE, _FRAME) if name in file.schema_arrow.names]
    if len(there) < 2:  # then nobody knows whose rows these are
        nobodys = np.full(file.metadata.num_rows, _NOBODYS)
        return nobodys, nobodys
    tables = [_read_group(file, source, group, there) for group in range(file.num_row_groups)]
    episodes, frames = ([_whole_numbers(table.column(name)) for table in tables] for name in there)
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *episodes]), np.concatenate([none, *frames])


def _whole_numbers(column: Any) -> Numbers:
    arrow = require("pyarrow", EXTRA)
    try:
        return np.asarray(column.cast(arrow.int64()).fill_null(_NOBODYS).to_numpy(), np.int64)
    except arrow.ArrowException:  # texts, for instance
        return np.full(len(column), _NOBODYS)


def _schema(schema: Any, columns: Mapping[str, Column]) -> Any:
    """With the new columns, also in the description that the `datasets` library keeps there."""
    arrow = require("pyarrow", EXTRA)
    schema = arrow.schema([field.with_nullable(True) for field in schema], metadata=schema.metadata)  # for what is lost
    for name, column in columns.items():
        schema = schema.append(arrow.field(name, arrow_of(column, np.zeros(0, dtype=NUMPY[column.dtype])).type))
    metadata = dict(schema.metadata or {})
    if b"huggingface" in metadata:
        metadata[b"huggingface"] = _described(metadata[b"huggingface"], columns)
    return schema.with_metadata(metadata)


def _described(text: bytes, columns: Mapping[str, Column]) -> bytes:
    """The description with the new columns; one that nobody understands stays as it is."""
    try:
        described = json.loads(text)
        for name, column in columns.items():
            described["info"]["features"][name] = {"dtype": column.dtype, "_type": "Value"}
    except (ValueError, KeyError, TypeError):
        return text
    return json.dumps(described).encode()


def _compression(file: Any) -> str:
    if file.num_row_groups == 0:
        return "snappy"
    name = str(file.metadata.row_group(0).column(0).compression).lower()
    return "none" if name == "uncompressed" else name
