"""`generate`: from a source of views to a data set on disk, resumable at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.local_engine import run_inline, run_processes
from spatialvlm_ros.datasets.manifest import Manifest, build_manifest
from spatialvlm_ros.datasets.pictures import PictureFormat
from spatialvlm_ros.datasets.plan import DatasetPlan, Generator, differences
from spatialvlm_ros.datasets.shards import ShardSummary, read_summary, remove_leftovers
from spatialvlm_ros.datasets.views import ViewSource
from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.progress_bars import progress_bar

_log = logging.getLogger(__name__)

ENGINES = ("local", "ray")
_LOCK_NAME = ".lock"


def generate(
    source: ViewSource,
    generator: Generator | None,
    out: str | Path,
    *,
    scenes: int | None = None,
    scenes_per_shard: int = 10,
    workers: int = 2,
    per_view: int = 20,
    seed: int = 0,
    split: str = "train",
    pictures: PictureFormat | None = None,
    engine: str = "local",
    show_progress: bool = True,
) -> Manifest:
    """Make a data set, or what is still missing of it.

    The rows depend on the arguments up to ``pictures`` (but not on ``workers``), never on the engine, the number
    of processes or how often the run was interrupted.

    Args:
        source: where views come from.
        generator: what asks the questions.
        out: folder of the data set; a folder can hold several splits, each made by its own call.
        scenes: the first so many scenes of the source; None for all.
        scenes_per_shard: scenes in one file.
        workers: processes; 0 works in this one (local engine only).
        per_view: questions of a view; 0 stores views without questions.
        seed: data seed of the questions (a simulated source has its own, usually the same).
        split: name of the split; the source must make views of it.
        pictures: how colour pictures are stored; JPEG of quality 95 by default.
        engine: "local" or "ray".
        show_progress: progress bar on stderr.

    Returns:
        The manifest, also written to ``manifest.json``.

    Raises:
        ConfigError: an argument out of range.
        DatasetError: the folder holds a data set of another configuration, is in use, or cannot be written; a shard is
            damaged; no view could be made at all.
    """
    if engine not in ENGINES:
        raise ConfigError("unknown engine", engine, f"Choose one of {', '.join(ENGINES)}.")
    if workers < 0 or (workers == 0 and engine == "ray"):
        raise ConfigError("too few workers", workers, "Choose 1 or more.")
    available = len(source)
    plan = DatasetPlan(
        source=source,
        generator=generator,
        out=Path(out).absolute(),
        split=split,
        seed=seed,
        per_view=per_view,
        scenes=available if scenes is None else min(scenes, available),
        scenes_per_shard=scenes_per_shard,
        pictures=pictures or PictureFormat(),
    )
    with _folder_for_us(plan):
        removed = remove_leftovers([plan.folder, plan.out])
        if removed:
            _log.info("removed %d unfinished files of an interrupted run", removed)
        finished = _finished_shards(plan)
        missing = [index for index in range(plan.shard_count) if index not in finished]
        if missing:
            _make(plan, missing, finished, engine, workers, show_progress)
        manifest = build_manifest(plan.out)
        manifest.save(plan.out)
    _report(manifest, plan)
    return manifest


@contextlib.contextmanager
def _folder_for_us(plan: DatasetPlan) -> Iterator[None]:
    """Create the folder and hold its lock: two runs at once would remove each other's files."""
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        lock = open(plan.out / _LOCK_NAME, "w")
    except OSError as error:
        raise DatasetError(
            f"cannot write to the folder {plan.out}", error.strerror, "Choose another folder, or free some space."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatasetError(
                "another run is writing to this folder", str(plan.out), "Wait for it, or choose another folder."
            ) from error
        except OSError as error:  # a network file system without locks
            _log.warning("cannot lock %s (%s): do not start a second run on it", plan.out, error.strerror)
        yield


def _finished_shards(plan: DatasetPlan) -> dict[int, ShardSummary]:
    """Shards of this very run that exist; refuses a folder that holds the split from another run."""
    identity = plan.identity()
    finished = {}
    for path in sorted(plan.folder.glob(f"{plan.split}-*.parquet")):
        summary = read_summary(path)
        changed = differences(summary.run, identity)
        if changed:
            shown = "; ".join(changed[:5]) + ("; ..." if len(changed) > 5 else "")
            raise DatasetError(
                f"the folder {plan.out} holds split {plan.split!r} of another configuration: {shown}",
                remedy="Resume with the same arguments, choose another folder, or delete this one.",
            )
        finished[summary.index] = summary
    return finished


def _make(
    plan: DatasetPlan,
    missing: list[int],
    finished: dict[int, ShardSummary],
    engine: str,
    workers: int,
    show_progress: bool,
) -> None:
    scenes_done = sum(s.last_scene - s.first_scene for s in finished.values())
    if finished:
        _log.info("resuming: %d of %d shards are there", len(finished), plan.shard_count)
    with _Bar(plan.scenes, scenes_done, show_progress) as bar:
        try:
            if engine == "ray":
                from spatialvlm_ros.datasets.ray_engine import run_ray

                run_ray(plan, missing, workers, bar.progress, bar.done)
            elif workers == 0:
                run_inline(plan, missing, bar.progress, bar.done)
            else:
                run_processes(plan, missing, workers, bar.progress, bar.done)
        except BaseException:
            with contextlib.suppress(DatasetError):  # the manifest of what is there; the cause matters more
                build_manifest(plan.out).save(plan.out)
            raise
        finally:
            remove_leftovers([plan.folder])  # of workers that died or were ended in the middle of a shard


class _Bar:
    """Progress in scenes, with views and questions per second."""

    def __init__(self, scenes: int, done: int, show: bool) -> None:
        self._bar = progress_bar(show=show, total=scenes, initial=done, unit="scene", dynamic_ncols=True)
        self._start = time.monotonic()
        self._views = self._questions = 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bar.close()

    def progress(self, views: int, questions: int) -> None:
        self._views += views
        self._questions += questions
        seconds = max(time.monotonic() - self._start, 1e-3)
        self._bar.set_postfix_str(
            f"{self._views} views, {self._views / seconds:.1f} views/s, {self._questions / seconds:.0f} QA/s",
            refresh=False,
        )

    def done(self, summary: ShardSummary) -> None:
        self._bar.update(summary.last_scene - summary.first_scene)


def _report(manifest: Manifest, plan: DatasetPlan) -> None:
    split = manifest.splits[plan.split]
    skipped = sum(split.skipped.values())
    if split.rows == 0:
        raise DatasetError(
            f"none of the {skipped} views could be used", split.skipped, "Look at the source; the reasons say why."
        )
    reasons = ", ".join(f"{count} {reason}" for reason, count in split.skipped.items())
    _log.info(
        "%s: %d views, %d questions, %d skipped%s",
        plan.out,
        split.rows,
        split.qa_total,
        skipped,
        f" ({reasons})" if reasons else "",
    )
