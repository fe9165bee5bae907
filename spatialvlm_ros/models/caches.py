"""Copies of a model's key-value cache."""

from __future__ import annotations

import copy
from typing import Any

# These join old and new keys into new tensors and never write into the old ones. Their subclasses may.
_APPENDING = frozenset({"DynamicLayer", "DynamicSlidingWindowLayer"})


def select_rows(cache: Any, rows: Any) -> Any:
    """A cache of the given rows of a batch, in that order, repeats allowed; the original stays as it is.

    Repeats of a batch of one, and all rows as they are, share the original's keys and values.

    Args:
        cache: `transformers.Cache` of a batch.
        rows: (M,) long tensor.
    """
    copied = copy.copy(cache)
    copied.layers = [_shallow(layer) for layer in cache.layers]
    for layer in copied.layers:
        if not _shares(layer, rows):
            layer.reorder_cache(rows)
    return copied


def row_bytes(cache: Any) -> int:
    """Bytes that one row of a batch takes."""
    total = 0
    for layer in cache.layers:
        for value in vars(layer).values():
            for tensor in value if isinstance(value, (list, tuple)) else (value,):
                if hasattr(tensor, "element_size") and tensor.dim() > 1 and len(tensor):
                    total += tensor.numel() * tensor.element_size() // len(tensor)
    return max(total, 1)


def _shares(layer: Any, rows: Any) -> bool:
    """Give a layer the rows as views of what it holds; False where that cannot be."""
    if type(layer).__name__ not in _APPENDING or getattr(layer, "keys", None) is None or layer.keys.dim() != 4:
        return False
    n = len(layer.keys)
    if n == 1:
        layer.keys, layer.values = (t.expand(len(rows), -1, -1, -1) for t in (layer.keys, layer.values))
        return True
    return len(rows) == n and rows.tolist() == list(range(n))


def _shallow(layer: Any) -> Any:
    """A layer whose lists are its own (layers with linear attention keep states in lists)."""
    copied = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, (list, dict)):
            setattr(copied, name, copy.copy(value))
    return copied
