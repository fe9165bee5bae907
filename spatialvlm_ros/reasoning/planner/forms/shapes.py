"""The shape that three things form: which kind of triangle, and whether one lies between the others."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.arithmetic.draws import DRAWS, Drawn, positions_of
from spatialvlm_ros.reasoning.planner.cues import any_of, pair_of_lists
from spatialvlm_ros.reasoning.planner.deciding import yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import DISTANCES, NUMBERS
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, percent, the, with_error
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.relations import Relation, relation_values

ROUGHLY_EQUAL = 0.1  # of the longer of two sides
_KINDS = ("scalene", "isosceles", "equilateral")
_BETWEEN = any_of(
    "between, in the middle, middle, opposite sides?, either side, both sides, one side, "
    "(?:come|go|pass|get|run|walk|move) (?:past|by), past, separate, "
    "separates, "
    "flank, flanked, along the way"
)
_NOT_PLAIN_BETWEEN = r"\b(?:distance|how|where|why|when|which|what|who)\b"


@form(
    "triangle",
    15,
    "What kind of triangle do the mug, the bowl and the tray form?",
    accounts=(NUMBERS, DISTANCES, r"\bor (?:neither|none|no)\b"),
)
def read_triangle(sentence: Sentence) -> Plan | None:
    """Which kind of triangle three things form; sides within 10% of each other count as equal."""
    corners = tuple(dict.fromkeys(sentence.names))
    if sentence.has(r"\b(?:how (?:large|big|long|wide)|longest|shortest|largest|smallest)\b"):
        return None
    if len(corners) != 3 or not sentence.has(r"\b(?:triangle|equilateral|isosceles|scalene)\b") or sentence.lengths:
        return None
    queries = tuple(Query(a, b) for a, b in combinations(corners, 2))

    def conclude(evidence: Evidence) -> Conclusion:
        sides = [evidence.drawn(q) for q in queries]
        names = [evidence.name(q) for q in queries]
        for a, b in combinations(names, 2):
            evidence.calculate(f"abs({a} - {b}) < {ROUGHLY_EQUAL} * max({a}, {b})", "Are these two about equal?")
        kind = int(_kinds(np.array([[s.value] for s in sides]))[0])
        probability = float((_kinds(np.stack([s.draws for s in sides])) == kind).mean())
        word = _KINDS[kind]
        error = max(s.std for s in sides)
        numbers = f"{listed([with_error(s.value, 0, '') for s in sides])} m"
        numbers += f" \u00b1 {error:.2f}" if error >= 0.005 else ""
        text = f"{'Roughly ' if kind else ''}{word}: the sides are {numbers}"
        text += "." if probability >= 0.9 else f" ({_doubt(probability)})."
        return Conclusion(text[0].upper() + text[1:], (word,), probability=probability)

    return Plan("triangle", "I need the three sides.", queries, conclude)


def _doubt(probability: float) -> str:
    return f"with these errors it is so in {percent(probability)} of the cases"


def _kinds(sides: np.ndarray) -> np.ndarray:
    """Index into `_KINDS` of each column of (3, N) sides."""
    ordered = np.sort(sides, axis=0)
    equal = (ordered[1:] - ordered[:-1]) <= ROUGHLY_EQUAL * ordered[1:]
    all_equal = ordered[2] - ordered[0] <= ROUGHLY_EQUAL * ordered[2]
    return np.where(all_equal, 2, np.where(equal.any(axis=0), 1, 0))


@form(
    "between",
    100,
    "Is the mug between the bowl and the tray?",
    accounts=(NUMBERS,),
)
def read_between(sentence: Sentence) -> Plan | None:
    """Whether one thing lies between two others."""
    roles = pair_of_lists(sentence)
    if (
        roles is None
        or sentence.lengths
        or not sentence.has(_BETWEEN)
        or sentence.has(rf"^{_NOT_PLAIN_BETWEEN}|\b(?:exactly|halfway)\b")
    ):
        return None
    thing, (a, b) = roles
    if len({thing, a, b}) < 3 or "or" in {g.joiner for g in sentence.groups}:
        return None

    def conclude(evidence: Evidence) -> Conclusion:
        places = [evidence.places[n] for n in (thing, a, b)]
        margins = _between_margins(places, evidence)
        truth = Drawn((margins > 0).astype(np.float64), None, truth=True)
        margin = Drawn(np.abs(margins), 1.0)
        side = "inside" if truth.value >= 0.5 else "outside"
        corridor = f"the corridor from {the(a)} to {the(b)}"
        why = f"the centre of {the(thing)} is {with_error(margin.value, margin.std)} {side} {corridor}"
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability)

    return Plan("between", "I need to know where the three are.", (), conclude, (thing, a, b))


def _between_margins(places: list[LocatedObject], evidence: Evidence) -> np.ndarray:
    """(DRAWS,) margins of the relation `between`."""
    frame = evidence.tools.friend.frame()
    axes = np.broadcast_to(np.stack([frame.left, frame.forward, frame.up], axis=1), (DRAWS, 3, 3))

    def boxes(place: LocatedObject) -> Boxes:
        size = np.broadcast_to(np.maximum(np.nan_to_num(place.size), 0.0), (DRAWS, 3))
        return Boxes(positions_of(place), size, axes)

    thing, a, b = (boxes(p) for p in places)
    return relation_values(Relation.BETWEEN, Pairs(thing, a, Frames.repeat(frame, DRAWS), third=b))
