"""Probabilities of many token sequences at once: a walk through their prefix tree.

What two sequences begin with is computed once, and branches with next to no probability are not walked. The walk
knows nothing of models: it asks a `Continuations` for log probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ModelError

Float = NDArray[np.float64]
Int = NDArray[np.int64]


class Continuations(Protocol):
    """N prompts, and what a model thinks comes after them."""

    def first(self, rows: Int, tokens: Int) -> Float:
        """(len(rows), len(tokens)) log probabilities of tokens right after each prompt."""
        ...

    def after(self, rows: Int, paths: Sequence[Int], known: Int, wanted: Sequence[Int]) -> tuple[Float, list[Float]]:
        """Log probabilities of the ends of paths, and of the tokens that may come next.

        Args:
            rows: (M,) the prompt of each path.
            paths: M sequences of at least one token.
            known: (M,) how many tokens of each path, at least one, have a probability that the caller knows.
            wanted: M sets of tokens that may follow the path.

        Returns:
            (M,) log probabilities of each path's tokens behind its known ones given those, and for each path the log
            probabilities of its ``wanted`` after it.
        """
        ...


@dataclass(frozen=True)
class TreeReading:
    """What a walk found for N prompts.

    Attributes:
        masses: (N, K) probability of each sequence; the mass of pruned branches is spread evenly over their sequences.
        pruned: (N,) the probability of all branches that were not walked: an upper bound of the error of the sums.
        total: (N,) probability that one of the sequences comes, pruned branches counted as if.
    """

    masses: Float
    pruned: Float
    total: Float

    @property
    def probabilities(self) -> Float:
        """(N, K) probabilities given that one of the sequences comes; NaN where that cannot be."""
        total = self.masses.sum(axis=1, keepdims=True)
        return np.divide(self.masses, total, out=np.full_like(self.masses, np.nan), where=total > 0)


@dataclass(frozen=True)
class TokenTree:
    """K token sequences, none the beginning of another, as a prefix tree in arrays.

    Attributes:
        children: nodes -> their children, ascending by token; node 0 is the root.
        tokens: (nodes,) the token that leads to each; -1 for the root.
        leaf_of: (K,) position of each sequence among the leaves (equal sequences share one).
        first_leaf, last_leaf: (nodes,) the leaves below each node are first_leaf .. last_leaf - 1.
    """

    children: tuple[Int, ...]
    tokens: Int
    leaf_of: Int
    first_leaf: Int
    last_leaf: Int
    parents: Int = field(repr=False)

    @property
    def n_leaves(self) -> int:
        """How many different sequences there are."""
        return int(self.last_leaf[0])

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        """(nodes,) whether nothing comes after each."""
        return np.asarray([len(children) == 0 for children in self.children])

    @cached_property
    def sharers(self) -> Int:
        """(leaves,) how many of the sequences each is."""
        return np.bincount(self.leaf_of, minlength=self.n_leaves)

    @staticmethod
    def build(sequences: Sequence[Sequence[int]]) -> TokenTree:
        """The tree of sequences.

        Raises:
            ModelError: none given, an empty one, or one that is the beginning of another: its probability would be
                that of both.
        """
        keys = [tuple(int(t) for t in sequence) for sequence in sequences]
        different = sorted(set(keys))
        if not different or not different[0]:
            raise ModelError("a number has no tokens", different[:1], "The tokenizer does not fit; use another model.")
        for one, other in zip(different, different[1:], strict=False):
            if other[: len(one)] == one:
                raise ModelError("the tokens of one answer begin another's", (one, other), "Use another tokenizer.")
        leaf_number = {key: k for k, key in enumerate(different)}
        tokens, parents = [-1], [-1]
        spans: list[list[int]] = [[0, len(different)]]
        offspring: list[list[int]] = [[]]
        path: list[int] = [0]
        previous: tuple[int, ...] = ()
        for number, key in enumerate(different):
            shared = _common_length(previous, key)
            del path[shared + 1 :]
            for token in key[shared:]:
                node = len(tokens)
                tokens.append(token)
                parents.append(path[-1])
                offspring[path[-1]].append(node)
                offspring.append([])
                spans.append([number, number])
                path.append(node)
            for node in path:
                spans[node][1] = max(spans[node][1], number + 1)
            previous = key
        bounds = np.asarray(spans, dtype=np.int64)
        return TokenTree(
            tuple(np.asarray(nodes, dtype=np.int64) for nodes in offspring),
            np.asarray(tokens, dtype=np.int64),
            np.asarray([leaf_number[key] for key in keys], dtype=np.int64),
            bounds[:, 0],
            bounds[:, 1],
            np.asarray(parents, dtype=np.int64),
        )

    def path(self, node: int) -> Int:
        """The tokens from the root to a node."""
        found = []
        while node > 0:
            found.append(self.tokens[node])
            node = int(self.parents[node])
        return np.asarray(found[::-1], dtype=np.int64)

    def forced(self, node: int) -> int:
        """The last node that is reached without a choice and still has something to choose or a leaf behind it."""
        while len(self.children[node]) == 1 and len(self.children[self.children[node][0]]) > 0:
            node = int(self.children[node][0])
        return node

    def read(
        self, source: Continuations, rows: Int, least_mass: float = 0.0, most_branches: int | None = None
    ) -> TreeReading:
        """As `read_trees`, of this tree alone."""
        return read_trees(source, [(self, rows)], least_mass, most_branches)[0]


def read_trees(
    source: Continuations,
    trees: Sequence[tuple[TokenTree, Int]],
    least_mass: float = 0.0,
    most_branches: int | None = None,
) -> list[TreeReading]:
    """Walk trees for some prompts each, level by level, all prompts and branches of a level in one batch.

    Args:
        source: the prompts.
        trees: each with (N,) the prompts that it is walked for; none of them twice.
        least_mass: branches below this share of what is left of a prompt's probability are pruned.
        most_branches: of a prompt's branches only so many, the likeliest, are walked on a level; None is all.

    Returns:
        What was found, tree by tree.
    """
    walks = [_Walk(tree, rows) for tree, rows in trees]
    for walk in walks:
        start = walk.tree.children[0]
        walk.add(
            np.repeat(np.arange(len(walk.rows)), len(start)),
            np.tile(start, len(walk.rows)),
            source.first(walk.rows, walk.tree.tokens[start]).ravel(),
        )
    while going := [walk for walk in walks if walk.prune(least_mass, most_branches)]:
        steps = [walk.steps() for walk in going]
        reached, following = source.after(
            np.concatenate([step.rows for step in steps]),
            [path for step in steps for path in step.paths],
            np.concatenate([step.known for step in steps]),
            [tokens for step in steps for tokens in step.wanted],
        )
        done = 0
        for walk, step in zip(going, steps, strict=True):
            some = slice(done, done + len(step.rows))
            walk.take(step, reached[some], following[some])
            done = some.stop
    return [walk.reading() for walk in walks]


@dataclass(frozen=True)
class _Step:
    """What a walk has to know next: the arguments of `Continuations.after`, and the nodes at the paths' ends."""

    rows: Int
    paths: list[Int]
    known: Int
    wanted: list[Int]
    ends: list[int]


