"""Processors of pictures and text, also where torchvision is missing: only videos need it."""

from __future__ import annotations

import importlib
from typing import Any

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.faults import loading
from spatialvlm_ros.models.lean_import import lean_transformers
from spatialvlm_ros.optional import require

_AUTO = "transformers.models.auto"


class NoVideo(dict[str, Any]):
    """Stands where a processor's video part would: it has no settings, and who asks for one gets None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith(("_", "to_")):
            raise AttributeError(name)
        return None


def load_processor(name: str, arguments: dict[str, Any]) -> Any:
    """The processor saved beside a model.

    Args:
        name: hub id or folder.
        arguments: of ``from_pretrained``.

    Raises:
        ModelError: not found, damaged, or not one of pictures and text.
        MissingDependencyError: it needs a package that is not installed.
    """
    transformers = lean_transformers()
    with loading(name, "processor"):
        try:
            processor = transformers.AutoProcessor.from_pretrained(name, **arguments)
        except (ImportError, ValueError) as error:
            if "torchvision" not in str(error).lower():
                raise
            processor = _from_parts(name, arguments, transformers)
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelError(
            f"{name} has no processor of pictures and text", type(processor).__name__, "Use another model."
        )
    return processor


def _from_parts(name: str, arguments: dict[str, Any], transformers: Any) -> Any:
    """A processor put together from its tokenizer and its picture part, without its video part."""
    config = transformers.AutoConfig.from_pretrained(name, **arguments)
    known = require(f"{_AUTO}.processing_auto", EXTRA).PROCESSOR_MAPPING[type(config)]

    def accept(self: Any, part: str, argument: Any) -> Any:
        missing = isinstance(argument, NoVideo)
        return None if missing else known.check_argument_for_proper_class(self, part, argument)

    kind: Any = type(known.__name__, (known,), {"check_argument_for_proper_class": accept})
    loaders = {
        "tokenizer": lambda: transformers.AutoTokenizer.from_pretrained(name, **arguments),
        "image_processor": lambda: _image_processor(name, config, arguments),
        "video_processor": NoVideo,
    }
    parts = [loaders[part]() for part in known.get_attributes()]
    settings, rest = known.get_processor_dict(name, **arguments)
    return kind.from_args_and_dict(parts, settings, **rest)


def _image_processor(name: str, config: Any, arguments: dict[str, Any]) -> Any:
    """The picture part in its PIL form; by its module where `transformers` hides it for want of torchvision."""
    auto = require(f"{_AUTO}.image_processing_auto", EXTRA)
    try:
        return auto.AutoImageProcessor.from_pretrained(name, backend="pil", **arguments)
    except ValueError:
        kind = auto.IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type, {}).get("pil")
        if kind is None:
            raise
        folder = config.model_type.replace("-", "_")
        module = importlib.import_module(f"transformers.models.{folder}.image_processing_pil_{folder}")
        return getattr(module, kind).from_pretrained(name, **arguments)


def picture_marks(processor: Any, image_token_id: int) -> frozenset[int]:
    """Tokens that stand for a picture in a prompt before the processor expands it: itself, or its beginning."""
    begin = getattr(processor, "boi_token", None)
    ids = [] if begin is None else [processor.tokenizer.convert_tokens_to_ids(begin)]
    return frozenset([image_token_id, *(int(i) for i in ids if i is not None)])
