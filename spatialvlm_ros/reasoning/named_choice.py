"""Which of two compared things an answer in free words names, where question, comparison and answer agree.

A robot may be sent to what is named here, so whatever is in doubt is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.reasoning.planner.deciding import LEAST
from spatialvlm_ros.reasoning.toolbox import Toolbox
from spatialvlm_ros.scenes.relations import Relation

_COMPARISON = re.compile(r"\s*(m\d+)\s*([<>])=?\s*(m\d+)\s*")
_BEFORE_A_NAME = r"\W*(?:(?:probably|likely|most likely)\W+)?(?:the\s+|an?\s+)?"
# "The mug is not ...", "as tall as ...", "less far", "the other": another thing than the named one may be meant.
_DOUBTFUL = re.compile(
    r"\b(?:not|neither|nor|never|as|same|equal|equally|both|less|least|other|second|former|latter)\b|n't\b",
    re.IGNORECASE,
)
_FAR = ("farther farthest further furthest", "nearer nearest closer closest")
# Relation -> the words that ask for the larger value, and those that ask for the smaller one.
_DIRECTIONS: dict[Relation, tuple[str, str]] = {
    Relation.DISTANCE: _FAR,
    Relation.GAP: _FAR,
    Relation.HORIZONTAL_DISTANCE: _FAR,
    Relation.HEIGHT: ("taller tallest higher highest", "shorter shortest lower lowest"),
    Relation.ELEVATION: ("higher highest", "lower lowest"),
    Relation.WIDTH: ("wider widest broader broadest", "narrower narrowest thinner thinnest slimmer slimmest"),
    Relation.VOLUME: ("bigger biggest larger largest", "smaller smallest"),
}


def named_choice(answer: str, question: str, tools: Toolbox) -> tuple[str, float] | None:
    """The thing that an answer names, and how probable the only comparison makes it; None where that is in doubt.

    The question names both things and asks for the larger or the smaller value. The answer begins with the one that
    the comparison finds, does not name the other one, and says nothing of the other direction.
    """
    compared = _compared(tools)
    if compared is None or _DOUBTFUL.search(question) or _DOUBTFUL.search(answer):
        return None
    relation, things, p_first_is_larger = compared
    if _named(question, things) != set(things):
        return None
    asked = _directions(_without(question, things), relation)
    if len(asked) != 1 or not _directions(_without(answer, things), relation) <= asked:
        return None
    named = _named(answer, things)
    if len(named) != 1:
        return None
    (name,) = named
    first_is_meant = (name == things[0]) == (asked == {"larger"})
    probability = p_first_is_larger if first_is_meant else 1 - p_first_is_larger
    begins = re.match(rf"{_BEFORE_A_NAME}{re.escape(name)}\b", answer, re.IGNORECASE)
    return (name, probability) if begins and probability >= LEAST else None


def _compared(tools: Toolbox) -> tuple[Relation, tuple[str, str], float] | None:
    """What the only comparison compares of which two things, and the probability that the first one has more of it."""
    truths = [name for name, drawn in tools.values.items() if drawn.truth]
    read = _COMPARISON.fullmatch(tools.calculated.get(truths[0], "")) if len(truths) == 1 else None
    if read is None:
        return None
    first, second = tools.measured[read[1]], tools.measured[read[3]]
    alone = [*(_objects(first) - _objects(second)), *(_objects(second) - _objects(first))]
    alike = [e for e in tools.measured.values() if e.relation is first.relation]
    if first.relation is not second.relation or len(alike) != 2 or len(alone) != 2:
        return None
    p = tools.value(truths[0]).value
    return first.relation, (alone[0], alone[1]), p if read[2] == ">" else 1 - p


def _objects(estimate: Estimate) -> set[str]:
    return {name for name in (estimate.subject, estimate.reference) if name}


def _names(things: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(things, key=len, reverse=True)  # "red mug" is no "mug"
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def _named(text: str, things: Sequence[str]) -> set[str]:
    by_word = {thing.lower(): thing for thing in things}
    return {by_word[word.lower()] for word in _names(things).findall(text)}


def _without(text: str, things: Sequence[str]) -> str:
    """The text without the names, which may have a direction in them ("the higher shelf")."""
    return _names(things).sub(" ", text)


def _directions(text: str, relation: Relation) -> set[str]:
    larger, smaller = _DIRECTIONS.get(relation, ("", ""))
    words = set(re.findall(r"\w+", text.lower()))
    said = {"larger": words.intersection(larger.split()), "smaller": words.intersection(smaller.split())}
    return {direction for direction, found in said.items() if found}
