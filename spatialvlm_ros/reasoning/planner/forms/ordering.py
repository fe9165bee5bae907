"""In which order: by distance, by height or width, from left to right, from front to back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spatialvlm_ros.models.query import CAMERA_NAME, Query
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.planner.cues import BIG, NARROW, SHORT, SMALL, TALL, VIEWPOINT, WIDE, any_of, first_of
from spatialvlm_ros.reasoning.planner.deciding import LEAST, UNDECIDED, order_probabilities, ranked, said, shown
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import COMPARISONS, DIRECTIONS, DISTANCES, SIZES, words
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, percent, the
from spatialvlm_ros.scenes.relations import Relation

_EXTREMES = (
    "near|far|close|tall|short|wide|narrow|big|small|left|right|front|closest|nearest|farthest|furthest|tallest|"
    "shortest|widest|narrowest|biggest|largest|smallest"
)
_CUE = any_of(
    "order, ordered, ordering, sort, sorted, rank, ranked, ranking, arrange, arranged, arrangement, sequence, list, "
    "row, "
    "line up, lined up, left to right, right to left, front to back, back to front, "
    "(?:start|starts|starting|begin|begins|beginning) (?:with|on|from), starting at, ending with, ascending, "
    "descending, "
    rf"increasing, decreasing, first\b.*\b(?:second|last), from (?:\w+ )?(?:{_EXTREMES})"
)
_NEAR = any_of("near, close, nearest, closest, nearer, closer, shortest distance, smallest distance, least far")
_FAR = r"(?<!how )\b(?:far|farthest|furthest|distant|farther|further|largest distance|greatest distance)\b"
_RISING, _FALLING = any_of("increasing, ascending, rising, growing"), any_of("decreasing, descending, falling")
_SIZES = (
    (Relation.HEIGHT, TALL, SHORT, ("tallest", "shortest")),
    (Relation.WIDTH, WIDE, NARROW, ("widest", "narrowest")),
    (Relation.VOLUME, BIG, SMALL, ("biggest", "smallest")),
)
_BY_DISTANCE = r"\bdistance|near|far|close|distant|remote"
_SIDES = r"\b(?:left|right|leftmost|rightmost|left-hand|right-hand)\b"
_DEPTH = r"\b(?:front|back|foreground|background)\b"
# By which one order is made; a second one would break the ties of the first.
_CRITERIA = (
    r"\b(?:distances?|nearest|farthest|furthest|closest)\b",
    r"\b(?:heights?|tall|taller|tallest)\b",
    r"\b(?:widths?|wide|wider|widest)\b",
    r"\b(?:sizes?|volumes?)\b",
    rf"{_SIDES}|{_DEPTH}",
)


@form(
    "order",
    20,
    "Sort the mug, the bowl and the tray by their distance to the lamp.",
    accounts=(
        DIRECTIONS,
        DISTANCES,
        r"\bfirst (?:, )?(?:and |then )?second\b(?: (?:, )?third\b)?|\blast\b",
        COMPARISONS,
        words("number"),
        SIZES,
    ),
)
def read_order(sentence: Sentence) -> Plan | None:
    """Things in order, by what the words say."""
    if (
        not sentence.has(_CUE)
        or sentence.has(r"\bin order(?: to\b|[ ?.]*$)")
        or sentence.has(r"^how (?:far|much|tall|high|wide|long)\b")
        or sentence.lengths
        or len(sentence.lists) != 1
        or len(sentence.singles) > 1
        or sentence.has(VIEWPOINT)
        or sum(map(sentence.has, _CRITERIA)) > 1
    ):
        return None
    items = sentence.groups[sentence.lists[0]].names
    reference = sentence.name(sentence.singles[0]) if sentence.singles else ""
    apart = sentence.has(_BY_DISTANCE)
    if reference and (not apart or sentence.has(_SIDES)):  # "from left to right as seen from the lamp"
        return None
    if not reference and sentence.has(_SIDES):
        return _along(sentence, items, Relation.LEFT_DIFF, ("left", "leftmost"), ("right", "rightmost"))
    if not reference and sentence.has(_DEPTH):
        return _along(sentence, items, Relation.FRONT_DIFF, ("front", "foreground"), ("back", "background"))
    if not reference:
        for relation, more, less, words in _SIZES:
            sign = first_of(sentence, more, less)
            if sign:
                return _by_size(sentence, items, relation, sign, words)
    return _by_distance(sentence, items, reference or CAMERA_NAME) if apart else None


def _by_distance(sentence: Sentence, items: Sequence[str], reference: str) -> Plan:
    queries = tuple(Query(reference, item) for item in items)
    ascending = _direction(sentence, default=first_of(sentence, _NEAR, _FAR) >= 0)
    word = f"by distance to {the(reference)}, {'nearest' if ascending else 'farthest'} first"

    def conclude(evidence: Evidence) -> Conclusion:
        return _in_order(evidence, items, [evidence.drawn(q) for q in queries], ascending, word)

    return Plan("order", f"I need the distance from {the(reference)} to each of them.", queries, conclude)


def _by_size(sentence: Sentence, items: Sequence[str], relation: Relation, sign: int, words: tuple[str, str]) -> Plan:
    queries = tuple(Query(item, relation=relation) for item in items)
    ascending = _direction(sentence, default=sign < 0)
    word = f"by {relation.value}, {words[ascending]} first"

    def conclude(evidence: Evidence) -> Conclusion:
        return _in_order(evidence, items, [evidence.drawn(q) for q in queries], ascending, word)

    return Plan("order", f"I need the {relation.value} of each of them.", queries, conclude)


def _along(
    sentence: Sentence, items: Sequence[str], relation: Relation, start: tuple[str, str], end: tuple[str, str]
) -> Plan:
    """Along an axis of the frame: each against the first of the list, which stands at 0."""
    queries = tuple(Query(item, items[0], relation) for item in items[1:])
    patterns = (rf"\b(?:{'|'.join(w)})\b" for w in (start, end))
    descending = first_of(sentence, *patterns) >= 0
    word = f"from {start[0]} to {end[0]}" if descending else f"from {end[0]} to {start[0]}"

    def conclude(evidence: Evidence) -> Conclusion:
        values = [Drawn.exactly(0.0, 1.0), *(evidence.drawn(q) for q in queries)]
        return _in_order(evidence, items, values, not descending, word, numbers=False)

    return Plan("order", f"I need how far {start[0]} each stands of {the(items[0])}.", queries, conclude)


def _direction(sentence: Sentence, default: bool) -> bool:
    """Whether the least comes first."""
    if re.search(_RISING, sentence.skeleton):
        return True
    if re.search(_FALLING, sentence.skeleton):
        return False
    return default


def _in_order(
    evidence: Evidence, items: Sequence[str], values: list[Drawn], ascending: bool, word: str, numbers: bool = True
) -> Conclusion:
    """The order, unless no two neighbours in it can be told apart; those that cannot are named."""
    order = ranked(values, ascending)
    probability, neighbours = order_probabilities(values, ascending)
    names = tuple(items[k] for k in order)
    head = listed([the(n) for n in names], "then")
    why = f"{word}, with {', '.join(shown(values[k]) for k in order)}" if numbers else word
    if max(neighbours) < LEAST:
        text = f"{UNDECIDED}: {why}; if anything, {head} ({percent(probability)})."
    else:
        text = f"{said(head, probability)}: {why}{_too_close(names, neighbours)}."
    return Conclusion(text, names, probability=probability)


def _too_close(names: Sequence[str], neighbours: Sequence[float]) -> str:
    """Which neighbours of an order cannot be told apart; "" where there are none."""
    pairs = [f"{the(a)} and {the(b)}" for a, b, p in zip(names, names[1:], neighbours, strict=False) if p < LEAST]
    return f"; {listed(pairs)} are too close to tell apart" if pairs else ""
