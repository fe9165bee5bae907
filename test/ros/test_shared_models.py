"""Models that are loaded while others are: a node may be configured again before it has the first one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

for package in ("torch", "transformers"):
    pytest.importorskip(package)

from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402
from spatialvlm_ros.ros.parameters import Settings  # noqa: E402
from spatialvlm_ros.ros.shared_models import ModelSpec, load  # noqa: E402


def test_models_that_are_wanted_at_the_same_time_are_all_loaded() -> None:
    spec, number = ModelSpec.of(Settings(device="cpu")), 4
    with ThreadPoolExecutor(number) as threads:
        loaded = list(threads.map(load, [spec] * number))
    assert all(isinstance(model, SpatialVLM) for model in loaded) and len({id(model) for model in loaded}) == number
