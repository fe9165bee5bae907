"""Distances compared with each other: the closest pair, which pair is closer, how many times as far."""

from __future__ import annotations

import re
from itertools import combinations

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.planner.cues import NEAREST, any_of, nearness
from spatialvlm_ros.reasoning.planner.deciding import extreme_probabilities, hedged, ranked, shown, yes_or_no
from spatialvlm_ros.reasoning.planner.plan import Evidence, Plan, form
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.planner.turns import AMOUNTS, BOUNDS, COMPARISONS, DISTANCES, MULTIPLES, NUMBERS, words
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.texts import listed, the, with_error

Pair = tuple[str, str]

_MOST_ITEMS = 8  # 28 distances


@form(
    "closest_pair",
    10,
    "Which two of the mug, the bowl and the tray are closest together?",
    accounts=(
        DISTANCES,
        NUMBERS,
        COMPARISONS,
        NEAREST,
    ),
)
def read_closest_pair(sentence: Sentence) -> Plan | None:
    """Which two are closest together, or farthest apart."""
    near = nearness(sentence)
    wanted = sentence.has(r"(?<!which of )\b(?:two|pair|couple|each other|one another)\b|\bdistances between <")
    if not near or not wanted or sentence.lengths or sentence.singles or len(sentence.lists) != 1:
        return None
    items = sentence.groups[sentence.lists[0]].names
    if not 3 <= len(items) <= _MOST_ITEMS:
        return None
    pairs = list(combinations(items, 2))
    queries = tuple(Query(a, b) for a, b in pairs)

    def conclude(evidence: Evidence) -> Conclusion:
        values = [evidence.drawn(q) for q in queries]
        order = ranked(values, near > 0)
        probability, doubt = extreme_probabilities(values, near > 0)
        names = ", ".join(evidence.name(q) for q in queries)
        extreme = "min" if near > 0 else "max"
        evidence.calculate(f"{extreme}({names})", f"The {'least' if near > 0 else 'largest'} of them.")
        a, b = pairs[order[0]]
        word = "closest together" if near > 0 else "farthest apart"
        rival = listed([the(n) for n in pairs[order[1]]])
        numbers = f"{shown(values[order[0]])}; next come {rival} with {shown(values[order[1]])}"
        text = hedged(f"{the(a)} and {the(b)}", probability, f"{word}, {numbers}", doubt)
        best = values[order[0]]
        return Conclusion(text, (a, b), best.value, best.std, best.unit, probability)

    return Plan("closest_pair", f"I need all {len(pairs)} distances between them.", queries, conclude)


# One or several things that are compared by their distance to one place, not two distances: "which of the mug and the
# bowl is nearer to the lamp than the tray", "is the mug nearer to the lamp than the bowl and the tray".
_TO_ONE_PLACE = r"\b(?:to|from) <\d+>,? than (?:(?:to|from|is|are) )?<\d+>(?! (?:is |are )?(?:to|from|and|with) <)"


@form(
    "closer_pair",
    70,
    "Are the mug and the bowl closer together than the tray and the lamp?",
    accounts=(
        DISTANCES,
        COMPARISONS,
        NUMBERS,
        NEAREST,
        BOUNDS,
    ),
)
def read_closer_pair(sentence: Sentence) -> Plan | None:
    """Whether one distance is smaller, or larger, than another."""
    near = nearness(sentence)
    pairs = _two_pairs(sentence)
    asks = sentence.has(r"\b(?:than|compared)\b") and not sentence.has(r"\bhow (?:many|much|often)\b|\bby what\b|ratio")
    if not near or pairs is None or not asks or sentence.lengths or _compares_items(sentence):
        return None
    if sentence.has(r"^(?:when |if )?compared (?:with|to) <"):
        pairs = pairs[1], pairs[0]
    queries = tuple(Query(a, b) for a, b in pairs)
    sign = "<" if near > 0 else ">"

    def conclude(evidence: Evidence) -> Conclusion:
        first, second = (evidence.drawn(q) for q in queries)
        truth = evidence.calculate(f"{evidence.name(queries[0])} {sign} {evidence.name(queries[1])}", "Compare them.")
        (a, b), (c, d) = pairs
        why = f"{the(a)} and {the(b)} are {shown(first)} apart, {the(c)} and {the(d)} {shown(second)}"
        text, label, probability = yes_or_no(truth, why)
        return Conclusion(text, (label,), probability=probability)

    return Plan("closer_pair", "I need both distances.", queries, conclude)


