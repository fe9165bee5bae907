"""Quantiles of bins and samples, and the coordinate they are combined in, against known distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import gaussian_bins
from scipy.special import ndtri

from spatialvlm_ros.models.distributions import (
    LEVELS,
    RELATION_INDEX,
    RELATION_ORDER,
    Spread,
    coordinate_scale,
    from_coordinate,
    quantile_at,
    quantiles_of_bins,
    quantiles_of_samples,
    to_coordinate,
)
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, bin_index
from spatialvlm_ros.scenes.relations import RELATIONS, Relation


@given(st.floats(-90, 90), st.sampled_from(RELATION_ORDER))
def test_the_coordinate_has_an_inverse(metres, relation):
    value = metres if RELATIONS[relation].signed else abs(metres)
    index = np.array([RELATION_INDEX[relation]])
    assert from_coordinate(to_coordinate(np.array([value]), index), index)[0] == pytest.approx(value, abs=1e-9)


def test_the_coordinate_is_logarithmic_for_lengths_and_linear_near_zero_for_signed_ones():
    distance, left = (np.full(2, RELATION_INDEX[r]) for r in (Relation.DISTANCE, Relation.LEFT_DIFF))
    ratio = np.diff(to_coordinate(np.array([0.5, 1.0]), distance))[0]
    assert ratio == pytest.approx(np.log(2), rel=1e-3)
    step = np.diff(to_coordinate(np.array([-0.005, 0.005]), left))[0]
    assert step == pytest.approx(0.01 / coordinate_scale(Relation.LEFT_DIFF), rel=1e-2)


def test_lengths_that_cannot_be_negative_never_are():
    index = np.array([RELATION_INDEX[Relation.GAP]])
    assert from_coordinate(np.array([-3.0]), index)[0] == 0.0


@pytest.mark.parametrize(("middle", "std", "scale"), [(7.0, 0.2, 1e-3), (-1.5, 0.5, 0.1), (0.0, 0.3, 0.1)])
def test_quantiles_of_bins_are_those_of_the_distribution(middle, std, scale):
    found, overflow = quantiles_of_bins(gaussian_bins(middle, std, scale)[None])
    expected = scale * np.sinh(middle + std * ndtri(LEVELS))
    inner = slice(3, -3)
    np.testing.assert_allclose(found[0, inner], expected[inner], rtol=0.01, atol=2e-4)
    assert overflow[0] == pytest.approx(0, abs=1e-6)


def test_overflow_is_kept_apart_and_rows_without_numbers_stay_without():
    bins = np.full((3, N_BINS), np.nan)
    bins[0] = 0
    bins[0, bin_index(0.5)], bins[0, OVERFLOW_BIN] = 0.25, 0.75
    bins[1] = 0
    bins[1, OVERFLOW_BIN] = 1.0
    quantiles, overflow = quantiles_of_bins(bins)
    assert quantile_at(quantiles, 0.5)[0] == pytest.approx(0.5, rel=0.03)
    assert np.isnan(quantiles[1:]).all()
    np.testing.assert_allclose(overflow, [0.75, 1.0, 0.0])


def test_quantiles_of_samples():
    samples = np.stack([np.linspace(0, 1, 128), np.linspace(0, 2, 128)])
    samples[1, 5] = np.nan
    found = quantiles_of_samples(samples)
    np.testing.assert_allclose(found[0], LEVELS, atol=0.006)
    assert np.isnan(found[1]).all()


def test_moving_and_widening_a_spread():
    spread = Spread.of((3 + 0.5 * ndtri(LEVELS))[None])
    assert spread.middle[0] == pytest.approx(3) and spread.width[0] == pytest.approx(0.5, rel=0.01)
    moved = Spread.of(spread.moved(1.0, 2.0).quantiles())
    assert moved.middle[0] == pytest.approx(4) and moved.width[0] == pytest.approx(1.0, rel=0.01)
    low, high = spread.ends()
    assert low[0] == pytest.approx(-1.645, rel=0.02) and high[0] == pytest.approx(1.645, rel=0.02)
