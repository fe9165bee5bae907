"""The walk through the prefix tree, against enumeration, with a language model that is a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.hub.packing import Packing
from spatialvlm_ros.models.hub.tree import TokenTree

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

    def after(self, rows, paths, wanted):
        self.asked += len(rows)
        reached = np.array([self.whole(row, path) for row, path in zip(rows, paths, strict=True)])
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


@given(
    st.lists(st.tuples(st.integers(3, 5), st.lists(st.integers(1, 3), min_size=1, max_size=4)), min_size=1, max_size=20)
)
@settings(max_examples=60, deadline=None)
def test_packed_tokens_see_their_own_ancestors_alone(drawn):
    owners, paths = np.array([owner for owner, _ in drawn]), [np.array(path) for _, path in drawn]
    packing = Packing.of(owners, paths)
    for k, (owner, path) in enumerate(drawn):
        row = packing.row_of[k]
        assert packing.rows[row] == owner and packing.lengths[k] == len(path)
        places = packing.places[k, : len(path)]
        assert packing.tokens[row, places].tolist() == path
        assert packing.depths[row, places].tolist() == list(range(len(path)))
        for end, place in enumerate(places):
            assert sorted(np.flatnonzero(packing.sees[row, place])) == sorted(places[: end + 1])
    different = {(owner, tuple(path[:end])) for owner, path in drawn for end in range(1, len(path) + 1)}
    used = sum(
        len({place for k in np.flatnonzero(packing.row_of == r) for place in packing.places[k]})
        for r in range(len(packing.rows))
    )
    assert used == len(different)  # what two paths begin with is there once
