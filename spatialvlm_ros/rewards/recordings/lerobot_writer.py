"""Rewards in LeRobot data sets: columns in a copy of the set, or one Parquet file beside it.

Rows keep LeRobot's convention: ``next.reward`` and ``next.success`` of a row are those of its action, judged in the
next picture. What the set already has under these names stays; ours is then called ``spatialvlm.next.reward`` etc.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.composing import AnnotationsOf
from spatialvlm_ros.rewards.recordings.episode import Provenance
from spatialvlm_ros.rewards.recordings.lerobot import LeRobotRecording, episode_column
from spatialvlm_ros.rewards.recordings.lerobot_columns import COLUMNS, Column, arrow_of, free_names, values_of
from spatialvlm_ros.rewards.recordings.lerobot_data_files import add_columns
from spatialvlm_ros.rewards.recordings.lerobot_metadata import EXTRA, INFO, EpisodeEntry, LeRobotMetadata, write_json
from spatialvlm_ros.rewards.recordings.lerobot_statistics_files import check_statistics, write_statistics

PROVENANCE_FILE = "meta/spatialvlm_reward.json"
_NOT_COPIED = (".cache", ".git")


def check_copy(recording: LeRobotRecording) -> None:
    """Raise `SourceError` for a data set that already has rewards of ours, or whose statistics cannot be read."""
    free_names(recording.metadata)
    check_statistics(recording.metadata)


def compose_copy(
    recording: LeRobotRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """The whole data set with more columns; features and statistics say so. What cannot be read is as it was."""
    metadata = recording.metadata
    columns = free_names(metadata)
    values = {e.number: values_of(e, annotations_of, columns) for e in recording.episodes()}
    files = _data_files(metadata)
    _copy_tree(metadata.root, target, {metadata.root / name for name in files})
    for name in files:
        add_columns(metadata.root / name, target / name, columns, values)
    _write_info(metadata, target, columns)
    write_statistics(metadata, target, columns, values)
    write_json(target / PROVENANCE_FILE, provenance.as_dict())


def compose_beside(
    recording: LeRobotRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """One row for each row of the data set: index, episode_index, frame_index, our columns and ``progress_dense``.

    ``progress_dense`` is the potential under the name that LeRobot's own reward models give such a file's column.
    """
    arrow, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    columns = {column.name: column for column in COLUMNS}
    tables = []
    start = 0
    for entry, episode in zip(recording.metadata.entries, recording.episodes(), strict=True):
        values = values_of(episode, annotations_of, columns)
        steps = np.arange(episode.steps, dtype=np.int64)
        index = _index(recording.metadata, entry, start)
        table = {"index": index, "episode_index": np.full_like(steps, episode.number), "frame_index": steps}
        start = int(index[-1]) + 1 if len(index) else start
        arrays = {name: arrow.array(value) for name, value in table.items()}
        arrays.update({name: arrow_of(columns[name], value) for name, value in values.items()})
        arrays["progress_dense"] = arrays["spatialvlm.potential"]
        tables.append(arrow.table(arrays))
    whole = arrow.concat_tables(tables)
    said = json.dumps(provenance.as_dict()).encode()
    parquet.write_table(whole.replace_schema_metadata({b"spatialvlm_reward": said}), target)


def _index(metadata: LeRobotMetadata, entry: EpisodeEntry, start: int) -> NDArray[np.int64]:
    """(length,) the set's own number of each row; counted on from ``start`` where the rows cannot be read."""
    try:
        return episode_column(metadata, entry, "index").astype(np.int64)
    except SourceError:
        return start + np.arange(entry.length, dtype=np.int64)


def _data_files(metadata: LeRobotMetadata) -> list[str]:
    """Those of the episodes, and what else lies there: whoever loads the folder wants the same columns in all files."""
    listed = metadata.data_files()
    folders = {(metadata.root / name).parent for name in listed}
    beside = (path for folder in folders for path in folder.glob("*.parquet"))
    return list(dict.fromkeys([*listed, *sorted(str(path.relative_to(metadata.root)) for path in beside)]))


def _copy_tree(source: Path, target: Path, changed: set[Path]) -> None:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder) / name in changed or name in _NOT_COPIED}

    # Links of a data set whose files were never downloaded lead nowhere. Those that were are often read-only.
    shutil.copytree(source, target, ignore=ignored, copy_function=shutil.copyfile, ignore_dangling_symlinks=True)
    for folder, _, _ in os.walk(target):
        os.chmod(folder, os.stat(folder).st_mode | stat.S_IRWXU)


def _write_info(metadata: LeRobotMetadata, target: Path, columns: Mapping[str, Column]) -> None:
    info = json.loads(json.dumps(metadata.info))
    for name, column in columns.items():
        info["features"][name] = {"dtype": column.dtype, "shape": [1], "names": None}
    write_json(target / INFO, info)
