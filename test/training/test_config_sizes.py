"""The shipped configurations build models of the size they may have."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from spatialvlm_ros.models.embedded.architecture import build_config, build_model  # noqa: E402
from spatialvlm_ros.shared_files import read_yaml, shared_file  # noqa: E402
from spatialvlm_ros.training.config import TrainConfig  # noqa: E402
from spatialvlm_ros.training.pretrained import load_pretrained  # noqa: E402

MOST_WORDS = 3_000  # the tokenizer of the simulation's corpus has 2,937
MOST_PARAMETERS = {"embedded.yaml": 10e6, "embedded_gpu.yaml": 24e6}


@pytest.mark.parametrize("name", MOST_PARAMETERS)
def test_a_model_is_as_large_as_it_may_be_and_no_larger(name: str) -> None:
    config = TrainConfig.of(read_yaml(shared_file(f"config/train/{name}")), name)
    model = build_model(build_config(config.shape, MOST_WORDS, *range(3)))
    parameters = sum(p.numel() for p in model.parameters())
    assert 0.8 * MOST_PARAMETERS[name] < parameters <= MOST_PARAMETERS[name]
    assert all(p.numel() * 2 <= 15 * 2**20 for p in model.parameters())  # bytes of a tensor in bfloat16
    load_pretrained(model.model.vision_tower, config.encoder_from)  # its shape is that of the weights it starts from
