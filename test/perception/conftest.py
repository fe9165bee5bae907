"""Folders of tiny models, made once a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``tiny("owlv2")`` is the folder of that model, as `tiny_models.make_owlv2` saves it."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        torch = pytest.importorskip("torch")
        pytest.importorskip("transformers")
        import tiny_models

        if name not in made:
            torch.manual_seed(7)
            path = tmp_path_factory.mktemp(name)
            made[name] = getattr(tiny_models, f"make_{name}")(path)
        return made[name]

    return folder
