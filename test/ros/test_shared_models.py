"""Models that are loaded while others are: a node may be configured again before it has the first one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

for package in ("torch", "transformers"):
    pytest.importorskip(package)

from transformers.utils import logging as transformers_logging  # noqa: E402

from spatialvlm_ros.models.spatial_vlm import SpatialVLM  # noqa: E402
from spatialvlm_ros.ros import bag_annotation  # noqa: E402
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder  # noqa: E402
from spatialvlm_ros.ros.parameters import Settings  # noqa: E402
from spatialvlm_ros.ros.shared_models import ModelSpec, load  # noqa: E402


def test_the_process_that_annotates_recordings_draws_no_progress_bars(capfd: pytest.CaptureFixture[str]) -> None:
    transformers_logging.enable_progress_bar()
    order = AnnotationOrder("bag", "", "pick", gamma=0.9, mode="potential", model="embedded", device="cpu")
    assert isinstance(bag_annotation._model(order), SpatialVLM)
    assert "%|" not in capfd.readouterr().err  # it is part of the node's log


def test_models_that_are_wanted_at_the_same_time_are_all_loaded() -> None:
    spec, number = ModelSpec.of(Settings(device="cpu")), 4
    with ThreadPoolExecutor(number) as threads:
        loaded = list(threads.map(load, [spec] * number))
    assert all(isinstance(model, SpatialVLM) for model in loaded) and len({id(model) for model in loaded}) == number
