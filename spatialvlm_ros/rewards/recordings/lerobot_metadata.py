"""Where things are in a LeRobot data set: versions 2.0 and 2.1 (a file per episode) and 3.0 (many episodes per file).

Layout as read from the data sets and their documentation: ``meta/info.json`` names the features and the path templates.
Version 2 lists the episodes in ``meta/episodes.jsonl``; version 3 in Parquet under ``meta/episodes``, with the place of
each episode in shared data and video files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
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
_AGAIN = "Download the data set again."


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
    entries = sorted(_READERS[version[0]](root, info), key=lambda entry: entry.number)
    for one, following in pairwise(entries):
        if one.number == following.number:
            raise SourceError(f"{root} lists an episode twice", one.number, _AGAIN)
    return LeRobotMetadata(root, version, info, tuple(entries))


def _read_info(root: Path) -> Mapping[str, Any]:
    path = root / INFO
    info = read_json(path)
    missing = [key for key in ("codebase_version", "fps", "features") if key not in info]
    if missing:
        raise SourceError(f"{path} is incomplete", missing, "It is no LeRobot data set.")
    fps = info["fps"]
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps < math.inf:
        raise SourceError(f"fps in {path} is no rate", fps, _AGAIN)
    features = info["features"]
    if not isinstance(features, dict):
        raise SourceError(f"{path} does not name the features", features, _AGAIN)
    for name, feature in features.items():
        if not isinstance(feature, dict):
            raise SourceError(f"the feature {name} in {path} is not described", feature, _AGAIN)
    if info.get("chunks_size") is not None and whole_number(info, "chunks_size", path) == 0:
        raise SourceError(f"chunks_size in {path} is no number of files", 0, _AGAIN)
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
    keys = _video_keys(info)
    path = root / EPISODES_V2
    entries = []
    for line in read_json_lines(path):
        number = whole_number(line, "episode_index", path)
        place = {"episode_index": number, "episode_chunk": number // int(info.get("chunks_size") or _FILES_PER_CHUNK)}
        videos = {key: VideoPart(_filled(video, root, video_key=key, **place)) for key in keys}
        length = whole_number(line, "length", path)
        entries.append(EpisodeEntry(number, length, _tasks(line, path), _filled(data, root, **place), videos))
    return entries


def _entries_v3(root: Path, info: Mapping[str, Any]) -> list[EpisodeEntry]:
    data, video = info.get("data_path") or _DATA_V3, info.get("video_path") or _VIDEO_V3
    keys = _video_keys(info)
    entries = []
    for path in episode_files(root):
        for row in _episode_rows(path):
            number, length = (whole_number(row, key, path) for key in ("episode_index", "length"))
            place = {name: whole_number(row, f"data/{name}", path) for name in ("chunk_index", "file_index")}
            shown = [key for key in keys if row.get(f"videos/{key}/file_index") is not None]
            videos = {key: _part_v3(row, key, video, root, path) for key in shown}
            entries.append(EpisodeEntry(number, length, _tasks(row, path), _filled(data, root, **place), videos))
    return entries


def _part_v3(row: Mapping[str, Any], key: str, template: Any, root: Path, listed_in: Path) -> VideoPart:
    place = {name: whole_number(row, f"videos/{key}/{name}", listed_in) for name in ("chunk_index", "file_index")}
    start = row.get(f"videos/{key}/from_timestamp")
    if not isinstance(start, (int, float)) or not 0 <= start < math.inf:
        raise SourceError(f"{listed_in} does not say when an episode begins in its video", start, _AGAIN)
    return VideoPart(_filled(template, root, video_key=key, **place), float(start))


def _video_keys(info: Mapping[str, Any]) -> list[str]:
    return [name for name, feature in info["features"].items() if feature.get("dtype") == "video"]


def _tasks(entry: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """In words; one that stands alone is one task, not its letters."""
    tasks = entry.get("tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks or []
    if not isinstance(tasks, list):
        raise SourceError(f"{path} does not list the tasks of an episode", tasks, _AGAIN)
    return tuple(str(task) for task in tasks)


def _filled(template: Any, root: Path, **place: object) -> str:
    """The path of a file, relative to the data set and within it: copies are written to such paths."""
    try:
        path = str(template).format(**place)
    except (KeyError, IndexError, ValueError) as error:
        raise SourceError(f"{root / INFO} has a path that means nothing", template, _AGAIN) from error
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise SourceError(f"{root / INFO} has a path outside the data set", template, _AGAIN)
    return path


def whole_number(entry: Mapping[str, Any], key: str, path: Path) -> int:
    """A number from 0 of an entry of ``path``; `SourceError` for anything else."""
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SourceError(f"{key} in {path} is no whole number", value, _AGAIN)
    return value


def episode_files(root: Path) -> list[Path]:
    """The Parquet files that list the episodes of a version 3 data set."""
    files = sorted((root / EPISODES_V3).glob("*/*.parquet"))
    if not files:
        raise SourceError("a LeRobot data set lists no episodes", str(root / EPISODES_V3), "Download it again.")
    return files


def _episode_rows(path: Path) -> list[dict[str, Any]]:
    return read_table(path, lambda name: not name.startswith("stats/")).to_pylist()


def parquet_damage() -> tuple[type[Exception], ...]:
    """What pyarrow raises where a file is missing or damaged."""
    return (OSError, ValueError, require("pyarrow", EXTRA).ArrowException)


def column_names(path: Path) -> list[str]:
    """Of a Parquet file.

    Raises:
        SourceError: it cannot be opened, or two columns have the same name, so that nobody can tell them apart.
    """
    try:
        with require("pyarrow.parquet", EXTRA).ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
    except parquet_damage() as error:
        raise SourceError(f"{path} cannot be read", str(error), _AGAIN) from error
    if len(set(names)) < len(names):
        raise SourceError(f"{path} has two columns of the same name", names, _AGAIN)
    return names


def read_table(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> Any:
    """The wanted columns of a Parquet file; `SourceError` where it cannot be read."""
    names = [name for name in column_names(path) if wanted(name)]
    try:
        return require("pyarrow.parquet", EXTRA).read_table(path, columns=names)
    except parquet_damage() as error:
        raise SourceError(f"{path} cannot be read", str(error), _AGAIN) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; `SourceError` where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read", str(error), _AGAIN) from error
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds no mapping", type(content).__name__, _AGAIN)
    return content


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line; `SourceError` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read", str(error), _AGAIN) from error
    for entry in entries:
        if not isinstance(entry, dict):
            raise SourceError(f"{path} holds a line that is no mapping", entry, _AGAIN)
    return entries


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """As LeRobot writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _is_depth(feature: Mapping[str, Any]) -> bool:
    places = (feature.get("info") or {}, feature.get("video_info") or {})
    described = [place for place in places if isinstance(place, dict)]
    return any(place.get("is_depth_map") or place.get("video.is_depth_map") for place in described)


_READERS: dict[int, Callable[[Path, Mapping[str, Any]], list[EpisodeEntry]]] = {2: _entries_v2, 3: _entries_v3}
