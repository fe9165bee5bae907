"""Which one is it: the nearest, the farthest, the tallest, the widest; and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.cues import (
    AMOUNT,
    BIG,
    NARROW,
    NEAREST,
    SHORT,
    SMALL,
    TALL,
    WIDE,
    first_of,
    items_and_reference,
    nearness,
)
from spatialvlm_ros.reasoning.planner.deciding import extreme_probabilities, hedged, ranked, shown
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import COMPARISONS, DISTANCES, NUMBERS
from spatialvlm_ros.reasoning.planner.turns import SIZES as SIZE_WORDS
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the
from spatialvlm_ros.scenes.relations import Relation


@dataclass(frozen=True)
class Trait:
    """What things are compared by.

    Attributes:
        relation: that is measured of each.
        more, less: patterns of the words for having more, or less, of it.
        most, least: the words for the one with the most, or the least, of several and of two.
    """

    relation: Relation
    more: str
    less: str
    most: tuple[str, str]
    least: tuple[str, str]


SIZES: tuple[Trait, ...] = (
    Trait(Relation.HEIGHT, TALL, SHORT, ("tallest", "taller"), ("shortest", "shorter")),
    Trait(Relation.WIDTH, WIDE, NARROW, ("widest", "wider"), ("narrowest", "narrower")),
    Trait(Relation.VOLUME, BIG, SMALL, ("biggest", "bigger"), ("smallest", "smaller")),
)
# Predicate of a choice between two -> trait, and whether the most (1) or the least (-1) of it is asked for.
_OF_PREDICATE = {
    Relation.TALL: (SIZES[0], 1),
    Relation.SHORT: (SIZES[0], -1),
    Relation.WIDE: (SIZES[1], 1),
    Relation.THIN: (SIZES[1], -1),
    Relation.BIG: (SIZES[2], 1),
    Relation.SMALL: (SIZES[2], -1),
}
_TURNED = r"\b(?:least|less) (?:tall|high|wide|big|large)\b"


def trait_of(sentence: Sentence) -> tuple[Trait, int] | None:
    """What a sentence compares by, and whether the most (1) or the least (-1) of it is asked for."""
    for trait in SIZES:
        sign = first_of(sentence, trait.more, trait.less)
        if sign:
            smaller = r"\b(?:smallest|least|lowest|minimal|minimum|smaller|lower|less) (?:height|width|size|volume)\b"
            turned = sentence.has(_TURNED) or sentence.has(smaller)
            return trait, -1 if turned else sign
    return None


def trait_of_predicate(predicate: Relation) -> tuple[Trait, int] | None:
    """What a predicate of two things compares by, and which way; None where it compares no sizes."""
    return _OF_PREDICATE.get(predicate)


@form(
    "nearest",
    85,
    "Which of the mug, the bowl and the tray is nearest to the lamp?",
    accounts=(
        DISTANCES,
        COMPARISONS,
        NUMBERS,
        AMOUNT,
        NEAREST,
    ),
)
def read_nearest(sentence: Sentence) -> Plan | None:
    """Which is nearest to something, or farthest from it; of two also by how much."""
    near, roles = nearness(sentence), items_and_reference(sentence)
    if not near or roles is None or sentence.lengths or len(roles[0]) < 2:
        return None
    items, reference = roles
    queries = tuple(Query(reference, item) for item in items)
    place = the(reference)
    of_several, of_two = ("nearest to", "nearer to") if near > 0 else ("farthest from", "farther from")
    word = of_two if len(items) == 2 else of_several
    by_how_much = len(items) == 2 and sentence.has(AMOUNT)

    def conclude(evidence: Evidence) -> Conclusion:
        return _chosen(evidence, items, queries, near > 0, f"{word} {place}", by_how_much)

    return Plan("nearest", f"I need the distance from {place} to {_each(items)}.", queries, conclude)


@form(
    "tallest",
    130,
    "Which is taller, the mug or the lamp, and by how much?",
    accounts=(
        SIZE_WORDS,
        r"\b(?:top to bottom|bottom to top|above (?:all|others?|rest))\b",
        COMPARISONS,
        NUMBERS,
        AMOUNT,
    ),
)
def read_tallest(sentence: Sentence) -> Plan | None:
    """Which is the tallest, widest or biggest, or the least so; of two also by how much."""
    found = trait_of(sentence)
    if found is None or sentence.lengths or sentence.has(r"\b(?:stack|pile|on top|sum|add up|together|combined|fit)\b"):
        return None
    trait, sign = found
    items = sentence.names if len(sentence.singles) in (0, 2) and len(sentence.lists) < 2 else ()
    comparing = sentence.has(AMOUNT) or "or" in {g.joiner for g in sentence.groups}
    if len(items) < 2 or len(sentence.singles) == 2 and (sentence.lists or not comparing):
        return None
    by_how_much = sentence.has(AMOUNT) and trait.relation is not Relation.VOLUME
    return choice_plan(items, trait, sign, by_how_much)


def choice_plan(items: Sequence[str], trait: Trait, sign: int, by_how_much: bool = False) -> Plan:
    """Which has the most (sign 1) or the least (-1) of a trait."""
    queries = tuple(Query(item, relation=trait.relation) for item in items)
    of_several, of_two = trait.most if sign > 0 else trait.least
    word = of_two if len(items) == 2 else f"the {of_several}"

    def conclude(evidence: Evidence) -> Conclusion:
        return _chosen(evidence, items, queries, sign < 0, word, by_how_much)

    return Plan("tallest", f"I need the {trait.relation.value} of {_each(items)}.", queries, conclude)


def _chosen(
    evidence: Evidence, items: Sequence[str], queries: Sequence[Query], ascending: bool, word: str, by_how_much: bool
) -> Conclusion:
    values = [evidence.drawn(q) for q in queries]
    order = ranked(values, ascending)
    best, second = order[0], order[1]
    probability, doubt = extreme_probabilities(values, ascending)
    names = [evidence.name(q) for q in queries]
    extreme = "min" if ascending else "max"
    evidence.calculate(f"{extreme}({', '.join(names)})", f"The {'least' if ascending else 'largest'} of them.")
    numbers = listed([f"{the(items[k])} {shown(values[k])}" for k in order])
    head = the(items[best])
    if not by_how_much:
        text = hedged(head, probability, f"{word}, with {numbers}", doubt)
        return Conclusion(text, (items[best],), values[best].value, values[best].std, values[best].unit, probability)
    larger, smaller = (names[second], names[best]) if ascending else (names[best], names[second])
    margin = evidence.calculate(f"{larger} - {smaller}", "The difference.")
    text = hedged(head, probability, f"{word} by {shown(margin)}, with {numbers}", doubt)
    return Conclusion(text, (items[best],), margin.value, margin.std, margin.unit, probability)


def _each(items: Sequence[str]) -> str:
    return listed([the(i) for i in items])
