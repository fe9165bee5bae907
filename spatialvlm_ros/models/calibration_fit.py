"""Fits a `Calibration` to the readings of a model on views with known truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.models.calibration import (
    COMBINE,
    COMPOSED,
    DIRECT,
    GROUPS,
    METRIC,
    Calibration,
    DepthCalibration,
    IntervalShape,
    LengthCalibration,
    LocationCalibration,
    PredicateCalibration,
)
from spatialvlm_ros.models.calibration_examples import Example
from spatialvlm_ros.models.distributions import (
    N_LEVELS,
    RELATION_ORDER,
    Spread,
    coordinate_scale,
    log_odds,
    to_coordinate,
)
from spatialvlm_ros.models.fusion import (
    N_FEATURES,
    combine,
    interval_features,
    length_and_width_features,
    length_spreads,
    raw_readouts,
)
from spatialvlm_ros.models.location_fitting import fit_depth, fit_locations, fit_thresholds
from spatialvlm_ros.models.readings import ViewReadings
from spatialvlm_ros.models.recognition_fitting import fit_recognition
from spatialvlm_ros.models.robust_fitting import (
    bias,
    conformal_quantile,
    correlation,
    drawn,
    factor,
    logistic,
    quantile_regression,
)
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

FEWEST_VIEWS = 5
_FEWEST_FOR_SHAPE = 300
_FEWEST_FOR_CHOICE = 40
_OUTLIER = 8.0  # median errors
_OUTLIER_ERROR = 3.5  # widths
_NARROWEST = 1e-4  # metres or log metres: a model that is certain of a zero states no width at all
_COMPLEXITY = 1.05  # combining must gain more than this, in square error
_OWN_WEIGHT = 30.0
_INTERVAL_WEIGHT = 60.0
_BEYOND_TRAINED = 1.5
_ALWAYS_POSITIVE_SCALE = 2e-3  # coordinates below it are logarithmic: their quantities are never near zero
_FREE_INTERCEPT = (Relation.TOUCHING, Relation.ON, Relation.INSIDE, Relation.LIFTED)


@dataclass(frozen=True)
class _Rows:
    """Queries of all views of one group, in one table: lengths in coordinates, and predicates."""

    relations: Int
    truth: Float  # values (metres) or margins
    direct: Spread
    composed: Spread
    p_direct: Float
    p_composed: Float
    features: Float  # of the composed distributions

    def __len__(self) -> int:
        return len(self.relations)

    def of(self, index: NDArray[np.bool_] | Int) -> _Rows:
        return _Rows(
            self.relations[index],
            self.truth[index],
            Spread(self.direct.middle[index], self.direct.width[index], self.direct.shape[index]),
            Spread(self.composed.middle[index], self.composed.width[index], self.composed.shape[index]),
            self.p_direct[index],
            self.p_composed[index],
            self.features[index],
        )


def fit_calibration(examples: Iterable[Example], model: str = "", fingerprint: str = "") -> Calibration:
    """Fit everything.

    Args:
        examples: from `collect_readings`, on views that are used for nothing else.
        model, fingerprint: of the model, written into the calibration.

    Raises:
        CalibrationError: fewer than five views.
    """
    examples = list(examples)
    if len(examples) < FEWEST_VIEWS:
        raise CalibrationError("too few views to fit a calibration", len(examples), "Use 100 or more.")
    location = replace(fit_locations(examples), recognition=fit_recognition(examples))
    depth = fit_depth(examples, location)
    thresholds = fit_thresholds(examples)
    lengths, predicates, shapes = {}, {}, {}
    for group in GROUPS:
        rows = _rows(examples, group, location, depth)
        is_predicate = np.array([RELATIONS[RELATION_ORDER[r]].predicate for r in rows.relations], dtype=bool)
        lengths[group], shapes[group] = _fit_lengths(rows.of(~is_predicate), group)
        predicates[group] = _fit_predicates(rows.of(is_predicate), group)
    return Calibration(
        model=model,
        fingerprint=fingerprint or model,
        views=len(examples),
        location=location,
        depth=depth,
        thresholds=thresholds,
        shape=IntervalShape(**shapes),
        lengths=lengths,
        predicates=predicates,
    )


def _rows(examples: Sequence[Example], group: str, location: LocationCalibration, depth: DepthCalibration) -> _Rows:
    """The queries of one group. Monocular ones know the vertical and the camera's height in every second view."""
    calibration = Calibration(location=location, depth=depth)
    parts = []
    for number, example in enumerate(examples):
        readings = _as_in(example.readings, group, number)
        if group == METRIC and not readings.depth.known.any():
            continue
        parts.append(_view_rows(readings, example.truth.values, calibration, group))
    return _joined(parts)


def _as_in(readings: ViewReadings, group: str, number: int) -> ViewReadings:
    if group == METRIC:
        return readings
    readings = readings.without_depth()
    return readings if number % 2 or readings.frame is None else readings.without_frame_knowledge()


