"""Prompts that a model has read, kept with their caches, and what it thinks comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.caches import row_bytes, select_rows
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.packing import LOGIT_BYTES, PackedWalk, padded
from spatialvlm_ros.models.hub.tree import Continuations
from spatialvlm_ros.optional import require

Float = NDArray[np.float64]
Int = NDArray[np.int64]

CACHE_BYTES = 1 << 30
MOST_ROWS = 256


@dataclass(frozen=True)
class PromptBatch:
    """n prompts read in one forward pass.

    Attributes:
        cache: their keys and values, S tokens each, padding included.
        mask: (n, S) 1 for tokens, 0 for padding.
        positions: (n,) position of the next token; None lets the model count.
        log_probs: (n, V) float32, of the next token.
    """

    cache: Any
    mask: Any
    positions: Any | None
    log_probs: Any

    def __len__(self) -> int:
        return len(self.mask)

    def grow(
        self, model: Any, rows: Any, tokens: Any, lengths: Any, keep: dict[str, Any] | None = None
    ) -> tuple[Any, Any, Any]:
        """Read T more tokens behind some rows; this batch stays as it is.

        Args:
            model: that read the prompts.
            rows: (m,) long.
            tokens: (m, T) long.
            lengths: (m,) long, at most T; what is beyond them is padding.
            keep: arguments that say which logits are wanted.

        Returns:
            The cache of m rows, their mask (m, S + T), and the model's logits (m, T or fewer, V).
        """
        torch = require("torch", EXTRA)
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        mask = torch.cat([self.mask[rows], (steps[None] < lengths[:, None]).to(self.mask.dtype)], dim=1)
        position = {} if self.positions is None else {"position_ids": self.positions[rows][:, None] + steps[None]}
        out = model(
            input_ids=tokens,
            attention_mask=mask,
            past_key_values=select_rows(self.cache, rows),
            use_cache=True,
            return_dict=True,
            **position,
            **(keep or {}),
        )
        return out.past_key_values, mask, out.logits

    def step(self, model: Any, rows: Any, tokens: Any) -> PromptBatch:
        """Some rows (m,) with one token (m,) more."""
        torch = require("torch", EXTRA)
        cache, mask, logits = self.grow(model, rows, tokens[:, None], torch.ones_like(rows))
        positions = None if self.positions is None else self.positions[rows] + 1
        return PromptBatch(cache, mask, positions, logits[:, -1].float().log_softmax(dim=-1))


@dataclass(frozen=True)
class Prompts:
    """N prompts in one or several batches; the `Continuations` of a model.

    Attributes:
        model: that read them.
        batches: n prompts each, N in all.
        packed: whether all branches of a prompt go through in one row (see `packing`).
        order: (N,) where each prompt is among those of the batches; None if they are in order.
    """

    model: Any
    batches: tuple[PromptBatch, ...]
    packed: bool = False
    order: Int | None = None

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)

    def walk(self) -> Continuations:
        """What one walk through trees of answers asks."""
        return PackedWalk(self) if self.packed else self

    def first(self, rows: Int, tokens: Int) -> Float:
        """As `Continuations.first`."""
        torch = require("torch", EXTRA)
        found = np.empty((len(rows), len(tokens)))
        for batch, chosen, local in self.by_batch(rows):
            index = torch.as_tensor(local, device=batch.log_probs.device)
            wanted = torch.as_tensor(tokens, device=index.device)
            found[chosen] = batch.log_probs[index[:, None], wanted[None]].double().cpu().numpy()
        return found

    def after(self, rows: Int, paths: Sequence[Int], known: Int, wanted: Sequence[Int]) -> tuple[Float, list[Float]]:
        """As `Continuations.after`: each path in a row of its own, in as few forward passes as memory allows."""
        reached, following = np.empty(len(rows)), [np.empty(0)] * len(paths)
        most = self._rows_per_pass(max(len(path) for path in paths))
        for batch, chosen, local in self.by_batch(rows, most):
            more, logs = self._score(
                batch, local, [paths[k] for k in chosen], known[chosen], [wanted[k] for k in chosen]
            )
            reached[chosen] = more
            for i, k in enumerate(chosen):
                following[k] = logs[i, : len(wanted[k])]
        return reached, following

    def generate(self, most: int, ends: frozenset[int]) -> list[list[int]]:
        """The likeliest token after the other, at most ``most`` for each prompt, up to one of ``ends``."""
        written = [tokens for batch in self.batches for tokens in self._generate(batch, most, ends)]
        return written if self.order is None else [written[place] for place in self.order]

    def _generate(self, batch: PromptBatch, most: int, ends: frozenset[int]) -> list[list[int]]:
        torch = require("torch", EXTRA)
        n = len(batch)
        written: list[list[int]] = [[] for _ in range(n)]
        running = torch.arange(n, device=batch.mask.device)
        state, owners = batch, list(range(n))
        token = batch.log_probs.argmax(dim=-1)
        for step in range(most):
            values = token.tolist()
            going = [i for i, value in enumerate(values) if value not in ends]
            for i in going:
                written[owners[i]].append(values[i])
            if not going or step == most - 1:
                break
            kept = torch.as_tensor(going, device=running.device)
            owners, token = [owners[i] for i in going], token[kept]
            state = state.step(self.model, kept, token)
            token = state.log_probs.argmax(dim=-1)
        return written

    def _score(
        self, batch: PromptBatch, rows: Int, paths: Sequence[Int], known: Int, wanted: Sequence[Int]
    ) -> tuple[Float, Float]:
        """Log probabilities of the paths behind their known tokens, and of the wanted tokens (m, most wanted)."""
        torch = require("torch", EXTRA)
        device = batch.mask.device
        lengths = torch.as_tensor([len(path) for path in paths], device=device)
        tokens, candidates = (torch.as_tensor(padded(some), device=device) for some in (paths, wanted))
        logits = batch.grow(self.model, torch.as_tensor(rows, device=device), tokens, lengths)[2].float()
        norms = logits.logsumexp(dim=-1)
        steps = logits[:, :-1].gather(2, tokens[:, 1:, None])[..., 0] - norms[:, :-1]
        place = torch.arange(1, tokens.shape[1], device=device)[None]
        asked = (place < lengths[:, None]) & (place >= torch.as_tensor(known, device=device)[:, None])
        ends = (torch.arange(len(paths), device=device), lengths - 1)
        found = logits[ends].gather(1, candidates) - norms[ends][:, None]
        more = torch.where(asked, steps.double(), 0.0).sum(dim=1)
        return more.cpu().numpy(), found.double().cpu().numpy()

    def _rows_per_pass(self, length: int) -> int:
        """How many paths of at most ``length`` tokens go through at once."""
        widest = max(batch.log_probs.shape[1] for batch in self.batches)
        copies = CACHE_BYTES // max(row_bytes(batch.cache) for batch in self.batches)
        return int(np.clip(min(copies, LOGIT_BYTES // (4 * widest * length)), 1, MOST_ROWS))

    def by_batch(self, rows: Int, most: int | None = None) -> Iterator[tuple[PromptBatch, Int, Int]]:
        """Batches with which of ``rows`` lie in them, and where; at most so many at once."""
        places = rows if self.order is None else self.order[rows]
        start = 0
        for batch in self.batches:
            inside = np.flatnonzero((places >= start) & (places < start + len(batch)))
            step = most or max(len(inside), 1)
            for k in range(0, len(inside), step):
                chosen = inside[k : k + step]
                yield batch, chosen, places[chosen] - start
            start += len(batch)
