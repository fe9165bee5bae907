"""What is asked of a scene, and what is true: one maker per form. Near-ties are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations

import numpy as np

from spatialvlm_ros.models.query import CAMERA_NAME
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.scenes.relations import Relation

MARGIN = 0.1  # of the larger value: what is closer than this is not asked
_EQUAL, _UNEQUAL = 0.05, 0.2  # sides of a triangle: relative differences in between are near-ties of "about equal"
_SMALL_PART, _LARGE_PART = (
    0.1,
    0.25,
)  # of the distance: parts of a direction below do not count, above they must be said
_FEWEST, _MOST = 3, 4  # names in a list

Rng = np.random.Generator
Slots = Mapping[str, "str | Sequence[str]"]


class Kind(str, Enum):
    """What an answer must hold to be right."""

    LABEL = "label"  # one of the candidates
    LABEL_NUMBER = "label_number"  # that, and a number
    ORDER = "order"  # all candidates in this order
    PAIR = "pair"  # two of the candidates
    YES_NO = "yes_no"
    WORD = "word"  # one of the candidates, which are no names
    NUMBER = "number"  # a length
    RATIO = "ratio"
    COUNT = "count"
    DIRECTIONS = "directions"
    REFUSAL = "refusal"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Truth:
    """The right answer.

    Attributes:
        kind: what it must hold.
        labels: names or words, in order; directions that must be said.
        value: metres, a ratio or a count.
        candidates: what there is to choose from; directions that must not be said.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    value: float = float("nan")
    candidates: tuple[str, ...] = field(default=())


Asked = tuple[Slots, Truth]
Maker = Callable[[ExactFriend, Sequence[str], Rng], "Asked | None"]
MAKERS: dict[str, Maker] = {}


def _maker(form: str) -> Callable[[Maker], Maker]:
    def register(make: Maker) -> Maker:
        MAKERS[form] = make
        return make

    return register


def clear(larger: float, smaller: float) -> bool:
    """Whether two values differ by more than the margin."""
    return larger - smaller >= MARGIN * max(abs(larger), abs(smaller), 1e-6)


def _pick(names: Sequence[str], number: int, rng: Rng) -> list[str] | None:
    if len(names) < number:
        return None
    return [str(names[k]) for k in rng.permutation(len(names))[:number]]


def _items(names: Sequence[str], beside: int, rng: Rng) -> tuple[list[str], list[str]] | None:
    """So many names beside a list of three or four."""
    number = min(int(rng.integers(_FEWEST, _MOST + 1)), len(names) - beside)
    picked = _pick(names, number + beside, rng) if number >= _FEWEST else None
    return None if picked is None else (picked[:beside], picked[beside:])


def _distances(friend: ExactFriend, reference: str, items: Sequence[str]) -> dict[str, float]:
    return {item: friend.value(Relation.DISTANCE, reference, item) for item in items}


def _all_clear(values: Sequence[float]) -> bool:
    ordered = sorted(values)
    return all(clear(b, a) for a, b in zip(ordered, ordered[1:], strict=False))


def length_text(metres: float, rng: Rng) -> tuple[str, float]:
    """A length as people say it, and what it then is in metres."""
    centimetres = max(round(metres * 100), 1)
    if rng.random() < 0.5:
        return f"{centimetres} cm", centimetres / 100
    return f"{centimetres / 100:g} m", centimetres / 100


def _limit(value: float, above: bool, rng: Rng) -> tuple[str, float] | None:
    """A length clearly above or below a value."""
    if value < 0.05:
        return None
    factor = rng.uniform(1.15, 1.7) if above else rng.uniform(0.55, 0.85)
    text, metres = length_text(value * factor, rng)
    apart = clear(metres, value) if above else clear(value, metres)
    return (text, metres) if apart else None


# ---- choosing ----


