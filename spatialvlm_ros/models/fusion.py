"""From readings to calibrated answers: the two read-outs of each query, corrected, combined, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.calibration import (
    COMPOSED,
    DIRECT,
    GROUPS,
    Calibration,
    LengthCalibration,
    PredicateCalibration,
)
from spatialvlm_ros.models.composing import Draws, compose, draw, probability_of_margin
from spatialvlm_ros.models.distributions import (
    N_LEVELS,
    RELATION_ORDER,
    Spread,
    coordinate_scale,
    from_coordinate,
    log_odds,
    probability,
    quantile_at,
    quantiles_of_samples,
    to_coordinate,
)
from spatialvlm_ros.models.located import Located, locate_objects
from spatialvlm_ros.models.readings import FIXED, NAMED, ViewReadings
from spatialvlm_ros.scenes.relations import RELATIONS

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_PREDICATE = np.array([RELATIONS[r].predicate for r in RELATION_ORDER])
_POWER = np.array([3.0 if RELATIONS[r].unit == "m3" else 1.0 for r in RELATION_ORDER])  # of the scale
_SCALE = np.array([coordinate_scale(r) for r in RELATION_ORDER])
_MODES = {DIRECT: 1.0, COMPOSED: 0.0}
_LEAST_SHRUNK = 0.3  # of a direct width, when the scale becomes known
_MOST_CORRELATED = 0.95
_OUTLIER_WIDTH = 5.0  # of an outlier's distribution, in widths of the wider read-out
# Monocular outliers are learnt on simulated pictures. A real camera may be nothing like them, and a depth sensor is
# right there too: it is believed more. (In simulation this costs nothing: docs/log.md.)
_LEAST_MONOCULAR_OUTLIERS = 0.2
# The calibration of a length whose ends are both known exactly.
_UNCHANGED = {"composed_bias": 0.0, "composed_factor": 1.0, "spread": 1.0, "interval": 1.0}
_FEATURE_MIDDLES = (-1.2, 0.3, -1.5)
_FEATURE_REACH = 3.0
N_FEATURES = len(_FEATURE_MIDDLES)


@dataclass(frozen=True)
class RawReadOuts:
    """Both read-outs of N queries before their calibration.

    Attributes:
        predicate: (N,) whether the row is a predicate.
        metric: (N,) whether all its objects are measured in depth or known exactly.
        direct, composed: (N, N_LEVELS) quantiles in metres (m3), NaN where there are none and for predicates.
        p_direct, p_composed: (N,) of predicates, NaN else.
        scale_gain: (N,) by how much the variance of the shared log scale fell below its prior, times the square of
            how a quantity grows with the scale.
        located, draws: what was composed.
    """

    predicate: Bool
    metric: Bool
    direct: Float
    composed: Float
    p_direct: Float
    p_composed: Float
    scale_gain: Float
    located: Located
    draws: Draws


@dataclass(frozen=True)
class ReadOuts:
    """Both calibrated read-outs of N queries, and what they are combined to.

    Attributes:
        direct, composed, combined: (N, N_LEVELS) quantiles at `distributions.LEVELS` in metres (m3); NaN for predicates
            and where there is none.
        p_direct, p_composed, p_combined: (N,) calibrated P(true); NaN for lengths and where there is none.
        low, high: (N,) 90% interval of a length.
        direct_weight: (N,) 0..1, of the direct read-out in the combined one.
        raw: before calibration.
    """

    direct: Float
    composed: Float
    combined: Float
    p_direct: Float
    p_composed: Float
    p_combined: Float
    low: Float
    high: Float
    direct_weight: Float
    raw: RawReadOuts

    @property
    def values(self) -> Float:
        """(N,) combined median, or P(true)."""
        return np.where(self.raw.predicate, self.p_combined, quantile_at(self.combined, 0.5))


def raw_readouts(readings: ViewReadings, calibration: Calibration) -> RawReadOuts:
    """Locate, draw and compose; the relation-wise calibration is not used yet."""
    located = locate_objects(readings, calibration.location, calibration.depth)
    draws = draw(located)
    relations, subjects, references = readings.relations, readings.subjects, readings.references
    samples = compose(draws, relations, subjects, references)
    predicate = _PREDICATE[relations]
    n = len(relations)
    composed = np.full((n, N_LEVELS), np.nan)
    composed[~predicate] = quantiles_of_samples(samples[~predicate])
    p_composed = np.full(n, np.nan)
    p_composed[predicate] = probability_of_margin(samples[predicate])
    known = ~np.isnan(samples).any(axis=1)
    power = _POWER[relations]
    scale = located.scale
    direct = readings.direct * np.exp((scale.shared_mean - calibration.location.direct_bias) * power)[:, None]
    gained = max(scale.prior_variance - scale.shared_std**2, 0.0)
    return RawReadOuts(
        predicate=predicate,
        metric=known & located.metric[subjects] & ((references < 0) | located.metric[references]),
        direct=np.where(predicate[:, None], np.nan, direct),
        composed=composed,
        p_direct=np.where(predicate, readings.p_true, np.nan),
        p_composed=p_composed,
        scale_gain=gained * power**2,
        located=located,
        draws=draws,
    )


def interpret(readings: ViewReadings, calibration: Calibration) -> ReadOuts:
    """Calibrated and combined read-outs of a view's queries."""
    raw = raw_readouts(readings, calibration)
    return calibrate_readouts(readings, raw, calibration)


