"""A scripted server, and pictures to send."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.remote.retries import RetryPolicy
from spatialvlm_ros.scenes.observation import Observation

sys.path.insert(0, str(Path(__file__).parent))

QUICK = RetryPolicy(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)


@pytest.fixture
def server():
    from scripted_server import ScriptedServer

    made = ScriptedServer()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def backend(server):
    """``backend(**options)``: a backend that asks the scripted server."""
    from spatialvlm_ros.models.remote.backend import RemoteBackend
    from spatialvlm_ros.models.remote.config import parse_remote

    made = []

    def make(**options):
        options = {"retries": QUICK, "samples": 1, **options}
        made.append(RemoteBackend(parse_remote(f"openai:{server.url}#tiny", **options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def observation():
    """480 x 320, left half red, right half green, hfov 60 degrees."""
    rgb = np.zeros((320, 480, 3), np.uint8)
    rgb[:, :240, 0] = 200
    rgb[:, 240:, 1] = 200
    return Observation(rgb, Camera.from_hfov(480, 320, np.radians(60)))
