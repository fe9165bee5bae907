"""Loading a model, its processor and perhaps an adapter from a hub or a folder, with checks that they fit together."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.devices import EXTRA, pick_device, pick_dtype
from spatialvlm_ros.models.hub.faults import loading
from spatialvlm_ros.models.hub.fingerprint import weights_place
from spatialvlm_ros.models.hub.processors import load_processor
from spatialvlm_ros.models.lean_import import lean_transformers
from spatialvlm_ros.optional import require

_log = logging.getLogger(__name__)

ADAPTER_FILE = "adapter_config.json"
TUNING_EXTRA = "train"


@dataclass(frozen=True)
class HubSource:
    """Where a model comes from and where it runs.

    Attributes:
        model: id on the hub, or a folder with config, safetensors, tokenizer and processor; or a folder with a LoRA
            adapter, which names its base model.
        device: as `pick_device` takes it.
        dtype: as `pick_dtype` takes it.
        revision: commit or tag on the hub.
        trust_remote_code: run code that the model brings.
        local_files_only: never ask the hub.
        base_model: overrides the base model that an adapter names.
    """

    model: str
    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    trust_remote_code: bool = False
    local_files_only: bool = False
    base_model: str | None = None

    def hub_arguments(self) -> dict[str, Any]:
        """Arguments of every ``from_pretrained``."""
        return {
            "revision": self.revision or "main",
            "local_files_only": self.local_files_only,
            "trust_remote_code": self.trust_remote_code,
        }

    def located(self) -> tuple[str, dict[str, Any]]:
        """The model and the arguments of its ``from_pretrained``."""
        return self.model, self.hub_arguments()


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode with what belongs to it.

    Attributes:
        name: what it was loaded from.
        model: a `transformers` image-text-to-text model; LoRA layers are inside where there is an adapter.
        processor: its processor.
        tokenizer: the processor's tokenizer.
        image_token_id: the token that stands for the picture.
        device: where it is.
        places: of its weights, an adapter's base first: folders, or ``id@commit`` (see `fingerprint.weights_place`).
    """

    name: str
    model: Any
    processor: Any
    tokenizer: Any
    image_token_id: int
    device: str
    places: tuple[str, ...]


def load(source: HubSource) -> LoadedModel:
    """Everything that a source names.

    Raises:
        ModelError: not found, damaged, not safetensors, of another kind, or its parts do not fit together.
        MissingDependencyError: torch, transformers, or for an adapter peft, is missing.
        ConfigError: an unknown device or dtype.
    """
    adapter = adapter_base(source)
    base = source if adapter is None else replace(source, model=adapter, revision=None)
    # An adapter's folder holds the processor that it was trained with: its tokenizer may have more tokens.
    processor = load_processor(*(source if _has_processor(source.model) else base).located())
    model = load_model(base)
    tokenizer = getattr(processor, "tokenizer", processor)
    if adapter is not None and len(tokenizer) > model.get_input_embeddings().num_embeddings:
        with loading(source.model, "adapter"):
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)  # the adapter holds the new rows
    image_token_id = check_tokenizer(source.model, model, processor)
    places = [weights_place(base.model, getattr(model.config, "_commit_hash", None), base.revision)]
    if adapter is not None:
        model = _with_adapter(model, source)
        places.append(weights_place(source.model, _commit_of(source), source.revision))
    device = pick_device(source.device)
    with loading(source.model, "model"):
        model = model.to(device).eval()
    return LoadedModel(source.model, model, processor, tokenizer, image_token_id, device, tuple(places))


