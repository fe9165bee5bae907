"""The folder of an embedded model: an ordinary transformers checkpoint, and one file that says how it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.embedded.architecture import ModelShape
from spatialvlm_ros.models.embedded.picture import CAMERA_MODES, RAYS
from spatialvlm_ros.models.embedded.tokenizer import tokenizer_digest
from spatialvlm_ros.models.embedded.vocabulary import special_tokens

MARKER = "spatialvlm.json"
FORMAT = 1
SHARD_SIZE = "15MB"


@dataclass(frozen=True)
class ModelCardData:
    """What ``spatialvlm.json`` holds beside the model's shape.

    Attributes:
        shape: of the model.
        nouns: names it was trained on.
        ranges_m: least and largest range of the training views, metres: the trained range.
        pictures: shown during training.
        camera_mode: what it learnt of the camera, one of the `CAMERA_MODES`.
        tokenizer: digest of its tokenizer, "" in folders that do not say; `save_model` computes it.
    """

    shape: ModelShape
    nouns: tuple[str, ...]
    ranges_m: tuple[float, float]
    pictures: int
    camera_mode: str = RAYS
    tokenizer: str = ""


def save_model(folder: str | Path, vlm: Any, tokenizer: Any, data: ModelCardData) -> None:
    """Writes weights (bfloat16 safetensors in shards of 15 MB), configuration, tokenizer and marker."""
    import torch

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    vlm.to(torch.bfloat16).save_pretrained(folder, max_shard_size=SHARD_SIZE)
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner alone
    marker = {
        "format": FORMAT,
        "shape": data.shape.to_dict(),
        "special_tokens": len(special_tokens()),
        "ranges_m": list(data.ranges_m),
        "pictures": data.pictures,
        "camera_mode": data.camera_mode,
        "tokenizer": tokenizer_digest(tokenizer),
        "nouns": list(data.nouns),
    }
    (folder / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")


def read_marker(folder: str | Path) -> ModelCardData:
    """What the marker says.

    Raises:
        ModelError: no such file, damaged, or of another version.
    """
    path = Path(folder) / MARKER
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["special_tokens"] != len(special_tokens()):
            raise ModelError(
                "the model was made by another version", (content["format"], content["special_tokens"]), "Train again."
            )
        camera_mode = content.get("camera_mode", RAYS)  # older folders do not say
        if camera_mode not in CAMERA_MODES:
            raise ModelError("unknown camera mode of a model", camera_mode, f"Known: {', '.join(CAMERA_MODES)}.")
        return ModelCardData(
            ModelShape(**content["shape"]),
            tuple(content["nouns"]),
            (float(content["ranges_m"][0]), float(content["ranges_m"][1])),
            int(content["pictures"]),
            camera_mode,
            str(content.get("tokenizer", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(
            "this is no folder of an embedded model", str(path), f"{type(error).__name__}: {error}"
        ) from error
