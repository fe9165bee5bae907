"""A tiny embedded model with random weights, saved and loaded the real way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.architecture import ModelShape, build_config, build_model
from spatialvlm_ros.models.embedded.folder import ModelCardData, save_model
from spatialvlm_ros.models.embedded.tokenizer import train_tokenizer
from spatialvlm_ros.scenes.observation import Observation

SHAPE = ModelShape(64, 48, (8, 16, 64), (1, 1, 1), hidden=64, layers=2, heads=2, kv_heads=2, feedforward=96)


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Random weights, a little louder than usual so that answers differ."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer([" red mug", " blue plate", " How far is the mug from the plate?"], 300)
    ids = v.Vocabulary()
    model = build_model(build_config(SHAPE, len(tokenizer), ids[v.IMAGE], ids[v.PAD], ids[v.END]))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3.0)
    save_model(folder, model, tokenizer, ModelCardData(SHAPE, ("mug", "plate"), (0.3, 5.0), 0))
    return folder


def picture(width: int = 200, height: int = 150, seed: int = 0) -> Observation:
    """A noisy picture of a camera whose centre is off the middle."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Observation(rgb, Camera(width, height, 180.0, 180.0, 90.0, 80.0))
