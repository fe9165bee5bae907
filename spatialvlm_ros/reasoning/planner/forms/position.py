"""Where something is relative to something else, in words."""

from __future__ import annotations

import re

import numpy as np

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.planner.cues import VIEWPOINT
from spatialvlm_ros.reasoning.planner.deciding import LEAST, SURE, shown
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import COMPARISONS, DIRECTIONS, DISTANCES
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, percent, sentence, the
from spatialvlm_ros.scenes.relations import Relation

_ASKS = r"\b(?:where|position|positioned|direction|relation|relative|respect|which way|which side|placed|whereabouts)\b"
_REFERENCE = (
    r"(?:relative to|respect to|relation to|reference to|seen from|from|compared (?:with|to)|where|using|standing at|"
    r"starting at|start at|at|viewpoint of|view of|take|with)"
)
_LEAST_SHARE = 0.15  # of the distance: smaller components are not worth a word


@form(
    "relative_position",
    110,
    "Where is the mug relative to the bowl?",
    accounts=(
        DIRECTIONS,
        COMPARISONS,
        DISTANCES,
        r"\bhow much\b",
    ),
)
def read_relative_position(sentence_: Sentence) -> Plan | None:
    """Left or right, in front or behind, above or below, and how far."""
    names = tuple(dict.fromkeys(sentence_.names))
    if (
        len(names) != 2
        or len(sentence_.names) != 2
        or sentence_.lengths
        or not sentence_.has(_ASKS)
        or sentence_.has(rf"\bshould\b|{VIEWPOINT}|\bfrom (?:behind|back)\b")
    ):
        return None
    subject, reference = _roles(sentence_)
    aside, behind = (Query(subject, reference, r) for r in (Relation.LEFT_DIFF, Relation.BEHIND_DIFF))
    apart = Query(subject, reference)
    above, rise = (Query(subject, reference, r) for r in (Relation.ABOVE, Relation.VERTICAL_DISTANCE))

    def conclude(evidence: Evidence) -> Conclusion:
        # The height between them has no sign: each draw of it goes up as often as "above" is true.
        upwards = np.where(evidence.drawn(above).draws > 0.5, 1.0, -1.0) * evidence.drawn(rise).draws
        parts = (
            (evidence.drawn(aside), "to the left", "to the right"),
            (evidence.drawn(behind), "behind", "in front"),
            (Drawn(upwards, 1.0), "above", "below"),
        )
        distance = evidence.drawn(apart)
        found = [_component(*part, distance) for part in parts]
        said = sorted((f for f in found if f is not None), key=lambda f: -f[2])
        if not said:
            text = f"{the(subject)} is {shown(distance)} from {the(reference)}, in a direction too close to tell."
            return Conclusion(sentence(text), ("",), distance.value, distance.std, "m", 0.5)
        words = listed([w for w, _, _, _ in said])
        text = f"Relative to {the(reference)}, {the(subject)} is {words}, {shown(distance)} away."
        labels = tuple(label for _, label, _, _ in said)
        probability = float(min(p for _, _, _, p in said))
        return Conclusion(text, labels, distance.value, distance.std, "m", probability)

    thought = f"I need how far left, behind and above {the(subject)} is of {the(reference)}."
    return Plan("relative_position", thought, (aside, behind, above, rise, apart), conclude)


def _component(drawn: Drawn, positive: str, negative: str, distance: Drawn) -> tuple[str, str, float, float] | None:
    """Words, label, size and probability of a part of the direction; None where it is small or its side unknown."""
    size = abs(drawn.value)
    side = float((drawn.draws > 0).mean())
    probability = max(side, 1 - side)
    if size < _LEAST_SHARE * distance.value or probability < LEAST:
        return None
    label = positive if side >= 0.5 else negative
    doubt = "" if probability >= SURE else f"probably ({percent(probability)}) "
    return f"{doubt}{shown(Drawn(np.abs(drawn.draws), 1.0))} {label}", label.split()[-1], size, probability


def _roles(sentence_: Sentence) -> tuple[str, str]:
    """What is located, and what by."""
    first, second = sentence_.names
    match = re.search(rf"\b{_REFERENCE} <0>", sentence_.skeleton)
    turned = match is not None and not re.search(r"\bwhere <0>", sentence_.skeleton)
    known = re.search(r"\b(?:know where|if) (?:\w+ )*?<(\d+)>", sentence_.skeleton)
    if known is not None:
        return (second, first) if known[1] == "0" else (first, second)
    return (second, first) if turned else (first, second)