def calibrate_readouts(readings: ViewReadings, raw: RawReadOuts, calibration: Calibration) -> ReadOuts:
    """Apply the relation-wise part of the calibration."""
    relations = readings.relations
    n = len(relations)
    nothing = np.full((n, N_LEVELS), np.nan)
    length = np.flatnonzero(~raw.predicate)
    direct, composed, combined = nothing.copy(), nothing.copy(), nothing.copy()
    low, high, weight = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    if len(length):
        rows = relations[length]
        constants = length_constants(calibration, rows, raw.metric[length])
        given = (raw.metric & _given(readings) | _at_gripper(readings))[length]
        constants["direct_only"] = np.where(given, 0.0, constants["direct_only"])
        constants["direct_out"] = np.where(
            raw.metric[length], np.maximum(constants["direct_out"], _LEAST_MONOCULAR_OUTLIERS), constants["direct_out"]
        )
        exact = _exact(readings, raw.located)[length]
        for name, value in _UNCHANGED.items():
            constants[name] = np.where(exact, value, constants[name])
        d, c = length_spreads(readings, raw, length)
        d = d.moved(-constants["direct_bias"], constants["direct_factor"])
        c = c.moved(-constants["composed_bias"], constants["composed_factor"])
        mixed, weight[length] = combine(
            d,
            c,
            constants["correlation"],
            constants["direct_only"],
            (constants["direct_out"], constants["composed_out"]),
        )
        mixed = mixed.moved(0.0, constants["spread"])
        features = interval_features(raw.located, readings.subjects[length], mixed, rows)
        bend = (features * _shape_weights(calibration, raw.metric[length])).sum(axis=1)
        factor = constants["interval"] * np.exp(np.where(exact, 0.0, bend))
        ends = mixed.ends()
        low[length] = from_coordinate(mixed.middle + mixed.width * factor * ends[0], rows)
        high[length] = from_coordinate(mixed.middle + mixed.width * factor * ends[1], rows)
        for target, spread in ((direct, d), (composed, c), (combined, mixed)):
            target[length] = from_coordinate(spread.quantiles(), rows)
    p_direct, p_composed, p_combined = _predicates(readings, raw, calibration, weight)
    return ReadOuts(direct, composed, combined, p_direct, p_composed, p_combined, low, high, weight, raw)


def _exact(readings: ViewReadings, located: Located) -> Bool:
    """(N,) whether all objects of a query are known exactly: the calibration is of what a model locates. An elevation
    is counted from a plane, which is exact where the robot states the vertical and the camera's height."""
    plane = located.view.up_std == 0.0 and bool(np.isfinite(located.view.camera_height))
    exact = np.append(located.exact, plane)  # the last row is that of no reference
    return exact[readings.subjects] & exact[readings.references]


def _given(readings: ViewReadings) -> Bool:
    """(N,) whether the caller said where all objects of a query are, or the robot knows it: where depth measures
    them, no picture has to be read, so nothing that the model makes of it counts."""
    sure = np.append(readings.kinds != NAMED, True)  # the last row is that of no reference
    return sure[readings.subjects] & sure[readings.references]


def _at_gripper(readings: ViewReadings) -> Bool:
    """(N,) whether a query is about a tool centre point that the robot states: a picture shows a hand, not that point,
    so what the model says directly is about something else."""
    fixed = np.append(readings.kinds == FIXED, False)
    return fixed[readings.subjects] | fixed[readings.references]


