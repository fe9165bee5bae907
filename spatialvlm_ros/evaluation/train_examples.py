"""What the median controls learn from: the same questions, asked about scenes of the training split."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.bench_config import BenchConfig
from spatialvlm_ros.evaluation.bench_questions import BenchQuestions
from spatialvlm_ros.evaluation.controls import Examples
from spatialvlm_ros.models.query import CAMERA_NAME
from spatialvlm_ros.questions.families import FAMILY_NAMES
from spatialvlm_ros.scenes.scene import Scene
from spatialvlm_ros.training.view_store import StoredView, read_scene

VIEWS_PER_SCENE = 4  # pictures of one scene say nearly the same
_BATCH = 50  # scenes asked about together


def train_examples(store: str | Path, scenes: int = 1000, config: BenchConfig | None = None) -> Examples:
    """Questions about a store of training views (``training/view_store.py``).

    Args:
        store: folder.
        scenes: at most so many, spread evenly over the store.
        config: rules of what may be asked; those of the bench.

    Raises:
        EvaluationError: there is nothing in the store.
        DatasetError: one of its files is damaged.
    """
    files = sorted(Path(store).glob("*/*.npz"))
    if not files:
        raise EvaluationError("there is no view in the store of training views", str(store), "Render it first.")
    questions = BenchQuestions(config or BenchConfig.load(), {}, wordings="train")
    chosen = sorted({int(k) for k in np.linspace(0, len(files) - 1, min(scenes, len(files))).round()})
    rows: list[tuple[int, float, str, str, str, str]] = []
    for start in range(0, len(chosen), _BATCH):
        read = [read_scene(files[k])[:VIEWS_PER_SCENE] for k in chosen[start : start + _BATCH]]
        views = [v for scene in read for v in scene]
        if views:
            rows += _rows(views, questions)
    if not rows:
        raise EvaluationError("nothing can be asked about the training views", str(store), "Render more of them.")
    columns = list(zip(*rows, strict=True))
    names = tuple(_words(c) for c in columns[2:])
    return Examples(np.array(columns[0], np.int64), np.array(columns[1], np.float64), names)


def _rows(views: list[StoredView], questions: BenchQuestions) -> list[tuple[int, float, str, str, str, str]]:
    scenes = [v.scene for v in views]
    seeds = [zlib.crc32(v.view_id.encode()) for v in views]
    made = questions.measured(scenes, seeds, views[0].camera.width)
    return [
        (
            FAMILY_NAMES.index(i.family),
            i.value,
            i.subject,
            _noun(scene, i.subject_index, i.subject),
            i.reference,
            _noun(scene, i.reference_index, i.reference),
        )
        for scene, items in zip(scenes, made, strict=True)
        for i in items
    ]


def _noun(scene: Scene, index: int, name: str) -> str:
    return scene.objects[index].noun if index >= 0 else (name and CAMERA_NAME)


def _words(values: tuple[str, ...]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
