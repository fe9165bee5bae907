"""When a name is refused, by the three probabilities of being there once, not, or several times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.calibration import Thresholds
from spatialvlm_ros.models.presence import features, fit_weights, refusal_odds

NAN = float("nan")


def said(rng: np.random.Generator, n: int, *means: float) -> np.ndarray:
    """(n, 3) probabilities around softmax(means)."""
    odds = rng.normal(means, 1.0, (n, 3))
    odds = np.exp(odds)
    return odds / odds.sum(axis=1, keepdims=True)


def refused(presence: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    return refusal_odds(presence, thresholds).max(axis=1) > 0


# A model that never says "several", but doubts "once" in another way of such names than of others.
@pytest.fixture(scope="module")
def names() -> dict[int, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        PRESENT: said(rng, 2000, 4.0, 1.5, -3.0),
        ABSENT: said(rng, 600, -1.0, 4.0, -3.0),
        AMBIGUOUS: said(rng, 400, 4.0, 1.5, 1.0),
    }


@pytest.fixture(scope="module")
def fitted(names: dict[int, np.ndarray]) -> Thresholds:
    absent, several = (fit_weights(names[PRESENT], names[k], k, 0.01, 0.95) for k in (ABSENT, AMBIGUOUS))
    return Thresholds(absent=absent, several=several)


def test_hardly_a_thing_that_is_there_is_refused(names: dict[int, np.ndarray], fitted: Thresholds) -> None:
    assert 0 < refused(names[PRESENT], fitted).mean() <= 0.02 + 1e-9  # a hundredth for either reason


def test_names_of_several_things_are_told_where_the_probability_of_once_does_not(
    names: dict[int, np.ndarray], fitted: Thresholds
) -> None:
    odds = refusal_odds(names[AMBIGUOUS], fitted)
    assert (odds[:, 1] > 0).mean() > 0.6
    assert (odds[:, 1] > odds[:, 0])[odds.max(axis=1) > 0].mean() > 0.95  # with the right reason
    # The same share of things that are there, refused by the probability of "once" alone:
    limit = float(np.quantile(names[PRESENT][:, PRESENT], refused(names[PRESENT], fitted).mean()))
    assert (names[AMBIGUOUS][:, PRESENT] < limit).mean() < 0.45
    absent = refusal_odds(names[ABSENT], fitted)
    assert (absent[:, 0] > 0).mean() > 0.9 and (absent[:, 0] > absent[:, 1]).mean() > 0.95


def test_where_all_can_be_had_the_limit_is_half_way() -> None:
    rng = np.random.default_rng(0)
    there, gone = said(rng, 500, 9.0, -9.0, -9.0), said(rng, 500, -9.0, 9.0, -9.0)
    weights = fit_weights(there, gone, ABSENT, 0.01, 0.95)
    odds = features(np.concatenate([there, gone])) @ weights
    assert (odds[:500] < 0).all() and (odds[500:] > 0).all()
    lowest, highest = np.quantile(odds[500:], 0.05), np.quantile(odds[:500], 0.99)
    assert lowest == pytest.approx(-highest)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.02, 0.98))
def test_without_weights_the_probability_of_once_decides_and_the_likelier_reason_is_told(
    first: float, second: float, limit: float
) -> None:
    low, high = sorted((first, second))
    row = np.array([[low, high - low, 1 - high]])  # any three that are 1 together
    absent, several = refusal_odds(row, Thresholds(present=limit))[0]
    clear = abs(low - limit) > 1e-9
    assert not clear or (max(absent, several) > 0) == (low < limit)
    if max(absent, several) > 0 and row[0, ABSENT] != row[0, AMBIGUOUS]:
        assert (absent > several) == (row[0, ABSENT] > row[0, AMBIGUOUS])


def test_a_model_that_says_nothing_of_presence_refuses_nothing(fitted: Thresholds) -> None:
    rows = np.array([[NAN, NAN, NAN], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for thresholds in (fitted, Thresholds()):
        assert refused(rows, thresholds).tolist() == [False, False, True]


def test_certainty_is_no_infinity() -> None:
    assert np.isfinite(features(np.eye(3))).all()
