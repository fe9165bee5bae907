"""The forward passes of the embedded model: over pictures, and over rows of tokens behind one of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.caches import select_rows

_ROW_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_PICTURE_BUCKETS = (1, 2, 4, 8, 16, 32)
_LENGTH_STEP = 16  # tokens of a row; most have 24 to 44
_MOST_SHAPES = 96  # that are compiled before torch would go back to eager passes


@dataclass(frozen=True)
class Rows:
    """R rows of up to L tokens behind a picture of P tokens.

    Attributes:
        ids: (R, L) int64, padded on the right.
        mask: (R, P + L) int64, 1 where there is a token.
        positions: (L,) int64, those of the columns.
    """

    ids: Tensor
    mask: Tensor
    positions: Tensor


class Passes(Protocol):
    """What runs the model."""

    def pictures(self, ids: Tensor, pixels: Tensor, kept: int) -> tuple[Tensor, Any]:
        """Last states (B, T, D) of B prefixes of T tokens, and the cache of their first ``kept`` tokens.

        Args:
            ids: (B, T) int64.
            pixels: (B, C, H, W).
            kept: tokens that rows will see.
        """

    def rows(self, cache: Any, rows: Rows) -> Tensor:
        """Last states (R, L, D) of rows behind one picture; its cache (a batch of one) stays as it is."""


class EagerPasses:
    """Each call as it comes.

    Args:
        vlm: a transformers image-text-to-text model.
    """

    def __init__(self, vlm: Any) -> None:
        self._vlm = vlm

    def pictures(self, ids: Tensor, pixels: Tensor, kept: int) -> tuple[Tensor, Any]:
        """As `Passes`."""
        out = self._vlm.model(input_ids=ids, pixel_values=pixels, use_cache=True)
        out.past_key_values.crop(kept - ids.shape[1])
        return out.last_hidden_state, out.past_key_values

    def rows(self, cache: Any, rows: Rows) -> Tensor:
        """As `Passes`."""
        shared = select_rows(cache, torch.zeros(len(rows.ids), dtype=torch.long, device=rows.ids.device))
        return _states_behind(self._vlm, shared, rows.ids, rows.mask, rows.positions)


def compile_options(device: torch.device | str) -> dict[str, Any]:
    """Of `CompiledPasses` on a device: CUDA graphs where there are some, as so small a model waits for its launches."""
    return {"mode": "reduce-overhead"} if torch.device(device).type == "cuda" else {}


class CompiledPasses:
    """Passes of a few fixed shapes, compiled when the first of each comes (`torch.compile`).

    The number of pictures, of rows and the length of rows are filled up to the next of a few sizes, so that other
    queries run what is there. On an accelerator each shape is one CUDA graph.

    Args:
        vlm: a transformers image-text-to-text model.
        options: of `torch.compile`.
    """

    def __init__(self, vlm: Any, **options: Any) -> None:
        self._vlm = vlm
        self._compiled_pictures = torch.compile(self._pictures, dynamic=False, fullgraph=True, **options)
        self._compiled_rows = torch.compile(self._rows, dynamic=False, fullgraph=True, **options)
        self._one_at_a_time = threading.Lock()  # a graph's outputs are overwritten by its next run

    def pictures(self, ids: Tensor, pixels: Tensor, kept: int) -> tuple[Tensor, Any]:
        """As `Passes`."""
        from transformers import DynamicCache

        n = len(ids)
        padded = bucket(n, _PICTURE_BUCKETS)
        with self._one_at_a_time, _compiling():
            states, memory = self._compiled_pictures(_repeated(ids, padded), _repeated(pixels, padded))
            states, memory = states[:n].clone(), [t[:n, :, :kept].clone() for t in memory]
        return states, DynamicCache(list(zip(memory[::2], memory[1::2], strict=True)))

    def rows(self, cache: Any, rows: Rows) -> Tensor:
        """As `Passes`."""
        n, length = rows.ids.shape
        padded, longer = bucket(n, _ROW_BUCKETS), -(-length // _LENGTH_STEP) * _LENGTH_STEP
        room = (0, longer - length)
        ids = _repeated(torch.nn.functional.pad(rows.ids, room), padded)
        mask = _repeated(torch.nn.functional.pad(rows.mask, room), padded)
        start = rows.mask.shape[1] - length
        positions = torch.arange(start, start + longer, device=rows.positions.device)
        memory = [t for layer in cache.layers for t in (layer.keys, layer.values)]
        with self._one_at_a_time, _compiling():
            return torch.as_tensor(self._compiled_rows(ids, mask, positions, memory)[:n, :length].clone())

    # ---- what is compiled: tensors in, tensors out ----

    def _pictures(self, ids: Tensor, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        out = self._vlm.model(input_ids=ids, pixel_values=pixels, use_cache=True)
        return out.last_hidden_state, [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]

    def _rows(self, ids: Tensor, mask: Tensor, positions: Tensor, memory: Sequence[Tensor]) -> Tensor:
        from transformers import DynamicCache

        shared = [t.expand(len(ids), -1, -1, -1) for t in memory]
        cache = DynamicCache(list(zip(shared[::2], shared[1::2], strict=True)))
        return _states_behind(self._vlm, cache, ids, mask, positions)


def _states_behind(vlm: Any, cache: Any, ids: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
    """(R, L, D) last states of rows (see `Rows`) behind a cache of R rows."""
    out = vlm.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions[None].expand(len(ids), -1),
        past_key_values=cache,
        use_cache=True,
    )
    return torch.as_tensor(out.last_hidden_state)


def bucket(n: int, sizes: Sequence[int]) -> int:
    """The least of ascending sizes that holds n; multiples of the last one beyond."""
    fitting = [size for size in sizes if size >= n]
    return fitting[0] if fitting else -(-n // sizes[-1]) * sizes[-1]


def _repeated(rows: Tensor, n: int) -> Tensor:
    """The first row again at the end, until there are n."""
    return torch.cat([rows, rows[:1].expand(n - len(rows), *rows.shape[1:])]) if n > len(rows) else rows


@contextmanager
def _compiling() -> Iterator[None]:
    """Each size is a shape of its own, and torch would give up after eight; its errors are named."""
    from torch._dynamo import config
    from torch._dynamo.exc import TorchDynamoException

    try:
        with config.patch(recompile_limit=_MOST_SHAPES):
            yield
    except TorchDynamoException as error:
        needs = (
            "It needs a C++ compiler for the processor, Triton for an accelerator; load the model without `compile`."
        )
        raise ModelError("the model cannot be compiled", str(error).strip().partition("\n")[0], needs) from error
