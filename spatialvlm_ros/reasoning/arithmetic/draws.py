"""Measurements as draws from their distributions: what sums, minima and comparisons of them are computed with.

The errors of the lengths of one view have a part in common (its scale). One draw of that part is used for all of them,
so that it cancels where it should: in ratios, in the shape of a triangle, in which of two is longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import PROBABILITY, QUANTILE_LEVELS, Estimate, LocatedObject
from spatialvlm_ros.scenes.relations import RELATIONS, SYMMETRIC

Float = NDArray[np.float64]

DRAWS = 4001
_POWERS = {"m": 1.0, "m3": 3.0}


@dataclass(frozen=True)
class Drawn:
    """A quantity with its error.

    Attributes:
        draws: (DRAWS,) equally likely values; truth values of a comparison are 0 and 1.
        power: of metres (1 for a length); None for a bare number, which goes with anything.
        truth: whether it is a truth value.
    """

    draws: Float
    power: float | None = None
    truth: bool = False

    @property
    def value(self) -> float:
        """The median; the probability of a truth value."""
        return float(self.draws.mean() if self.truth else np.median(self.draws))

    @property
    def std(self) -> float:
        """From the 16% and 84% quantiles, so that a long tail does not blow it up; NaN for a truth value."""
        if self.truth:
            return float("nan")
        low, high = np.quantile(self.draws, [0.158655, 0.841345])
        return float(high - low) / 2

    @property
    def unit(self) -> str:
        """ "m", "m2", ..., "" for a number, "probability" for a truth value."""
        if self.truth:
            return PROBABILITY
        power = self.power or 0.0
        return "" if power == 0 else "m" if power == 1 else f"m{power:g}"

    @staticmethod
    def exactly(value: float, power: float | None = None) -> Drawn:
        """A number without an error."""
        return Drawn(np.full(DRAWS, float(value)), power)


def draws_of(estimate: Estimate) -> Drawn:
    """A valid measurement as draws: its calibrated distribution where it has one, else a Gaussian; for a predicate
    truth values, as many of them true as it is probable.

    The same measurement gives the same draws, whenever it is asked for; those of others share the error of the view's
    scale, as far as ``shared_std`` says.
    """
    if estimate.unit == PROBABILITY:
        return Drawn((_ranks(_key(estimate)) < estimate.value).astype(np.float64), truth=True)
    spec = RELATIONS[estimate.relation]
    share = np.clip(estimate.shared_std / estimate.std, 0.0, 1.0) if estimate.std > 0 else 0.0
    common = _normal("scale of the view") * np.sign(estimate.value or 1.0)
    scores = share * common + np.sqrt(1 - share**2) * _normal(_key(estimate))
    return Drawn(_at_scores(estimate, scores, spec.signed), _POWERS[estimate.unit])


def positions_of(thing: LocatedObject) -> Float:
    """(DRAWS, 3) metres: where an object may be, its errors along three independent directions."""
    covariance = np.nan_to_num(thing.covariance)
    variances, axes = np.linalg.eigh((covariance + covariance.T) / 2)
    scores = np.stack([_normal(f"place of {thing.name} {k}") for k in range(3)], axis=1)
    return thing.position + (scores * np.sqrt(np.maximum(variances, 0.0))) @ axes.T


def depth_of(thing: LocatedObject) -> Drawn:
    """How far an object extends along the frame's forward axis; NaN where that is not known."""
    _, depth, _ = (float(v) for v in thing.size)
    std = float(np.nan_to_num(thing.size_std[1]))
    return Drawn(np.maximum(depth + std * _normal(f"depth of {thing.name}"), 0.0), 1.0)


def _key(estimate: Estimate) -> str:
    names = [estimate.subject, estimate.reference]
    if estimate.relation in SYMMETRIC:
        names.sort()
    return f"{estimate.relation.value}|{'|'.join(names)}"


def _at_scores(estimate: Estimate, scores: Float, signed: bool) -> Float:
    """Values at normal scores: of the quantiles, the interval, or the deviation, whichever of them there is; without
    the first two Gaussian in metres, or in log metres where the quantity cannot be negative."""
    low, high = estimate.interval
    if low < estimate.value < high or _usable(estimate.quantiles):
        draws = _between_quantiles(_believed_quantiles(estimate), scores)
    elif signed or estimate.value <= 0:
        draws = estimate.value + max(estimate.std, 0.0) * scores
    else:
        spread = np.sqrt(np.log1p((max(estimate.std, 0.0) / estimate.value) ** 2))
        draws = estimate.value * np.exp(spread * scores)
    return np.asarray(draws if signed else np.maximum(draws, 0.0))


def _usable(quantiles: Sequence[float]) -> bool:
    return len(quantiles) == len(QUANTILE_LEVELS) and bool(np.isfinite(quantiles).all())


def _believed_quantiles(estimate: Estimate) -> Float:
    """(19,) the quantiles, with the ends of the calibrated interval, which are what was checked for coverage.

    Where the interval reaches farther than they do, only the outermost one moves: it tells of rare large errors, and
    the others still hold. Where it ends before them, they are too wide, and a normal curve up to its end takes their
    place.
    """
    low, high = estimate.interval
    scores = _level_scores()
    if not _usable(estimate.quantiles):
        side = np.where(scores < 0, estimate.value - low, high - estimate.value)
        return np.asarray(estimate.value + side * scores / scores[-1])
    quantiles = np.array(estimate.quantiles, dtype=np.float64)
    for outermost, end in ((0, low), (-1, high)):
        if not low < estimate.value < high:  # none is stated
            break
        if abs(end - estimate.value) >= abs(quantiles[outermost] - estimate.value):
            quantiles[outermost] = end
        else:
            beyond = scores * scores[outermost] > 0
            quantiles[beyond] = estimate.value + (end - estimate.value) * (scores / scores[outermost])[beyond]
    return quantiles


def _between_quantiles(quantiles: Float, scores: Float) -> Float:
    """Linear in the scores, also beyond the outer quantiles."""
    at = _level_scores()
    inner = np.interp(scores, at, quantiles)
    below, above = np.minimum(scores - at[0], 0.0), np.maximum(scores - at[-1], 0.0)
    slopes = (quantiles[1] - quantiles[0]) / (at[1] - at[0]), (quantiles[-1] - quantiles[-2]) / (at[-1] - at[-2])
    return np.asarray(inner + below * slopes[0] + above * slopes[1])


def _level_scores() -> Float:
    from scipy.special import ndtri

    return np.asarray(ndtri(QUANTILE_LEVELS), dtype=np.float64)


@lru_cache(maxsize=256)
def _normal(name: str) -> Float:
    """(DRAWS,) standard normal scores, evenly spread, in an order that belongs to the name."""
    from scipy.special import ndtri

    return np.asarray(ndtri(_ranks(name)), dtype=np.float64)


def _ranks(name: str) -> Float:
    """(DRAWS,) from 0 to 1, evenly spread, in an order that belongs to the name."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.asarray(np.random.default_rng(seed).permutation((np.arange(DRAWS) + 0.5) / DRAWS))
