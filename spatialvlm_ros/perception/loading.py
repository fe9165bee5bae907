"""Loading of experts from a model hub or a folder: one way for all, with errors that say what to do.

Only safetensors, never code from the hub. Image processors are those without torchvision, so that the pixels a
model sees do not depend on what else is installed.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError, MissingDependencyError, PerceptionError
from spatialvlm_ros.optional import require

_log = logging.getLogger(__name__)
EXTRA = "models"


@dataclass(frozen=True)
class ModelSource:
    """Where an expert comes from and where it runs.

    Attributes:
        model: id on the hub, or a folder with config, safetensors and processor files.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" (the first accelerator, else the CPU).
        dtype: "float32", "float16" or "bfloat16".
        revision: commit or tag on the hub.
        local_files_only: never ask the hub.
    """

    model: str
    device: str = "auto"
    dtype: str = "float32"
    revision: str | None = None
    local_files_only: bool = False

    def torch_device(self) -> str:
        """The device with "auto" resolved."""
        if self.device != "auto":
            return self.device
        torch = require("torch", EXTRA)
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"

    def torch_dtype(self) -> Any:
        """The torch dtype of the weights."""
        torch = require("torch", EXTRA)
        if self.dtype not in ("float32", "float16", "bfloat16"):
            raise ConfigError("unknown dtype of a model", self.dtype, "Use float32, float16 or bfloat16.")
        return getattr(torch, self.dtype)

    def hub_arguments(self) -> dict[str, Any]:
        """Arguments of every ``from_pretrained``."""
        return {
            "revision": self.revision or "main",
            "local_files_only": self.local_files_only,
            "trust_remote_code": False,
        }


def load_model(source: ModelSource, class_name: str) -> Any:
    """A model of `transformers` in evaluation mode on its device.

    Args:
        class_name: e.g. "Owlv2ForObjectDetection"; weights of another architecture are refused.

    Raises:
        MissingDependencyError: torch or transformers is missing.
        PerceptionError: the model cannot be found, loaded or put on the device.
    """
    require("torch", EXTRA)
    model_class = _from_transformers(class_name)
    with _explained(source, "weights"), device_guard():
        model, report = model_class.from_pretrained(
            source.model,
            dtype=source.torch_dtype(),
            use_safetensors=True,
            output_loading_info=True,
            **source.hub_arguments(),
        )
        missing = sorted(report.get("missing_keys") or ())
        if missing:
            raise PerceptionError(
                f"{source.model} lacks weights that {class_name} needs",
                missing[:5],
                "It holds another architecture; choose the adapter that belongs to it.",
            )
        return model.to(source.torch_device()).eval()


def load_image_processor(source: ModelSource) -> Any:
    """The image processor saved beside a model, in its PIL version."""
    # By its module: the name at the top of the package is a dummy where torchvision is missing.
    auto = require("transformers.models.auto.image_processing_auto", EXTRA).AutoImageProcessor
    with _explained(source, "image processor"):
        return auto.from_pretrained(source.model, backend="pil", **source.hub_arguments())


def load_tokenizer(source: ModelSource) -> Any:
    """The tokenizer saved beside a model."""
    auto = _from_transformers("AutoTokenizer")
    with _explained(source, "tokenizer"):
        return auto.from_pretrained(source.model, **source.hub_arguments())


def load_preprocessor_settings(source: ModelSource) -> dict[str, Any]:
    """The settings of the image processor as a dict, for those whose code in `transformers` needs torchvision."""
    hub = require("transformers.utils", EXTRA)
    for name, inside in (("preprocessor_config.json", None), ("processor_config.json", "image_processor")):
        with _explained(source, "image processor"):
            path = hub.cached_file(
                source.model,
                name,
                revision=source.revision or "main",
                local_files_only=source.local_files_only,
                _raise_exceptions_for_missing_entries=False,
            )
        if path is None:
            continue
        try:
            settings = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise PerceptionError(f"{path} cannot be read", str(error), "Download the model again.") from error
        settings = settings.get(inside, {}) if inside else settings
        if settings:
            return settings
    raise PerceptionError(
        f"{source.model} has no image processor", remedy="Its folder needs a preprocessor_config.json."
    )


def _from_transformers(name: str) -> Any:
    module = require("transformers", EXTRA)
    found = getattr(module, name, None)
    if found is None:
        raise MissingDependencyError(
            f"the installed transformers has no {name}", module.__version__, "Install transformers 5.17 or newer."
        )
    return found


@contextlib.contextmanager
def _explained(source: ModelSource, what: str) -> Iterator[None]:
    """Turn what `transformers` raises while loading into errors with a remedy."""
    try:
        yield
    except (PerceptionError, ConfigError, MissingDependencyError):
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"the {what} of {source.model} needs a package that is not installed",
            _first_line(error),
            f'Install it, or everything with: pip install "spatialvlm_ros[{EXTRA}]"',
        ) from error
    except (OSError, ConnectionError) as error:
        raise PerceptionError(
            f"the {what} of {source.model} cannot be found",
            _first_line(error),
            "If this machine cannot reach the hub, download the model elsewhere (hf download MODEL --local-dir DIR) "
            "and give the folder; only safetensors weights are loaded.",
        ) from error
    except (ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        raise PerceptionError(
            f"the {what} of {source.model} cannot be loaded",
            _first_line(error),
            "The files do not fit this adapter; choose the adapter that belongs to the model.",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


@contextlib.contextmanager
def device_guard() -> Iterator[None]:
    """Inference on the device: no gradients, and out of memory as a clear error."""
    torch = require("torch", EXTRA)
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise PerceptionError(
            "the device ran out of memory",
            _first_line(error),
            "Use a smaller batch, dtype bfloat16, a smaller model, or device cpu.",
        ) from error
