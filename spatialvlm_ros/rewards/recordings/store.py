"""The folder of a run: its settings, what was measured, and the annotations of every finished episode.

It stays beside the result: it says how the rewards came about, and a run that was interrupted goes on in it. Settings
bind as soon as something is measured with them: a run that failed before that keeps nobody from mending them.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo
from spatialvlm_ros.rewards.recordings.journal import Journal
from spatialvlm_ros.rewards.recordings.writing import writing

_log = logging.getLogger(__name__)

RUN_FILE = "run.json"
_FINGERPRINT = "episode.txt"
_MEASURED, _ANNOTATIONS = "measured.jsonl", "annotations.npz"
_TEXTS = ("reason", "phase", "terms", "detail", "faults")


class RunStore:
    """What one run has done so far.

    Args:
        folder: made if it is not there.
        settings: plain values that decide the rewards, "follow" among them; a folder is resumed only with the same.

    Raises:
        DatasetError: the folder belongs to a run with other settings, or is not one of a run.
        OutputError: it cannot be written, here and below.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(dict(settings)))
        self._check()
        with writing(folder):
            write_file(folder / RUN_FILE, (json.dumps(self.settings, indent=1, sort_keys=True) + "\n").encode())

    def _check(self) -> None:
        path = self.folder / RUN_FILE
        if not path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise DatasetError("the folder of the report holds something else", str(self.folder), "Choose another.")
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} cannot be read", str(error), "Choose another folder.") from error
        if not isinstance(before, dict):
            raise DatasetError(f"{path} holds no settings", type(before).__name__, "Choose another folder.")
        changed = sorted(k for k in {*before, *self.settings} if before.get(k) != self.settings.get(k))
        if changed and self._holds_work():
            values = {key: (before.get(key), self.settings.get(key)) for key in changed}
            raise DatasetError(
                f"{self.folder} belongs to a run with other settings: {', '.join(changed)}",
                values,
                "Use the same ones, another --out, or remove the folder.",
            )

    def _holds_work(self) -> bool:
        kept = (_MEASURED, _ANNOTATIONS)
        return any(next(self.folder.glob(f"episodes/*/{name}"), None) is not None for name in kept)

    def begin(self, episode: EpisodeInfo, fingerprint: str) -> None:
        """Note which episode is measured; what was measured of another one in its place is thrown away."""
        with writing(self.folder):
            if self._fingerprint(episode) not in (fingerprint, None):
                _log.warning("%s has changed: it is measured anew", episode.name)
                self._path(episode, _MEASURED).unlink(missing_ok=True)
            write_file(self._path(episode, _FINGERPRINT), f"{fingerprint}\n".encode())

    def is_of(self, episode: EpisodeInfo, fingerprint: str) -> bool:
        """Whether its annotations, if they are kept, are of this very episode."""
        return not self.done(episode) or self._fingerprint(episode) == fingerprint

    def _fingerprint(self, episode: EpisodeInfo) -> str | None:
        path = self._path(episode, _FINGERPRINT)
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else None

    def journal(self, episode: EpisodeInfo, queries: Sequence[Query]) -> Journal:
        """The measurements of an episode."""
        return Journal(self._path(episode, _MEASURED), queries, bool(self.settings["follow"]))

    def done(self, episode: EpisodeInfo) -> bool:
        """Whether its annotations are kept."""
        return self._path(episode, _ANNOTATIONS).exists()

    def write(self, episode: EpisodeInfo, annotations: EpisodeAnnotations) -> None:
        """Keep the annotations of an episode, in one step."""
        path = self._path(episode, _ANNOTATIONS)
        arrays = {name: getattr(annotations, name) for name in annotations.__dataclass_fields__}
        kept: dict[str, Any] = {n: _packed(v) if n in _TEXTS else np.array(v) for n, v in arrays.items()}
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{os.getpid()}.npz")
            with partial.open("wb") as file:
                np.savez(file, **kept)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)

    def read(self, episode: EpisodeInfo) -> EpisodeAnnotations:
        """The annotations of an episode that is done.

        Raises:
            DatasetError: they cannot be read.
        """
        path = self._path(episode, _ANNOTATIONS)
        try:
            with np.load(path, allow_pickle=False) as kept:
                values = {name: kept[name] for name in EpisodeAnnotations.__dataclass_fields__}
            parts: dict[str, Any] = {n: _texts(v) if n in _TEXTS else v for n, v in values.items()}
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise DatasetError(f"{path} cannot be read", str(error), "Remove it and run again.") from error
        return EpisodeAnnotations(**parts)

    def page(self, episode: EpisodeInfo) -> Path:
        """Where the page of an episode goes."""
        return self.folder / f"{episode.name}.html"

    def _path(self, episode: EpisodeInfo, name: str) -> Path:
        return self.folder / "episodes" / f"{episode.number:06d}" / name


def _packed(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Texts as the bytes of a JSON list: an array of texts would give each one the room of the longest."""
    return np.frombuffer(json.dumps(list(texts)).encode(), np.uint8)


def _texts(kept: NDArray[Any]) -> tuple[str, ...]:
    """The inverse of `_packed`; also of the arrays of texts of earlier runs."""
    if kept.dtype != np.uint8:
        return tuple(map(str, kept))
    return tuple(map(str, json.loads(kept.tobytes())))
