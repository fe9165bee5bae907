"""Annotates a recording in a process that a test kills: ``killed_run.py PATH PLACE MOMENT SECONDS_PER_BATCH MODEL``.

MODEL "ruler" is one of pictures that say a length, "table" that of `table_recording.COURSE`, whose mug is followed.

MOMENT "composed" and "renamed" make it kill itself when the result is written but not in place, or just in place.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from ruler import TASK, Ruler  # noqa: E402

from spatialvlm_ros.rewards.recordings import composing  # noqa: E402
from spatialvlm_ros.rewards.recordings.annotate import annotate  # noqa: E402
from spatialvlm_ros.rewards.recordings.episode import Provenance  # noqa: E402
from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path, unseen_in  # noqa: E402
from spatialvlm_ros.rewards.reward import RewardEngine  # noqa: E402
from spatialvlm_ros.rewards.templates import template  # noqa: E402


class SlowRuler(Ruler):
    """Leaves a test the time to kill it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def look_many(self, observations, known_sizes=None):
        time.sleep(self._seconds)
        return super().look_many(observations, known_sizes)


def kill_self(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def ruler(seconds: float):
    """(model, task, how the recording is opened)."""
    return SlowRuler(seconds), TASK, {"hfov": 60}


def table(seconds: float):
    """Likewise."""
    from table_recording import COURSE, FRAMES, model_of

    return model_of([COURSE], seconds), template("reach", target="mug"), FRAMES


MODELS = {"ruler": ruler, "table": table}


def main(path: str, place: str, moment: str, seconds: str, kind: str) -> None:
    if moment == "composed":
        composing._sync = kill_self
    if moment == "renamed":
        composing.shutil.rmtree = _killing(composing.shutil.rmtree)
    model, task, options = MODELS[kind](float(seconds))
    recording = open_recording(path, **options)
    target = output_path(recording, place)
    writer = composing.RecordingWriter(
        recording, target.with_name("report"), target, place, Provenance("the task", 0.95, kind, recording.camera_name)
    )
    unseen = unseen_in(recording)
    annotate(recording, writer, lambda episode: RewardEngine(task, gamma=0.95, unseen=unseen), model, batch=4)
    writer.finish()
    print(model.looked if kind == "ruler" else sum(model.backend.batches))


def _killing(remove):
    """The first removal is that of leftovers, the second comes after the result is in place."""
    calls = []

    def rmtree(*args, **options):
        calls.append(args)
        if len(calls) > 1:
            kill_self()
        remove(*args, **options)

    return rmtree


if __name__ == "__main__":
    main(*sys.argv[1:])
