"""All branches of a prompt in one row: tokens that see the prompt and their own ancestors, and nothing else.

The prompt's keys are then read once for all of its branches instead of once for each, and a row keeps the keys of its
branches from level to level: each token is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.caches import select_rows
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    from spatialvlm_ros.models.hub.continuation import PromptBatch, Prompts

Float = NDArray[np.float64]
Int = NDArray[np.int64]

LOGIT_BYTES = 1 << 28
_ATTENTION = ("sdpa", "eager")


def can_pack(config: Any) -> bool:
    """Whether a model's attention takes a mask of any shape in every layer (no windows, no recurrent layers)."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    plain = kinds <= {"full_attention"} and (bool(kinds) or getattr(text, "sliding_window", None) is None)
    return plain and getattr(text, "_attn_implementation", None) in _ATTENTION


@dataclass(frozen=True)
class NewTokens:
    """The tokens that m rows of branches grow by.

    Attributes:
        tokens: (m, L), 0 beyond what a row grows by.
        depths: (m, L) how many tokens after the prompt's end each stands.
        places: (M, T) where the new tokens of each path are among those; the last one is repeated beyond its end.
        lengths: (M,) how many new tokens each path has.
    """

    tokens: Int
    depths: Int
    places: Int
    lengths: Int


class Branches:
    """Which tokens stand where in m rows, and what each of them sees. Grows level by level.

    Attributes:
        sees: (m, W, W) whether a token is another's ancestor, or itself.
    """

    def __init__(self, m: int) -> None:
        self.sees: NDArray[np.bool_] = np.zeros((m, 0, 0), dtype=bool)
        self._places: list[dict[tuple[int, ...], int]] = [{} for _ in range(m)]

    def __len__(self) -> int:
        return len(self._places)

    def select(self, rows: Int) -> Branches:
        """Some of the rows, to grow in their stead."""
        some = Branches(0)
        some.sees, some._places = self.sees[rows], [self._places[r] for r in rows]
        return some

    def add(self, row_of: Int, paths: Sequence[Int]) -> NewTokens:
        """Grow by paths; what two paths of a row begin with is there once.

        Args:
            row_of: (M,) the row of each path.
            paths: M sequences that end in a token which is not there yet.
        """
        width = self.sees.shape[1]
        new: list[list[tuple[int, ...]]] = [[] for _ in self._places]
        found = []
        for row, path in zip(row_of.tolist(), paths, strict=True):
            places, key = self._places[row], tuple(path.tolist())
            for end in range(1, len(key) + 1):
                if key[:end] not in places:
                    places[key[:end]] = width + len(new[row])
                    new[row].append(key[:end])
            all_places = [places[key[:end]] - width for end in range(1, len(key) + 1)]
            found.append([place for place in all_places if place >= 0])
        tokens, depths = self._extend(new, width)
        lengths = np.asarray([len(some) for some in found])
        table = np.zeros((len(paths), lengths.max()), dtype=np.int64)
        for k, some in enumerate(found):
            table[k] = some + some[-1:] * (table.shape[1] - len(some))
        return NewTokens(tokens, depths, table, lengths)

    def _extend(self, new: list[list[tuple[int, ...]]], width: int) -> tuple[Int, Int]:
        m, more = len(new), max(map(len, new))
        tokens, depths = (np.zeros((m, more), dtype=np.int64) for _ in range(2))
        sees = np.zeros((m, width + more, width + more), dtype=bool)
        sees[:, :width, :width] = self.sees
        sees[:, range(width, width + more), range(width, width + more)] = True  # padding sees itself
        for r, keys in enumerate(new):
            for i, key in enumerate(keys):
                tokens[r, i], depths[r, i] = key[-1], len(key) - 1
                if len(key) > 1:
                    sees[r, width + i] |= sees[r, self._places[r][key[:-1]]]
        self.sees = sees
        return tokens, depths


@dataclass(frozen=True)
class _Rows:
    """Some prompts of a batch, with their branches as far as they are read.

    Attributes:
        batch: that holds the prompts.
        rows: (m,) where in the batch.
        cache: keys and values of m prompts and of their branches.
        branches: of the m prompts.
    """

    batch: PromptBatch
    rows: Int
    cache: Any
    branches: Branches

    def select(self, rows: Int) -> _Rows:
        device = self.batch.mask.device
        cache = select_rows(self.cache, require("torch", EXTRA).as_tensor(rows, device=device))
        return _Rows(self.batch, self.rows[rows], cache, self.branches.select(rows))


@dataclass(frozen=True)
class _Steps:
    """Arguments of `Continuations.after`, the rows as places in one batch."""

    rows: Int
    paths: list[Int]
    known: Int
    wanted: list[Int]

    def select(self, some: Int) -> _Steps:
        return _Steps(self.rows[some], [self.paths[k] for k in some], self.known[some], [self.wanted[k] for k in some])


