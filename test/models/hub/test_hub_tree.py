"""The walk through the prefix tree, against enumeration, with a language model that is a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.hub.packing import Branches
from spatialvlm_ros.models.hub.runner import grouped
from spatialvlm_ros.models.hub.tree import TokenTree, read_trees

V = 7


class Table:
    """Log probabilities that depend on the prompt and on all tokens so far, made up by a seed."""

    def __init__(self, seed: int, sharpness: float = 3.0) -> None:
        self.seed, self.sharpness, self.asked = seed, sharpness, 0

    def logs(self, row, path):
        rng = np.random.default_rng([self.seed, int(row), *[int(t) + 1 for t in path]])
        logits = self.sharpness * rng.normal(size=V)
        return logits - np.log(np.exp(logits).sum())

    def first(self, rows, tokens):
        return np.array([self.logs(row, ())[tokens] for row in rows])

    def after(self, rows, paths, known, wanted):
        self.asked += len(rows)
        ends = zip(rows, paths, known, strict=True)
        reached = np.array([self.whole(row, path) - self.whole(row, path[:k]) for row, path, k in ends])
        return reached, [self.logs(r, p)[w] for r, p, w in zip(rows, paths, wanted, strict=True)]

    def whole(self, row, path):
        return sum(self.logs(row, path[:k])[token] for k, token in enumerate(path))


@st.composite
def prefix_free(draw):
    """Sequences of which none begins another, in any order, some twice."""
    drawn = draw(st.lists(st.lists(st.integers(0, V - 2), min_size=1, max_size=4), min_size=1, max_size=30))
    ended = [[*sequence, V - 1] for sequence in drawn]  # an end that occurs nowhere else
    return draw(st.permutations(ended))


@given(prefix_free(), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_it_equals_the_enumeration_of_all_sequences(sequences, seed):
    table, rows = Table(seed), np.array([4, 0, 2])
    reading = TokenTree.build(sequences).read(table, rows)
    same = {tuple(s): sum(tuple(s) == tuple(o) for o in sequences) for s in sequences}
    expected = np.array([[np.exp(table.whole(r, s)) / same[tuple(s)] for s in sequences] for r in rows])
    np.testing.assert_allclose(reading.masses, expected, rtol=1e-9)
    np.testing.assert_allclose(reading.total, expected.sum(axis=1), rtol=1e-9)
    assert (reading.pruned == 0).all()


@given(prefix_free(), st.integers(0, 1000), st.floats(0, 0.4), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_what_is_pruned_is_accounted_for(sequences, seed, least, most):
    table, rows = Table(seed), np.array([1, 3])
    tree = TokenTree.build(sequences)
    full, quick = tree.read(table, rows), tree.read(table, rows, least, most)
    np.testing.assert_allclose(quick.masses.sum(axis=1), quick.total, rtol=1e-9)
    # Everything that is not in a pruned branch is exact, so that no sum is off by more than the pruned mass.
    error = np.abs(quick.masses - full.masses).sum(axis=1)
    assert (error <= 2 * quick.pruned + 1e-12).all()
    assert (quick.total >= full.total - 1e-12).all()
    assert (quick.total - full.total <= quick.pruned + 1e-12).all()


def digits(n):
    return [[a, b, c, V - 1] for a in range(n) for b in range(n) for c in range(n)]


def test_pruning_saves_passes_and_keeps_the_likely():
    tree, sharp = TokenTree.build(digits(6)), Table(5, sharpness=6.0)
    full = tree.read(sharp, np.array([0]))
    walked = sharp.asked
    quick = tree.read(sharp, np.array([0]), 1e-2)
    assert sharp.asked - walked < walked / 4
    assert quick.masses.argmax() == full.masses.argmax()
    assert 0 < quick.pruned[0] < 0.2 * quick.total[0]


def test_tokens_without_a_choice_cost_no_pass():
    table = Table(1)
    TokenTree.build([[0, 1, 2, 3], [0, 1, 2, 4]]).read(table, np.array([0]))
    assert table.asked == 1
    table.asked = 0
    TokenTree.build([[0], [1]]).read(table, np.array([0]))
    assert table.asked == 0


def test_answers_that_begin_others_are_refused():
    with pytest.raises(ModelError, match="begin another"):
        TokenTree.build([[1, 2], [1, 2, 3]])
    with pytest.raises(ModelError, match="no tokens"):
        TokenTree.build([[1], []])
    with pytest.raises(ModelError, match="no tokens"):
        TokenTree.build([])


@given(st.lists(prefix_free(), min_size=1, max_size=3), st.integers(0, 1000), st.floats(0, 0.2))
@settings(max_examples=40, deadline=None)
def test_trees_walked_together_are_as_each_by_itself(several, seed, least):
    table = Table(seed)
    trees = [TokenTree.build(sequences) for sequences in several]
    rows = [np.arange(n, n + 3 - k) for k, n in enumerate((0, 10, 20)[: len(trees)])]
    together = read_trees(table, list(zip(trees, rows, strict=True)), least, 5)
    for tree, some, found in zip(trees, rows, together, strict=True):
        alone = tree.read(table, some, least, 5)
        np.testing.assert_allclose(found.masses, alone.masses, rtol=1e-12)
        np.testing.assert_allclose(found.pruned, alone.pruned, rtol=1e-12)


def test_a_tree_for_no_prompt_finds_nothing():
    trees = [TokenTree.build(digits(2)), TokenTree.build(digits(3))]
    none, some = read_trees(Table(2), [(trees[0], np.empty(0, np.int64)), (trees[1], np.array([1]))])
    assert none.masses.shape == (0, 8) and some.masses.shape == (1, 27)


# ---- packing ----


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(1, 3)), max_size=8), max_size=4),
    st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_branches_see_their_own_ancestors_alone_however_they_grow(levels, seed):
    rng, branches = np.random.default_rng(seed), Branches(3)
    known: list[list[tuple[int, ...]]] = [[()] for _ in range(3)]
    where: list[dict[tuple[int, ...], int]] = [{} for _ in range(3)]
    for level in levels:
        row_of, paths = [], []
        for row, parent, more in level:
            path = (*known[row][parent % len(known[row])], *rng.integers(1, 4, more).tolist())
            if path not in known[row] and all(
                path != p[: len(path)] for r, p in zip(row_of, paths, strict=True) if r == row
            ):
                row_of.append(row)
                paths.append(path)
        if not paths:
            continue
        width = branches.sees.shape[1]
        new = branches.add(np.array(row_of), [np.array(path) for path in paths])
        for row, path, places, length in zip(row_of, paths, new.places, new.lengths, strict=True):
            for end, place in zip(range(len(path) - length + 1, len(path) + 1), places[:length], strict=True):
                part = path[:end]
                assert where[row].setdefault(part, width + place) == width + place  # each is read once
                assert new.tokens[row, place] == part[-1] and new.depths[row, place] == len(part) - 1
                known[row].append(part)
    for row, places in enumerate(where):
        assert len(set(places.values())) == len(places)
        for path, place in places.items():
            ancestors = {places[path[:end]] for end in range(1, len(path) + 1)}
            assert set(np.flatnonzero(branches.sees[row, place])) == ancestors


@given(st.lists(st.integers(1, 60), max_size=9), st.integers(1, 5), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_groups_of_prompts_waste_the_least_on_padding(lengths, most, overhead):
    def cost(groups):
        return sum(len(group) * max(lengths[k] for k in group) + overhead for group in groups)

    groups = grouped(lengths, most, overhead)
    assert sorted(k for group in groups for k in group) == list(range(len(lengths)))
    assert all(len(group) <= most for group in groups)
    order = np.argsort(lengths, kind="stable")
    cuts = [np.flatnonzero(bits) + 1 for bits in np.ndindex(*[2] * max(len(lengths) - 1, 0))]
    parts = [np.split(order, cut) for cut in cuts if len(order)]
    possible = [part for part in parts if all(len(group) <= most for group in part)]
    assert cost(groups) == min((cost(part) for part in possible), default=0)
