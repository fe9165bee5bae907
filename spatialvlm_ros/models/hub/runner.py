"""Reading prompts: the picture's prefix once and all questions behind copies of it, or each prompt whole."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.continuation import PromptBatch, Prompts
from spatialvlm_ros.models.hub.prompts import PromptTemplate
from spatialvlm_ros.optional import require

PASS_TOKENS = 128  # about where a pass stops to be bound by reading the weights; more on accelerators
_ROOM = 16  # tokens of an answer
_TWO_PROBES = ("What is it?", "Is it so?")


class PrefixError(Exception):
    """A prompt cannot be split into the picture's part and the question's; it never leaves this package."""


@dataclass(frozen=True)
class Prefix:
    """A picture, and the words that every question about it begins with, as a model has read them.

    Attributes:
        cache: its keys and values, a batch of one.
        length: tokens.
        position: of the token behind it. With M-RoPE it is not the length: a picture takes fewer positions.
        lead: the words before each question.
        shared: the tokens that every question's tail begins with and that are in the prefix already.
        ending: tokens that the processor writes behind the prompt (PaliGemma: a new line).
    """

    cache: Any
    length: int
    position: int
    lead: str
    shared: tuple[int, ...]
    ending: tuple[int, ...] = ()


@dataclass(frozen=True)
class Runner:
    """A model that reads prompts.

    Attributes:
        template: how it is asked, and the model.
        batch_size: prompts in one forward pass.
        packed: whether `behind` gives `Prompts` that read all branches of a prompt in one row.
        pass_tokens: tokens of padding that cost as much as a forward pass of their own.
        counting: held while a model counts positions by itself. With M-RoPE it keeps how far they are from counting
            tokens in an attribute of its own, where another thread's picture would change it.
    """

    template: PromptTemplate
    batch_size: int = 32
    packed: bool = False
    pass_tokens: int = PASS_TOKENS
    counting: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def model(self) -> Any:
        """The model itself."""
        return self.template.loaded.model

    @cached_property
    def _keeps_logits(self) -> bool:
        return "logits_to_keep" in inspect.signature(self.model.forward).parameters

    @cached_property
    def _window(self) -> int | None:
        """Tokens that a layer with a sliding window sees; None where every layer sees all."""
        config = self.model.config.get_text_config()
        window = getattr(config, "sliding_window", None)
        kinds = getattr(config, "layer_types", None)
        return None if kinds is not None and "sliding_attention" not in kinds else window

    def whole(self, picture: Image.Image, questions: Sequence[str]) -> Prompts:
        """Each prompt by itself, from its first token on: right for every model."""
        return Prompts(self.model, tuple(self._whole(picture, question) for question in questions))

    def _whole(self, picture: Image.Image, question: str) -> PromptBatch:
        torch = require("torch", EXTRA)
        inputs = self.tensors(self.template.inputs(picture, question))
        with self._alone():
            out = self.model(**inputs, use_cache=True, return_dict=True, **self._keep(1))
            offset = self._offset(out)
        length = inputs["input_ids"].shape[1]
        # Without an offset the model's own count is used: some count from 1.
        positions = None if offset is None else torch.tensor([length + offset], device=inputs["input_ids"].device)
        mask = torch.ones_like(inputs["input_ids"])
        return PromptBatch(out.past_key_values, mask, positions, out.logits[:, -1].float().log_softmax(dim=-1))

    def prefix(self, picture: Image.Image, lead: str = "") -> Prefix:
        """Read a picture and the words before each question.

        Raises:
            PrefixError: picture and question are not one behind the other in this model's prompt.
        """
        probe, other = (_joined(lead, words) for words in _TWO_PROBES)
        inputs = self.template.inputs(picture, probe)
        ids = inputs["input_ids"][0].tolist()
        tail, second = self.template.tail(probe), self.template.tail(other)
        start = last_place(tail, ids)
        if not tail or start < 1:
            raise PrefixError("the question's tokens do not stand behind the picture's")
        alike = next((k for k, (a, b) in enumerate(zip(tail, second, strict=False)) if a != b), 0)
        shared = tuple(tail[: max(alike - 1, 0)])  # the last one could be another before other words
        length = start + len(shared)
        cut = {
            name: value[:, :length] if value.ndim == 2 and value.shape[1] == len(ids) else value
            for name, value in inputs.items()
        }
        with self._alone():
            out = self.model(**self.tensors(cut), use_cache=True, return_dict=True, **self._keep(1))
            offset = self._offset(out) or 0
        return Prefix(
            out.past_key_values,
            length,
            length + offset,
            lead,
            shared,
            tuple(ids[start + len(tail) :]),
        )

    def behind(self, prefix: Prefix, questions: Sequence[str]) -> Prompts:
        """Questions about one picture, behind copies of its cache: right padding, explicit positions.

        Raises:
            PrefixError: a question changes the tokens of the words before it.
        """
        tails = []
        for question in questions:
            tail = self.template.tail(_joined(prefix.lead, question))
            if tuple(tail[: len(prefix.shared)]) != prefix.shared or len(tail) <= len(prefix.shared):
                raise PrefixError("a question melts into the words before it")
            tails.append([*tail[len(prefix.shared) :], *prefix.ending])
        if self._window is not None and prefix.length + max(map(len, tails), default=0) + _ROOM >= self._window:
            raise PrefixError("padding would take places in the model's sliding window")
        groups = grouped([len(tail) for tail in tails], self.batch_size, self.pass_tokens)
        batches = tuple(self._behind(prefix, [tails[k] for k in group]) for group in groups)
        order = np.argsort(np.concatenate([*groups, np.empty(0, np.int64)]))
        return Prompts(self.model, batches, self.packed, order)

    def _behind(self, prefix: Prefix, tails: Sequence[list[int]]) -> PromptBatch:
        torch = require("torch", EXTRA)
        device = self.template.loaded.device
        single = PromptBatch(
            prefix.cache,
            torch.ones((1, prefix.length), dtype=torch.long, device=device),
            torch.tensor([prefix.position], device=device),
            None,
        )
        rows = torch.zeros(len(tails), dtype=torch.long, device=device)
        lengths = torch.tensor([len(tail) for tail in tails], device=device)
        tokens = torch.zeros((len(tails), max(map(len, tails))), dtype=torch.long)
        for i, tail in enumerate(tails):
            tokens[i, : len(tail)] = torch.tensor(tail)
        last, place = torch.unique(lengths - 1, return_inverse=True)
        kept = self._keep(last)
        cache, mask, logits = single.grow(self.model, rows, tokens.to(device), lengths, kept)
        at = place if kept else lengths - 1
        final = logits[torch.arange(len(tails), device=device), at].float()
        return PromptBatch(cache, mask, prefix.position + lengths, final.log_softmax(dim=-1))

    def tensors(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Inputs on the model's device, pictures in its number format."""
        device, dtype = self.template.loaded.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }

    def _keep(self, which: Any) -> dict[str, Any]:
        """Logits are computed where they are read, as far as the model can."""
        return {"logits_to_keep": which} if self._keeps_logits else {}

    def _alone(self) -> AbstractContextManager[Any]:
        """While this thread alone lets the model count positions, where it keeps something of them."""
        return self.counting if hasattr(self.model.base_model, "rope_deltas") else nullcontext()

    def _offset(self, out: Any) -> int | None:
        """How far positions are from counting tokens (M-RoPE); None for models that count."""
        deltas = getattr(out, "rope_deltas", None)
        if deltas is None:
            deltas = getattr(self.model.base_model, "rope_deltas", None)
        return None if deltas is None else int(deltas.reshape(-1)[0])