@dataclass(frozen=True)
class _Answers:
    """What `Continuations.after` gives, filled in parts."""

    reached: Float
    following: list[Float]

    @staticmethod
    def empty(n: int) -> _Answers:
        return _Answers(np.full(n, np.nan), [np.empty(0)] * n)

    def put(self, places: Int, part: _Answers) -> None:
        self.reached[places] = part.reached
        for place, logs in zip(places, part.following, strict=True):
            self.following[place] = logs


class PackedWalk:
    """The `Continuations` of one walk over prompts whose model takes any attention mask.

    Args:
        prompts: with explicit positions.
    """

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts
        self._growing: list[_Rows] = []

    def first(self, rows: Int, tokens: Int) -> Float:
        """As `Continuations.first`."""
        return self._prompts.first(rows, tokens)

    def after(self, rows: Int, paths: Sequence[Int], known: Int, wanted: Sequence[Int]) -> tuple[Float, list[Float]]:
        """As `Continuations.after`; a path without its last ``len - known + 1`` tokens was asked for before."""
        torch = require("torch", EXTRA)
        answers = _Answers.empty(len(rows))
        before, self._growing = self._growing, []
        for batch, chosen, local in self._prompts.by_batch(rows):
            there = [state for state in before if state.batch is batch]
            if not there:
                asked = np.unique(local)
                cache = select_rows(batch.cache, torch.as_tensor(asked, device=batch.mask.device))
                there = [_Rows(batch, asked, cache, Branches(len(asked)))]
            steps = _Steps(local, [paths[k] for k in chosen], known[chosen], [wanted[k] for k in chosen])
            for state in there:
                mine = np.flatnonzero(np.isin(local, state.rows))
                if len(mine):
                    answers.put(chosen[mine], self._grow(state, steps.select(mine)))
        return answers.reached, answers.following

    def _grow(self, state: _Rows, steps: _Steps) -> _Answers:
        """Read steps of a state's rows in one pass, or in several where its logits would not fit."""
        asked, row_of = np.unique(steps.rows, return_inverse=True)
        new = [len(path) - known + 1 for path, known in zip(steps.paths, steps.known, strict=True)]
        logits = len(asked) * np.bincount(row_of, weights=new).max() * state.batch.log_probs.shape[1]
        if len(asked) > 1 and 4 * logits > LOGIT_BYTES:
            answers = _Answers.empty(len(steps.rows))
            for half in np.array_split(asked, 2):
                part = state.select(np.flatnonzero(np.isin(state.rows, half)))
                inside = np.flatnonzero(np.isin(steps.rows, half))
                answers.put(inside, self._grow(part, steps.select(inside)))
            return answers
        if len(asked) < len(state.rows):
            state = state.select(np.flatnonzero(np.isin(state.rows, asked)))
        return self._pass(state, row_of, steps.paths, steps.wanted)

    def _pass(self, state: _Rows, row_of: Int, paths: Sequence[Int], wanted: Sequence[Int]) -> _Answers:
        """One forward pass; what has grown is kept for the next level."""
        torch = require("torch", EXTRA)
        model, batch = self._prompts.model, state.batch
        device, dtype = batch.mask.device, model.dtype
        new, width = state.branches.add(row_of, paths), state.branches.sees.shape[1]
        rows, owners, tokens, depths, places, sees, following = (
            torch.as_tensor(a, device=device)
            for a in (
                state.rows,
                row_of,
                new.tokens,
                new.depths,
                new.places,
                state.branches.sees[:, width - new.tokens.shape[1] :],
                padded(wanted),
            )
        )
        prompt = batch.mask[rows].bool()[:, None].expand(-1, tokens.shape[1], -1)
        visible = torch.cat([prompt, sees], dim=2)[:, None]
        hidden = torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill(~visible, torch.finfo(dtype).min)
        assert batch.positions is not None
        out = model(
            input_ids=tokens,
            attention_mask=hidden,
            position_ids=batch.positions[rows][:, None] + depths,
            past_key_values=state.cache,
            use_cache=True,
            return_dict=True,
        )
        logits = out.logits.float()
        norms = logits.logsumexp(dim=-1)
        before, after = places[:, :-1], places[:, 1:]
        owner = owners[:, None]
        steps = logits[owner, before, tokens[owner, after]] - norms[owner, before]
        inside = (
            torch.arange(1, places.shape[1], device=device)[None] < torch.as_tensor(new.lengths, device=device)[:, None]
        )
        more = torch.where(inside, steps.double(), 0.0).sum(dim=1)
        ends = places[:, -1]
        found = (logits[owner, ends[:, None], following] - norms[owners, ends][:, None]).double().cpu().numpy()
        self._growing.append(_Rows(batch, state.rows, out.past_key_values, state.branches))
        return _Answers(more.cpu().numpy(), [row[: len(some)] for row, some in zip(found, wanted, strict=True)])


def padded(sequences: Sequence[Int]) -> Int:
    """(m, longest) sequences of tokens, filled up with 0 on the right."""
    table = np.zeros((len(sequences), max(len(sequence) for sequence in sequences)), dtype=np.int64)
    for row, sequence in zip(table, sequences, strict=True):
        row[: len(sequence)] = sequence
    return table
