"""What can be said of followed things: relations of their bodies, with the errors of where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.following.things import Thing
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.relations import LIFT_TOLERANCE, RELATIONS, Relation, relation_values

Float = NDArray[np.float64]

_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.95)
_STD_SHAPE = 0.1  # of the error of a box, as a share of its size
_STD_M = 0.004  # of a place in depth
_STD_HELD_M = 0.006
_HIDDEN_STD_M = 0.02  # more, of a thing of which hardly anything is seen
_TOUCH_GAP_M = 0.012  # gap at which a hand is as likely to touch as not, while it does not carry
_TOUCH_WIDTH_M = 0.006
_MOST_TOUCH = 0.5  # probability of a touch that is not seen in a movement
_CARRIED = 0.97


@dataclass(frozen=True)
class Known:
    """The two sides of a query that can be answered.

    Attributes:
        subject: a followed thing.
        reference: another one, None for a quantity of one object.
        point: (3,) the tool centre point instead of a second thing, or None; all in the fixed frame.
        frame: canonical frame of the fixed frame; its camera height is over the support plane.
        sources: where the metres come from.
        point_std: metres, of the tool centre point.
    """

    subject: Thing
    reference: Thing | None
    point: Float | None
    frame: CanonicalFrame
    sources: frozenset[Source]
    point_std: float = 0.0


def answer(query: Query, known: Known) -> Estimate:
    """The estimate of a query about followed things; invalid where one of them is hidden or lost."""
    for thing in (known.subject, known.reference):
        if thing is not None and not thing.place.visible:
            detail = "It is hidden." if not thing.place.lost else "It has been lost from sight."
            return _invalid(query, Reason.NOT_VISIBLE, detail)
    said = _SAID.get(query.kind, _by_boxes)(query.kind, known)
    if said is None or not np.isfinite(said[0]):
        return _invalid(query, Reason.NO_FRAME, f"{query.kind} needs the vertical and the support plane.")
    value, std = said
    if RELATIONS[query.kind].predicate:
        p = float(np.clip(value, 0.0, 1.0))
        return _estimate(query, p, float(np.sqrt(p * (1 - p))), (p, p), (), known)
    signed = RELATIONS[query.kind].signed
    levels = [value + std * _NORMAL.inv_cdf(level) for level in QUANTILE_LEVELS]
    low, high = value - _Z90 * std, value + _Z90 * std
    if not signed:
        levels, low = [max(level, 0.0) for level in levels], max(low, 0.0)
    return _estimate(query, value, std, (low, high), tuple(levels), known)


def place_std(thing: Thing) -> float:
    """Metres: deviation of where a thing is."""
    return max(thing.body.std, rise_std(thing))


def rise_std(thing: Thing) -> float:
    """Metres: deviation of how far it has risen; where it stood does not matter."""
    own = _STD_HELD_M if thing.place.held else _STD_M
    return float(np.hypot(own, _HIDDEN_STD_M * max(0.0, 1.0 - 4.0 * thing.place.agreement.seen)))


def _gap(relation: Relation, known: Known) -> tuple[float, float] | None:
    if known.point is None:
        return _by_boxes(relation, known)
    return known.subject.distance(known.point), float(np.hypot(place_std(known.subject), known.point_std))


def _touching(relation: Relation, known: Known) -> tuple[float, float] | None:
    if known.point is None:
        return _by_boxes(relation, known)
    if known.subject.place.held:
        return _CARRIED, 0.0
    away = (known.subject.distance(known.point) - _TOUCH_GAP_M) / _TOUCH_WIDTH_M
    return _MOST_TOUCH * _NORMAL.cdf(-away), 0.0


def _elevation(relation: Relation, known: Known) -> tuple[float, float] | None:
    return known.subject.risen(known.frame.up), rise_std(known.subject)


def _lifted(relation: Relation, known: Known) -> tuple[float, float] | None:
    risen, std = known.subject.risen(known.frame.up), rise_std(known.subject)
    return _NORMAL.cdf((risen - LIFT_TOLERANCE) / std), 0.0


def _by_boxes(relation: Relation, known: Known) -> tuple[float, float] | None:
    """Any relation of the upright boxes; a predicate's margin becomes a probability."""
    reference = _reference_box(known)
    if RELATIONS[relation].arity == 2 and reference is None:
        return None
    subject = known.subject.box()
    value = float(relation_values(relation, Pairs(subject, reference, Frames.of([known.frame])))[0])
    things = [thing for thing in (known.subject, known.reference) if thing is not None]
    std = float(np.linalg.norm([np.hypot(place_std(t), _STD_SHAPE * t.box().sizes[0].mean()) for t in things]))
    if RELATIONS[relation].predicate:
        return _NORMAL.cdf(value / std), 0.0
    return value, std


def _reference_box(known: Known) -> Boxes | None:
    if known.reference is not None:
        return known.reference.box()
    return None if known.point is None else Boxes.points(known.point)


_Said = Callable[[Relation, Known], "tuple[float, float] | None"]
_SAID: dict[Relation, _Said] = {
    Relation.GAP: _gap,
    Relation.TOUCHING: _touching,
    Relation.ELEVATION: _elevation,
    Relation.LIFTED: _lifted,
}


def _estimate(
    query: Query, value: float, std: float, interval: tuple[float, float], quantiles: tuple[float, ...], known: Known
) -> Estimate:
    return Estimate(
        query.kind,
        str(query.subject),
        "" if query.reference is None else str(query.reference),
        value,
        std,
        interval,
        query.unit,
        known.sources,
        True,
        Reason.OK,
        quantiles=quantiles,
    )


def _invalid(query: Query, reason: Reason, detail: str) -> Estimate:
    reference = "" if query.reference is None else str(query.reference)
    return Estimate.invalid(query.kind, str(query.subject), reference, reason, query.unit, detail)
