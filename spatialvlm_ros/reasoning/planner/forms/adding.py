"""Sums of lengths: the way along several places, things on top of each other."""

from __future__ import annotations

import re

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.cues import LENGTH_ASKED, any_of, nearness
from spatialvlm_ros.reasoning.planner.deciding import shown
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import DIRECTIONS, DISTANCES, NUMBERS, SIZES, words
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the
from spatialvlm_ros.scenes.relations import Relation

_STACKS = any_of(
    "stack, stacked, stacking, pile, piled, piling, tower, on top of, one on the other, sum, sums, add, adding, total, "
    "together, combined, altogether, joint"
)
_HEIGHTS = any_of("tall, high, height, heights")
_WAYS = any_of(
    "paths?, ways?, route, trip, journey, tour, walk, travel, drive, via, by way of, through, string, rope, cable, "
    "far, "
    "distances?, visiting, passing, stops?, stopping, over, long, detour"
)
# Without one of these, several distances are asked for one by one: "how far is the lamp from the mug and the bowl".
_ONE_WAY = (
    any_of(
        "paths?, ways?, route, trip, journey, tour, walk, walking, travel, travelling, traveling, drive, driving, go, "
        "going, move, via, by way of, through, string, rope, cable, visit, visiting, pass, passing, stops?, stopping, "
        "past, over, detour, then, long, length, covered, in this order, including, around, across"
    )
    + r"|\bto <\d+>,? to <"
)
_SUM = any_of("total, sum, add, added, adding, overall, altogether, together, combined, in all")
_ASKS_ELSE = r"^(?:is|are|does|do|will|would|has|have|did)\b|\bapart\b|\bhow long (?:does|do|will|would|did) it take\b"
_ASKS_LENGTH = any_of(
    "how (?:long|far|much|many), length, total, what distance, add, sum, overall, altogether, in all, distance"
)


@form(
    "stack_height",
    65,
    "How tall would a stack of the box and the book be?",
    accounts=(
        SIZES,
        DIRECTIONS,
        NUMBERS,
        LENGTH_ASKED,
        r"\bhow far\b",
    ),
)
def read_stack_height(sentence: Sentence) -> Plan | None:
    """How high things are together."""
    items = sentence.names
    if len(items) < 2 or sentence.lengths or not sentence.has(_STACKS) or not sentence.has(_HEIGHTS):
        return None
    if sentence.has(r"\b(?:distance|path|way|route)\b"):
        return None
    queries = tuple(Query(item, relation=Relation.HEIGHT) for item in items)

    def conclude(evidence: Evidence) -> Conclusion:
        total = evidence.calculate(" + ".join(evidence.name(q) for q in queries), "Add the heights.")
        parts = listed([f"{the(i)} {shown(evidence.drawn(q))}" for i, q in zip(items, queries, strict=True)])
        return Conclusion(f"{shown(total)} together: {parts}.", (), total.value, total.std, total.unit)

    return Plan("stack_height", "I need the height of each of them.", queries, conclude)


@form(
    "path_length",
    80,
    "How long is the path from the mug via the bowl to the tray?",
    accounts=(
        DISTANCES,
        NUMBERS,
        words("last"),
        LENGTH_ASKED,
    ),
)
def read_path_length(sentence: Sentence) -> Plan | None:
    """How long the way along several places is."""
    if sentence.lengths or not sentence.has(_WAYS) or not sentence.has(_ASKS_LENGTH) or nearness(sentence):
        return None
    if sentence.has(_ASKS_ELSE) or not _is_one_way(sentence):
        return None
    stops = _stops(sentence)
    several = sentence.has(r"\band from <") and not sentence.has(r"\bto <")  # "from the bowl and from the lamp"
    if len(stops) < 3 or several or sentence.has(r"\b(?:than|or|ratio|times)\b"):
        return None
    along = list(zip(stops, stops[1:], strict=False))
    legs = _legs(sentence) or along
    queries = tuple(Query(a, b) for a, b in legs)
    route = f"along {', '.join(map(the, stops))}"
    if legs != along:
        route = listed([f"from {the(a)} to {the(b)}" for a, b in legs])

    def conclude(evidence: Evidence) -> Conclusion:
        total = evidence.calculate(" + ".join(evidence.name(q) for q in queries), "Add the parts of the way.")
        parts = listed([shown(evidence.drawn(q)) for q in queries])
        return Conclusion(f"{shown(total)}, {route}: {parts}.", (), total.value, total.std, total.unit)

    return Plan("path_length", f"I need the distances {route}.", queries, conclude)


def _is_one_way(sentence: Sentence) -> bool:
    """Whether the distances belong to one way, or are to be added; those from one thing to a list are no way."""
    return sentence.has(_ONE_WAY) or (sentence.has(_SUM) and not (sentence.lists and sentence.singles))


def _legs(sentence: Sentence) -> list[tuple[str, str]]:
    """The ways that are named one by one, "from <0> to <1> and from <0> to <2>"; none where they are not."""
    found = re.findall(r"\bfrom <(\d+)> (?:\w+ ){0,3}?to <(\d+)>", sentence.skeleton)
    if len(found) < 2 or 2 * len(found) != len(sentence.names):
        return []
    return [(sentence.name(int(a)), sentence.name(int(b))) for a, b in found]


def _stops(sentence: Sentence) -> list[str]:
    """The places in the order in which they are visited; a place that is named twice in a row counts once."""
    late = re.search(
        r"(?:\bfrom <(\d+)> (?:\w+ ){0,3}?to|<(\d+)> from) <(\d+)>,? [^<]*\b(?:via|by way of|through|over|past|passing|"
        r"at|visiting|stopping at|stop at|stops at|including|around|across) <(\d+)>",
        sentence.skeleton,
    )
    if late is not None and len(sentence.groups) == 3:
        start, end, middle = (sentence.groups[int(k)].names for k in late.groups() if k is not None)
        ordered = [*start, *middle, *end]
    else:
        ordered = list(sentence.names)
    return [name for k, name in enumerate(ordered) if k == 0 or name != ordered[k - 1]]