def _compares_items(sentence: Sentence) -> bool:
    """Whether a list of the sentence are things to choose from, or to compare, instead of the ends of a distance."""
    if not sentence.lists:
        return False
    return sentence.has(r"\b(?:which|what|who) of <|^of <\d+>,? (?:which|what|who)\b") or sentence.has(_TO_ONE_PLACE)


@form(
    "ratio",
    35,
    "How many times as far from the mug is the bowl as the tray?",
    accounts=(
        DISTANCES,
        MULTIPLES,
        NUMBERS,
        AMOUNTS,
        BOUNDS,
        words("bigger greater"),
        COMPARISONS,
        NEAREST,
        r"\bhow (?:many|often)\b",
    ),
)
def read_ratio(sentence: Sentence) -> Plan | None:
    """How many times one distance is another."""
    asks = any_of(r"how many times, how often, factor, ratio, multiple, divided?, quotient, relative to\b.*\bdistance")
    if not sentence.has(asks) or sentence.lengths:
        return None
    pairs = _ratio_pairs(sentence)
    if pairs is None:
        return None
    queries = tuple(Query(a, b) for a, b in pairs)

    def conclude(evidence: Evidence) -> Conclusion:
        first, second = (evidence.drawn(q) for q in queries)
        ratio = evidence.calculate(f"{evidence.name(queries[0])} / {evidence.name(queries[1])}", "The ratio.")
        (a, b), (c, d) = pairs
        numbers = f"{the(a)} and {the(b)} are {shown(first)} apart, {the(c)} and {the(d)} {shown(second)}"
        text = f"{with_error(ratio.value, ratio.std, '')} times: {numbers}."
        return Conclusion(text, (), ratio.value, ratio.std, "")

    return Plan("ratio", "I need both distances.", queries, conclude)


def _ratio_pairs(sentence: Sentence) -> tuple[Pair, Pair] | None:
    """The distance that is divided, and the one it is divided by."""
    pairs = _two_pairs(sentence)
    if pairs is not None:
        inverted = (
            r"\bfits? (?:\w+ )?into\b|\bgoes into\b|\bmultiple of (?:\w+ )*(?:distance )?(?:from|between)? ?<|"
            r"^(?:relative|compared|in proportion) (?:to|with)\b"
        )
        return (pairs[1], pairs[0]) if sentence.has(inverted) else pairs
    if len(set(sentence.names)) != 3 or len(sentence.names) != 3:
        return None
    center = sentence.after("from") or sentence.after("to|of") or sentence.names[0]
    first, second = (n for n in sentence.names if n != center)
    pairs = (center, first), (center, second)
    return (pairs[1], pairs[0]) if nearness(sentence) > 0 and not sentence.has(r"\bas (?:near|close)\b") else pairs


def _two_pairs(sentence: Sentence) -> tuple[Pair, Pair] | None:
    """Two pairs of names in the order of the text; None for other shapes."""
    sizes = [len(g.names) for g in sentence.groups]
    names = sentence.names
    if sizes in ([2, 2], [1, 1, 1, 1], [2, 1, 1], [1, 1, 2]):
        return (names[0], names[1]), (names[2], names[3])
    match = re.search(
        r"<(\d+)>[^<]*\b(?:to|from|with|and) <(\d+)>[^<]*\bthan (?:it is |is |they are )?(?:to|from) <(\d+)>",
        sentence.skeleton,
    )
    if match is not None and sizes == [1, 1, 1]:
        return (names[0], names[1]), (names[0], names[2])
    return None