def _view_rows(readings: ViewReadings, truth: Float, calibration: Calibration, group: str) -> _Rows:
    raw = raw_readouts(readings, calibration)
    n = len(readings)
    everything = np.arange(n)
    direct, composed = length_spreads(readings, raw, everything)
    features = interval_features(raw.located, readings.subjects, composed, readings.relations)
    rows = _Rows(readings.relations, truth, direct, composed, raw.p_direct, raw.p_composed, features)
    return rows.of(np.isfinite(truth) & (raw.metric if group == METRIC else np.ones(n, dtype=bool)))


def _joined(parts: Sequence[_Rows]) -> _Rows:
    if not parts:
        nothing, shape = np.zeros(0), np.zeros((0, N_LEVELS))
        empty = Spread(nothing, nothing, shape)
        return _Rows(np.zeros(0, np.int64), nothing, empty, empty, nothing, nothing, np.zeros((0, N_FEATURES)))

    def spread(name: str) -> Spread:
        return Spread(*(np.concatenate([getattr(getattr(p, name), f) for p in parts]) for f in _SPREAD))

    def array(name: str) -> Float:
        return np.concatenate([getattr(p, name) for p in parts])

    return _Rows(
        array("relations").astype(np.int64),
        array("truth"),
        spread("direct"),
        spread("composed"),
        array("p_direct"),
        array("p_composed"),
        array("features"),
    )


_SPREAD = ("middle", "width", "shape")


# ---- lengths ----


def _fit_lengths(rows: _Rows, group: str) -> tuple[dict[str, LengthCalibration], tuple[float, ...]]:
    """By relation ("" pooled), and the weights of the interval's features."""
    if len(rows) == 0:
        return {}, ()
    true = to_coordinate(rows.truth, rows.relations)
    relations = [int(r) for r in np.unique(rows.relations)]
    pooled = _one_length(rows, true, Calibration().length(Relation.DISTANCE, group), group, pooled=True)
    found = {}
    for relation in relations:
        own = rows.relations == relation
        found[RELATION_ORDER[relation].value] = _one_length(rows.of(own), true[own], pooled, group)
    found[""] = pooled
    return _with_intervals(rows, true, found)


def _one_length(
    rows: _Rows, true: Float, towards: LengthCalibration, group: str, pooled: bool = False
) -> LengthCalibration:
    """Biases, factors, correlation and mode of one relation, drawn towards those of all."""
    biases = [0.0, 0.0] if pooled else [bias(s.middle - true) for s in (rows.direct, rows.composed)]
    known = (towards.direct_factor, towards.composed_factor)
    factors = [
        factor((s.middle - b - true) / s.width, f, _OWN_WEIGHT)
        for s, b, f in zip((rows.direct, rows.composed), biases, known, strict=True)
    ]
    direct, composed = (s.moved(-b, f) for s, b, f in zip((rows.direct, rows.composed), biases, factors, strict=True))
    errors = [(s.middle - true) / s.width for s in (direct, composed)]
    outliers = [
        _outliers(e, share, pooled)
        for e, share in zip(errors, (towards.direct_outliers, towards.composed_outliers), strict=True)
    ]
    entry = LengthCalibration(
        direct_bias=biases[0],
        direct_factor=factors[0],
        composed_bias=biases[1],
        composed_factor=factors[1],
        correlation=correlation(errors[0], errors[1], towards.correlation),
        direct_outliers=outliers[0],
        composed_outliers=outliers[1],
    )
    entry = entry if pooled else replace(entry, mode=_mode(direct, composed, true, entry))
    mixed = _mixed(direct, composed, entry)
    entry = replace(
        entry, spread=factor((mixed.middle - true) / np.maximum(mixed.width, _NARROWEST), towards.spread, _OWN_WEIGHT)
    )
    return entry if pooled else _with_range(entry, rows, group)


def _with_range(entry: LengthCalibration, rows: _Rows, group: str) -> LengthCalibration:
    """The range of lengths that the model was shown; what is measured in depth needs no such limit."""
    if group == METRIC or len(rows) < _FEWEST_FOR_CHOICE:
        return entry
    sizes = np.abs(rows.truth)
    positive = coordinate_scale(RELATION_ORDER[int(rows.relations[0])]) < _ALWAYS_POSITIVE_SCALE
    low = float(sizes.min()) / _BEYOND_TRAINED if positive else 0.0
    return replace(entry, low=low, high=float(sizes.max()) * _BEYOND_TRAINED)


def _outliers(errors: Float, towards: float, pooled: bool) -> float:
    """Share of standardised errors beyond what their widths allow."""
    errors = np.abs(errors[np.isfinite(errors)])
    share = float((errors > _OUTLIER_ERROR).mean()) if len(errors) else np.nan
    share = drawn(share, len(errors), towards, 10.0 if pooled else _OWN_WEIGHT)
    return float(np.clip(share, 0.002, 0.4))


def _mixed(direct: Spread, composed: Spread, entry: LengthCalibration) -> Spread:
    n = len(direct.middle)
    alone = {DIRECT: 1.0, COMPOSED: 0.0}.get(entry.mode, np.nan)
    outliers = np.full(n, entry.direct_outliers), np.full(n, entry.composed_outliers)
    return combine(direct, composed, np.full(n, entry.correlation), np.full(n, alone), outliers)[0]


