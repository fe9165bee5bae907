"""LeRobot data sets as recordings: rows in Parquet, pictures in MP4 or in the rows themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.cameras import Reading, chosen_camera
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Frame
from spatialvlm_ros.rewards.recordings.lerobot_metadata import (
    EXTRA,
    EpisodeEntry,
    LeRobotMetadata,
    VideoPart,
    column_names,
    parquet_damage,
    read_metadata,
)
from spatialvlm_ros.rewards.recordings.videos import packets_between, pictures_at
from spatialvlm_ros.scenes.observation import Observation

FORMAT = "lerobot"
Picture = NDArray[np.uint8]


class LeRobotRecording:
    """A LeRobot data set of version 2.0, 2.1 or 3.0 (`Recording`).

    Depth is not read: these data sets keep it, if at all, quantised in videos.

    Args:
        path: folder that holds ``meta/info.json``.
        reading: which camera, e.g. "observation.images.front", and its model; these data sets do not hold it.

    Raises:
        SourceError: no LeRobot data set, a damaged one, or one without that camera.
    """

    format = FORMAT

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        self.metadata = read_metadata(path)
        self.cameras = self.metadata.cameras()
        self.camera_name = chosen_camera(self.cameras, reading.camera_name, path)
        self.intrinsics = reading.intrinsics
        self.notes = reading.notes_without_frames()
        self._faults = reading.faults_without_frames()
        self._entries = {entry.number: entry for entry in self.metadata.entries}

    @property
    def problems(self) -> Mapping[str, int]:
        """None: what is damaged belongs to an episode."""
        return {}

    def episodes(self) -> Sequence[EpisodeInfo]:
        """As the metadata lists them."""
        return [
            EpisodeInfo(e.number, f"episode_{e.number:06d}", e.length, e.length, "; ".join(e.tasks))
            for e in self.metadata.entries
        ]

    def frames(self, episode: EpisodeInfo, start: int = 0) -> Iterator[Frame]:
        """The pictures from number ``start`` on; see `Recording`."""
        entry = self._entries[episode.number]
        seconds = episode_column(self.metadata, entry, "timestamp").astype(np.float64)
        for index, picture in enumerate(self._pictures(entry, seconds, start), start):
            stamp = round(float(seconds[index]) * 1e9)
            if picture is None:
                yield Frame(index, stamp, None, None, Reason.MODEL_ERROR, "The picture is missing or damaged.")
                continue
            camera = self.intrinsics.camera(picture.shape[1], picture.shape[0])
            observation = Observation(picture, camera, stamp_ns=stamp, frame_id=self.camera_name)
            yield Frame(index, stamp, observation, faults=self._faults)

    def _pictures(self, entry: EpisodeEntry, seconds: NDArray[np.float64], start: int) -> Iterator[Picture | None]:
        if self.metadata.features[self.camera_name]["dtype"] == "image":
            return _stored_pictures(self.metadata, entry, self.camera_name, start)
        part = self._video(entry)
        times = (part.start + seconds[start:]).tolist()
        return pictures_at(self.path / part.path, times, tolerance=0.5 / self.metadata.fps)

    def fingerprint(self) -> str:
        """Of the metadata, and the names and sizes of data and videos."""
        digest = hashlib.sha256()
        for name in ("meta/info.json", "meta/episodes.jsonl"):
            path = self.path / name
            digest.update(path.read_bytes() if path.is_file() else b"")
        videos = {part.path for e in self.metadata.entries for k, part in e.videos.items() if k == self.camera_name}
        for name in sorted({e.data for e in self.metadata.entries} | videos):
            path = self.path / name
            digest.update(f"{name} {path.stat().st_size if path.is_file() else -1}\n".encode())
        return digest.hexdigest()

    def episode_fingerprint(self, episode: EpisodeInfo) -> str:
        """Of the times of its rows and its pictures as they are stored; files that episodes share may change."""
        entry = self._entries[episode.number]
        digest = hashlib.sha256(f"{entry.length} {entry.tasks}".encode())
        try:
            seconds = episode_column(self.metadata, entry, "timestamp")
            digest.update(seconds.tobytes())
            for data in self._stored(entry, seconds.astype(np.float64)):
                digest.update(data)
        except SourceError as error:
            digest.update(str(error).encode())
        return digest.hexdigest()

    def _stored(self, entry: EpisodeEntry, seconds: NDArray[np.float64]) -> Iterator[bytes]:
        """The pictures of an episode as they are stored."""
        if self.metadata.features[self.camera_name]["dtype"] == "image":
            for cell in _episode_table(self.metadata, entry, [self.camera_name]).column(self.camera_name):
                yield _encoded(cell.as_py(), self.metadata.root)
        elif len(seconds):
            part, half = self._video(entry), 0.5 / self.metadata.fps
            yield from packets_between(self.path / part.path, part.start - half, part.start + seconds[-1] + half)

    def _video(self, entry: EpisodeEntry) -> VideoPart:
        if self.camera_name not in entry.videos:
            raise SourceError(f"episode {entry.number} has no video of", self.camera_name, "Download it again.")
        return entry.videos[self.camera_name]


def episode_column(metadata: LeRobotMetadata, entry: EpisodeEntry, name: str) -> NDArray[Any]:
    """(rows,) one number of each row of an episode, in the order of its frames.

    Raises:
        SourceError: the Parquet file is missing, damaged, or holds other rows than the metadata says.
    """
    values = np.asarray(_episode_table(metadata, entry, [name]).column(name).to_numpy())
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        fault = f"{name} of episode {entry.number} in {metadata.root / entry.data} is not a number in each row"
        raise SourceError(fault, str(values.dtype), "The data set is damaged: download it again.")
    return values


def _episode_table(metadata: LeRobotMetadata, entry: EpisodeEntry, columns: list[str]) -> Any:
    path = metadata.root / entry.data
    parquet = require("pyarrow.parquet", EXTRA)
    names = list(dict.fromkeys([*columns, "episode_index", "frame_index"]))
    stored = column_names(path)  # stricter than what follows, and rewards are written by way of it
    missing = [name for name in names if name not in stored]
    if missing:
        raise SourceError(f"{path} has no column", missing, "Download the data set again.")
    try:
        table = parquet.read_table(path, columns=names, filters=[("episode_index", "==", entry.number)])
    except parquet_damage() as error:
        raise SourceError(f"{path} cannot be read", str(error), "Download the data set again.") from error
    if table.num_rows != entry.length:
        raise SourceError(
            f"episode {entry.number} has {table.num_rows} rows in {path}, and its metadata says",
            entry.length,
            "The data set is damaged: download it again.",
        )
    table = table.sort_by("frame_index")
    if table.column("frame_index").to_pylist() != list(range(entry.length)):
        raise SourceError(
            f"the rows of episode {entry.number} in {path} are not numbered from 0 without gaps",
            f"{entry.length} rows, the last is {table.column('frame_index')[-1].as_py()}",
            "Rows were removed: number them anew, and their pictures with them.",
        )
    return table


def _stored_pictures(
    metadata: LeRobotMetadata, entry: EpisodeEntry, camera: str, start: int
) -> Iterator[Picture | None]:
    column = _episode_table(metadata, entry, [camera]).column(camera)
    for cell in column.slice(start):
        yield _decoded(cell.as_py(), metadata.root)


def _encoded(cell: Any, root: Path) -> bytes:
    """A picture as ``datasets`` stores it: its file's bytes, or the path of the file; empty where it is not there."""
    if not isinstance(cell, dict):
        return b""
    data = cell.get("bytes")
    if data is None:
        path = root / str(cell.get("path"))
        data = path.read_bytes() if path.is_file() else b""
    return bytes(data)


def _decoded(cell: Any, root: Path) -> Picture | None:
    encoded = np.frombuffer(_encoded(cell, root), np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
