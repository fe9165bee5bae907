"""The encoder that starts from published weights: it still recognises photographs, and rays change nothing yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import save_tiny_model

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.embedded.architecture import EFFICIENTNET, ModelShape, build_config, build_model
from spatialvlm_ros.models.embedded.weights import shipped_folder
from spatialvlm_ros.training.config import TrainConfig
from spatialvlm_ros.training.pretrained import LITE0, fill, load_pretrained, published_weights
from spatialvlm_ros.training.run import warm_start

SHAPE = ModelShape(64, 48, hidden=32, layers=1, heads=2, kv_heads=2, feedforward=48, encoder=EFFICIENTNET)
ESPRESSO = 967  # of ImageNet


def build(shape: ModelShape = SHAPE) -> Any:
    return build_model(build_config(shape, 300, image_token=1, pad_token=0, end_token=2))


@pytest.fixture(scope="module")
def tower() -> Any:
    model = build().model.vision_tower.eval()
    load_pretrained(model, LITE0)
    return model


def test_a_cup_of_coffee_is_recognised() -> None:
    """With all halvings in place it is the published network: its own classifier works on it."""
    from skimage import data
    from transformers import EfficientNetModel

    config = build_config(SHAPE, 300, 1, 0, 2).vision_config
    config.strides = [1, 2, 2, 2, 1, 2, 1]
    model = EfficientNetModel(config).eval()
    weights = published_weights()
    fill(model, weights)
    photo = Image.fromarray(data.coffee()).resize((336, 224), Image.Resampling.BICUBIC).crop((56, 0, 280, 224))
    colours = (np.asarray(photo, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.25
    pixels = torch.from_numpy(np.concatenate([colours, np.zeros((2, 224, 224), np.float32)])[None])
    with torch.no_grad():
        features = model(pixels).last_hidden_state.mean(dim=(2, 3))
    shares = (features @ weights["_fc.weight"].T + weights["_fc.bias"]).softmax(dim=-1)[0]
    assert int(shares.argmax()) == ESPRESSO
    assert float(shares[ESPRESSO]) > 0.8


def test_rays_do_not_disturb_at_first(tower: Any) -> None:
    pixels = torch.randn(1, 5, 48, 64)
    other = pixels.clone()
    other[:, 3:] += 1.0
    with torch.no_grad():
        here, there = tower(pixels).last_hidden_state, tower(other).last_hidden_state
    assert here.shape == (1, 1280, 3, 4)
    torch.testing.assert_close(here, there)


def test_rays_can_be_learnt(tower: Any) -> None:
    tower(torch.randn(1, 5, 48, 64)).last_hidden_state.sum().backward()
    gradient = tower.embeddings.convolution.weight.grad
    assert float(gradient[:, 3:].abs().max()) > 0


def test_faults_are_named() -> None:
    with pytest.raises(TrainingError, match="resnet"):
        load_pretrained(build().model.vision_tower, "resnet")
    pvt = build(ModelShape(64, 48, (8, 16, 64), (1, 1, 1), 32, 1, 2, 2, 48)).model.vision_tower
    with pytest.raises(TrainingError, match="no EfficientNet-Lite0"):
        load_pretrained(pvt, LITE0)


def test_the_shipped_encoder_stands_before_another_decoder() -> None:
    from safetensors.torch import load_file

    model = build().model.vision_tower
    load_pretrained(model, "embedded")
    stored = {k: v for path in shipped_folder().glob("*.safetensors") for k, v in load_file(path).items()}
    encoder = {k.partition("vision_tower.")[2]: v for k, v in stored.items() if "vision_tower." in k}
    own = model.state_dict()
    assert set(own) == set(encoder) and len(own) > 200
    for name, value in own.items():
        assert torch.equal(value, encoder[name].to(value.dtype)), name


def test_an_encoder_of_another_shape_or_a_damaged_one_is_not_taken(tmp_path: Path) -> None:
    pvt = build(ModelShape(64, 48, (8, 16, 64), (1, 1, 1), 32, 1, 2, 2, 48)).model.vision_tower
    before = {name: value.clone() for name, value in pvt.state_dict().items()}
    with pytest.raises(TrainingError, match="another shape"):
        load_pretrained(pvt, "embedded")
    with pytest.raises(TrainingError, match="another shape"):  # an empty folder holds none at all
        load_pretrained(pvt, str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(TrainingError, match="cannot be read"):
        load_pretrained(pvt, str(tmp_path))
    assert all(torch.equal(before[name], value) for name, value in pvt.state_dict().items())


def test_another_encoder_keeps_the_decoder(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    from spatialvlm_ros.models.embedded.folder import read_marker

    tiny_folder = save_tiny_model(tmp_path / "tiny")
    there = AutoModelForImageTextToText.from_pretrained(tiny_folder, dtype=torch.float32)
    old = read_marker(tiny_folder).shape
    shape = ModelShape(
        64, 48, hidden=old.hidden, layers=old.layers, heads=old.heads, kv_heads=old.kv_heads,
        feedforward=old.feedforward, encoder=EFFICIENTNET,
    )  # fmt: skip
    words = there.get_input_embeddings().weight
    here = build_model(build_config(shape, len(words), 1, 0, 2))
    encoder = {k: x.clone() for k, x in here.model.vision_tower.state_dict().items()}
    warm_start(here, TrainConfig(shape=shape, start_from=str(tiny_folder)))
    torch.testing.assert_close(here.get_input_embeddings().weight, words)
    torch.testing.assert_close(here.model.vision_tower.state_dict(), encoder)
    wider = ModelShape(64, 48, hidden=64, layers=1, heads=2, kv_heads=2, feedforward=48, encoder=EFFICIENTNET)
    with pytest.raises(TrainingError, match="another shape"):
        warm_start(build(wider), TrainConfig(shape=wider, start_from=str(tiny_folder)))
