"""What follows from a condition: ranges of quantities, named in one way, so that contradictions meet.

"gap: a | b" is "gap: b | a", "right: a | b" is "left: b | a", and what is inside something is not far from it. What is
denied needs no rules of its own: where "on" follows "touching", a denied "touching" is met on the way there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.rewards.task import Condition, Goal, Quantity, Term
from spatialvlm_ros.scenes.relations import LIFT_TOLERANCE, SYMMETRIC, TOUCH_TOLERANCE, Relation

# Metres between the centres of two things one of which holds the other: larger ones are no robot's task.
LARGEST_M = 3.0
# Metres between the centres of two things beyond the gap between them, and from a thing to the walls around it, as they
# usually are: a term that wants more draws them apart.
USUAL_M = 0.5

# The same with the objects exchanged.
_MIRRORED = {
    Relation.RIGHT: Relation.LEFT,
    Relation.BELOW: Relation.ABOVE,
    Relation.FRONT: Relation.BEHIND,
    Relation.SHORT: Relation.TALL,
    Relation.THIN: Relation.WIDE,
    Relation.SMALL: Relation.BIG,
    Relation.RIGHT_DIFF: Relation.LEFT_DIFF,
    Relation.FRONT_DIFF: Relation.BEHIND_DIFF,
}
# Predicates whose margin, over 0 where they are true, is a quantity of its own name.
_MARGINS = {Relation.LEFT: Relation.LEFT_DIFF, Relation.BEHIND: Relation.BEHIND_DIFF}
# With the objects exchanged they have the other sign.
_ANTISYMMETRIC = frozenset(
    {
        Relation.LEFT_DIFF,
        Relation.BEHIND_DIFF,
        Relation.ABOVE_DIFF,
        Relation.BELOW_DIFF,
        Relation.ABOVE,
        Relation.TALL,
        Relation.WIDE,
        Relation.BIG,
    }
)


@dataclass(frozen=True)
class Range:
    """Where a quantity is; the ends belong to it unless they are open."""

    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    high_open: bool = False

    @property
    def mirrored(self) -> Range:
        """Of the quantity with the other sign."""
        return Range(-self.high, -self.low, self.high_open, self.low_open)

    def meets(self, other: Range) -> bool:
        """Whether a value lies in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        if low != high:
            return low < high
        ends = [r.low_open for r in (self, other) if r.low == low] + [
            r.high_open for r in (self, other) if r.high == high
        ]
        return not any(ends)


TRUE, FALSE = Range(low=0.0, low_open=True), Range(high=0.0)


@dataclass(frozen=True)
class Fact:
    """A quantity, named in one way, lies in a range."""

    relation: Relation
    objects: tuple[str, ...]
    range: Range

    def excludes(self, other: Fact) -> bool:
        """Whether both cannot be."""
        same = (self.relation, self.objects) == (other.relation, other.objects)
        return same and not self.range.meets(other.range)


def fact_of(quantity: Quantity, goal: Goal) -> Fact:
    """What a goal says of a quantity."""
    if quantity.spec.predicate:
        return _named(quantity.relation, quantity.objects, TRUE if goal.expected else FALSE)
    return _named(quantity.relation, quantity.objects, Range(goal.low, goal.high))


def implied_by(condition: Condition | Term) -> tuple[Fact, ...]:
    """What a condition says, and all that follows from it."""
    return _closed([fact_of(condition.quantity, condition.goal)])


def usual_with(condition: Condition | Term) -> tuple[Fact, ...]:
    """All that follows from a condition, and what is only usual with it."""
    known = implied_by(condition)
    return _closed([*known, *(new for fact in known for new in _followed(fact, _USUAL))])