def length_spreads(readings: ViewReadings, raw: RawReadOuts, rows: Int) -> tuple[Spread, Spread]:
    """Direct and composed distributions of some rows in their coordinates; the direct ones are narrower by what has
    become known of the scale."""
    relations = readings.relations[rows]
    direct = Spread.of(to_coordinate(raw.direct[rows], relations))
    metres = from_coordinate(direct.middle, relations)
    with np.errstate(invalid="ignore"):
        slope = np.abs(metres) / np.hypot(metres, _SCALE[relations])  # of the coordinate over log metres
        narrowed = np.sqrt(
            np.maximum(direct.width**2 - slope**2 * raw.scale_gain[rows], (_LEAST_SHRUNK * direct.width) ** 2)
        )
    direct = Spread(direct.middle, narrowed, direct.shape)
    return direct, Spread.of(to_coordinate(raw.composed[rows], relations))


def combine(
    direct: Spread, composed: Spread, correlation: Float, direct_only: Float, outliers: tuple[Float, Float]
) -> tuple[Spread, Float]:
    """The two read-outs weighted by their precision and the correlation of their errors.

    Where they contradict each other far beyond their widths, one of them is an outlier; the one that more often is
    loses weight, and the answer becomes wider.

    Args:
        direct, composed: NaN rows are left out.
        correlation: (N,) of their errors.
        direct_only: (N,) 1 where the direct one is used alone, 0 where the composed one is, NaN where both are.
        outliers: (N,) each, share of outliers of the direct and of the composed one.

    Returns:
        The combined distributions, and (N,) the weight of the direct one.
    """
    has_direct, has_composed = np.isfinite(direct.middle), np.isfinite(composed.middle)
    both = has_direct & has_composed & ~np.isfinite(direct_only)
    weight, variance = _mixture(direct, composed, np.clip(correlation, 0.0, _MOST_CORRELATED), outliers)
    only_direct = has_direct & (~has_composed | (direct_only == 1.0))
    weight = np.where(both, weight, np.where(only_direct, 1.0, 0.0))
    width = np.where(both, np.sqrt(variance), np.where(only_direct, direct.width, composed.width))
    other = 1.0 - weight
    middle = _filled(weight * direct.middle) + _filled(other * composed.middle)
    parts = np.stack([_filled(weight * direct.width), _filled(other * composed.width)])
    parts = parts / np.maximum(parts.sum(axis=0), 1e-12)
    shape = _filled(parts[0][:, None] * direct.shape) + _filled(parts[1][:, None] * composed.shape)
    unknown = ~(has_direct | has_composed)
    middle[unknown], width[unknown], shape[unknown] = np.nan, np.nan, np.nan
    return Spread(middle, width, shape), np.where(unknown, 0.0, weight)


def _mixture(direct: Spread, composed: Spread, rho: Float, outliers: tuple[Float, Float]) -> tuple[Float, Float]:
    """(N,) weight of the direct read-out and variance of the answer: over neither, the direct, or the composed one
    being an outlier, each as likely as their distance says."""
    apart = direct.middle - composed.middle
    a2, b2 = direct.width**2, composed.width**2
    astray = _OUTLIER_WIDTH**2 * np.maximum(a2, b2)  # how far off an outlier is has little to do with its width
    cases = (
        ((1 - outliers[0]) * (1 - outliers[1]), a2, b2, rho),
        (outliers[0], astray, b2, 0 * rho),
        (outliers[1], a2, astray, 0 * rho),
    )
    chances, weights, variances = [], [], []
    with np.errstate(invalid="ignore", divide="ignore", under="ignore"):
        for prior, a2, b2, r in cases:
            cross = r * np.sqrt(a2 * b2)
            total = a2 + b2 - 2 * cross
            w = np.clip((b2 - cross) / total, 0.0, 1.0)
            chances.append(prior * np.exp(-0.5 * apart**2 / (a2 + b2)) / np.sqrt(a2 + b2))
            weights.append(w)
            variances.append(w**2 * a2 + (1 - w) ** 2 * b2 + 2 * w * (1 - w) * cross)
        chance = np.stack(chances) / np.maximum(np.sum(chances, axis=0), 1e-300)
        weight = (chance * weights).sum(axis=0)
        between = (chance * (np.stack(weights) - weight) ** 2).sum(axis=0) * apart**2
        return weight, (chance * variances).sum(axis=0) + between


def _filled(values: Float) -> Float:
    return np.where(np.isfinite(values), values, 0.0)


