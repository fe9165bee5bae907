"""Samples to distributions: mass, median, width, sign, zero, overflow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, ZERO_BIN, bin_edges, bin_index
from spatialvlm_ros.models.remote.spread import presence_of, smoothed_fraction, spread_lengths

EDGES = bin_edges()


def spread(values, signed=False):
    return spread_lengths(values, values, values, signed)


def quantile(masses, q):
    """Length at a cumulated probability, linear inside a bin."""
    cumulative = np.concatenate([[0], np.cumsum(masses[:OVERFLOW_BIN])])
    return float(np.interp(q, cumulative, EDGES))


lengths = st.lists(st.floats(1e-3, 90), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(lengths, st.booleans())
def test_it_is_a_distribution_around_the_samples(values, signed):
    masses = spread(values, signed)
    assert masses.shape == (N_BINS,) and (masses >= 0).all() and masses.sum() == pytest.approx(1)
    if not signed:
        assert masses[:ZERO_BIN].sum() == 0
    if masses[OVERFLOW_BIN] < 0.4:
        assert min(values) / 1.6 <= quantile(masses, 0.5) <= max(values) * 1.6


@pytest.mark.parametrize("value", [0.004, 0.05, 0.5, 3.0, 20.0])
@pytest.mark.parametrize("signed", [False, True])
def test_the_median_is_the_samples(value, signed):
    assert quantile(spread([value] * 3, signed), 0.5) == pytest.approx(value, rel=0.03)


def test_more_agreeing_samples_make_it_narrower_but_never_certain():
    widths = []
    for n in (1, 2, 4, 8, 16, 64):
        masses = spread([0.5] * n)
        widths.append(np.log(quantile(masses, 0.95) / quantile(masses, 0.05)))
    assert all(a > b for a, b in zip(widths, widths[1:], strict=False))
    assert 1.2 < widths[0] < 2.5 and widths[-1] > 0.15


def test_disagreeing_samples_make_it_wider():
    near, far = spread([0.45, 0.5, 0.55, 0.5]), spread([0.2, 0.5, 1.25, 0.5])
    assert quantile(far, 0.95) > 1.5 * quantile(near, 0.95) and quantile(far, 0.05) < quantile(near, 0.05) / 1.5
    assert quantile(far, 0.5) == pytest.approx(0.5, rel=0.1)


def test_a_range_is_as_wide_as_it_says():
    masses = spread_lengths([0.5] * 64, [0.1] * 64, [2.5] * 64, False)
    assert quantile(masses, 0.05) == pytest.approx(0.1, rel=0.25) and quantile(masses, 0.95) == pytest.approx(
        2.5, rel=0.25
    )


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (2.0, np.inf), (-np.inf, 2.0)])
def test_bounds_are_wide_and_finite(low, high):
    bounded = spread_lengths([2.0] * 32, [low] * 32, [high] * 32, True)
    assert bounded.sum() == pytest.approx(1)
    assert quantile(bounded, 0.95) / quantile(bounded, 0.05) > quantile(spread([2.0] * 32, True), 0.95) / 2.0


def test_touching_is_the_zero_bin():
    assert spread([0.0] * 3)[ZERO_BIN] > 0.9


def test_signed_samples_keep_their_sign_and_zero_lies_between():
    assert spread([-0.3] * 4, True)[:ZERO_BIN].sum() > 0.97
    assert spread([0.3] * 4, True)[ZERO_BIN + 1 :].sum() > 0.97
    both = spread([-0.01, 0.0, 0.01], True)
    assert both[:ZERO_BIN].sum() == pytest.approx(both[ZERO_BIN + 1 :].sum(), abs=0.02)
    assert -0.05 < quantile(both, 0.05) < -0.005 < 0.005 < quantile(both, 0.95) < 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-90, 90), min_size=1, max_size=8))
def test_signed_distributions_mirror(values):
    there, back = spread(values, True), spread([-v for v in values], True)
    np.testing.assert_allclose(there[:OVERFLOW_BIN], back[:OVERFLOW_BIN][::-1], atol=1e-9)
    assert there[OVERFLOW_BIN] == pytest.approx(back[OVERFLOW_BIN])


def test_beyond_the_grid_is_out_of_range():
    assert spread([400.0] * 3)[OVERFLOW_BIN] > 0.95
    assert spread([-400.0] * 3, True)[OVERFLOW_BIN] > 0.95
    assert spread([0.5] * 3)[OVERFLOW_BIN] < 0.001


def test_no_length_is_impossible():
    assert spread([0.5] * 64)[bin_index(1.5)] > 1e-5


def test_nothing_said_is_nan_and_not_zero():
    assert np.isnan(spread([])).all()
    assert np.isnan(smoothed_fraction(0, 0)) and np.isnan(presence_of(0, 0, 0)).all()


def test_fractions_are_smoothed_after_laplace():
    assert smoothed_fraction(5, 0) == pytest.approx(6 / 7) and smoothed_fraction(0, 1) == pytest.approx(1 / 3)
    assert smoothed_fraction(0.5, 0.5) == 0.5
    np.testing.assert_allclose(presence_of(2, 1, 0), [7 / 12, 4 / 12, 1 / 12])
