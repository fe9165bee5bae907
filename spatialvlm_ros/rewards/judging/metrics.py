"""The numbers that say how good an estimated potential is; each of arrays of one or many episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.intervals import Measured, share

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

NEAR_M = 0.10  # frames with the tool so near to the target's surface are judged apart
BINS = 10
CONSTANT_M = 0.05  # what one can say of them without looking
FINAL_QUANTILE = 0.10  # of the successes: a failure should end below it
_FLAT = 1e-9
_DRAWS = 1000


def spearman(estimated: Float, true: Float) -> float:
    """Rank correlation of two series; 0 where the estimate does not move, NaN where the truth does not."""
    from scipy.stats import rankdata

    if len(true) < 2 or np.ptp(true) < _FLAT:
        return float("nan")
    if np.ptp(estimated) < _FLAT:
        return 0.0
    return float(np.corrcoef(rankdata(estimated), rankdata(true))[0, 1])


def success_auc(score: Float, succeeded: Bool) -> float:
    """Chance that an episode that succeeded scores higher than one that did not (ties: half); NaN without both."""
    good, bad = score[succeeded], score[~succeeded]
    if not len(good) or not len(bad):
        return float("nan")
    return float(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad)))


def false_progress(estimated: Float, true: Float) -> float:
    """The most that a potential (T,) ever exceeds what has truly been reached by then: what a learner may exploit."""
    if not len(true):
        return float("nan")
    return float(np.maximum(estimated - np.maximum.accumulate(true), 0.0).max())


def final_false_progress(last: Float, succeeded: Bool) -> Measured:
    """Share of the episodes that failed whose final potential (N,) reaches the 10th percentile of those that succeeded.

    So it is found at most where the end of a failure looks like that of a success. A potential that ends alike in
    both, and tells nothing, reaches it in all of them. Unknown without episodes of both kinds.
    """
    good, bad = last[succeeded], last[~succeeded]
    if not len(good):
        return share(np.zeros(0, dtype=bool))
    return share(bad >= np.quantile(good, FINAL_QUANTILE))


def interval_coverage(low: Float, high: Float, true: Float) -> float:
    """Share of the answered frames of an episode whose interval holds the truth; NaN without any."""
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return float("nan")
    return float(((low[known] <= true[known]) & (true[known] <= high[known])).mean())


def mean_over_episodes(values: Float, seed: int = 0) -> Measured:
    """The mean with the 95% interval of a bootstrap over episodes; NaN episodes do not count."""
    values = values[np.isfinite(values)]
    if not len(values):
        return Measured(np.nan, np.nan, np.nan, 0)
    drawn = np.random.default_rng(seed).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return Measured(float(values.mean()), float(low), float(high), len(values))


@dataclass(frozen=True)
class NearContact:
    """The measured gap of frames whose true gap is below `NEAR_M`; every centimetre counts the same.

    Attributes:
        frames: (BINS,) how many of each centimetre there are.
        answered: share of them with an answer; `answered_evenly` weights each centimetre alike.
        error_m: mean absolute error of the answers, metres; `constant_error_m` is that of saying 5 cm in these frames.
        slope: of the regression of the answer on the truth: 1 at best, 0 for a constant.
    """

    frames: NDArray[np.int64]
    answered: Measured
    answered_evenly: float
    error_m: float
    constant_error_m: float
    slope: float


def near_contact(true_gap: Float, said: Float) -> NearContact:
    """Judge the gaps (N,) of frames; ``said`` is NaN where there is no answer.

    Frames come unevenly over the centimetres, so each is weighted by one over the number in its own; a centimetre
    without frames, or without an answer, has no weight.
    """
    near = (true_gap >= 0) & (true_gap <= NEAR_M)
    true_gap, said = true_gap[near], said[near]
    place = np.minimum((true_gap / NEAR_M * BINS).astype(np.int64), BINS - 1)
    known = np.isfinite(said)
    weight = _even(place[known])
    truth, answer = true_gap[known], said[known]
    return NearContact(
        frames=np.bincount(place, minlength=BINS),
        answered=share(known),
        answered_evenly=_mean(known.astype(np.float64), _even(place)),
        error_m=_mean(np.abs(answer - truth), weight),
        constant_error_m=_mean(np.abs(CONSTANT_M - truth), weight),
        slope=_slope(truth, answer, weight),
    )


def _even(place: NDArray[np.int64]) -> Float:
    """(N,) weights, 1 together, with which each bin counts the same."""
    counts = np.bincount(place, minlength=BINS)
    return 1.0 / (np.count_nonzero(counts) * counts[place]) if len(place) else np.zeros(0)


def _mean(values: Float, weight: Float) -> float:
    return float((values * weight).sum()) if len(values) else float("nan")


def _slope(truth: Float, answer: Float, weight: Float) -> float:
    if len(truth) < 2 or np.ptp(truth) < _FLAT:
        return float("nan")
    away = truth - (weight * truth).sum()
    return float((weight * away * answer).sum() / (weight * away**2).sum())
