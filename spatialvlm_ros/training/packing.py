"""Many questions behind one picture, in one forward pass, none of which sees another.

The questions of a picture form a tree: an object is located once, and everything asked of it hangs below. A token
attends to its own piece and to the pieces above it, and its position counts from there: each question sees exactly what
it would see alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

ROOT = -1


class Target(IntEnum):
    """What is learnt at a position."""

    NONE = 0
    PLACE = 1
    LENGTH = 2
    PRESENCE = 3
    YES_NO = 4
    TEXT = 5


@dataclass
class Tree:
    """The pieces of one picture's questions, filled by `add`.

    Attributes:
        ids, targets, values: one entry per token: its id, what is learnt there (`Target`), and the truth (bin position
            of a place or length, class of presence or yes/no, id of the next token of text; NaN for nothing).
        starts, parents: per piece, its first token and the piece above it.
        looks: (token, object of the view) where the token should look at the object's patches.
    """

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    looks: list[tuple[int, int]] = field(default_factory=list)

    def add(
        self,
        parent: int,
        ids: Sequence[int],
        targets: Sequence[int] | None = None,
        values: Sequence[float] | None = None,
    ) -> int:
        """Adds a piece below ``parent`` (`ROOT` for the picture itself) and returns its number."""
        self.starts.append(len(self.ids))
        self.parents.append(parent)
        self.ids += ids
        self.targets += targets if targets is not None else [0] * len(ids)
        self.values += values if values is not None else [np.nan] * len(ids)
        return len(self.starts) - 1

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Packed:
    """A batch of B trees behind their pictures; S = picture and question tokens.

    Attributes:
        ids: (B, S) int64.
        positions: (B, S) int64.
        allowed: (B, S, S) bool, who attends to whom (row to column).
        targets: (B, S) int8, see `Target`.
        values: (B, S) float32.
    """

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    allowed: NDArray[np.bool_]
    targets: NDArray[np.int8]
    values: NDArray[np.float32]


def pack(trees: Sequence[Tree], prefixes: Sequence[Sequence[int]], pad: int, multiple: int = 16) -> Packed:
    """Puts each tree behind its prefix (the picture's tokens; all of one length) and pads to a common length.

    Args:
        trees, prefixes: one per picture.
        pad: id of the padding token.
        multiple: the length is rounded up to it, so that few shapes occur.
    """
    n_prefix = len(prefixes[0])
    longest = max(len(tree) for tree in trees)
    total = -(-(n_prefix + longest) // multiple) * multiple
    shape = (len(trees), total)
    ids, positions = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    targets, values = np.zeros(shape, np.int8), np.full(shape, np.nan, np.float32)
    allowed = np.zeros((*shape, total), bool)
    allowed[:, np.arange(total), np.arange(total)] = True  # padding sees itself: no row without a column
    allowed[:, :n_prefix, :n_prefix] = np.tri(n_prefix, dtype=bool)
    for b, (tree, prefix) in enumerate(zip(trees, prefixes, strict=True)):
        end = n_prefix + len(tree)
        ids[b, :n_prefix], positions[b, :n_prefix] = prefix, np.arange(n_prefix)
        ids[b, n_prefix:end] = tree.ids
        targets[b, n_prefix:end], values[b, n_prefix:end] = tree.targets, tree.values
        piece, depth, sees = _structure(tree)
        positions[b, n_prefix:end] = n_prefix + depth
        allowed[b, n_prefix:end, :n_prefix] = True
        allowed[b, n_prefix:end, n_prefix:end] = sees[piece][:, piece] & (
            (piece[:, None] != piece) | np.tri(len(tree), dtype=bool)
        )
    return Packed(ids, positions, allowed, targets, values)


def _structure(tree: Tree) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Per token its piece and its place on the way from the root; per pair of pieces whether one sees the other."""
    starts = np.array([*tree.starts, len(tree)])
    lengths = np.diff(starts)
    n = len(lengths)
    sees, begins = np.zeros((n, n), bool), np.zeros(n, np.int64)
    for k, parent in enumerate(tree.parents):  # parents come first
        sees[k, k] = True
        if parent != ROOT:
            sees[k] |= sees[parent]
            begins[k] = begins[parent] + lengths[parent]
    piece = np.repeat(np.arange(n), lengths)
    depth = begins[piece] + np.arange(len(piece)) - starts[piece]
    return piece, depth, sees
