"""Distributions of N lengths as quantiles, and the coordinate in which they are corrected and combined.

Lengths that cannot be small are combined in log metres, signed and near-zero ones in metres. One function does both:
``asinh(x / scale)`` is linear far below its scale and logarithmic far above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.models.quantities import OVERFLOW_BIN, bin_edges
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

N_LEVELS = 60
LEVELS: Float = (np.arange(N_LEVELS) + 0.5) / N_LEVELS

RELATION_ORDER: tuple[Relation, ...] = tuple(Relation)
RELATION_INDEX: dict[Relation, int] = {r: i for i, r in enumerate(RELATION_ORDER)}

_LOG_SCALE = 1e-3  # far below every length that is combined in log metres
_VOLUME_SCALE = 1e-9
_NEAR_ZERO_SCALE = 0.03
_SIGNED_SCALE = 0.1
_NEAR_ZERO = (Relation.GAP, Relation.VERTICAL_DISTANCE, Relation.HORIZONTAL_DISTANCE, Relation.FREE_WIDTH)
_LEAST_WIDTH = 1e-4  # of a distribution, in its coordinate


def coordinate_scale(relation: Relation) -> float:
    """Metres (m3 for a volume) below which a quantity counts linearly."""
    spec = RELATIONS[relation]
    if spec.unit == "m3":
        return _VOLUME_SCALE
    if spec.signed:
        return _SIGNED_SCALE
    return _NEAR_ZERO_SCALE if relation in _NEAR_ZERO else _LOG_SCALE


@lru_cache(maxsize=1)
def _scales() -> Float:
    return np.array([coordinate_scale(r) for r in RELATION_ORDER])


@lru_cache(maxsize=1)
def _floors() -> Float:
    return np.array([-np.inf if RELATIONS[r].signed else 0.0 for r in RELATION_ORDER])


def to_coordinate(values: ArrayLike, relations: Int) -> Float:
    """Lengths (N,) or (N, Q) of relations (N,), indices into `RELATION_ORDER` -> their coordinates."""
    values = np.asarray(values, dtype=np.float64)
    scale = _scales()[relations]
    return np.arcsinh(values / (scale if values.ndim == 1 else scale[:, None]))


def from_coordinate(coordinates: Float, relations: Int) -> Float:
    """The inverse of `to_coordinate`; lengths that cannot be negative are at least 0."""
    scale, floor = _scales()[relations], _floors()[relations]
    if coordinates.ndim == 2:
        scale, floor = scale[:, None], floor[:, None]
    return np.maximum(scale * np.sinh(coordinates), floor)


@dataclass(frozen=True)
class Spread:
    """N distributions in their coordinates: a location, a width, and a shape.

    Attributes:
        middle: (N,) median.
        width: (N,) half the distance of the 16% and the 84% quantile.
        shape: (N, N_LEVELS) quantiles at `LEVELS` after subtracting the median and dividing by the width.
    """

    middle: Float
    width: Float
    shape: Float

    @staticmethod
    def of(quantiles: Float) -> Spread:
        """From (N, N_LEVELS) quantiles in the coordinate; NaN rows stay NaN."""
        middle = _at(quantiles, 0.5)
        width = np.maximum((_at(quantiles, _HIGH) - _at(quantiles, _LOW)) / 2, _LEAST_WIDTH)
        return Spread(middle, width, (quantiles - middle[:, None]) / width[:, None])

    def quantiles(self) -> Float:
        """(N, N_LEVELS) in the coordinate."""
        return self.middle[:, None] + self.width[:, None] * self.shape

    def moved(self, shift: Float | float, factor: Float | float) -> Spread:
        """The same shapes, shifted and widened."""
        return Spread(self.middle + shift, np.maximum(self.width * factor, _LEAST_WIDTH), self.shape)

    def ends(self, low: float = 0.05, high: float = 0.95) -> tuple[Float, Float]:
        """(N,) and (N,): two quantiles of the shape, so that middle + width * end is a quantile."""
        return _at(self.shape, low), _at(self.shape, high)


_LOW, _HIGH = 0.158655, 0.841345


def quantile_at(quantiles: Float, level: float) -> Float:
    """(N,) one quantile of (N, N_LEVELS) quantiles at `LEVELS`."""
    return _at(quantiles, level)


def _at(quantiles: Float, level: float) -> Float:
    position = np.clip(level * N_LEVELS - 0.5, 0, N_LEVELS - 1)
    below = min(int(position), N_LEVELS - 2)
    part = position - below
    return quantiles[:, below] * (1 - part) + quantiles[:, below + 1] * part


def quantiles_of_samples(samples: Float) -> Float:
    """(N, S) samples -> (N, N_LEVELS) quantiles at `LEVELS`; a row with a NaN is NaN."""
    ordered = np.sort(samples, axis=1)  # NaN last
    n = samples.shape[1]
    position = np.clip(LEVELS * n - 0.5, 0, n - 1)
    below = np.minimum(position.astype(np.int64), n - 2)
    part = position - below
    result = ordered[:, below] * (1 - part) + ordered[:, below + 1] * part
    return np.where(np.isnan(ordered[:, -1:]), np.nan, result)


def quantiles_of_bins(probabilities: Float) -> tuple[Float, Float]:
    """Bins of `quantities` -> quantiles, and the mass of the overflow bin.

    Args:
        probabilities: (N, N_BINS); rows may be NaN.

    Returns:
        (N, N_LEVELS) metres at `LEVELS` of what is within the grid, NaN for NaN rows or where all is beyond it; (N,).
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    overflow = probabilities[:, OVERFLOW_BIN]
    inside = probabilities[:, :OVERFLOW_BIN]
    total = inside.sum(axis=1)
    known = np.isfinite(total) & (total > 1e-9)
    result = np.full((len(probabilities), N_LEVELS), np.nan)
    if known.any():
        mass = inside[known] / total[known, None]
        cumulated = np.concatenate([np.zeros((len(mass), 1)), np.cumsum(mass, axis=1)], axis=1)
        cumulated /= cumulated[:, -1:]
        result[known] = _inverted(cumulated)
    return result, np.where(np.isfinite(total), overflow, 0.0)


def _inverted(cumulated: Float) -> Float:
    """(N, N_LEVELS) metres where cumulated (N, edges) reaches `LEVELS`; within a bin along the log of the length."""
    n, m = cumulated.shape
    rows = np.arange(n)[:, None] * 2.0  # rows one after another on one ascending axis
    wanted = (LEVELS[None] + rows).ravel()
    right = np.searchsorted((cumulated + rows).ravel(), wanted, side="right")
    upper = np.clip(right.reshape(n, -1) - np.arange(n)[:, None] * m, 1, m - 1)
    index = np.arange(n)[:, None]
    low, high = cumulated[index, upper - 1], cumulated[index, upper]
    part = np.clip((LEVELS[None] - low) / np.maximum(high - low, 1e-300), 0.0, 1.0)
    bent = np.arcsinh(bin_edges() / 1e-3)
    return 1e-3 * np.sinh(bent[upper - 1] * (1 - part) + bent[upper] * part)


def log_odds(probabilities: ArrayLike, limit: float = 1e-4) -> Float:
    """Log-odds of probabilities, kept away from 0 and 1 by ``limit``."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), limit, 1 - limit)
    return np.log(p / (1 - p))


def probability(odds: ArrayLike) -> Float:
    """Inverse of `log_odds`."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(odds, dtype=np.float64)))
