"""Prompts that a model has read, kept with their caches, and what it thinks comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.caches import row_bytes, select_rows
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.packing import packed_scores
from spatialvlm_ros.optional import require

Float = NDArray[np.float64]
Int = NDArray[np.int64]

CACHE_BYTES, LOGIT_BYTES = 1 << 30, 1 << 28
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
        batches: in the order of the prompts.
        packed: whether all branches of a prompt go through in one row (see `packing`).
    """

    model: Any
    batches: tuple[PromptBatch, ...]
    packed: bool = False

    def __len__(self) -> int:
        return sum(len(batch) for batch in self.batches)

    def first(self, rows: Int, tokens: Int) -> Float:
        """As `Continuations.first`."""
        torch = require("torch", EXTRA)
        found = np.empty((len(rows), len(tokens)))
        for batch, chosen, local in self._by_batch(rows, MOST_ROWS):
            index = torch.as_tensor(local, device=batch.log_probs.device)
            wanted = torch.as_tensor(tokens, device=index.device)
            found[chosen] = batch.log_probs[index[:, None], wanted[None]].double().cpu().numpy()
        return found

    def after(self, rows: Int, paths: Sequence[Int], wanted: Sequence[Int]) -> tuple[Float, list[Float]]:
        """As `Continuations.after`: all paths in as few forward passes as memory allows."""
        reached = self.first_of(rows, np.asarray([path[0] for path in paths]))
        following: list[Float] = [np.empty(0)] * len(paths)
        longest = max(len(path) for path in paths)
        for batch, chosen, local in self._by_batch(rows, self._rows_per_pass(rows, longest)):
            more, next_logs = self._score(batch, local, [paths[k] for k in chosen], [wanted[k] for k in chosen])
            reached[chosen] += more
            for i, k in enumerate(chosen):
                following[k] = next_logs[i, : len(wanted[k])]
        return reached, following

    def first_of(self, rows: Int, tokens: Int) -> Float:
        """(M,) log probability of one token right after each row."""
        found = np.empty(len(rows))
        for batch, chosen, local in self._by_batch(rows, MOST_ROWS):
            found[chosen] = batch.log_probs[local, tokens[chosen]].double().cpu().numpy()
        return found

    def generate(self, most: int, ends: frozenset[int]) -> list[list[int]]:
        """The likeliest token after the other, at most ``most`` for each prompt, up to one of ``ends``."""
        return [tokens for batch in self.batches for tokens in self._generate(batch, most, ends)]

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

    def _score(self, batch: PromptBatch, rows: Int, paths: Sequence[Int], wanted: Sequence[Int]) -> tuple[Float, Float]:
        """Log probabilities of the paths behind their first tokens, and of the wanted tokens (m, most wanted)."""
        if self.packed:
            return packed_scores(self.model, batch, rows, paths, _padded(wanted))
        torch = require("torch", EXTRA)
        device = batch.mask.device
        lengths = torch.as_tensor([len(path) for path in paths], device=device)
        tokens, candidates = (torch.as_tensor(_padded(some), device=device) for some in (paths, wanted))
        logits = batch.grow(self.model, torch.as_tensor(rows, device=device), tokens, lengths)[2].float()
        norms = logits.logsumexp(dim=-1)
        steps = logits[:, :-1].gather(2, tokens[:, 1:, None])[..., 0] - norms[:, :-1]
        inside = torch.arange(1, tokens.shape[1], device=device)[None] < lengths[:, None]
        ends = (torch.arange(len(paths), device=device), lengths - 1)
        found = logits[ends].gather(1, candidates) - norms[ends][:, None]
        more = torch.where(inside, steps.double(), 0.0).sum(dim=1)
        return more.cpu().numpy(), found.double().cpu().numpy()

    def _rows_per_pass(self, rows: Int, length: int) -> int:
        """How many paths of at most ``length`` tokens go through at once."""
        widest = max(batch.log_probs.shape[1] for batch in self.batches)
        copies = CACHE_BYTES // max(row_bytes(batch.cache) for batch in self.batches)
        if self.packed:  # one copy for all branches of a prompt
            copies *= max(len(rows) // len(np.unique(rows)), 1)
        return int(np.clip(min(copies, LOGIT_BYTES // (4 * widest * length)), 1, MOST_ROWS))

    def _by_batch(self, rows: Int, most: int) -> Iterator[tuple[PromptBatch, Int, Int]]:
        """Batches with which of ``rows`` lie in them, and where; at most so many at once."""
        start = 0
        for batch in self.batches:
            inside = np.flatnonzero((rows >= start) & (rows < start + len(batch)))
            for k in range(0, len(inside), most):
                chosen = inside[k : k + most]
                yield batch, chosen, rows[chosen] - start
            start += len(batch)


def _padded(sequences: Sequence[Int]) -> Int:
    """(m, longest) sequences of tokens, filled up with 0 on the right."""
    table = np.zeros((len(sequences), max(len(sequence) for sequence in sequences)), dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return table
