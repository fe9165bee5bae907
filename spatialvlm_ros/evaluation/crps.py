"""Continuous ranked probability scores in log metres: how far a whole distribution is from the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from spatialvlm_ros.models.quantities import N_BINS, SMALLEST_M, ZERO_BIN, bin_edges

Float = NDArray[np.float64]

Z90 = 1.6448536269514722  # half width of a normal's 90% interval, in standard deviations


def crps_normal(mean: Float, std: Float, truth: Float) -> Float:
    """(N,) CRPS of normal distributions, in the unit of the values; the absolute error where std is 0."""
    std = np.asarray(std, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (truth - mean) / std
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        score = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.where(std > 0, score, np.abs(truth - mean))


def crps_log_interval(value: Float, low: Float, high: Float, truth: Float) -> Float:
    """(N,) CRPS in log metres of the log-normal with that median and 90% interval; NaN without an interval.

    An interval that reaches below 1 mm is cut there.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.log(np.maximum(value, SMALLEST_M))
        bottom = np.log(np.maximum(low, SMALLEST_M))
        std = (np.log(np.maximum(high, SMALLEST_M)) - bottom) / (2 * Z90)
        return crps_normal(mean, np.maximum(std, 0.0), np.log(np.maximum(truth, SMALLEST_M)))


def crps_grid(probabilities: Float, truth: Float) -> Float:
    """(N,) CRPS in log metres of distributions (N, N_BINS) on the grid of ``models/quantities.py``.

    What lies at or below 1 mm counts as 1 mm, the overflow as 100 m; inside a bin the mass is spread evenly over the
    logarithm. Exact: the square of the distance between a piecewise linear function and a step is integrated.
    """
    p = np.asarray(probabilities, float)
    assert p.shape[1] == N_BINS
    p = p / p.sum(axis=1, keepdims=True)
    edges = np.log(bin_edges()[ZERO_BIN + 1 :])  # of the positive bins
    below = p[:, : ZERO_BIN + 1].sum(axis=1, keepdims=True)
    cdf = np.concatenate([below, below + np.cumsum(p[:, ZERO_BIN + 1 : N_BINS - 1], axis=1)], axis=1)
    y = np.clip(np.log(np.maximum(truth, SMALLEST_M)), edges[0], edges[-1])
    width = np.diff(edges)
    a, b = cdf[:, :-1], cdf[:, 1:]
    before = _squares(a, b) * width
    after = _squares(1 - a, 1 - b) * width
    k = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, len(width) - 1)
    columns = np.arange(len(width))
    total = np.where(columns < k[:, None], before, 0).sum(axis=1) + np.where(columns > k[:, None], after, 0).sum(axis=1)
    rows = np.arange(len(p))
    share = (y - edges[k]) / width[k]
    ak, bk = a[rows, k], b[rows, k]
    middle = ak + (bk - ak) * share
    return total + width[k] * (share * _squares(ak, middle) + (1 - share) * _squares(1 - middle, 1 - bk))


def _squares(a: Float, b: Float) -> Float:
    """Mean of the square of a line from a to b."""
    return (a * a + a * b + b * b) / 3


def crps_quantiles(quantiles: Float, truth: Float) -> Float:
    """(N,) CRPS in log metres of distributions given as quantiles (N, Q) in metres at the levels (k + 1/2) / Q.

    Twice the mean of the pinball losses; NaN where a quantile is.
    """
    q = quantiles.shape[1]
    levels = (np.arange(q) + 0.5) / q
    with np.errstate(invalid="ignore"):
        error = np.log(np.maximum(truth, SMALLEST_M))[:, None] - np.log(np.maximum(quantiles, SMALLEST_M))
        score = 2 * np.maximum(levels * error, (levels - 1) * error).mean(axis=1)
    return np.where(np.isnan(quantiles).any(axis=1), np.nan, score)
