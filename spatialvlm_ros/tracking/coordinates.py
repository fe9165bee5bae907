"""Between `Estimate`s and the coordinate in which they are filtered.

The coordinate is that of `models.distributions`: asinh(x / scale), log metres for lengths away from zero, metres for
signed and near-zero ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.distributions import (
    RELATION_INDEX,
    RELATION_ORDER,
    coordinate_scale,
    from_coordinate,
    log_odds,
    to_coordinate,
)
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

Z90 = 1.6448536269514722  # half the 90% interval of a normal, in deviations
LEAST_STD = 1e-4  # in the coordinate; a measurement is never exact
_MOST_STD = 3.0  # a factor of 20: more than that is no measurement, and its square must not overflow
_MOST_LENGTH = 1e3  # metres
_LEAST_MOVING_LENGTH = 0.05  # metres; below, a log length would be allowed to change without bound
_LOG_SCALES = 0.01  # coordinates of smaller scales are logarithmic everywhere
_SIZES = (Relation.HEIGHT, Relation.WIDTH, Relation.VOLUME)
_MOST_LOPSIDED = 3.0  # lower over upper half of an interval; an end near 0 is far away in log metres


@dataclass(frozen=True)
class Stated:
    """What N estimates say, as numbers.

    Attributes:
        usable: (N,) valid and finite.
        value: (N,) in the coordinate; log-odds for predicates. Finite everywhere, 0 where not usable.
        std: (N,) in the coordinate, from the calibrated interval.
        shared: (N,) the shared part of it, with the sign by which it moves the value.
        lean: (N,) -1..1: how much further the interval reaches up than down, over its width.
    """

    usable: Bool
    value: Float
    std: Float
    shared: Float
    lean: Float


@dataclass(frozen=True)
class Kinds:
    """Constants of N queries: (N,) each.

    Attributes:
        index: relation, into `RELATION_ORDER`.
        predicate, signed: of the relation.
        scale: of the coordinate.
        dimension: 3 for a volume, else 1.
        is_size: whether it is a size of one object.
        most: largest coordinate.
    """

    index: Int
    predicate: Bool
    signed: Bool
    scale: Float
    dimension: Float
    is_size: Bool
    most: Float

    @staticmethod
    def of(relations: Sequence[Relation]) -> Kinds:
        """Look up the relations."""
        index = np.array([RELATION_INDEX[r] for r in relations], dtype=np.int64)
        table = _table()
        return Kinds(index, *(column[index] for column in table))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.index)


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.generic], ...]:
    specs = [RELATIONS[r] for r in RELATION_ORDER]
    return (
        np.array([s.predicate for s in specs]),
        np.array([s.signed for s in specs]),
        np.array([coordinate_scale(r) for r in RELATION_ORDER]),
        np.array([3.0 if s.unit == "m3" else 1.0 for s in specs]),
        np.array([r in _SIZES for r in RELATION_ORDER]),
        np.array([_most(r) for r in RELATION_ORDER]),
    )


def _most(relation: Relation) -> float:
    power = 3.0 if RELATIONS[relation].unit == "m3" else 1.0
    return float(np.arcsinh(_MOST_LENGTH**power / coordinate_scale(relation)))


def read(estimates: Sequence[Estimate], kinds: Kinds) -> Stated:
    """The numbers of N estimates; one that is invalid, not finite or absurdly large is not usable."""
    rows = [(e.valid, e.value, e.std, e.shared_std, *e.interval) for e in estimates]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    limit = _MOST_LENGTH**kinds.dimension
    valid, value, std, shared, low, high = np.where(np.abs(columns) <= limit, columns, np.nan)
    usable = (valid > 0) & np.isfinite(value)
    value = np.where(usable, value, 0.0)
    middle = to_coordinate(value, kinds.index)
    given = (high > low) & (low <= value) & (value <= high)
    low, high = np.where(given, low, value - Z90 * std), np.where(given, high, value + Z90 * std)
    usable &= kinds.predicate | (high >= low)
    with np.errstate(invalid="ignore"):
        above = to_coordinate(high, kinds.index) - middle
        below = middle - to_coordinate(np.where(kinds.signed, low, np.maximum(low, 0.0)), kinds.index)
        # An interval that is cut off at 0 still holds 0; but in log metres 0 is very far away.
        below = np.where(kinds.signed, below, np.minimum(below, _MOST_LOPSIDED * above))
        below = np.where(~kinds.signed & (low <= 0), np.maximum(below, above), below)
        lean = np.where(usable & (above + below > 0), (above - below) / (above + below), 0.0)
    width = np.clip(np.where(usable, (above + below) / (2 * Z90), 1.0), LEAST_STD, _MOST_STD)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.clip(np.nan_to_num(np.abs(shared) / std, nan=0.0, posinf=1.0), 0.0, 1.0)
    side = np.where(kinds.signed & (value < 0), -1.0, 1.0)  # a scale error moves a negative length down
    middle = np.where(kinds.predicate, log_odds(np.clip(value, 0, 1), limit=1e-3), middle)
    return Stated(usable, middle, width, side * share * width, np.where(kinds.predicate, 0.0, lean))


def unit_per_coordinate(coordinate: Float, kinds: Kinds) -> Float:
    """(N,) derivative of a quantity by its coordinate; for log lengths not smaller than at 5 cm."""
    least = np.where(kinds.scale < _LOG_SCALES, _LEAST_MOVING_LENGTH**kinds.dimension, kinds.scale)
    return np.hypot(kinds.scale * np.sinh(coordinate), least)


def units_per_metre(coordinate: Float, kinds: Kinds) -> Float:
    """(N,) by how much a quantity changes when a thing moves, or a side of it grows, by a metre."""
    side = np.cbrt(np.abs(kinds.scale * np.sinh(coordinate)))
    return np.where(kinds.dimension == 3, 3 * np.maximum(side, _LEAST_MOVING_LENGTH) ** 2, 1.0)


def written(coordinate: Float, std: Float, lean: Float, kinds: Kinds) -> tuple[Float, Float]:
    """(N,) value and (N, 21) its quantiles in the unit: 19 at `QUANTILE_LEVELS`, then at 16% and 84%."""
    normal = _normal_quantiles()
    reach = np.minimum(std, _MOST_STD)[:, None] * np.where(normal < 0, 1 - lean[:, None], 1 + lean[:, None])
    columns = np.clip(coordinate[:, None] + reach * normal, -kinds.most[:, None], kinds.most[:, None])
    return from_coordinate(coordinate, kinds.index), from_coordinate(columns, kinds.index)


@lru_cache(maxsize=1)
def _normal_quantiles() -> Float:
    return np.array([NormalDist().inv_cdf(level) for level in (*QUANTILE_LEVELS, 0.158655, 0.841345)])
