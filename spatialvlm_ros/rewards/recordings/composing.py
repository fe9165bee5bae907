"""From the folder of a run to the result in the recording's own format: in one step, the original untouched."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.recordings.episode import EpisodeAnnotations, EpisodeInfo, Provenance, Recording
from spatialvlm_ros.rewards.recordings.journal import Journal
from spatialvlm_ros.rewards.recordings.registry import COPY, FORMATS, loaded
from spatialvlm_ros.rewards.recordings.store import RunStore
from spatialvlm_ros.rewards.recordings.writing import writing

RESULT_FILE = "result.json"
AnnotationsOf = Callable[[EpisodeInfo], EpisodeAnnotations]
Compose = Callable[[Recording, AnnotationsOf, Provenance, Path], None]
"""Writes the annotations of a recording to a path that does not exist yet."""


class RecordingWriter(RunStore):
    """Keeps annotations in the folder of the run and writes them out together (`AnnotationWriter`).

    Args:
        recording: that is annotated.
        folder: of the run.
        target: what is written in the end.
        place: "copy" or "beside".
        provenance: written with the rewards; a folder is resumed only with the same.

    Raises:
        DatasetError: the target exists and was not written by this run, or lies in the recording, or the folder is that
            of another run; an episode that is judged already has changed.
        SourceError: the recording cannot be copied with rewards in it.
    """

    def __init__(self, recording: Recording, folder: Path, target: Path, place: str, provenance: Provenance) -> None:
        self._recording, self._target, self.provenance = recording, target.absolute(), provenance
        self._compose: Compose = loaded(FORMATS[recording.format].composers[place])
        self._check_target(folder)
        if place == COPY:
            loaded(FORMATS[recording.format].copies)(recording)
        settings = {
            "recording": recording.path.name,
            "out": str(self._target),
            "into": place,
            **provenance.as_dict(),
        }
        super().__init__(folder, settings)
        self._check_finished()

    def _check_target(self, folder: Path) -> None:
        original = self._recording.path.resolve()
        for path in (self._target.resolve(), folder.resolve()):
            if path == original or original in path.parents:
                raise DatasetError("rewards are never written into the original", str(path), "Choose another --out.")
        if self._target.exists() and not (folder / RESULT_FILE).exists():
            raise DatasetError("there is something already", str(self._target), "Remove it, or choose another --out.")

    def _check_finished(self) -> None:
        """What is judged stays only if its episode is still the same; others may be repaired or added meanwhile."""
        recording = self._recording
        judged = [e for e in recording.episodes() if self.done(e)]  # a fingerprint reads all that is stored of one
        changed = [e for e in judged if not self.is_of(e, recording.episode_fingerprint(e))]
        if changed:
            raise DatasetError(
                "episodes that are judged already have changed since",
                [episode.name for episode in changed],
                f"Use another --out, or remove {self._path(changed[0], '')} to judge it again.",
            )

    def journal(self, episode: EpisodeInfo, queries: Sequence[Query]) -> Journal:
        """What has been measured of this very episode so far."""
        self.begin(episode, self._recording.episode_fingerprint(episode))
        return super().journal(episode, queries)

    def finish(self) -> Path:
        """Write the result, unless it is there already with all finished episodes; returns its path.

        Raises:
            OutputError: it cannot be written. SourceError: the recording cannot be read any more.
        """
        done = [episode.name for episode in self._recording.episodes() if self.done(episode)]
        state = {"episodes": done, "recording": self._recording.fingerprint()}
        if not (self._target.exists() and self._noted() == state):
            with writing(self._target):
                self._replace(self._made(), state)
        return self._target

    def _noted(self) -> object:
        """What the result holds; None where that is not known."""
        try:
            return json.loads((self.folder / RESULT_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    @property
    def _workshop(self) -> Path:
        return self._target.with_name(f".{self._target.name}.partial")

    def _made(self) -> Path:
        """The result in a folder beside its place; nothing stays there of one that could not be written."""
        shutil.rmtree(self._workshop, ignore_errors=True)  # of a run that was killed while it wrote
        self._workshop.mkdir(parents=True)
        made = self._workshop / self._target.name
        try:
            self._compose(self._recording, self._annotations, self.provenance, made)
            _sync(made)
        except Exception:
            shutil.rmtree(self._workshop, ignore_errors=True)
            raise
        return made

    def _replace(self, made: Path, state: Mapping[str, object]) -> None:
        marker = self.folder / RESULT_FILE
        write_file(marker, json.dumps({"episodes": None}).encode())  # from here on the target is this run's
        if self._target.exists():
            self._target.rename(self._workshop / "before")
        made.rename(self._target)
        write_file(marker, json.dumps(state).encode())
        shutil.rmtree(self._workshop)

    def _annotations(self, episode: EpisodeInfo) -> EpisodeAnnotations:
        if self.done(episode):
            return self.read(episode)
        return EpisodeAnnotations.refused(episode.steps + 1, Reason.MODEL_ERROR, "The episode could not be read.")


def _sync(path: Path) -> None:
    """What is renamed into place is on the disk before."""
    for file in [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
