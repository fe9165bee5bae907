"""Answers in as few words as fit into a picture or over a marker: ``0.42 m ±0.05``, ``mug: left 99%``."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, LocatedObject
from spatialvlm_ros.models.query import is_camera
from spatialvlm_ros.scenes.relations import SYMMETRIC, Relation

_WORDS = {
    Relation.DISTANCE: "",  # a bare length is a distance
    Relation.VERTICAL_DISTANCE: "vertical",
    Relation.HORIZONTAL_DISTANCE: "horizontal",
    Relation.FREE_WIDTH: "free",
}
_LITRES_BELOW_M3 = 1.0


@dataclass
class Labels:
    """Where each answer is shown.

    Attributes:
        at_object: name -> answers about it alone, or about it and the camera.
        at_line: two names -> answers about both, in either order.
        listed: answers without a place: invalid, or about something that is not shown.
    """

    at_object: dict[str, list[Estimate]] = field(default_factory=dict)
    at_line: dict[tuple[str, str], list[Estimate]] = field(default_factory=dict)
    listed: list[Estimate] = field(default_factory=list)


def grouped_labels(estimates: Sequence[Estimate], shown: Container[str]) -> Labels:
    """Each answer to its place; ``shown`` are the names of the objects that are drawn."""
    labels = Labels()
    for estimate in estimates:
        ends = [name for name in (estimate.subject, estimate.reference) if name]
        drawn = [name for name in ends if name in shown]
        if not estimate.valid or not drawn or not all(name in shown or is_camera(name) for name in ends):
            labels.listed.append(estimate)
        elif len(drawn) == 2:
            there, back = (drawn[0], drawn[1]), (drawn[1], drawn[0])
            labels.at_line.setdefault(back if back in labels.at_line else there, []).append(estimate)
        else:
            labels.at_object.setdefault(drawn[0], []).append(estimate)
    return labels


def value_text(estimate: Estimate) -> str:
    """Value, unit and one standard deviation; the reason where there is no value."""
    if not estimate.valid:
        return reason_text(estimate)
    if estimate.unit == PROBABILITY:
        return f"{100 * estimate.value:.0f}%"
    value, std, unit = estimate.value, estimate.std, estimate.unit
    if unit == "m3" and abs(value) < _LITRES_BELOW_M3:
        value, std, unit = 1000 * value, 1000 * std, "L"
    return f"{_number(value, std)} {unit}{_deviation(std)}"


def relation_text(estimate: Estimate) -> str:
    """The relation in a word or two, "" for a distance: ``gap``, ``left``, ``inside``."""
    word = estimate.relation.value.removesuffix("_diff").replace("_", " ")
    return _WORDS.get(estimate.relation, word)


def estimate_text(estimate: Estimate) -> str:
    """A label beside the objects it is about: relation and value, the subject where the order matters, the camera."""
    to_camera = "to camera" if is_camera(estimate.reference) or is_camera(estimate.subject) else ""
    ordered = estimate.reference and estimate.relation not in SYMMETRIC
    if ordered and not to_camera:
        return f"{estimate.subject}: {_joined(relation_text(estimate), value_text(estimate))}"
    if ordered:
        return f"{_joined(estimate.subject, relation_text(estimate), estimate.reference)}: {value_text(estimate)}"
    return _joined(relation_text(estimate), to_camera, value_text(estimate))


def full_text(estimate: Estimate) -> str:
    """A line that stands alone: relation, objects, and the value or the reason."""
    relation = relation_text(estimate) or Relation.DISTANCE.value
    objects = " - ".join(o for o in (estimate.subject, estimate.reference) if o)
    return f"{relation} {objects}: {value_text(estimate)}"


def reason_text(answer: Estimate | LocatedObject) -> str:
    """Why there is no answer, in words."""
    return answer.reason.value.replace("_", " ")


def name_text(name: str, number: int = -1) -> str:
    """The name of an object, with its id where it has one."""
    return f"{name} #{number}" if number >= 0 else name


def _joined(*words: str) -> str:
    return " ".join(w for w in words if w)


def _number(value: float, std: float) -> str:
    # Few steps, so that the number of digits does not change from frame to frame.
    digits = 3 if std < 0.005 else 1 if std >= 1 else 2
    return f"{value:.{digits}f}"


def _deviation(std: float) -> str:
    return f" ±{_number(std, std)}" if math.isfinite(std) else ""
