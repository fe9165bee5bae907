"""Reads a length with its extent at one place of the tokens: a single one, a range, or one with a tolerance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.bare import ends_bare_number, is_bare_number
from spatialvlm_ros.questions.parsing.labelled import read_labelled
from spatialvlm_ros.questions.parsing.numbers import read_number
from spatialvlm_ros.questions.parsing.quantities import Quantity, continues_number, read_quantity, read_sign, read_unit
from spatialvlm_ros.questions.parsing.tokens import NUMBER, SYMBOL, WORD, Token, words_at
from spatialvlm_ros.questions.parsing.units import Unit

_RANGE_WORDS = frozenset("to or till until through".split())
_RANGE_SYMBOLS = ("-", "~")
_BETWEEN = frozenset("between betwen beetween".split())
_BETWEEN_JOINTS = frozenset("and to - &".split())
_TOLERANCE = ((("\u00b1",), 1), (("+", "/", "-"), 3), (("+", "-"), 2), (("plus", "or", "minus"), 3))
_GIVE_OR_TAKE = ("give", "or", "take")


@dataclass(frozen=True)
class Span:
    """A length and its extent, metres; ``vague`` for "a few" and for ranges. ``end`` is the index behind it."""

    value: float
    low: float
    high: float
    unit: Unit
    end: int
    vague: bool


def read_span(tokens: Sequence[Token], i: int, default_unit: Unit | None = None) -> Span | None:
    """The length that begins at token ``i``; None where none begins or where it is too large for a float.

    With a ``default_unit`` a number that lacks its unit counts in that one.
    """
    span = _labelled(tokens, i) or _written(tokens, i, default_unit)
    if span is None or not all(map(math.isfinite, (span.value, span.low, span.high))):
        return None
    return span


def _labelled(tokens: Sequence[Token], i: int) -> Span | None:
    """A length whose unit stands in its label: ``distance_cm: 35``, ``"value": 45, "unit": "cm"``."""
    labelled = read_labelled(tokens, i)
    if labelled is None:
        return None
    return _point(labelled.unit.to_metres(labelled.number), labelled.unit, labelled.end)


def _written(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> Span | None:
    opening = tokens[i].text
    if opening in _BETWEEN:
        return _between(tokens, i + 1, default_unit)
    if opening in ("[", "("):
        return _bracketed(tokens, i)
    shared = _range_with_one_unit(tokens, i, default_unit)
    if shared is not None:
        return shared
    quantity = read_quantity(tokens, i)
    if quantity is None:
        return None
    extended = _range_of_two(tokens, quantity) or _tolerance_behind(tokens, quantity)
    return extended or _point(quantity.metres, quantity.unit, quantity.end, quantity.vague)


def _point(metres: float, unit: Unit, end: int, vague: bool = False) -> Span:
    return Span(metres, metres, metres, unit, end, vague)


def _range(low: float, high: float, unit: Unit, end: int) -> Span:
    return Span((low + high) / 2, min(low, high), max(low, high), unit, end, True)


def _around(middle: float, margin: float, unit: Unit, end: int) -> Span:
    return Span(middle, middle - abs(margin), middle + abs(margin), unit, end, True)


def _between(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> Span | None:
    """ "3 and 4 cm", "50 cm and 1 m" behind "between"."""
    first = read_quantity(tokens, i, compound=False)
    if first is not None:
        if tokens[first.end].text not in _BETWEEN_JOINTS:
            return None
        second = read_quantity(tokens, first.end + 1)
        if second is not None:
            return _range(first.metres, second.metres, first.unit, second.end)
        number = read_number(tokens, first.end + 1)
        if number is None or number.article:
            return None
        return _range(first.metres, first.unit.to_metres(number.value), first.unit, number.end)
    sign, j = read_sign(tokens, i)
    low = read_number(tokens, j)
    if low is None or tokens[low.end].text not in _BETWEEN_JOINTS:
        return None
    return _upper_end(tokens, sign * low.value, low.end + 1, default_unit)


def _upper_end(tokens: Sequence[Token], low: float, i: int, default_unit: Unit | None) -> Span | None:
    """Second end of a range whose first end has no unit of its own."""
    quantity = read_quantity(tokens, i)
    if quantity is not None:
        return _range(quantity.unit.to_metres(low), quantity.metres, quantity.unit, quantity.end)
    number = read_number(tokens, i) if default_unit is not None else None
    if number is None or number.article or default_unit is None or not ends_bare_number(tokens, number.end):
        return None
    return _range(default_unit.to_metres(low), default_unit.to_metres(number.value), default_unit, number.end)


def _bracketed(tokens: Sequence[Token], i: int) -> Span | None:
    """ "[0.4, 0.6] m" and "(0.52 \u00b1 0.04) m"."""
    low = read_number(tokens, i + 1)
    if low is None:
        return None
    pm = _tolerance_sign(tokens, low.end)
    if not pm and tokens[low.end].text not in (",", "-", ";"):
        return None
    high = read_number(tokens, pm or low.end + 1)
    if high is None or tokens[high.end].text not in ("]", ")"):
        return None
    unit_read = read_unit(tokens, high.end + 1)
    if unit_read is None:
        return None
    unit, end = unit_read
    if pm:
        return _around(unit.to_metres(low.value), unit.to_metres(high.value), unit, end)
    return _range(unit.to_metres(low.value), unit.to_metres(high.value), unit, end)


def _range_with_one_unit(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> Span | None:
    """ "3-4 cm", "two or three feet", "1.2 \u00b1 0.1 m"; with a default unit also bare "0.4" and "3-5"."""
    sign, start = read_sign(tokens, i)
    number = None if continues_number(tokens, start) else read_number(tokens, start)
    if number is None or number.article or read_unit(tokens, number.end) is not None:
        return None
    low = sign * number.value
    pm = _tolerance_sign(tokens, number.end)
    if pm:
        margin = read_quantity(tokens, pm)
        if margin is not None:
            return _around(margin.unit.to_metres(low), margin.metres, margin.unit, margin.end)
    second = _behind_range_sign(tokens, number.end)
    if second:
        span = _upper_end(tokens, low, second, default_unit)
        if span is not None:
            return span
    if default_unit is None or not is_bare_number(tokens, i, number.end):
        return None
    return _point(default_unit.to_metres(low), default_unit, number.end, number.vague)


def _behind_range_sign(tokens: Sequence[Token], i: int) -> int:
    """Index behind "to", "or", "-", "~", ".." at token ``i``; 0 where none stands."""
    token = tokens[i]
    if token.kind == WORD and token.text in _RANGE_WORDS:
        return i + 1 + (tokens[i + 1].text in ("maybe", "perhaps", "possibly", "even"))
    if token.kind == SYMBOL and token.text in _RANGE_SYMBOLS:
        return i + 1
    if token.text == "." and tokens[i + 1].text == ".":
        return i + 2 + (tokens[i + 2].text == ".")
    return 0


def _range_of_two(tokens: Sequence[Token], first: Quantity) -> Span | None:
    """ "10 cm-15 cm", "90 cm to 1.1 m", "an inch or two"."""
    j = _behind_range_sign(tokens, first.end)
    if not j:
        return None
    second = read_quantity(tokens, j)
    if second is not None:
        same_again = second.unit.imperial != first.unit.imperial
        return None if same_again else _range(first.metres, second.metres, first.unit, second.end)
    number = read_number(tokens, j)
    if number is None or number.article or tokens[first.end].text not in ("or", "to", "-"):
        return None
    if number.value <= abs(first.number) or not ends_bare_number(tokens, number.end):
        return None
    return _range(first.metres, first.unit.to_metres(number.value), first.unit, number.end)


def _tolerance_behind(tokens: Sequence[Token], middle: Quantity) -> Span | None:
    """ "0.4 m \u00b1 3 cm", "50 cm \u00b110%", "15 inches, give or take 2 inches"."""
    j = _tolerance_sign(tokens, middle.end)
    if not j:
        return None
    margin = read_quantity(tokens, j)
    if margin is not None:
        return _around(middle.metres, margin.metres, middle.unit, margin.end)
    number = read_number(tokens, j)
    if number is None or number.article:
        return None
    if tokens[number.end].text in ("%", "percent"):
        return _around(middle.metres, middle.metres * number.value / 100, middle.unit, number.end + 1)
    return _around(middle.metres, middle.unit.to_metres(number.value), middle.unit, number.end)


def _tolerance_sign(tokens: Sequence[Token], i: int) -> int:
    """Index behind a plus-minus sign in any spelling at token ``i``; 0 where none stands."""
    for written, count in _TOLERANCE:
        if words_at(tokens, i, written):
            return i + count
    j = i + (tokens[i].text == ",")
    if words_at(tokens, j, _GIVE_OR_TAKE) and tokens[j + 3].kind in (NUMBER, WORD):
        return j + 3
    return 0
