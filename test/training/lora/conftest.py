"""Tiny models to fine-tune, and conversations about pictures of one colour."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spatialvlm_ros.training.lora.records import ChatRecord

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "hub"))

COLOURS = {"red": (200, 30, 30), "blue": (30, 40, 200)}


@pytest.fixture(scope="session")
def lora_base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``lora_base("qwen")`` is the folder of that tiny model."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        torch = pytest.importorskip("torch")
        pytest.importorskip("peft")
        pytest.importorskip("accelerate")
        import hub_tiny_models

        if name not in made:
            torch.manual_seed(11)
            made[name] = hub_tiny_models.MAKERS[name](tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture
def colour_records() -> list[ChatRecord]:
    """Two conversations whose answers depend on the picture."""

    def picture(colour: str) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (56, 56), COLOURS[colour]).save(buffer, "PNG")
        return buffer.getvalue()

    turns = {
        "red": (("How tall is the mug?", "0.25"), ("Is it red?", "Yes.")),
        "blue": (("How tall is the mug?", "1.50"), ("Is it red?", "No.")),
    }
    return [ChatRecord(colour, picture(colour), turns[colour]) for colour in COLOURS]
