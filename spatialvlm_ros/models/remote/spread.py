"""Several sampled answers as one distribution on the grid of quantities, or as one probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from spatialvlm_ros.models.quantities import N_BINS, OVERFLOW_BIN, bin_edges

Float = NDArray[np.float64]

# Lengths are compared as asinh(x / scale): like their logarithm where they are long, linear around zero, so that zero
# and either sign have a place. The scale is where the one turns into the other.
UNSIGNED_SCALE_M = 1e-3
SIGNED_SCALE_M = 0.02
PRIOR_STD = 0.35  # natural log; what one answer of a model is worth before calibration: a factor of 1.4
PRIOR_WEIGHT = 2.0  # the prior counts like so many answers
LEAST_BANDWIDTH = 0.05
FLOOR = 0.02  # mass that is spread wide, so that no length is impossible
FLOOR_STD = 1.5
_NORMAL_90 = 1.6448536269514722


def spread_lengths(values: ArrayLike, lows: ArrayLike, highs: ArrayLike, signed: bool) -> Float:
    """(N_BINS,) probabilities on the quantity grid from K sampled lengths; all NaN for K = 0.

    A Gaussian kernel sits on each sample (on asinh of it), wide enough that the whole mixture has the samples' variance
    shrunk towards that of a prior: one sample alone, or five that agree, do not make a certain answer. A sample that
    was said as a range is as wide as its range. A little mass is spread wide; mass beyond 100 m is "out of range".

    Args:
        values: (K,) metres.
        lows, highs: (K,) metres, ends of the range that was said, else the value itself (0 or inf for open ends).
        signed: whether the quantity can be negative; if not, negative mass is cut off.
    """
    samples = np.asarray(values, dtype=np.float64)
    if len(samples) == 0:
        return np.full(N_BINS, np.nan)
    scale = SIGNED_SCALE_M if signed else UNSIGNED_SCALE_M
    if not signed:
        samples = np.maximum(samples, 0.0)
    centers = np.arcsinh(samples / scale)
    bandwidths = np.hypot(_bandwidth(centers), _range_stds(samples, lows, highs, scale))
    limits = np.arcsinh(bin_edges() / scale)
    kernels = ndtr((limits[:, None] - centers) / bandwidths).mean(axis=1)
    wide = ndtr((limits - np.median(centers)) / np.hypot(FLOOR_STD, np.std(centers)))
    cumulative = (1 - FLOOR) * kernels + FLOOR * wide
    return _bins(cumulative, signed)


def _bins(cumulative: Float, signed: bool) -> Float:
    """Masses of the bins from the cumulative distribution at their edges."""
    masses = np.empty(N_BINS)
    masses[:OVERFLOW_BIN] = np.diff(cumulative)
    masses[OVERFLOW_BIN] = 1 - cumulative[-1] + (cumulative[0] if signed else 0.0)
    if not signed:
        masses[: OVERFLOW_BIN // 2] = 0.0
    masses = np.maximum(masses, 0.0)
    return masses / masses.sum()


def _bandwidth(centers: Float) -> float:
    """Width of the kernel: the mixture's variance is the predictive one under the prior, and no sample stands alone."""
    n = len(centers)
    variance = float(np.var(centers))
    shrunk = (PRIOR_WEIGHT * PRIOR_STD**2 + n * variance) / (PRIOR_WEIGHT + n - 1) * (1 + 1 / n)
    silverman = 0.9 * np.sqrt(variance) * n**-0.2
    return float(max(np.sqrt(max(shrunk - variance, 0.0)), silverman, LEAST_BANDWIDTH))


def _range_stds(values: Float, lows: ArrayLike, highs: ArrayLike, scale: float) -> Float:
    """(K,) standard deviation of each sample that was said as a range, which is taken as its 90% interval."""
    ends = np.stack([np.asarray(lows, dtype=np.float64), np.asarray(highs, dtype=np.float64)])
    # "over 2 m" and "under 2 m" are about 2 m, a factor of two either way.
    ends = np.where(np.isinf(ends), values * 2, ends)
    ends = np.where((ends == 0) & (values != 0), values / 2, ends)
    return np.abs(np.diff(np.arcsinh(ends / scale), axis=0)[0]) / (2 * _NORMAL_90)


def smoothed_fraction(yes: float, no: float) -> float:
    """P(true) from counted answers, smoothed after Laplace; NaN when there are none. An "uncertain" answer counts half
    to either side."""
    return float("nan") if yes + no == 0 else (yes + 1) / (yes + no + 2)


def presence_of(once: int, absent: int, several: int) -> Float:
    """(3,) probabilities of: there once, not there, there several times, from counted answers, smoothed by a third of
    an answer each; NaN when there are none."""
    counts = np.array([once, absent, several], dtype=np.float64)
    if counts.sum() == 0:
        return np.full(3, np.nan)
    return (counts + 1 / 3) / (counts.sum() + 1)
