"""What torch and transformers raise, as errors that name the fault and the remedy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from spatialvlm_ros.errors import MissingDependencyError, ModelError, SpatialVLMError
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.optional import require

_OFFLINE = (
    "If this machine cannot reach the hub, download the model elsewhere (hf download MODEL --local-dir DIR) and give "
    "the folder; only safetensors weights are loaded."
)
_MEMORY = "Use a smaller batch_size, dtype bfloat16, a smaller model, or device cpu."
_NO_MEMORY_ON_CPU = ("can't allocate memory", "not enough memory", "DefaultCPUAllocator")


def first_line(error: BaseException) -> str:
    """The kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


@contextlib.contextmanager
def loading(name: str, what: str) -> Iterator[None]:
    """While a part of a model is loaded.

    Raises:
        ModelError: it is not there, does not fit, or there is not enough memory.
        MissingDependencyError: it needs a package that is not installed.
    """
    try:
        yield
    except SpatialVLMError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"the {what} of {name} needs a package that is not installed",
            first_line(error),
            f'Install it, or everything with: pip install "spatialvlm_ros[{EXTRA}]"',
        ) from error
    except MemoryError as error:
        raise ModelError(f"the {what} of {name} does not fit into memory", first_line(error), _MEMORY) from error
    except (OSError, ConnectionError) as error:
        raise ModelError(f"the {what} of {name} cannot be found", first_line(error), _OFFLINE) from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise ModelError(f"the {what} of {name} does not fit into memory", first_line(error), _MEMORY) from error
        raise _unusable(name, what, error) from error
    except Exception as error:  # safetensors, tokenizers and configuration classes have errors of their own
        raise _unusable(name, what, error) from error


def _unusable(name: str, what: str, error: BaseException) -> ModelError:
    return ModelError(
        f"the {what} of {name} cannot be loaded",
        first_line(error),
        "The files are damaged or of a model that does not turn a picture and text into text.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the CPU or on an accelerator."""
    torch = require("torch", EXTRA)
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY_ON_CPU)


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """While a model computes: no gradients.

    Raises:
        ModelError: out of memory, or the model failed.
    """
    torch = require("torch", EXTRA)
    try:
        with torch.inference_mode():
            yield
    except SpatialVLMError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            raise ModelError(f"out of memory while {name} ran", first_line(error), _MEMORY) from error
        raise ModelError(f"{name} failed", first_line(error), "Check the model with another picture.") from error
