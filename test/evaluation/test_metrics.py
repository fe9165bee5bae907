"""Rules, intervals and scores against numbers worked out by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from spatialvlm_ros.evaluation import metrics
from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.crps import crps_grid, crps_log_interval, crps_normal, crps_quantiles
from spatialvlm_ros.evaluation.intervals import Bootstrap, median, share, wilson
from spatialvlm_ros.geometry.boxes2d import iou
from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, ZERO_BIN, bin_edges, bin_index

TRUTH = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0])
VALUE = np.array([0.5, 2.0, 0.49, 2.01, -1.0, np.nan])


def test_ratio_rules_by_hand():
    assert metrics.within_factor(VALUE, TRUTH, 2.0).tolist() == [True, True, False, False, False, False]
    value, truth = np.array([1.25, 0.75, 1.26, 0.8, 0.79, 1.1, 0.9]), np.ones(7)
    assert metrics.within_share(value, truth, 0.25).tolist() == [True, True, False, True, True, True, True]
    assert metrics.within_factor(value, truth, 1.25).tolist() == [True, False, False, True, False, True, True]
    assert metrics.within_share(value, truth, 0.1).tolist() == [False] * 5 + [True, True]


def test_metre_rules_take_signs_and_zero():
    value, truth = np.array([0.0, 0.02, -0.02, -0.1, np.nan]), np.array([0.0, 0.0, 0.01, 0.1, 0.0])
    assert metrics.within_metres(value, truth, 0.02).tolist() == [True, True, False, False, False]
    assert metrics.within_metres(value, truth, 0.2).tolist() == [True, True, True, True, False]


def test_mean_relative_accuracy_by_hand():
    """Relative errors 0, 0.12, 0.3, 0.51: at most 1 - t for all 10 thresholds, for 8 of them, for 5, for none."""
    value = np.array([1.0, 1.12, 0.7, 1.51, np.nan])
    assert metrics.mean_relative_accuracy(value, np.ones(5)) == pytest.approx([1.0, 0.8, 0.5, 0.0, 0.0])


def test_mean_relative_accuracy_is_that_of_the_reader_of_vsi_bench():
    from spatialvlm_ros.evaluation.readers.vsi_bench import mean_relative_accuracy

    value = np.random.default_rng(0).uniform(0.2, 2.0, 200)
    assert metrics.mean_relative_accuracy(value, np.ones(200)).tolist() == pytest.approx(
        [mean_relative_accuracy(v, 1.0) for v in value]
    )


def test_sides_need_an_answer_that_takes_one():
    answers = Answers.of_values(np.array([0.9, 0.9, 0.1, 0.1, 0.5, np.nan]))
    assert metrics.right_side(answers, np.array([1, -1, 1, -1, 1, 1.0])).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]


def test_overlap_by_hand():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6], [np.nan] * 4, [0, 0, 4, 1]], float)
    other = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 4]], float)
    assert iou(boxes, other) == pytest.approx([1.0, 1 / 3, 0.0, 0.0, 1 / 7])


@given(st.integers(1, 400), st.data())
def test_wilson_is_scipys(n, data):
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert low <= hits / n <= high


def test_the_papers_interval():
    """37.2% of 215 is 31.0 to 43.8."""
    assert [round(100 * float(v), 1) for v in wilson(80, 215)] == [31.0, 43.8]


def test_medians_have_the_coverage_of_their_intervals():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(400):
        m = median(rng.exponential(size=41))
        inside.append(m.low <= np.log(2) <= m.high)
    assert 0.92 < np.mean(inside) <= 1.0
    assert median(np.array([3.0, 1.0, np.nan, 2.0])).value == 2.0


def test_the_bootstrap_of_one_group_is_the_standard_error_of_a_mean():
    rng = np.random.default_rng(2)
    values = rng.normal(3, 2, 900)
    made = Bootstrap(900, 2000).macro(values, np.ones(900), np.zeros(900, int), np.arange(900))
    error = values.std(ddof=1) / 30
    assert made.value == pytest.approx(values.mean(), rel=1e-5)
    assert (made.high - made.low) / (2 * 1.96) == pytest.approx(error, rel=0.08)


def test_macro_averages_weigh_families_and_not_items():
    hits = np.array([1.0] * 90 + [0.0] * 10 + [0.0, 1.0])
    group = np.array([0] * 100 + [7] * 2)
    made = Bootstrap(102).macro(hits, np.ones(102), group, np.arange(102))
    assert made.value == pytest.approx((0.9 + 0.5) / 2)


def test_pictures_of_one_scene_are_one_witness():
    """Ten copies of every answer tell no more than one: the interval must not shrink."""
    rng = np.random.default_rng(3)
    hits = (rng.random(100) < 0.6).astype(float)
    alone = Bootstrap(100, 2000).macro(hits, np.ones(100), np.zeros(100, int), np.arange(100))
    many = Bootstrap(100, 2000).macro(
        np.repeat(hits, 10), np.ones(1000), np.zeros(1000, int), np.repeat(np.arange(100), 10)
    )
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=1e-5)
    assert share(np.repeat(hits, 10) > 0).high - share(np.repeat(hits, 10) > 0).low < 0.5 * (alone.high - alone.low)


def brute(cdf, truth, low=-15.0, high=10.0):
    below = integrate.quad(lambda x: cdf(x) ** 2, low, truth, limit=400)[0]
    return below + integrate.quad(lambda x: (1 - cdf(x)) ** 2, truth, high, limit=400)[0]


@pytest.mark.parametrize(("mean", "std", "truth"), [(0.0, 1.0, 0.3), (1.0, 0.2, -0.5), (-1.0, 2.0, 3.0)])
def test_crps_of_a_normal_is_its_integral(mean, std, truth):
    expected = brute(stats.norm(mean, std).cdf, truth)
    assert crps_normal(np.array([mean]), np.array([std]), np.array([truth]))[0] == pytest.approx(expected, abs=1e-6)


def test_a_certain_forecast_scores_its_error():
    assert crps_normal(np.array([2.0]), np.array([0.0]), np.array([1.5]))[0] == 0.5
    one = np.array([1.0])
    assert crps_log_interval(one, one, one, np.array([np.e]))[0] == pytest.approx(1.0)


def test_the_three_forms_of_a_forecast_agree():
    """The same log-normal as an interval, as quantiles and on the grid of quantity tokens."""
    truth = np.array([0.4, 0.9, 1.0, 2.5, 0.02])
    mean, std = np.log(0.9), 0.35
    z90 = stats.norm.ppf(0.95)
    ones = np.ones(len(truth))
    interval = crps_log_interval(0.9 * ones, np.exp(mean - z90 * std) * ones, np.exp(mean + z90 * std) * ones, truth)
    levels = (np.arange(400) + 0.5) / 400
    quantiles = crps_quantiles(np.tile(np.exp(stats.norm.ppf(levels, mean, std)), (5, 1)), truth)
    p = np.zeros(N_BINS)
    edges = bin_edges()[ZERO_BIN + 1 :]
    p[ZERO_BIN + 1 : OVERFLOW_BIN] = np.diff(stats.norm.cdf(np.log(edges), mean, std))
    grid = crps_grid(np.tile(p, (5, 1)), truth)
    assert quantiles == pytest.approx(interval, rel=0.01)
    assert grid == pytest.approx(interval, rel=0.02)


def test_the_grid_score_is_the_integral_of_its_steps():
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.full(N_BINS, 0.05))
    truth = 0.37
    edges = np.log(bin_edges()[ZERO_BIN + 1 :])
    cdf = p[: ZERO_BIN + 1].sum() + np.concatenate([[0], np.cumsum(p[ZERO_BIN + 1 : OVERFLOW_BIN])])
    fine = np.linspace(edges[0], edges[-1], 400_001)
    squares = (np.interp(fine, edges, cdf) - (fine >= np.log(truth))) ** 2
    assert crps_grid(p[None], np.array([truth]))[0] == pytest.approx(integrate.trapezoid(squares, fine), rel=1e-3)


def test_the_best_grid_forecast_is_the_truth():
    sure = np.zeros((1, N_BINS))
    sure[0, bin_index(0.5)] = 1
    flat = np.ones((1, N_BINS))
    assert crps_grid(sure, np.array([0.5]))[0] < 0.03 < crps_grid(flat, np.array([0.5]))[0]


def test_intervals_that_touch_zero_are_scored():
    score = crps_log_interval(np.array([0.1]), np.array([-0.1]), np.array([0.3]), np.array([0.1]))
    assert np.isfinite(score).all() and score[0] > 0
