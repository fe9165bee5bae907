"""Annotates a recording in a process that a test kills: ``killed_run.py PATH PLACE MOMENT SECONDS_PER_BATCH``.

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
from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path  # noqa: E402
from spatialvlm_ros.rewards.reward import RewardEngine  # noqa: E402


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


def main(path: str, place: str, moment: str, seconds: str) -> None:
    if moment == "composed":
        composing._sync = kill_self
    if moment == "renamed":
        composing.shutil.rmtree = _killing(composing.shutil.rmtree)
    recording = open_recording(path, hfov=60)
    target = output_path(recording, place)
    writer = composing.RecordingWriter(
        recording, target.with_name("report"), target, place, Provenance(TASK, 0.95, "ruler", recording.camera_name)
    )
    model = SlowRuler(float(seconds))
    annotate(recording, writer, lambda episode: RewardEngine(TASK, gamma=0.95), model, batch=4)
    writer.finish()
    print(model.looked)


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