class _Walk:
    """The branches of all prompts that are still to be walked, and what was found so far."""

    def __init__(self, tree: TokenTree, rows: Int) -> None:
        self.tree, self.rows = tree, rows
        self.leaves = np.zeros((len(rows), tree.n_leaves))
        self.pruned = np.zeros(len(rows))
        self._spread = np.zeros((len(rows), tree.n_leaves + 1))
        self.owners, self.nodes, self.logs = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)

    @property
    def mass(self) -> Float:
        """Probability of each branch."""
        return np.exp(self.logs)

    def add(self, owners: Int, nodes: Int, logs: Float) -> None:
        """Branches with their log probabilities: leaves are noted, the others stay to be walked."""
        done = self.tree.is_leaf[nodes]
        np.add.at(self.leaves, (owners[done], self.tree.first_leaf[nodes[done]]), np.exp(logs[done]))
        self.owners, self.nodes, self.logs = owners[~done], nodes[~done], logs[~done]

    def steps(self) -> _Step:
        """The next one for every branch."""
        ends = [self.tree.forced(int(node)) for node in self.nodes]
        return _Step(
            self.rows[self.owners],
            [self.tree.path(end) for end in ends],
            np.asarray([len(self.tree.path(int(node))) for node in self.nodes]),
            [self.tree.tokens[self.tree.children[end]] for end in ends],
            ends,
        )

    def take(self, step: _Step, reached: Float, following: Sequence[Float]) -> None:
        """Replace the branches by their children."""
        counts = [len(tokens) for tokens in step.wanted]
        self.add(
            np.repeat(self.owners, counts),
            np.concatenate([self.tree.children[end] for end in step.ends]),
            np.repeat(self.logs + reached, counts) + np.concatenate(following),
        )

    def prune(self, least_mass: float, most_branches: int | None) -> bool:
        """Drop branches that do not matter; whether any is left."""
        if not len(self.nodes):
            return False
        mass = self.mass
        everything = self.leaves.sum(axis=1) + self.pruned
        np.add.at(everything, self.owners, mass)
        order = np.lexsort((-mass, self.owners))
        owners = self.owners[order]
        rank = np.arange(len(order)) - np.searchsorted(owners, owners)
        keep = mass[order] >= least_mass * everything[owners]
        keep &= mass[order] > 0
        if most_branches is not None:
            keep &= rank < most_branches
        lost = order[~keep]
        self._give_up(self.owners[lost], self.nodes[lost], mass[lost])
        kept = order[keep]
        self.owners, self.nodes, self.logs = self.owners[kept], self.nodes[kept], self.logs[kept]
        return bool(len(kept))

    def _give_up(self, owners: Int, nodes: Int, mass: Float) -> None:
        """Spread the mass of branches evenly over the sequences below them."""
        low, high = self.tree.first_leaf[nodes], self.tree.last_leaf[nodes]
        share = mass / (high - low)
        np.add.at(self._spread, (owners, low), share)
        np.add.at(self._spread, (owners, high), -share)
        np.add.at(self.pruned, owners, mass)

    def reading(self) -> TreeReading:
        leaves = self.leaves + np.maximum(np.cumsum(self._spread, axis=1)[:, :-1], 0.0)
        masses = (leaves / self.tree.sharers)[:, self.tree.leaf_of]
        return TreeReading(masses, self.pruned, leaves.sum(axis=1))


def _common_length(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
