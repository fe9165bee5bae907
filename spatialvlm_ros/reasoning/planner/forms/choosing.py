"""Which one is it: the nearest, the farthest, the tallest, the widest; and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.cues import (
    AMOUNT,
    BIG,
    NARROW,
    NEAREST,
    NTH,
    SHORT,
    SMALL,
    TALL,
    WIDE,
    asks_two_sizes,
    first_of,
    items_and_reference,
    nearness,
    place,
)
from spatialvlm_ros.reasoning.planner.deciding import hedged, place_probabilities, ranked, shown
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


@dataclass(frozen=True)
class Choice:
    """One thing of several, by a quantity of each.

    Attributes:
        items: to choose from.
        queries: the quantity of each.
        ascending: whether the least of it comes first.
        word: for the first: "nearest to the lamp".
        place: of the one that is wanted: 0 for the first.
        nth: that place in words, before ``word``: "second ".
        by_how_much: whether the margin to the next one is wanted.
    """

    items: tuple[str, ...]
    queries: tuple[Query, ...]
    ascending: bool
    word: str
    place: int = 0
    nth: str = ""
    by_how_much: bool = False

    def plan_of(self, trait: Trait) -> Plan:
        """The plan of a choice by size."""
        return Plan(
            "tallest", f"I need the {trait.relation.value} of {_each(self.items)}.", self.queries, self.conclude
        )

    def conclude(self, evidence: Evidence) -> Conclusion:
        """Which one it is, with the numbers of all."""
        values = [evidence.drawn(q) for q in self.queries]
        order = ranked(values, self.ascending)
        chosen = order[self.place]
        names = [evidence.name(q) for q in self.queries]
        if self.place == 0:
            extreme, word = ("min", "least") if self.ascending else ("max", "largest")
            evidence.calculate(f"{extreme}({', '.join(names)})", f"The {word} of them.")
        result, by = values[chosen], ""
        if self.by_how_much:
            larger, smaller = order[1::-1] if self.ascending else order[:2]
            result = evidence.calculate(f"{names[larger]} - {names[smaller]}", "The difference.")
            by = f" by {shown(result)}"
        probability, doubt = place_probabilities(values, self.ascending, self.place)
        numbers = listed([f"{the(self.items[k])} {shown(values[k])}" for k in order])
        text = hedged(the(self.items[chosen]), probability, f"{self._said()}{by}, with {numbers}", doubt)
        return Conclusion(text, (self.items[chosen],), result.value, result.std, result.unit, probability)

    def _said(self) -> str:
        first, _, rest = self.word.partition("the ")
        return f"the {self.nth}{rest}" if not first and self.nth else f"{self.nth}{self.word}"


_TURNED = r"\b(?:least|less) (?:tall|high|wide|big|large)\b"


def trait_of(sentence: Sentence) -> tuple[Trait, int] | None:
    """What a sentence compares by, and whether the most (1) or the least (-1) of it is asked for."""
    if asks_two_sizes(sentence):
        return None
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


# More than one is asked for; "which of the two" asks for one of them.
_MANY_ASKED = rf"\b(?:which|what|who|whichever) {NUMBERS}|\b(?:are|name|find|list|give|me) {NUMBERS}|^{NUMBERS}"
# Of two distances, or against something that is not to choose from: "nearer to the lamp than the tray, the mug or ...".
_OF_PAIRS = r"\bdistances? between <|\b(?:together|each other|one another|apart(?! from))\b|\bthan <"


@form(
    "nearest",
    85,
    "Which of the mug, the bowl and the tray is nearest to the lamp?",
    accounts=(
        NTH,
        DISTANCES,
        COMPARISONS,
        rf"\bof {NUMBERS}",
        AMOUNT,
        NEAREST,
    ),
)
def read_nearest(sentence: Sentence) -> Plan | None:
    """Which is nearest to something, or farthest from it, or the second nearest; also by how much."""
    near, roles = nearness(sentence), items_and_reference(sentence)
    if not near or roles is None or sentence.lengths or len(roles[0]) < 2:
        return None
    if sentence.has(_OF_PAIRS) or sentence.has(_MANY_ASKED):
        return None
    items, reference = roles
    of_several, of_two = ("nearest to", "nearer to") if near > 0 else ("farthest from", "farther from")
    word = f"{of_two if len(items) == 2 else of_several} {the(reference)}"
    queries = tuple(Query(reference, item) for item in items)
    choice = _choice(sentence, Choice(items, queries, near > 0, word))
    thought = f"I need the distance from {the(reference)} to {_each(items)}."
    return None if choice is None else Plan("nearest", thought, queries, choice.conclude)


@form(
    "tallest",
    130,
    "Which is taller, the mug or the lamp, and by how much?",
    accounts=(
        NTH,
        SIZE_WORDS,
        r"\b(?:top to bottom|bottom to top|above (?:all|others?|rest))\b",
        COMPARISONS,
        rf"\bof {NUMBERS}",
        AMOUNT,
    ),
)
def read_tallest(sentence: Sentence) -> Plan | None:
    """Which is the tallest, widest or biggest, or the least so; of two also by how much."""
    found = trait_of(sentence)
    if (
        found is None
        or sentence.lengths
        or sentence.has(_MANY_ASKED)
        or sentence.has(r"\b(?:stack|pile|on top|sum|add up|together|combined|fit|triangle)\b")
    ):
        return None
    if sentence.lists and sentence.has(rf"\bthan <{sentence.lists[0]}>"):  # wider than all of these
        return None
    trait, sign = found
    items = sentence.names if len(sentence.singles) in (0, 2) and len(sentence.lists) < 2 else ()
    comparing = sentence.has(AMOUNT) or "or" in {g.joiner for g in sentence.groups}
    if len(items) < 2 or len(sentence.singles) == 2 and (sentence.lists or not comparing):
        return None
    choice = _choice(sentence, size_choice(items, trait, sign), trait.relation is not Relation.VOLUME)
    return None if choice is None else choice.plan_of(trait)


def size_choice(items: Sequence[str], trait: Trait, sign: int) -> Choice:
    """Which has the most (sign 1) or the least (-1) of a trait."""
    of_several, of_two = trait.most if sign > 0 else trait.least
    queries = tuple(Query(item, relation=trait.relation) for item in items)
    return Choice(tuple(items), queries, sign < 0, of_two if len(items) == 2 else f"the {of_several}")


def _choice(sentence: Sentence, choice: Choice, has_margin: bool = True) -> Choice | None:
    """A choice with the place and the margin that a sentence asks for; None where it has no such place."""
    rank, nth = place(sentence)
    by_how_much = has_margin and sentence.has(AMOUNT)
    if rank == 0:
        return replace(choice, by_how_much=by_how_much)
    return None if by_how_much or rank >= len(choice.items) else replace(choice, place=rank, nth=nth)


def _each(items: Sequence[str]) -> str:
    return listed([the(i) for i in items])