def _extreme(near: bool) -> Maker:
    def make(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
        picked = _items(names, 1, rng)
        if picked is None:
            return None
        (a,), items = picked
        ordered = sorted(_distances(friend, a, items).items(), key=lambda pair: pair[1], reverse=not near)
        if not clear(*sorted((ordered[0][1], ordered[1][1]), reverse=True)):
            return None
        return {"a": a, "items": items}, Truth(Kind.LABEL, (ordered[0][0],), candidates=tuple(items))

    return make


_maker("nearest")(_extreme(near=True))
_maker("farthest")(_extreme(near=False))


@_maker("tallest")
def _tallest(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 0, rng)
    if picked is None:
        return None
    items = picked[1]
    ordered = sorted(((friend.value(Relation.HEIGHT, i), i) for i in items), reverse=True)
    if not clear(ordered[0][0], ordered[1][0]):
        return None
    return {"items": items}, Truth(Kind.LABEL, (ordered[0][1],), candidates=tuple(items))


@_maker("taller_by")
def _taller_by(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 2, rng)
    if picked is None:
        return None
    (low, short), (high, tall) = sorted((friend.value(Relation.HEIGHT, n), n) for n in picked)
    if not clear(high, low):
        return None
    truth = Truth(Kind.LABEL_NUMBER, (tall,), high - low, tuple(picked))
    return {"a": picked[0], "b": picked[1]}, truth


@_maker("closer_by")
def _closer_by(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    a, b, c = picked
    (low, near), (high, _) = sorted((friend.value(Relation.DISTANCE, c, n), n) for n in (a, b))
    if not clear(high, low):
        return None
    return {"a": a, "b": b, "c": c}, Truth(Kind.LABEL_NUMBER, (near,), high - low, (a, b))


# ---- ordering ----


@_maker("order_nearest_first")
def _order_nearest(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 1, rng)
    if picked is None:
        return None
    (a,), items = picked
    values = _distances(friend, a, items)
    if not _all_clear(list(values.values())):
        return None
    order = tuple(sorted(items, key=values.__getitem__))
    return {"a": a, "items": items}, Truth(Kind.ORDER, order, candidates=tuple(items))


@_maker("order_tallest_first")
def _order_tallest(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 0, rng)
    if picked is None:
        return None
    items = picked[1]
    values = {i: friend.value(Relation.HEIGHT, i) for i in items}
    if not _all_clear(list(values.values())):
        return None
    order = tuple(sorted(items, key=values.__getitem__, reverse=True))
    return {"items": items}, Truth(Kind.ORDER, order, candidates=tuple(items))


@_maker("order_left_to_right")
def _order_left(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 0, rng)
    if picked is None:
        return None
    items = picked[1]
    values = {i: friend.value(Relation.LEFT_DIFF, i, items[0]) for i in items}
    order = tuple(sorted(items, key=values.__getitem__, reverse=True))
    span = values[order[0]] - values[order[-1]]
    if any(values[a] - values[b] < MARGIN * span for a, b in zip(order, order[1:], strict=False)):
        return None
    return {"items": items}, Truth(Kind.ORDER, order, candidates=tuple(items))


# ---- shapes ----


@_maker("triangle")
def _triangle(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    sides = sorted(friend.value(Relation.DISTANCE, a, b) for a, b in combinations(picked, 2))
    apart = [(b - a) / b for a, b in combinations(sides, 2)]
    if any(_EQUAL < x < _UNEQUAL for x in apart):
        return None
    equal = sum(x <= _EQUAL for x in apart)
    word = ("scalene", "isosceles", "isosceles", "equilateral")[equal]
    if equal == 2 or word == "scalene" and rng.random() < 0.8:  # as many of each kind as can be had
        return None
    return {"items": picked}, Truth(Kind.WORD, (word,), candidates=("equilateral", "isosceles", "scalene"))


@_maker("between")
def _between(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    a, b, c = picked
    margin, line = friend.value(Relation.BETWEEN, a, b, c), friend.value(Relation.HORIZONTAL_DISTANCE, b, c)
    if abs(margin) < MARGIN * line or margin < 0 and rng.random() < 0.7:
        return None
    return {"a": a, "b": b, "c": c}, Truth(Kind.YES_NO, ("yes" if margin > 0 else "no",))


# ---- passing and reaching ----


@_maker("fits_between")
def _fits_between(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    a, b, c = picked
    width, free = friend.value(Relation.WIDTH, a), friend.value(Relation.FREE_WIDTH, b, c)
    fits = width < free
    if free < 0.02 or not clear(*sorted((width, free), reverse=True)) or fits != (rng.random() < 0.5):
        return None
    return {"a": a, "b": b, "c": c}, Truth(Kind.YES_NO, ("yes" if fits else "no",))


@_maker("robot_passes")
def _robot_passes(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 2, rng)
    if picked is None:
        return None
    b, c = picked
    passes = bool(rng.random() < 0.5)
    limit = _limit(friend.value(Relation.FREE_WIDTH, b, c), not passes, rng)
    if limit is None:
        return None
    return {"b": b, "c": c, "w": limit[0]}, Truth(Kind.YES_NO, ("yes" if passes else "no",))


def _reach(from_camera: bool) -> Maker:
    def make(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
        picked = _pick(names, 1 if from_camera else 2, rng)
        if picked is None:
            return None
        a, b = picked[0], CAMERA_NAME if from_camera else picked[1]
        reaches = bool(rng.random() < 0.5)
        limit = _limit(friend.value(Relation.DISTANCE, a, b), reaches, rng)
        if limit is None:
            return None
        return {"a": a, "b": b, "w": limit[0]}, Truth(Kind.YES_NO, ("yes" if reaches else "no",))

    return make


_maker("reach_from")(_reach(from_camera=False))
_maker("reach_camera")(_reach(from_camera=True))


@_maker("count_within")
def _count_within(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 1, rng)
    if picked is None:
        return None
    (a,), items = picked
    values = sorted(_distances(friend, a, items).values())
    number = int(rng.integers(0, len(items) + 1))
    low = values[number - 1] if number else values[0] * 0.6
    high = values[number] if number < len(values) else values[-1] * 1.5
    text, metres = length_text(float(np.sqrt(low * high)), rng)
    if any(not clear(*sorted((v, metres), reverse=True)) for v in values):
        return None
    return {"a": a, "items": items, "w": text}, Truth(Kind.COUNT, value=sum(v < metres for v in values))


# ---- lengths ----


@_maker("path_length")
def _path_length(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    a, b, c = picked
    total = friend.value(Relation.DISTANCE, a, b) + friend.value(Relation.DISTANCE, b, c)
    return {"a": a, "b": b, "c": c}, Truth(Kind.NUMBER, value=total)


@_maker("stack_height")
def _stack_height(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, int(rng.integers(2, 4)), rng)
    if picked is None:
        return None
    return {"items": picked}, Truth(Kind.NUMBER, value=sum(friend.value(Relation.HEIGHT, n) for n in picked))


@_maker("ratio")
def _ratio(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 3, rng)
    if picked is None:
        return None
    a, b, c = picked
    far, near = friend.value(Relation.DISTANCE, a, b), friend.value(Relation.DISTANCE, a, c)
    if near < 0.05 or far < near or not clear(far, near):  # "how many times farther" means more than once
        return None
    return {"a": a, "b": b, "c": c}, Truth(Kind.RATIO, value=far / near)


# ---- pairs ----


@_maker("closest_pair")
def _closest_pair(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _items(names, 0, rng)
    if picked is None:
        return None
    items = picked[1]
    pairs = sorted((friend.value(Relation.DISTANCE, a, b), a, b) for a, b in combinations(items, 2))
    if not clear(pairs[1][0], pairs[0][0]):
        return None
    return {"items": items}, Truth(Kind.PAIR, pairs[0][1:], candidates=tuple(items))


@_maker("closer_pair")
def _closer_pair(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 4, rng)
    if picked is None:
        return None
    a, b, c, d = picked
    first, second = friend.value(Relation.DISTANCE, a, b), friend.value(Relation.DISTANCE, c, d)
    if not clear(*sorted((first, second), reverse=True)):
        return None
    return {"a": a, "b": b, "c": c, "d": d}, Truth(Kind.YES_NO, ("yes" if first < second else "no",))


@_maker("relative_position")
def _relative_position(friend: ExactFriend, names: Sequence[str], rng: Rng) -> Asked | None:
    picked = _pick(names, 2, rng)
    if picked is None:
        return None
    a, b = picked
    distance = friend.value(Relation.DISTANCE, a, b)
    said, wrong = [], []
    for relation, positive, negative in _AXES:
        part = friend.value(relation, a, b) / distance
        right, opposite = (positive, negative) if part > 0 else (negative, positive)
        if abs(part) > _LARGE_PART:
            said.append(right)
        if abs(part) > _SMALL_PART:
            wrong.append(opposite)
    return {"a": a, "b": b}, Truth(Kind.DIRECTIONS, tuple(said), candidates=tuple(wrong))


_AXES = (
    (Relation.LEFT_DIFF, "left", "right"),
    (Relation.BEHIND_DIFF, "behind", "front"),
    (Relation.ABOVE, "above", "below"),
)