def _closed(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    known = list(facts)
    for fact in known:  # it grows
        known += [new for new in _followed(fact, _RULES) if new not in known]
    return tuple(known)


def contradict(first: Condition, second: Condition) -> bool:
    """Whether two conditions cannot both be met."""
    return _exclude(implied_by(first), implied_by(second))


def draws_away(term: Term, condition: Condition) -> bool:
    """Whether what a term draws to is usually not where a condition is met."""
    wanted, needed = (fact_of(each.quantity, each.goal) for each in (term, condition))
    return _exclude([wanted], usual_with(condition)) or _exclude(usual_with(term), [needed])


def _exclude(facts: Sequence[Fact], others: Sequence[Fact]) -> bool:
    return any(fact.excludes(other) for fact in facts for other in others)


def _named(relation: Relation, objects: Sequence[str], range_: Range) -> Fact:
    """A fact in the one way in which it is named: the objects in the order of the alphabet where that can be."""
    if relation in _MIRRORED:
        relation, objects = _MIRRORED[relation], objects[::-1]
    relation = _MARGINS.get(relation, relation)
    if list(objects) != sorted(objects):
        if relation in SYMMETRIC:
            objects = objects[::-1]
        elif relation in _ANTISYMMETRIC:
            objects, range_ = objects[::-1], range_.mirrored
    return Fact(relation, tuple(objects), range_)


# ---- what follows ----

_Follow = Callable[[tuple[str, ...], float], Iterator[Fact]]


@dataclass(frozen=True)
class _Rules:
    """What follows from a quantity that is no larger than something, and from a predicate that is true."""

    within: dict[Relation, _Follow]
    true: dict[Relation, _Follow]


def _followed(fact: Fact, rules: _Rules) -> Iterator[Fact]:
    if np.isfinite(fact.range.high) and fact.relation in rules.within:
        yield from rules.within[fact.relation](fact.objects, fact.range.high)
    if fact.range.low >= 0 and fact.range.low_open and fact.relation in rules.true:
        yield from rules.true[fact.relation](fact.objects, fact.range.high)


def _at_most(*relations: Relation) -> _Follow:
    """These are no larger than what is known to be at most ``most``."""

    def follow(objects: tuple[str, ...], most: float) -> Iterator[Fact]:
        for relation in relations:
            low = -most if relation in _ANTISYMMETRIC else -np.inf
            yield _named(relation, objects, Range(low, most))

    return follow


def _of_on(objects: tuple[str, ...], _: float) -> Iterator[Fact]:
    yield _named(Relation.TOUCHING, objects, TRUE)
    yield _named(Relation.ABOVE, objects, TRUE)
    yield _named(Relation.INSIDE, objects, FALSE)
    yield _named(Relation.DISTANCE, objects, Range(high=LARGEST_M))


def _of_inside(objects: tuple[str, ...], _: float) -> Iterator[Fact]:
    yield _named(Relation.ON, objects, FALSE)
    yield _named(Relation.INSIDE, objects[::-1], FALSE)
    yield _named(Relation.BELOW_DIFF, objects, Range(high=TOUCH_TOLERANCE))
    yield _named(Relation.FREE_WIDTH, objects, Range(high=0.0))
    yield _named(Relation.DISTANCE, objects, Range(high=LARGEST_M))


def _of_touching(objects: tuple[str, ...], _: float) -> Iterator[Fact]:
    yield _named(Relation.GAP, objects, Range(high=TOUCH_TOLERANCE))


def _of_lifted(objects: tuple[str, ...], _: float) -> Iterator[Fact]:
    yield _named(Relation.ELEVATION, objects, Range(low=LIFT_TOLERANCE, low_open=True))


def _of_gap(objects: tuple[str, ...], most: float) -> Iterator[Fact]:
    yield _named(Relation.FREE_WIDTH, objects, Range(high=most))
    if most <= 0:
        yield _named(Relation.TOUCHING, objects, TRUE)


def _usual_of_gap(objects: tuple[str, ...], most: float) -> Iterator[Fact]:
    yield _named(Relation.DISTANCE, objects, Range(high=most + USUAL_M))


def _usual_of_inside(objects: tuple[str, ...], _: float) -> Iterator[Fact]:
    yield _named(Relation.GAP, objects, Range(high=USUAL_M))
    yield _named(Relation.DISTANCE, objects, Range(high=USUAL_M))


_RULES = _Rules(
    within={
        Relation.DISTANCE: _at_most(
            Relation.GAP,
            Relation.VERTICAL_DISTANCE,
            Relation.HORIZONTAL_DISTANCE,
            Relation.LEFT_DIFF,
            Relation.BEHIND_DIFF,
        ),
        Relation.HORIZONTAL_DISTANCE: _at_most(Relation.FREE_WIDTH),
        Relation.GAP: _of_gap,
        Relation.VERTICAL_DISTANCE: _at_most(Relation.ABOVE),
    },
    true={
        Relation.ON: _of_on,
        Relation.INSIDE: _of_inside,
        Relation.TOUCHING: _of_touching,
        Relation.LIFTED: _of_lifted,
    },
)
_USUAL = _Rules(within={Relation.GAP: _usual_of_gap}, true={Relation.INSIDE: _usual_of_inside})
