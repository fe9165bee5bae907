"""Batches on their way from the processes that make them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import settings, write_store
from torch.utils.data._utils.pin_memory import pin_memory

from spatialvlm_ros.training.loader import BatchKind, Prepared, _Shared
from spatialvlm_ros.training.run import _lexicon, _load_tokenizer, _loader, _prepare_words


@pytest.fixture(scope="module", params=[True, False], ids=["questions", "pictures"])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("loader")
    config = settings(write_store(folder / "store"), folder / "out")
    (folder / "out").mkdir()
    _prepare_words(config, folder / "out")
    tokenizer = _load_tokenizer(folder / "out" / "tokenizer")
    loader = _loader(config, config.train, _lexicon(config), tokenizer, None)
    return loader.prepare(0, BatchKind(2, language=request.param, dense=True))


def same(one: Any, other: Any) -> bool:
    """Equal in all parts."""
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)


def test_what_passes_between_processes_is_the_batch(batch: Prepared) -> None:
    shared = _Shared.of(batch)
    assert shared.pixels.data_ptr() == batch.pixels.ctypes.data  # no copy
    assert shared.rest.pixels.size == 0 and (batch.packed is None) == (shared.allowed is None)
    assert same(shared.prepared(), batch)
    assert not same(shared.rest, batch)


def test_its_large_arrays_are_pinned_where_the_loader_asks_for_it(
    batch: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accelerator reads pinned memory by itself; the loader finds out how to pin a batch that is no tensor."""
    pinned = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tuple(tensor.shape))
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    again = pin_memory(_Shared.of(batch))
    assert sorted(pinned, key=len) == [
        *([] if batch.packed is None else [batch.packed.allowed.shape]),
        batch.pixels.shape,
    ]
    assert same(again.prepared(), batch)
