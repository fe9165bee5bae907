"""Makes the miniature recordings importable, in processes of tests too, and annotates them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("av", "h5py", "pyarrow", "rosbags"):
    pytest.importorskip(package)

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

from ruler import TASK, Ruler, potential  # noqa: E402

from spatialvlm_ros.rewards.recordings.annotate import Outcome, annotate  # noqa: E402
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter  # noqa: E402
from spatialvlm_ros.rewards.recordings.episode import Provenance  # noqa: E402
from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path, unseen_in  # noqa: E402
from spatialvlm_ros.rewards.reward import RewardEngine  # noqa: E402

GAMMA = 0.95


@dataclass(frozen=True)
class Annotated:
    """A recording with its rewards."""

    recording: Any
    writer: RecordingWriter
    target: Path
    outcome: Outcome
    model: Ruler

    def kept(self, number: int = 0):
        return self.writer.read(self.recording.episodes()[number])


@pytest.fixture()
def annotated():
    """A function that annotates a recording with the ruler; keyword arguments go to `open_recording`."""

    def make(
        path: Path,
        place: str = "copy",
        batch: int = 4,
        end: str = "truncated",
        model: Ruler | None = None,
        step_s: float = 0.0,
        **options: Any,
    ) -> Annotated:
        options.setdefault("hfov", 60)
        recording = open_recording(path, **options)
        target = output_path(recording, place)
        provenance = Provenance(TASK, GAMMA, "ruler", recording.camera_name, {"end": end, "step_s": step_s})
        writer = RecordingWriter(recording, target.with_name(f"{target.name}_report"), target, place, provenance)
        model = model or Ruler()
        unseen = unseen_in(recording)
        engines = lambda episode: RewardEngine(TASK, gamma=GAMMA, unseen=unseen)  # noqa: E731
        outcome = annotate(recording, writer, engines, model, batch, end, step_s=step_s)
        return Annotated(recording, writer, writer.finish(), outcome, model)

    return make


def shaped(centimetres) -> np.ndarray:
    """(T - 1,) rewards of the steps between pictures that say so many centimetres; none of them is a success."""
    phi = np.array([potential(c) for c in centimetres])
    return GAMMA * phi[1:] - phi[:-1]


@pytest.fixture()
def rewards_between():
    """What the steps between pictures are worth."""
    return shaped
