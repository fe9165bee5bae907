"""Reads one length at one place of the tokens: a sign, a number and a unit, or several that add up ("2 ft 3 in")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.numbers import NumberRead, read_fraction_behind_and, read_number
from spatialvlm_ros.questions.parsing.tokens import END, NEWLINE, NUMBER, SYMBOL, WORD, Token
from spatialvlm_ros.questions.parsing.units import UNITS, Unit, unit_of_word

# Words that may stand behind a complete length. "in" means inches, and a bare number behind feet means inches, only
# before one of these or before punctuation: "10 in the picture" is no length.
_BEHIND_LENGTH = frozenset(
    "tall wide long high deep thick across apart away from off above below behind over under further farther closer "
    "nearer lower higher left right thick by of in to or and at between beneath beyond left-hand approx approximately "
    "roughly maybe instead forward back taller shorter wider up down deeper ahead max total tops i give but than "
    "rightward rightwards leftward leftwards square as is vertically horizontally ie which".split()
)
_JOINTS = frozenset("-~{+")  # between a number and its unit: "30-cm", "30+ cm"
_INSIDE_NUMBERS = frozenset(".,:^/")
# The next smaller unit, into which a bare number behind a length is counted ("1 m 20", "5 ft 7").
_SUBUNIT = {"m": ("cm", 10, 100), "ft": ("in", 0, 12)}
_AREA_OR_RATE = frozenset("squared cubed per".split())


@dataclass(frozen=True)
class Quantity:
    """A length that was read.

    Attributes:
        metres: its signed value.
        number: the number as written, in ``unit``.
        unit: the first unit that is written.
        end: index of the first token behind it.
        vague: "a few", "forty odd".
    """

    metres: float
    number: float
    unit: Unit
    end: int
    vague: bool = False


def read_quantity(tokens: Sequence[Token], i: int, compound: bool = True) -> Quantity | None:
    """The length that begins at token ``i``, or None.

    Args:
        tokens: the text.
        i: index of its first token, which may be a sign.
        compound: whether smaller units behind it are added ("2 ft 3 in"); not inside "between 2 ft and 6 in".
    """
    sign, start = read_sign(tokens, i)
    number = None if continues_number(tokens, start) else read_number(tokens, start)
    if number is None:
        return None
    unit_read = read_unit(tokens, number.end)
    if unit_read is None:
        return None
    unit, end = unit_read
    metres, vague = unit.to_metres(number.value), number.vague
    if compound:
        metres, end, vague = _add_smaller(tokens, unit, metres, end, vague)
    return Quantity(sign * metres + 0.0, sign * number.value + 0.0, unit, end, vague)  # no negative zero


def continues_number(tokens: Sequence[Token], i: int) -> bool:
    """Whether token ``i`` is the rest of something that is no single number ("1.2.3", "4:5")."""
    if i < 2 or tokens[i].kind != NUMBER or tokens[i].space or tokens[i - 1].space:
        return False
    return tokens[i - 2].kind == NUMBER and tokens[i - 1].text in _INSIDE_NUMBERS


def read_sign(tokens: Sequence[Token], i: int) -> tuple[int, int]:
    """(+1 or -1, index of the first token behind the sign). A hyphen between two words or before a space is none."""
    token, after = tokens[i], tokens[i + 1]
    if token.text in ("minus", "negative"):
        return -1, i + 1
    if token.text in ("plus", "positive"):
        return 1, i + 1
    if token.kind == SYMBOL and token.text in "+-" and after.kind == NUMBER and not after.space:
        loose = token.space or i == 0 or tokens[i - 1].kind == SYMBOL
        if loose:
            return (-1 if token.text == "-" else 1), i + 1
    return 1, i


def read_unit(tokens: Sequence[Token], i: int) -> tuple[Unit, int] | None:
    """The unit of length at token ``i`` and the index behind it; None for areas, volumes, speeds and other words."""
    token = tokens[i]
    if token.kind == SYMBOL:
        if token.text in "'\"" and not token.space:
            return UNITS["ft" if token.text == "'" else "in"], i + 1
        j = i + 1 + (token.text == "~" and tokens[i + 1].text == "{")  # LaTeX: "0.4~\\text{m}"
        return _unit_word(tokens, j) if token.text in _JOINTS and tokens[j].kind == WORD else None
    return _unit_word(tokens, i) if token.kind == WORD else None


def _unit_word(tokens: Sequence[Token], i: int) -> tuple[Unit, int] | None:
    word, behind = tokens[i], tokens[i + 1]
    unit = unit_of_word(word.text)
    if unit is None:
        return None
    if behind.text == "^" or behind.text in _AREA_OR_RATE:
        return None
    if behind.text == "/" and tokens[i + 2].kind == WORD and not tokens[i + 2].space:
        return None
    if behind.text in ("2", "3") and not behind.space and read_unit(tokens, i + 2) is None:
        return None  # "5 m2"
    if word.text == "in" and not _ends_length(tokens, i + 1):
        return None
    end = i + 1
    if behind.text == "}" and tokens[i - 1].text == "{":
        end += 1
    if behind.text == "." and _is_abbreviation(word.text) and tokens[i + 2].kind not in (END, NEWLINE):
        if not tokens[i + 2].capital and not behind.space:
            end += 1  # the point of "3 ft. 2 in."
    if tokens[end].text == "-" and tokens[end + 1].text == "ish" and not tokens[end + 1].space:
        end += 2
    return unit, end


def _is_abbreviation(word: str) -> bool:
    return word in ("ft", "in", "yd", "mi", "m", "cm", "mm", "mtr")


def _ends_length(tokens: Sequence[Token], i: int) -> bool:
    """Whether token ``i`` can stand behind a complete length."""
    token = tokens[i]
    if token.kind in (END, NEWLINE):
        return True
    if token.kind == SYMBOL:
        return token.text not in "%\u00b0_^"
    if token.kind == NUMBER:
        return False
    return token.text in _BEHIND_LENGTH and token.text not in ("square",)


def _add_smaller(tokens: Sequence[Token], unit: Unit, metres: float, end: int, vague: bool) -> tuple[float, int, bool]:
    """Adds what counts in smaller units behind a length: (metres, end, vague)."""
    while True:
        more = _smaller(tokens, unit, end)
        if more is None:
            return metres, end, vague
        metres, end, unit, vague = metres + more.metres, more.end, more.unit, vague or more.vague


def _smaller(tokens: Sequence[Token], unit: Unit, i: int) -> Quantity | None:
    """What is to be added behind a length in ``unit``: "and a half", "20 cm", or a bare number."""
    part = read_fraction_behind_and(tokens, i)
    if part is not None and read_unit(tokens, part.end) is None and tokens[part.end].text not in ("of", "a", "an"):
        return Quantity(unit.to_metres(part.value), part.value, unit, part.end)
    j = i
    if tokens[j].text in ("and", "&", ",", "plus", "+"):
        j += 1 + (tokens[j + 1].text == "and")
    elif tokens[i].text == "-" and tokens[i - 1].text == "'" and unit.name == "ft":
        j += 1  # 6'-2", as on drawings
    number = read_number(tokens, j)
    if number is None or number.value < 0:
        return None
    following = read_unit(tokens, number.end)
    if following is not None:
        smaller, end = following
        below = smaller.to_metres(number.value) < unit.to_metres(1) * (1 - 1e-9) or j == i
        if smaller.imperial == unit.imperial and smaller.to_metres(1) < unit.to_metres(1) and below:
            return Quantity(smaller.to_metres(number.value), number.value, smaller, end, number.vague)
        return None
    return _bare_smaller(tokens, unit, i, j, number)


def _bare_smaller(tokens: Sequence[Token], unit: Unit, i: int, j: int, number: NumberRead) -> Quantity | None:
    """The "20" of "1 m 20" and the "ten" of "five foot ten"."""
    joined = tokens[i].text == "and" and unit.name == "m" and tokens[j].kind == WORD  # "a metre and twenty"
    if unit.name not in _SUBUNIT or j != i and not joined or number.article or not _ends_length(tokens, number.end):
        return None
    name, least, limit = _SUBUNIT[unit.name]
    spelt_apart = tokens[i].kind == NUMBER and unit.name == "m" and len(tokens[i].text) != 2
    joins_on = tokens[number.end].text in ("-", "/", "x") or tokens[number.end].text == "to" and unit.name == "m"
    if not least <= number.value < limit or spelt_apart or joins_on:
        return None
    smaller = UNITS[name]
    return Quantity(smaller.to_metres(number.value), number.value, smaller, number.end, number.vague)
