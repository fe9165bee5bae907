"""Two read-outs of one quantity: weights and widths against closed forms, and never worse than the better one."""

import numpy as np
import pytest
from scipy.special import ndtri

from spatialvlm_ros.models.distributions import LEVELS, Spread
from spatialvlm_ros.models.fusion import combine

NORMAL = ndtri(LEVELS)
NO_OUTLIERS = (1e-9, 1e-9)


def spread(middles, std):
    middles = np.atleast_1d(np.asarray(middles, float))
    return Spread.of(middles[:, None] + std * NORMAL)


def combined(a, b, rho=0.0, alone=np.nan, outliers=NO_OUTLIERS):
    n = len(a.middle)
    shares = tuple(np.full(n, share) for share in outliers)
    return combine(a, b, np.full(n, rho), np.full(n, alone), shares)


def test_equal_and_independent_ones_are_averaged():
    mixed, weight = combined(spread(1.0, 0.2), spread(1.2, 0.2))
    assert weight[0] == pytest.approx(0.5)
    assert mixed.middle[0] == pytest.approx(1.1)
    assert mixed.width[0] == pytest.approx(0.2 / np.sqrt(2), rel=0.01)


def test_the_more_precise_one_counts_more():
    mixed, weight = combined(spread(1.0, 0.1), spread(1.0, 0.3))
    assert weight[0] == pytest.approx(0.9, abs=1e-3)
    assert mixed.width[0] == pytest.approx(0.1 * 0.3 / np.hypot(0.1, 0.3), rel=0.01)


def test_errors_in_common_are_not_averaged_out():
    mixed, _ = combined(spread(1.0, 0.2), spread(1.0, 0.2), rho=0.5)
    assert mixed.width[0] == pytest.approx(0.2 * np.sqrt(0.75), rel=0.01)


def test_one_that_is_missing_leaves_the_other_as_it_is():
    gone = Spread(np.array([np.nan]), np.array([np.nan]), np.full((1, len(LEVELS)), np.nan))
    for pair, expected in (((gone, spread(2.0, 0.4)), 0.0), ((spread(2.0, 0.4), gone), 1.0)):
        mixed, weight = combined(*pair)
        assert weight[0] == expected
        assert mixed.middle[0] == pytest.approx(2.0) and mixed.width[0] == pytest.approx(0.4, rel=0.01)
    assert np.isnan(combined(gone, gone)[0].middle[0])


def test_a_read_out_can_be_used_alone():
    mixed, weight = combined(spread(1.0, 0.2), spread(9.0, 0.01), alone=1.0)
    assert weight[0] == 1.0 and mixed.middle[0] == pytest.approx(1.0)


def test_the_one_that_is_often_an_outlier_loses_when_they_contradict():
    mixed, weight = combined(spread(1.0, 0.1), spread(3.0, 0.02), outliers=(0.001, 0.1))
    assert weight[0] > 0.9 and abs(mixed.middle[0] - 1.0) < 0.2
    agreeing, weight = combined(spread(1.0, 0.1), spread(1.05, 0.02), outliers=(0.001, 0.1))
    assert weight[0] < 0.15


@pytest.mark.parametrize("stds", [(0.1, 0.1), (0.1, 0.5), (0.4, 0.05), (0.2, 0.01)])
@pytest.mark.parametrize("outliers", [0.0, 0.08])
def test_never_worse_than_the_better_one_by_five_per_cent(stds, outliers):
    """Errors are drawn as stated; with outliers, a share of the composed ones has little to do with the truth."""
    rng = np.random.default_rng(1)
    n = 20000
    direct, composed = (s * rng.standard_normal(n) for s in stds)
    composed = np.where(rng.random(n) < outliers, 5 * max(stds) * rng.standard_normal(n), composed)
    shares = (1e-4, max(outliers, 1e-4))
    mixed, _ = combined(spread(direct, stds[0]), spread(composed, stds[1]), outliers=shares)
    rms = [float(np.sqrt(np.mean(e**2))) for e in (mixed.middle, direct, composed)]
    assert rms[0] <= 1.05 * min(rms[1:])
    if outliers == 0:
        assert mixed.width.mean() == pytest.approx(rms[0], rel=0.08)
