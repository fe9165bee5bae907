"""Passes of fixed shapes answer as eager ones do, and other queries need no other compilation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import picture, save_tiny_model
from torch._dynamo.testing import CompileCounter

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.passes import CompiledPasses, bucket, compile_options
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

# Before another test imports Python's own distutils: torch's compiler takes that of setuptools, which refuses it then.
pytest.importorskip("setuptools")

PICTURES = [picture(200, 150, 0), picture(320, 180, 1), picture(150, 200, 2)]
QUERIES = [
    Query("red mug", "plate", "distance"),
    Query("plate", None, "height"),
    Query("mug", "plate", "left"),
    Query("mug", "camera", "gap"),
    Query("red mug", None, "width"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def eager(folder: Path) -> SpatialVLM:
    return SpatialVLM.from_pretrained(str(folder), dtype="float32", device="cpu")


@pytest.fixture
def counter() -> Iterator[CompileCounter]:
    """A compiler that runs what it is given as it is, and counts."""
    torch._dynamo.reset()
    yield CompileCounter()
    torch._dynamo.reset()


def compiled(folder: Path, **options: Any) -> SpatialVLM:
    plain = EmbeddedBackend.from_pretrained(folder, dtype="float32", device="cpu")
    passes = CompiledPasses(plain._vlm, **options)
    return SpatialVLM(EmbeddedBackend(plain._vlm, plain._tokenizer, plain.data, plain.name, passes))


def assert_alike(found: Any, wanted: Any, queries: list[Query]) -> None:
    one, other = found.readouts(queries), wanted.readouts(queries)
    np.testing.assert_allclose(one.combined, other.combined, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(one.p_combined, other.p_combined, atol=1e-3)
    boxes = [[view.locate(name).box2d for name in ("red mug", "plate", "mug")] for view in (found, wanted)]
    np.testing.assert_allclose(*boxes, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("n", [1, len(QUERIES)])
def test_compiled_answers_are_the_eager_ones(folder: Path, eager: SpatialVLM, counter: CompileCounter, n: int) -> None:
    model = compiled(folder, backend=counter)
    assert_alike(model.look(PICTURES[1]), eager.look(PICTURES[1]), QUERIES[:n])
    assert counter.frame_count >= 2


def test_views_of_several_pictures_and_words_are_the_eager_ones(
    folder: Path, eager: SpatialVLM, counter: CompileCounter
) -> None:
    model = compiled(folder, backend=counter)
    found, wanted = model.look_many(PICTURES), eager.look_many(PICTURES)
    for one, other in zip(found, wanted, strict=True):
        assert_alike(one, other, QUERIES)
        question = "How far is the mug from the plate?"
        assert one.ask(question).text == other.ask(question).text


def test_other_queries_and_pictures_of_a_size_are_not_compiled_again(folder: Path, counter: CompileCounter) -> None:
    model = compiled(folder, backend=counter)
    five = [
        Query(a, b, r) for a, b, r in (("mug", "plate", "distance"), ("plate", "mug", "gap"), ("mug", "plate", "left"))
    ]
    model.look(PICTURES[0]).measure_many([*five, *QUERIES[3:4]])
    after_first = counter.frame_count
    for observation in PICTURES:
        model.look(observation).measure_many([*five, Query("plate", "camera", "distance")])
        model.look(observation).measure_many([Query("red mug", "plate", "right"), *five])
    assert counter.frame_count == after_first
    model.look(PICTURES[0]).measure_many([Query(f"red mug {k}", "plate", "distance") for k in range(20)])
    assert counter.frame_count > after_first


def test_many_sizes_are_all_compiled(folder: Path, counter: CompileCounter) -> None:
    """More than the eight at which torch goes back to eager passes, or raises."""
    model = compiled(folder, backend=counter)
    view = model.look(PICTURES[0])
    for n in (1, 2, 3, 7, 15, 31):
        for name in ("mug", "mug on the left of the plate that is red"):
            view.locate_many([f"{name} {k}" for k in range(n)])
    assert counter.frame_count >= 10


def test_a_compiler_that_fails_is_named(folder: Path) -> None:
    def fails(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler here")

    torch._dynamo.reset()
    with pytest.raises(ModelError, match="cannot be compiled.*without `compile`"):
        compiled(folder, backend=fails).look(PICTURES[0])
    torch._dynamo.reset()


@pytest.mark.slow
def test_torchs_own_compiler_gives_the_same_answers(folder: Path, eager: SpatialVLM) -> None:
    torch._dynamo.reset()
    model = SpatialVLM.from_pretrained(str(folder), dtype="float32", device="cpu", compile=True)
    assert_alike(model.look(PICTURES[0]), eager.look(PICTURES[0]), QUERIES)


def test_graphs_are_used_where_there_are_some() -> None:
    assert compile_options("cuda:1") == {"mode": "reduce-overhead"}
    assert compile_options(torch.device("cpu")) == {}


@given(st.integers(1, 500))
def test_a_bucket_holds_and_wastes_no_more_than_the_next_size(n: int) -> None:
    sizes = (1, 2, 4, 8, 16, 32, 64)
    found = bucket(n, sizes)
    assert n <= found < max(2 * n, n + 64) and bucket(found, sizes) == found
