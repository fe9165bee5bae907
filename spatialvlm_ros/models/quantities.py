"""The grid of lengths that quantity tokens stand for, and distributions on it.

Bins are symmetric: one zero bin (|x| < 1 mm), log-spaced magnitudes from 1 mm to 100 m, each with a sign, and an
overflow bin that means "out of range".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

SMALLEST_M = 1e-3
LARGEST_M = 100.0
BINS_PER_SIGN = 230  # a ratio of 1.051 from bin to bin
_LOG_STEP = math.log(LARGEST_M / SMALLEST_M) / BINS_PER_SIGN

ZERO_BIN = BINS_PER_SIGN  # the negative ones before it, largest magnitude first
OVERFLOW_BIN = 2 * BINS_PER_SIGN + 1
N_BINS = OVERFLOW_BIN + 1


def bin_edges() -> Float:
    """(N_BINS,) edges of the bins without overflow, ascending: bin i spans edges[i] .. edges[i + 1]; metres."""
    positive = SMALLEST_M * np.exp(_LOG_STEP * np.arange(BINS_PER_SIGN + 1))
    return np.concatenate([-positive[::-1], positive])


def bin_values() -> Float:
    """(N_BINS,) metres that each bin stands for (geometric middle); the overflow bin has NaN."""
    positive = SMALLEST_M * np.exp(_LOG_STEP * (np.arange(BINS_PER_SIGN) + 0.5))
    return np.concatenate([-positive[::-1], [0.0], positive, [np.nan]])


def bin_position(values: ArrayLike) -> Float:
    """Position of lengths on the grid in units of bins, a float: i + 0.5 is the middle of bin i. Values beyond
    100 m are put into the overflow bin."""
    values = np.asarray(values, dtype=np.float64)
    magnitude = np.abs(values)
    steps = np.log(np.maximum(magnitude, SMALLEST_M) / SMALLEST_M) / _LOG_STEP
    signed = np.where(values >= 0, ZERO_BIN + 1 + steps, ZERO_BIN - steps)
    within = ZERO_BIN + 0.5 + values / SMALLEST_M / 2
    position = np.where(magnitude < SMALLEST_M, within, signed)
    return np.where(magnitude >= LARGEST_M, OVERFLOW_BIN + 0.5, position)


def bin_index(values: ArrayLike) -> NDArray[np.int64]:
    """The bin of each length in metres."""
    return np.floor(bin_position(values)).astype(np.int64)
