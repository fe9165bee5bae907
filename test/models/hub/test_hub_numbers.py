"""Numbers that a model may write, and what they mean on the grid of quantities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, ZERO_BIN, bin_edges, bin_index

GRAMMARS = [NumberGrammar(d, i, s) for d in (1, 2) for i in (1, 2) for s in (False, True)]


@pytest.mark.parametrize("grammar", GRAMMARS, ids=str)
def test_every_number_is_written_once_and_none_begins_another(grammar):
    texts = sorted(grammar.texts)
    assert len(set(texts)) == len(texts) == len(grammar.ticks)
    assert not any(later.startswith(text) for text, later in zip(texts, texts[1:], strict=False))
    within = np.abs(grammar.ticks) < grammar.steps
    values = np.array([float(text) for text in grammar.texts])
    np.testing.assert_allclose(values[within], grammar.ticks[within] * grammar.step)
    assert (np.abs(values[~within]) >= grammar.steps * grammar.step - 1e-9).all()
    assert (values < 0).any() == grammar.signed


SIGNED = NumberGrammar(2, signed=True)


@given(st.floats(-99.99, 99.99))
@settings(deadline=None)
def test_lengths_are_written_as_the_nearest_number(value):
    text = SIGNED.format(value)
    assert text in SIGNED.texts
    assert abs(float(text) - value) <= 0.005 + 1e-9


def test_what_a_grammar_cannot_write_is_cut():
    assert NumberGrammar(2).format(-0.4) == "0.00" and NumberGrammar(2).format(250.0) == "99.99"
    assert NumberGrammar(1, signed=True).format(-0.04) == "0.0"
    assert NumberGrammar(2).example() == "0.35" and NumberGrammar(3).example() == "0.351"


def one(grammar, text):
    masses = np.zeros((1, len(grammar.texts)))
    masses[0, grammar.texts.index(text)] = 0.3  # need not sum to 1
    return grammar.to_bins(masses)[0]


def test_a_number_stands_for_the_lengths_that_round_to_it():
    grammar = NumberGrammar(2, signed=True)
    edges = bin_edges()
    for text, low, high in [
        ("1.00", 0.995, 1.005),
        ("-0.05", -0.055, -0.045),
        ("0.01", 0.005, 0.015),
        ("0.00", -0.005, 0.005),
    ]:
        overlap = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) / (high - low)
        np.testing.assert_allclose(one(grammar, text)[:OVERFLOW_BIN], overlap, atol=1e-9)


def test_zero_of_an_unsigned_quantity_has_no_negative_half():
    bins = one(NumberGrammar(2), "0.00")
    assert bins[:ZERO_BIN].sum() == 0
    assert bins[ZERO_BIN] == pytest.approx(0.001 / 0.005)
    assert bins[bin_index(0.0051) :].sum() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("text", ["100", "250", "999", "-100"])
def test_whole_numbers_too_long_for_the_grid_are_out_of_range(text):
    bins = one(NumberGrammar(2, signed=True), text)
    assert bins[OVERFLOW_BIN] == 1 and bins[:OVERFLOW_BIN].sum() == 0


@given(st.integers(0, 2**32 - 1), st.sampled_from(GRAMMARS))
@settings(deadline=None, max_examples=40)
def test_probability_is_kept(seed, grammar):
    rng = np.random.default_rng(seed)
    masses = rng.random((3, len(grammar.texts))) ** 8
    masses[1] = 0
    bins = grammar.to_bins(masses)
    assert bins.shape == (3, N_BINS) and (bins[[0, 2]] >= -1e-12).all()
    np.testing.assert_allclose(bins[[0, 2]].sum(axis=1), 1)
    assert np.isnan(bins[1]).all()
    if not grammar.signed:
        assert bins[[0, 2], :ZERO_BIN].sum() == 0
    values = grammar.ticks * grammar.step  # a threshold that is an edge of numbers and of no bin: compare the sums
    middle = np.searchsorted(bin_edges(), 0.5 + grammar.step / 2) - 1
    above = masses[0][(values >= 0.5 + grammar.step)].sum() / masses[0].sum()
    assert bins[0, middle + 1 :].sum() <= above + 1e-9 <= bins[0, middle:].sum() + 2e-9


@pytest.mark.parametrize("wrong", [{"decimals": 0}, {"decimals": 5}, {"integer_digits": 3}, {"integer_digits": 0}])
def test_impossible_grammars_are_refused(wrong):
    with pytest.raises(ConfigError, match="count"):
        NumberGrammar(**wrong)
