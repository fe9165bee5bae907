"""Where things are in a LeRobot data set: versions 2.0 and 2.1 (a file per episode) and 3.0 (many episodes per file).

Layout as read from the data sets and their documentation: ``meta/info.json`` names the features and the path templates.
Version 2 lists the episodes in ``meta/episodes.jsonl``; version 3 in Parquet under ``meta/episodes``, with the place of
each episode in shared data and video files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require

EXTRA = "recordings"
INFO = "meta/info.json"
STATS = "meta/stats.json"
EPISODES_V2 = "meta/episodes.jsonl"
EPISODE_STATS_V2 = "meta/episodes_stats.jsonl"
EPISODES_V3 = "meta/episodes"
TASKS_V2, TASKS_V3 = "meta/tasks.jsonl", "meta/tasks.parquet"

_DATA_V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
_VIDEO_V2 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
_DATA_V3 = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_VIDEO_V3 = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_FILES_PER_CHUNK = 1000


@dataclass(frozen=True)
class VideoPart:
    """The part of a video that shows an episode.

    Attributes:
        path: relative to the data set.
        start: seconds into the video.
    """

    path: str
    start: float = 0.0


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode as the metadata lists it.

    Attributes:
        number: its index.
        length: rows.
        tasks: in words.
        data: Parquet file, relative to the data set.
        videos: camera -> where it is shown.
    """

    number: int
    length: int
    tasks: tuple[str, ...]
    data: str
    videos: Mapping[str, VideoPart] = field(default_factory=dict)


@dataclass(frozen=True)
class LeRobotMetadata:
    """What ``meta`` says.

    Attributes:
        root: of the data set.
        version: (major, minor).
        info: content of info.json.
        entries: the episodes, by number.
    """

    root: Path
    version: tuple[int, int]
    info: Mapping[str, Any]
    entries: tuple[EpisodeEntry, ...]

    @property
    def features(self) -> Mapping[str, Mapping[str, Any]]:
        """Name -> its description."""
        return self.info["features"]

    @property
    def fps(self) -> float:
        """Pictures per second."""
        return float(self.info["fps"])

    def cameras(self) -> tuple[str, ...]:
        """Features that are colour pictures, in the order of info.json."""
        return tuple(
            name
            for name, feature in self.features.items()
            if feature.get("dtype") in ("video", "image") and not _is_depth(feature)
        )

    def data_files(self) -> tuple[str, ...]:
        """All Parquet files, relative to the data set, in the order of the episodes."""
        return tuple(dict.fromkeys(entry.data for entry in self.entries))


def is_lerobot(path: Path) -> bool:
    """Whether a folder looks like a LeRobot data set."""
    return (path / INFO).is_file()


def read_metadata(root: Path) -> LeRobotMetadata:
    """Read ``meta``.

    Raises:
        SourceError: a file is missing or damaged, or the version is unknown.
    """
    info = _read_info(root)
    version = _version(info, root)
    entries = _READERS[version[0]](root, info)
    return LeRobotMetadata(root, version, info, tuple(sorted(entries, key=lambda entry: entry.number)))


def _read_info(root: Path) -> Mapping[str, Any]:
    info = read_json(root / INFO)
    missing = [key for key in ("codebase_version", "fps", "features") if key not in info]
    if missing or not isinstance(info["features"], dict) or not float(info["fps"]) > 0:
        raise SourceError(f"{root / INFO} is incomplete", missing or info.get("fps"), "It is no LeRobot data set.")
    return info


def _version(info: Mapping[str, Any], root: Path) -> tuple[int, int]:
    text = str(info["codebase_version"])
    try:
        major, minor = (int(part) for part in text.lstrip("v").split(".")[:2])
    except ValueError:
        major, minor = -1, 0
    if major not in _READERS:
        raise SourceError(
            f"the LeRobot data set {root} is of a version that is not known",
            text,
            "Known are v2.0, v2.1 and v3.0; LeRobot's own scripts convert older ones.",
        )
    return major, minor


def _entries_v2(root: Path, info: Mapping[str, Any]) -> list[EpisodeEntry]:
    data, video = info.get("data_path") or _DATA_V2, info.get("video_path") or _VIDEO_V2
    keys = [name for name, feature in info["features"].items() if feature.get("dtype") == "video"]
    entries = []
    for line in read_json_lines(root / EPISODES_V2):
        number = int(line["episode_index"])
        place = {"episode_index": number, "episode_chunk": number // int(info.get("chunks_size") or _FILES_PER_CHUNK)}
        videos = {key: VideoPart(video.format(video_key=key, **place)) for key in keys}
        tasks = tuple(str(task) for task in line.get("tasks") or ())
        entries.append(EpisodeEntry(number, int(line["length"]), tasks, data.format(**place), videos))
    return entries


def _entries_v3(root: Path, info: Mapping[str, Any]) -> list[EpisodeEntry]:
    data, video = info.get("data_path") or _DATA_V3, info.get("video_path") or _VIDEO_V3
    keys = [name for name, feature in info["features"].items() if feature.get("dtype") == "video"]
    entries = []
    for path in episode_files(root):
        for row in _episode_rows(path):
            place = {"chunk_index": int(row["data/chunk_index"]), "file_index": int(row["data/file_index"])}
            tasks = tuple(str(task) for task in row.get("tasks") or ())
            videos = {key: _part_v3(row, key, video) for key in keys if row.get(f"videos/{key}/file_index") is not None}
            entries.append(
                EpisodeEntry(int(row["episode_index"]), int(row["length"]), tasks, data.format(**place), videos)
            )
    return entries


def _part_v3(row: Mapping[str, Any], key: str, template: str) -> VideoPart:
    chunk, file = int(row[f"videos/{key}/chunk_index"]), int(row[f"videos/{key}/file_index"])
    path = template.format(video_key=key, chunk_index=chunk, file_index=file)
    return VideoPart(path, float(row[f"videos/{key}/from_timestamp"]))


def episode_files(root: Path) -> list[Path]:
    """The Parquet files that list the episodes of a version 3 data set."""
    files = sorted((root / EPISODES_V3).glob("*/*.parquet"))
    if not files:
        raise SourceError("a LeRobot data set lists no episodes", str(root / EPISODES_V3), "Download it again.")
    return files


def _episode_rows(path: Path) -> list[dict[str, Any]]:
    parquet = require("pyarrow.parquet", EXTRA)
    try:
        names = parquet.read_schema(path).names
        table = parquet.read_table(path, columns=[name for name in names if not name.startswith("stats/")])
    except (OSError, require("pyarrow", EXTRA).ArrowException) as error:
        raise SourceError(f"{path} cannot be read", str(error), "Download the data set again.") from error
    return table.to_pylist()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; `SourceError` where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read", str(error), "Download the data set again.") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds no mapping", type(content).__name__, "Download the data set again.")
    return content


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line; `SourceError` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read", str(error), "Download the data set again.") from error


def _is_depth(feature: Mapping[str, Any]) -> bool:
    places = (feature.get("info") or {}, feature.get("video_info") or {})
    return any(place.get("is_depth_map") or place.get("video.is_depth_map") for place in places)


_READERS: dict[int, Callable[[Path, Mapping[str, Any]], list[EpisodeEntry]]] = {2: _entries_v2, 3: _entries_v3}
