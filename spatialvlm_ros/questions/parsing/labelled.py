"""Lengths whose unit is not behind the number but in a label, as programs and prompted models write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.numbers import read_number
from spatialvlm_ros.questions.parsing.quantities import read_sign, read_unit
from spatialvlm_ros.questions.parsing.tokens import NUMBER, SYMBOL, WORD, Token
from spatialvlm_ros.questions.parsing.units import Unit, unit_of_word

_UNIT_LABELS = ("unit", "units")
_GLUE = frozenset("{}\"':=,;()[] ")
_REACH = 8  # tokens between a number and the label of its unit


@dataclass(frozen=True)
class LabelledNumber:
    """``number`` in ``unit``; ``end`` is the index behind both."""

    number: float
    unit: Unit
    end: int


def read_labelled(tokens: Sequence[Token], i: int) -> LabelledNumber | None:
    """A number with a labelled unit that begins at token ``i``, label or number first; None where none begins."""
    token = tokens[i]
    if token.kind == WORD:
        return _unit_first(tokens, i)
    if token.kind == NUMBER or token.kind == SYMBOL and token.text in "+-" and tokens[i + 1].kind == NUMBER:
        return _number_first(tokens, i)
    return None


def _unit_first(tokens: Sequence[Token], i: int) -> LabelledNumber | None:
    """``distance_cm: 35`` (from the unit on), ``(cm): 34``, ``unit: cm, value: 34``, "centimetres: 12"."""
    unit = unit_of_word(tokens[i].text)
    if unit is None or tokens[i].text in ("ms", "ins") or _behind_number(tokens, i):
        return None
    labelled = i > 0 and tokens[i - 1].text in ("_", "(", "[", "{", ":", "=") or i == 0 or tokens[i - 1].text == "in"
    if tokens[i].text == "in" and (i == 0 or tokens[i - 1].text not in ("_", "(", "[")):
        return None
    if not labelled:
        return None
    j, separated = i + 1, False
    while j < i + _REACH and (tokens[j].text in _GLUE or tokens[j].text in ("value", "scalar", "distance")):
        separated = separated or tokens[j].text in (":", "=", "value")
        if tokens[j].text == "," and not _named_unit(tokens, i):
            return None
        j += 1
    sign, start = read_sign(tokens, j)
    number = read_number(tokens, start)
    if not separated or number is None or number.article or read_unit(tokens, number.end) is not None:
        return None
    return LabelledNumber(sign * number.value, unit, number.end)


def _behind_number(tokens: Sequence[Token], i: int) -> bool:
    return i > 0 and tokens[i - 1].kind == NUMBER


def _named_unit(tokens: Sequence[Token], i: int) -> bool:
    """Whether the unit at token ``i`` is the value of a field called unit."""
    return any(tokens[k].text in _UNIT_LABELS for k in range(max(0, i - 4), i))


def _number_first(tokens: Sequence[Token], i: int) -> LabelledNumber | None:
    """``45, "unit": "cm"`` and ``{120} distance_unit{cm}``."""
    sign, start = read_sign(tokens, i)
    number = read_number(tokens, start)
    if number is None or tokens[number.end].kind == WORD and tokens[number.end + 1].text != "_":
        return None
    j, named = number.end, False
    while j < number.end + _REACH + 4:
        token = tokens[j]
        if token.text in _UNIT_LABELS:
            named = True
        elif token.kind == WORD and named:
            unit = unit_of_word(token.text)
            return LabelledNumber(sign * number.value, unit, j + 1) if unit is not None else None
        elif not (token.text in _GLUE or token.text == "_" or token.text in ("distance", "length", "height", "width")):
            return None
        j += 1
    return None
