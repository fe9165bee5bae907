"""A scene with known lengths, a friend who knows them, and language models that say what they are told to say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "models" / "remote")]


@pytest.fixture
def friend():
    from reasoning_scenes import table_scene

    from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend

    return ExactFriend(table_scene())


@pytest.fixture
def server():
    from scripted_server import ScriptedServer

    made = ScriptedServer()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
