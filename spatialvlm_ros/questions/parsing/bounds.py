"""What the words around a length add to it: a bound ("less than", "or more"), or that it is rough ("about")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.tokens import Token, words_at

UPPER, LOWER = "upper", "lower"

_UPPER_BEFORE = """
    less than|under|below|at most|at the most|no more than|not more than|not over|not above|up to|within|fewer than|
    smaller than|shorter than|lower than|closer than|nearer than|no greater than|not greater than|no longer than|
    no larger than|not exceeding|maximum of|maximum|max|<|< =
"""
_LOWER_BEFORE = """
    more than|over|above|beyond|at least|at the least|no less than|not less than|no fewer than|not under|greater than|
    larger than|longer than|farther than|further than|in excess of|upwards of|exceeds|exceeding|minimum of|minimum|min|
    >|> =
"""
_UPPER_BEHIND = "at most|at the most|or less|or under|or below|max|maximum|tops"
_LOWER_BEHIND = "at least|at the least|or more|or over|plus|minimum|min|+"
# "just over a metre" is about a metre, not a bound.
_SOFTENERS = frozenset("just slightly little bit barely marginally tad hair fraction somewhat".split())

_APPROXIMATE = frozenset(
    "about around roughly approximately approx circa ca nearly almost maybe perhaps probably somewhere like some say "
    "guess estimate close estimated appears seems ish appr abt unos vers etwa ungef\u00e4hr quite ~ neighborhood "
    "neighbourhood region ballpark order vicinity".split()
)
_APPROXIMATE_BEHIND = (("approx",), ("approximately",), ("roughly",), ("ish",), ("circa",), ("or", "so"))
_APPROXIMATE_BEHIND_COMMA = (
    *_APPROXIMATE_BEHIND,
    ("about",),
    ("maybe",),
    ("give", "or", "take"),
    ("more", "or", "less"),
)
_STEPPED_OVER = _APPROXIMATE | {"a", "the"}  # between a bound and its length: "less than about 10 cm"
_REACH = 4  # words looked at before a length


def _table(**phrases: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """(words, side), longest first."""
    pairs = [(tuple(p.split()), side) for side, text in phrases.items() for p in text.split("|")]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


_BEFORE = _table(upper=_UPPER_BEFORE, lower=_LOWER_BEFORE)
_BEHIND = _table(upper=_UPPER_BEHIND, lower=_LOWER_BEHIND)


@dataclass(frozen=True)
class Surroundings:
    """Tokens ``start`` to ``end`` are the length with its bound words.

    ``side`` is UPPER or LOWER for a bound, "" for none; ``rough`` whether the length is said to be approximate.
    """

    start: int
    end: int
    side: str
    rough: bool


def read_surroundings(tokens: Sequence[Token], start: int, end: int, earliest: int) -> Surroundings:
    """Look around the length in tokens ``start`` to ``end``, not before token ``earliest``."""
    last = start - 1
    while last >= max(earliest, start - _REACH + 1) and tokens[last].text in _STEPPED_OVER:
        last -= 1
    for words, side in _BEFORE:
        first = last - len(words) + 1
        if first >= earliest and words_at(tokens, first, words):
            softened = first > 0 and tokens[first - 1].text in _SOFTENERS
            return Surroundings(first, end, "" if softened else side, True)
    for words, side in _BEHIND:
        if words_at(tokens, end, words):
            return Surroundings(start, end + len(words), side, True)
    return Surroundings(start, end, "", _is_rough(tokens, start, end, earliest))


def _is_rough(tokens: Sequence[Token], start: int, end: int, earliest: int) -> bool:
    if any(token.text in _APPROXIMATE for token in tokens[max(earliest, start - _REACH, 0) : start]):
        return True
    if any(words_at(tokens, end, words) for words in _APPROXIMATE_BEHIND):
        return True
    if tokens[end - 1].text == "ish":
        return True
    comma = end + (tokens[end].text == ",")
    return any(words_at(tokens, comma, words) for words in _APPROXIMATE_BEHIND_COMMA)
