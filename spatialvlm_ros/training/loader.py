"""Batches for the trainer, made ahead of it: in a thread, or in processes where an accelerator is quicker than that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from spatialvlm_ros.models.embedded.picture import pixel_values, relative_focal
from spatialvlm_ros.training.dense import CELLS_PER_TOKEN, DenseTargets, Lexicon, dense_targets
from spatialvlm_ros.training.feed import Feed
from spatialvlm_ros.training.looking import Looks, looks_of
from spatialvlm_ros.training.packing import Packed, pack
from spatialvlm_ros.training.questions import QuestionMaker

CELL = 16 // CELLS_PER_TOKEN
_NO_END = 1 << 40  # steps


@dataclass(frozen=True)
class BatchKind:
    """What a stage wants in its batches.

    Attributes:
        size: pictures.
        language: whether questions are asked.
        dense: whether there are labels of cells.
    """

    size: int
    language: bool
    dense: bool


@dataclass(frozen=True)
class Prepared:
    """One batch on the host.

    Attributes:
        pixels: (B, C, H, W) float32.
        packed, looks: questions and where they look; None without language.
        dense: labels of cells; None without them.
    """

    pixels: NDArray[np.float32]
    packed: Packed | None
    looks: Looks | None
    dense: DenseTargets | None


class Loader:
    """Makes the batches of a run ahead of its steps.

    Args:
        feed: of views.
        maker: of questions.
        lexicon: of dense supervision.
        seed: of the questions.
        blind: whether the picture is left out.
        picture_tokens: of the model.
        processes: that make batches, each its own ones; 0 for a thread, one batch ahead. Which batch a step gets does
            not depend on it.
    """

    def __init__(
        self,
        feed: Feed,
        maker: QuestionMaker,
        lexicon: Lexicon,
        seed: int,
        blind: bool,
        picture_tokens: int,
        processes: int = 0,
    ) -> None:
        self._feed, self._maker, self._lexicon = feed, maker, lexicon
        self._seed, self._blind, self._picture_tokens = seed, blind, picture_tokens
        self._processes = processes

    def prepare(self, step: int, kind: BatchKind) -> Prepared:
        """The batch of a step."""
        samples = self._feed.batch(step, kind.size)
        pixels = np.stack([pixel_values(s.pixels, s.camera, self._feed.camera_mode) for s in samples])
        if self._blind:
            pixels[:, :3] = 0.0
        packed, looks = None, None
        if kind.language:
            rng = np.random.default_rng([self._seed, self._feed.rank, step, 1])
            trees = self._maker.trees(samples, rng)
            prefixes = [self._maker.prefix(relative_focal(s.camera), self._picture_tokens) for s in samples]
            packed = pack(trees, prefixes, pad=0)
            looks = None if self._blind else looks_of(trees, samples, len(prefixes[0]), CELLS_PER_TOKEN)
        return Prepared(pixels, packed, looks, dense_targets(samples, self._lexicon) if kind.dense else None)

    def stream(self, first: int, kind: BatchKind) -> Iterator[Prepared]:
        """Batches from step ``first`` on, without end."""
        return self._by_processes(first, kind) if self._processes else self._by_thread(first, kind)

    def _by_thread(self, first: int, kind: BatchKind) -> Iterator[Prepared]:
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.prepare, first, kind)
            step = first
            while True:
                batch = ahead.result()
                step += 1
                ahead = pool.submit(self.prepare, step, kind)
                yield batch

    def _by_processes(self, first: int, kind: BatchKind) -> Iterator[Prepared]:
        loader = DataLoader(
            _Steps(self, first, kind),
            batch_size=None,
            num_workers=self._processes,
            collate_fn=_unchanged,
            pin_memory=torch.cuda.is_available(),
        )
        for shared in loader:
            yield shared.prepared()


class _Steps(Dataset):  # type: ignore[type-arg]
    """The batches of a stage as a map from step to batch; what is large lies in shared memory."""

    def __init__(self, loader: Loader, first: int, kind: BatchKind) -> None:
        self._loader, self._first, self._kind = loader, first, kind

    def __len__(self) -> int:
        return _NO_END

    def __getitem__(self, index: int) -> _Shared:
        return _Shared.of(self._loader.prepare(self._first + index, self._kind))


def _unchanged(batch: Any) -> Any:
    return batch


@dataclass(frozen=True)
class _Shared:
    """A batch on its way between processes: tensors pass without a copy, arrays do not.

    Attributes:
        pixels, allowed: the two large arrays as tensors.
        rest: the batch; those two arrays in it are empty.
    """

    pixels: torch.Tensor
    allowed: torch.Tensor | None
    rest: Prepared

    @staticmethod
    def of(batch: Prepared) -> _Shared:
        """Takes the large arrays out."""
        packed, allowed = batch.packed, None
        if packed is not None:
            allowed = torch.from_numpy(packed.allowed)
            packed = replace(packed, allowed=_without(packed.allowed))
        rest = replace(batch, pixels=_without(batch.pixels), packed=packed)
        return _Shared(torch.from_numpy(batch.pixels), allowed, rest)

    def pin_memory(self) -> _Shared:
        """In memory that an accelerator reads by itself; `DataLoader` calls this."""
        allowed = None if self.allowed is None else self.allowed.pin_memory()
        return replace(self, pixels=self.pixels.pin_memory(), allowed=allowed)

    def prepared(self) -> Prepared:
        """The inverse of `of`."""
        packed = self.rest.packed
        if packed is not None and self.allowed is not None:
            packed = replace(packed, allowed=self.allowed.numpy())
        return replace(self.rest, pixels=self.pixels.numpy(), packed=packed)


def _without(array: NDArray[Any]) -> NDArray[Any]:
    return np.empty(0, array.dtype)