def _joined(lead: str, words: str) -> str:
    return f"{lead} {words}" if lead else words


def grouped(lengths: Sequence[int], most: int, overhead: int) -> list[NDArray[np.int64]]:
    """Prompts in groups of at most ``most`` so that their tokens, padded, and ``overhead`` for each group are fewest.

    Args:
        lengths: tokens of each prompt.
        most: prompts in a group.
        overhead: tokens that a group costs by itself.

    Returns:
        The prompts of each group, ascending; the group with the shortest ones first.
    """
    order = np.argsort(lengths, kind="stable")
    cost, cut = [0.0], [0]
    for end in range(1, len(order) + 1):
        starts = np.arange(max(end - most, 0), end)
        costs = np.asarray(cost)[starts] + (end - starts) * lengths[order[end - 1]] + overhead
        best = int(costs.argmin())
        cost.append(float(costs[best]))
        cut.append(int(starts[best]))
    groups: list[NDArray[np.int64]] = []
    end = len(order)
    while end:
        groups.insert(0, np.sort(order[cut[end] : end]))
        end = cut[end]
    return groups


def last_place(part: list[int], whole: list[int]) -> int:
    """Where a part begins for the last time; -1 if nowhere."""
    places = range(len(whole) - len(part), -1, -1)
    return next((k for k in places if whole[k : k + len(part)] == part), -1)