def interval_features(located: Located, subjects: Int, mixed: Spread, relations: Int) -> Float:
    """(N, N_FEATURES) what the width of an interval depends on beside the stated width: log length, log range of the
    subject, log stated width; each less its usual value, 0 where unknown."""
    ranges = np.where(located.placed & ~located.exact, located.log_ranges, np.nan)[subjects]
    length, width = length_and_width_features(mixed, relations)
    far = np.clip(np.nan_to_num(ranges - _FEATURE_MIDDLES[1]), -_FEATURE_REACH, _FEATURE_REACH)
    return np.stack([length, far, width], axis=1)


def length_and_width_features(mixed: Spread, relations: Int) -> tuple[Float, Float]:
    """The first and the last of `interval_features`, (N,) each."""
    metres = np.abs(from_coordinate(mixed.middle, relations))
    length = np.log(np.clip(metres, 0.02, 50.0)) - _FEATURE_MIDDLES[0]
    width = np.log(np.clip(mixed.width, 0.005, 5.0)) - _FEATURE_MIDDLES[2]
    reach = _FEATURE_REACH
    return np.clip(np.nan_to_num(length), -reach, reach), np.clip(np.nan_to_num(width), -reach, reach)


def _predicates(
    readings: ViewReadings, raw: RawReadOuts, calibration: Calibration, weight: Float
) -> tuple[Float, Float, Float]:
    n = len(readings)
    results = [np.full(n, np.nan) for _ in range(3)]
    rows = np.flatnonzero(raw.predicate)
    if len(rows) == 0:
        return results[0], results[1], results[2]
    c = _predicate_constants(calibration, readings.relations[rows], raw.metric[rows])
    direct, composed = log_odds(raw.p_direct[rows]), log_odds(raw.p_composed[rows], limit=1e-3)
    has_direct, has_composed = np.isfinite(raw.p_direct[rows]), np.isfinite(raw.p_composed[rows])
    direct_alone = c["direct_alone"] * direct
    composed_alone = np.where(_exact(readings, raw.located)[rows], 1.0, c["composed_alone"]) * composed
    both = c["intercept"] + c["direct"] * direct + c["composed"] * composed
    given = (raw.metric & _given(readings) | _at_gripper(readings))[rows] & has_composed
    stacked = np.where(has_direct & has_composed, both, np.where(has_direct, direct_alone, composed_alone))
    stacked = np.where(given, composed_alone, stacked)
    for target, odds in zip(results, (direct_alone, composed_alone, stacked), strict=True):
        target[rows] = probability(odds)
    total = np.abs(c["direct"]) + np.abs(c["composed"])
    share = np.abs(c["direct"]) / np.maximum(total, 1e-9)
    share = np.where(has_direct & has_composed, share, has_direct.astype(float))
    weight[rows] = np.where(given, 0.0, share)
    return results[0], results[1], results[2]


def length_constants(calibration: Calibration, relations: Int, metric: Bool) -> dict[str, Float]:
    def values(entry: LengthCalibration) -> tuple[float, ...]:
        alone = _MODES.get(entry.mode, np.nan)
        return (
            entry.direct_bias,
            entry.direct_factor,
            entry.composed_bias,
            entry.composed_factor,
            entry.correlation,
            entry.direct_outliers,
            entry.composed_outliers,
            alone,
            entry.spread,
            entry.interval,
            entry.low,
            entry.high,
        )

    names = "direct_bias direct_factor composed_bias composed_factor correlation direct_out composed_out direct_only "
    names += "spread interval low high"
    return _constants(names, lambda r, g: values(calibration.length(r, g)), relations, metric)


def _predicate_constants(calibration: Calibration, relations: Int, metric: Bool) -> dict[str, Float]:
    def values(entry: PredicateCalibration) -> tuple[float, ...]:
        return entry.intercept, entry.direct, entry.composed, entry.direct_alone, entry.composed_alone

    names = "intercept direct composed direct_alone composed_alone"
    return _constants(names, lambda r, g: values(calibration.predicate(r, g)), relations, metric)


def _constants(names: str, entry: Callable[..., tuple[float, ...]], relations: Int, metric: Bool) -> dict[str, Float]:
    """Name -> (N,) constants of each row, looked up once per relation and group."""
    codes, rows = np.unique(relations * 2 + metric, return_inverse=True)
    table = np.array([entry(RELATION_ORDER[code // 2], GROUPS[code % 2]) for code in codes.tolist()])
    return dict(zip(names.split(), table.reshape(len(codes), -1)[rows.ravel()].T, strict=True))


def _shape_weights(calibration: Calibration, metric: Bool) -> Float:
    weights = [calibration.shape.of(group) or (0.0,) * N_FEATURES for group in GROUPS]
    return np.array(weights)[metric.astype(np.int64)]