def load_model(source: HubSource) -> Any:
    """The weights, in the dtype that fits the device, still on the CPU.

    Raises:
        ModelError, MissingDependencyError, ConfigError: as `load`.
    """
    torch, transformers = require("torch", EXTRA), lean_transformers()
    dtype = pick_dtype(source.dtype, pick_device(source.device))
    with loading(source.model, "weights"), torch.no_grad():
        model, report = transformers.AutoModelForImageTextToText.from_pretrained(
            source.model, dtype=dtype, use_safetensors=True, output_loading_info=True, **source.hub_arguments()
        )
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        raise ModelError(
            f"{source.model} lacks {len(missing)} weights",
            missing[:5],
            "Its download is not whole, or of another model.",
        )
    return model


def adapter_base(source: HubSource) -> str | None:
    """The base model of an adapter folder (or hub id); None for a whole model.

    Raises:
        ModelError: the adapter does not name its base.
    """
    path = Path(source.model) / ADAPTER_FILE
    if not path.is_file():
        if Path(source.model).is_dir() or not _hub_has(source, ADAPTER_FILE):
            return None
        path = Path(_hub_file(source, ADAPTER_FILE) or "")
    with loading(source.model, "adapter"):
        named = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    base = source.base_model or named
    if not base:
        raise ModelError(f"the adapter {source.model} names no base model", named, "Pass base_model.")
    return str(base)


def _hub_file(source: HubSource, name: str) -> str | None:
    hub = require("transformers.utils", EXTRA)
    return hub.cached_file(
        source.model,
        name,
        revision=source.revision or "main",
        local_files_only=source.local_files_only,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )


def _commit_of(source: HubSource) -> str | None:
    """The commit of an adapter on the hub; None for a folder."""
    if Path(source.model).is_dir():
        return None
    hub = require("transformers.utils.hub", EXTRA)
    commit: str | None = hub.extract_commit_hash(_hub_file(source, ADAPTER_FILE), None)
    return commit


def _hub_has(source: HubSource, name: str) -> bool:
    try:
        return _hub_file(source, name) is not None
    except Exception:  # not reachable, or not a repository: loading the weights says so, with a remedy
        return False


def _has_processor(folder: str) -> bool:
    return any((Path(folder) / name).is_file() for name in ("tokenizer_config.json", "processor_config.json"))


def _with_adapter(model: Any, source: HubSource) -> Any:
    """A model with the LoRA layers of an adapter inside."""
    peft = require("peft", TUNING_EXTRA)
    with loading(source.model, "adapter"):
        adapted = peft.PeftModel.from_pretrained(
            model, source.model, revision=source.revision, local_files_only=source.local_files_only
        )
        return adapted.get_base_model()


def check_tokenizer(name: str, model: Any, processor: Any) -> int:
    """The id of the token that stands for the picture.

    Raises:
        ModelError: the tokenizer has more tokens than the model, or lacks the picture's token.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    rows = model.get_input_embeddings().num_embeddings
    highest = max(tokenizer.get_vocab().values(), default=-1)
    image_token_id = find_image_token(model.config, processor)
    if image_token_id is None:
        raise ModelError(
            f"the tokenizer of {name} lacks the token that stands for the picture",
            getattr(processor, "image_token", None),
            "It belongs to another model; save the model's own processor beside it.",
        )
    # The picture's token may lie beyond the embeddings: its embedding is never looked up.
    beyond = [i for i in tokenizer.get_vocab().values() if i >= rows and i != image_token_id]
    if beyond:
        raise ModelError(
            f"the tokenizer of {name} has {highest + 1} tokens, the model embeddings for {rows}",
            sorted(beyond)[:3],
            "It belongs to another model; save the model's own tokenizer beside it.",
        )
    return image_token_id


def find_image_token(config: Any, processor: Any) -> int | None:
    """The picture's token as model and tokenizer agree on it; None where they do not."""
    vocabulary = set(getattr(processor, "tokenizer", processor).get_vocab().values())
    configured = [getattr(config, key, None) for key in ("image_token_id", "image_token_index")]
    candidates: Sequence[int | None] = [*configured, getattr(processor, "image_token_id", None)]
    return next((int(i) for i in candidates if i is not None and int(i) in vocabulary), None)
