"""The numbers that a text states, with their units and how finely they are said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialvlm_ros.questions.parsing.markup import plain_text
from spatialvlm_ros.questions.parsing.numbers import NumberRead, read_number
from spatialvlm_ros.questions.parsing.tokens import NUMBER, WORD, Token, length_of, tokenize
from spatialvlm_ros.questions.parsing.units import unit_of_word

_PERCENT = ("%", "percent", "pct")
_POWER_WORDS = {"square": 2.0, "sq": 2.0, "cubic": 3.0}
_LITRES = {
    **dict.fromkeys(("l", "litre", "litres", "liter", "liters"), 1e-3),
    **dict.fromkeys(("ml", "millilitre", "millilitres", "milliliter", "milliliters"), 1e-6),
}
_PREPOSITION = "in"  # "0.40 m in front" is no inch
# What may stand between the numbers of a list that share the unit behind the last one.
_JOINERS = frozenset(", ; and or to by x - + / & \u00b1 ~ about".split())
_MOST_JOINERS = 3
_SENTENCE_ENDS = frozenset(". : ; ! ? (".split())
_LABELLED = frozenset("step point option item case part".split())


@dataclass(frozen=True)
class Scale:
    """A unit: ``metres`` to the ``power`` are one of it."""

    factor: float
    power: float


@dataclass(frozen=True)
class StatedNumber:
    """A number as a text states it, without its sign.

    Attributes:
        text: as it stands there, with its unit.
        value: in the unit that is written.
        half: half of its last digit: how far the number may be that it was rounded from.
        scales: units that it may be in; None stands for a number without one.
        percent: whether it is a share in per cent.
        counts: whether it may be a count: a whole number in digits without a unit of its own.
    """

    text: str
    value: float
    half: float
    scales: tuple[Scale | None, ...] = (None,)
    percent: bool = False
    counts: bool = False


def stated_numbers(text: str) -> list[StatedNumber]:
    """The numbers of a text in their order.

    Numbers in digits all count; those in words ("seven metres") only with a unit, as "one" and "a few" are seldom
    meant as numbers. Digits that belong to a word ("m1", "3D", "2nd") or count the parts of the text are none.
    """
    tokens = tokenize(plain_text(text))
    found: list[tuple[int, int, StatedNumber]] = []  # first token, the one behind, number
    i = 0
    while i < length_of(tokens):
        read = None if _is_part_of_word(tokens, i) or _is_label(tokens, i) else read_number(tokens, i)
        stated = None if read is None else _stated(tokens, i, read)
        if stated is None:
            i += 1
        else:
            found.append((i, *stated))
            i = stated[0]
    return _with_shared_units(tokens, found)


def _is_part_of_word(tokens: Sequence[Token], i: int) -> bool:
    """Whether digits touch letters that are no unit."""
    if tokens[i].kind != NUMBER:
        return False
    behind = tokens[i + 1]
    glued = behind.kind == WORD and not behind.space and not _is_unit_word(behind.text)
    return glued or (i > 0 and tokens[i - 1].kind == WORD and not tokens[i].space)


def _is_label(tokens: Sequence[Token], i: int) -> bool:
    """Whether digits only count the parts of the text: "Step 2", or "1." and "1)" where a sentence begins."""
    if tokens[i].kind != NUMBER or not tokens[i].text.isdigit():
        return False
    before = tokens[i - 1].text if i else "."
    listed = before in _SENTENCE_ENDS and tokens[i + 1].text in (".", ")") and not tokens[i + 1].space
    return listed or before in _LABELLED


def _is_unit_word(word: str) -> bool:
    return unit_of_word(word) is not None or word in _LITRES or word in ("x", "percent")


def _stated(tokens: Sequence[Token], start: int, read: NumberRead) -> tuple[int, StatedNumber] | None:
    """The place behind a number with its unit, and the number; None where it is not meant as one."""
    if read.vague or not math.isfinite(read.value):
        return None
    scales, percent, end = _unit_at(tokens, read.end)
    bare = not percent and scales == (None,)
    digits = tokens[start].kind == NUMBER
    if bare and not digits:
        return None
    text = " ".join(token.text for token in tokens[start:end])
    whole = digits and read.end == start + 1 and read.value == int(read.value) and "." not in tokens[start].text
    return end, StatedNumber(text, read.value, _half(tokens, start, read), scales, percent, bare and whole)


def _half(tokens: Sequence[Token], start: int, read: NumberRead) -> float:
    text = tokens[start].text
    if tokens[start].kind != NUMBER or read.end != start + 1:  # words, fractions
        return 0.5 if read.value == int(read.value) else 0.05
    if "e" in text:
        return 0.05 * abs(read.value)
    mark = "." if "." in text else "," if read.value != int(read.value) else ""
    return 0.5 * 10.0 ** -(len(text.rpartition(mark)[2]) if mark else 0)


def _unit_at(tokens: Sequence[Token], i: int) -> tuple[tuple[Scale | None, ...], bool, int]:
    """The units that may stand at a place, whether it is "per cent", and the place behind."""
    if tokens[i].text in _PERCENT:
        return (None,), True, i + 1
    if (tokens[i].text, tokens[i + 1].text) == ("per", "cent"):
        return (None,), True, i + 2
    j = i + (tokens[i].text == "-")  # "20-cm"
    power = _POWER_WORDS.get(tokens[j].text, 1.0)
    j += power != 1
    word = tokens[j].text
    if tokens[j].kind != WORD:
        return (None,), False, i
    if word in _LITRES:
        return (Scale(_LITRES[word], 3.0),), False, j + 1
    unit = unit_of_word(word)
    if unit is None:
        return (None,), False, i
    end, raised = _raised_at(tokens, j + 1)
    power = raised or power
    scale = Scale(unit.to_metres(1.0) ** power, power)
    return ((None, scale) if word == _PREPOSITION else (scale,)), False, end


def _raised_at(tokens: Sequence[Token], i: int) -> tuple[int, float]:
    """The place behind a power ("2" of "m2", "^2" of "m^2"), and the power; 0 where there is none."""
    j = i + (tokens[i].text == "^")
    if tokens[j].text in ("2", "3") and not tokens[j].space:
        return j + 1, tokens[j].value
    return i, 0.0


def _with_shared_units(tokens: Sequence[Token], found: Sequence[tuple[int, int, StatedNumber]]) -> list[StatedNumber]:
    """The numbers; those without a unit may have that of the next one of their list ("0.62, 0.60 and 0.95 m")."""
    made: list[StatedNumber] = []
    behind: tuple[int, StatedNumber] | None = None
    for start, end, number in reversed(found):
        if behind is not None and number.scales == (None,) and not number.percent:
            between = [token.text for token in tokens[end : behind[0]]]
            if len(between) <= _MOST_JOINERS and _JOINERS.issuperset(between):
                percent = behind[1].percent and number.counts
                scales = tuple(dict.fromkeys((None, *behind[1].scales)))
                number = replace(number, scales=scales, percent=percent)
        made.append(number)
        behind = start, number
    return made[::-1]
