"""Folders of tiny models, made once a run, and backends loaded from them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.observation import Observation

sys.path.insert(0, str(Path(__file__).parent))

KINDS = ("llava", "llava_digits", "qwen", "idefics3", "paligemma")


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``hub_folder("qwen")`` is the folder of that model, as `hub_tiny_models` saves it."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        torch = pytest.importorskip("torch")
        pytest.importorskip("transformers")
        import hub_tiny_models

        if name not in made:
            torch.manual_seed(7)
            made[name] = hub_tiny_models.MAKERS[name](tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture(scope="session")
def hub_backend(hub_folder: Callable[[str], Path]) -> Callable[[str], object]:
    """``hub_backend("qwen")`` is a `HubBackend` of that model in float32, with one decimal to be quick."""
    from spatialvlm_ros.models.hub.backend import HubBackend

    made: dict[str, HubBackend] = {}

    def backend(name: str) -> HubBackend:
        if name not in made:
            folder = str(hub_folder(name))
            made[name] = HubBackend.from_pretrained(folder, dtype="float32", device="cpu", decimals=1)
        return made[name]

    return backend


@pytest.fixture
def observation() -> Observation:
    rgb = np.random.default_rng(3).integers(0, 256, (120, 168, 3), dtype=np.uint8)
    return Observation(rgb, Camera(168, 120, 150.0, 148.0, 83.0, 61.0))
