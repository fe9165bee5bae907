"""Training runs at toy size: a store of four scenes, a model of 250 000 parameters, six steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from stored_scenes import scene_view

from spatialvlm_ros.models.embedded.architecture import ModelShape
from spatialvlm_ros.training.config import StageConfig, StoreConfig, TrainConfig
from spatialvlm_ros.training.questions import QuestionPlan
from spatialvlm_ros.training.view_store import scene_path, write_scene

SHAPE = ModelShape(64, 48, (8, 16, 64), (1, 1, 1), hidden=32, layers=1, heads=2, kv_heads=2, feedforward=48)
NOUNS = (("mug", "plate", "bottle"), ("bowl", "vase", "mug"), ("jar", "cup", "tray"), ("pan", "glass", "towel"))


def write_store(folder: Path) -> Path:
    """Writes two views of each scene, and gives the folder back."""
    for k, nouns in enumerate(NOUNS):
        write_scene(scene_path(folder, k), [scene_view(nouns), scene_view(nouns[::-1])])
    return folder


def settings(store: Path, out: Path, steps: int = 4, **changes: object) -> TrainConfig:
    """Two dense steps and ``steps`` joint ones; a checkpoint after every step."""
    plan = QuestionPlan(objects=2, pairs=1, relations=4, missing=0.5, texts=1, general=0.5)
    views = StoreConfig(str(store), "train", 0)
    stages = (
        StageConfig("dense", steps=2, batch=2, language=False, warmup=1),
        StageConfig("joint", steps=steps, batch=2, warmup=1, learning_rate=2e-3),
    )
    config = TrainConfig(
        out=str(out), shape=SHAPE, train=views, validate=views, plan=plan, stages=stages, validate_every=3,
        validate_batches=1, dtype="float32", checkpoint_minutes=0.0,
    )  # fmt: skip
    return replace(config, **changes)  # type: ignore[arg-type]


def weights(out: Path) -> dict[str, torch.Tensor]:
    """Of the checkpoint of a run."""
    from safetensors.torch import load_file

    return load_file(str(out / "checkpoint" / "weights.safetensors"))


def state_of(out: Path) -> dict[str, object]:
    """Of the checkpoint of a run."""
    return json.loads((out / "checkpoint" / "state.json").read_text())