def _mode(direct: Spread, composed: Spread, true: Float, entry: LengthCalibration) -> str:
    """Both, unless one of them alone has the smaller square error (but for outliers)."""
    both = np.isfinite(direct.middle) & np.isfinite(composed.middle)
    if both.sum() < _FEWEST_FOR_CHOICE:
        return COMBINE
    modes = {m: replace(entry, mode=m) for m in (COMBINE, DIRECT, COMPOSED)}
    errors = {m: np.abs(_mixed(direct, composed, e).middle - true)[both] for m, e in modes.items()}
    limit = _OUTLIER * float(np.median(errors[COMBINE])) + 1e-9
    squares = {m: float(np.square(np.minimum(e, limit)).mean()) for m, e in errors.items()}
    squares[COMBINE] *= _COMPLEXITY
    return min(squares, key=lambda m: squares[m])


def _with_intervals(
    rows: _Rows, true: Float, found: dict[str, LengthCalibration]
) -> tuple[dict[str, LengthCalibration], tuple[float, ...]]:
    n = len(rows)
    scores, features = np.full(n, np.nan), rows.features.copy()
    for relation in np.unique(rows.relations):
        own = np.flatnonzero(rows.relations == relation)
        entry, part = found[RELATION_ORDER[int(relation)].value], rows.of(own)
        direct = part.direct.moved(-entry.direct_bias, entry.direct_factor)
        composed = part.composed.moved(-entry.composed_bias, entry.composed_factor)
        mixed = _mixed(direct, composed, entry).moved(0.0, entry.spread)
        low, high = mixed.ends()
        error = (true[own] - mixed.middle) / np.maximum(mixed.width, _NARROWEST)
        with np.errstate(invalid="ignore", divide="ignore"):
            scores[own] = np.where(error > 0, error / high, error / low)
        features[own] = _own_features(part, mixed)
    use = np.isfinite(scores)
    weights: Float = np.zeros(features.shape[1])
    if use.sum() >= _FEWEST_FOR_SHAPE:
        logs = np.log(np.clip(scores[use], 0.02, 50.0))
        weights = quantile_regression(features[use], logs, 0.9)[:-1]
    scores = scores / np.exp(features @ weights)
    pooled = conformal_quantile(scores)
    pooled = pooled if np.isfinite(pooled) else 1.0
    result = {}
    for name, entry in found.items():
        index = None if name == "" else RELATION_ORDER.index(Relation(name))
        own_scores = scores if index is None else scores[rows.relations == index]
        own_scores = own_scores[np.isfinite(own_scores)]
        value = conformal_quantile(own_scores)
        log_value = float(np.log(max(value, 0.05))) if np.isfinite(value) else np.nan
        drawn_log = drawn(log_value, len(own_scores), float(np.log(max(pooled, 0.05))), _INTERVAL_WEIGHT)
        result[name] = replace(entry, interval=float(np.exp(drawn_log)))
    return result, tuple(float(w) for w in weights)


def _own_features(rows: _Rows, mixed: Spread) -> Float:
    """The features of `interval_features`, of combined distributions."""
    features = rows.features.copy()
    features[:, 0], features[:, 2] = length_and_width_features(mixed, rows.relations)
    return features


# ---- predicates ----


def _fit_predicates(rows: _Rows, group: str) -> dict[str, PredicateCalibration]:
    """By relation ("" pooled)."""
    if len(rows) == 0:
        return {}
    default = Calibration().predicate(Relation.LEFT, group)
    pooled = _one_predicate(rows, default, 5.0)
    found = {"": pooled}
    for relation in np.unique(rows.relations):
        name = RELATION_ORDER[int(relation)]
        free = 2.0 if name in _FREE_INTERCEPT else 1e6
        found[name.value] = _one_predicate(rows.of(rows.relations == relation), pooled, 10.0, free)
    return found


def _one_predicate(
    rows: _Rows, towards: PredicateCalibration, strength: float, intercept_strength: float = 1e6
) -> PredicateCalibration:
    labels = (rows.truth > 0).astype(np.float64)
    direct, composed = log_odds(rows.p_direct), log_odds(rows.p_composed, limit=1e-3)
    has_direct, has_composed = np.isfinite(rows.p_direct), np.isfinite(rows.p_composed)
    both = has_direct & has_composed
    design = np.stack([np.ones(len(rows)), direct, composed], axis=1)[both]
    start = np.array([towards.intercept, towards.direct, towards.composed])
    weights = logistic(design, labels[both], start, np.array([intercept_strength, strength, strength]))

    def alone(odds: Float, use: NDArray[np.bool_], known: float) -> float:
        found = logistic(odds[use][:, None], labels[use], np.array([known]), np.array([strength]))
        return float(max(found[0], 0.0))

    return PredicateCalibration(
        intercept=float(weights[0]),
        direct=float(max(weights[1], 0.0)),
        composed=float(max(weights[2], 0.0)),
        direct_alone=alone(direct, has_direct, towards.direct_alone),
        composed_alone=alone(composed, has_composed, towards.composed_alone),
    )
