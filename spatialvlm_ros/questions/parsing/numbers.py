"""Reads a number at one place of the tokens: digits, words, fractions, powers of ten. No sign, no unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.tokens import NUMBER, SYMBOL, WORD, Token

_SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
} | {"fourty": 40}
_SCALES = {"hundred": 100, "thousand": 1000}
_GROUPS = {"couple": 2.0, "few": 3.0, "dozen": 12.0}
_PARTS = {
    singular: parts
    for parts, names in {
        2: "half halves",
        3: "third thirds",
        4: "quarter quarters fourth fourths",
        5: "fifth fifths",
        6: "sixth sixths",
        8: "eighth eighths",
        10: "tenth tenths",
        16: "sixteenth sixteenths",
        100: "hundredth hundredths",
    }.items()
    for singular in names.split()
}
_DENOMINATORS = frozenset((2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32, 64, 100))
_AND = ("and", "&", "nd", "n")
_ARTICLES = ("a", "an", "one")
_INTENSIFIERS = frozenset("single full whole good mere solid".split())
_LONGEST = 16  # tokens in one spelt-out number


@dataclass(frozen=True)
class NumberRead:
    """A number and the place behind it.

    Attributes:
        value: the number.
        end: index of the first token behind it.
        article: it is only "a" or "an", which counts as 1 before a unit and as nothing elsewhere.
        vague: "a few", "forty odd".
    """

    value: float
    end: int
    article: bool = False
    vague: bool = False


def read_number(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """The number that begins at token ``i``, as long as possible; None where none begins."""
    kind = tokens[i].kind
    if kind == NUMBER:
        number = _digits(tokens, i)
    elif kind == WORD:
        number = _words(tokens, i)
    else:
        return None
    return _with_tail(tokens, number) if number is not None else None


def read_fraction_behind_and(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """ "and a half", "and three quarters", "and 1/2" at token ``i``: a number below 1."""
    j = i + (tokens[i].text == "-")  # "six-and-a-half"
    if tokens[j].text not in _AND:
        return None
    j += 1 + (tokens[j + 1].text == "-")
    part = _fraction(tokens, j)
    return part if part is not None and part.value < 1 else None


def _digits(tokens: Sequence[Token], i: int) -> NumberRead | None:
    value = tokens[i].value
    ratio = _ratio(tokens, i)
    if ratio is not None:
        return ratio
    hyphen = tokens[i + 1].text == "-" and not tokens[i + 1].space and not tokens[i + 2].space
    mixed = _ratio(tokens, i + 2 if hyphen else i + 1)
    if mixed is not None and mixed.value < 1 and value == int(min(value, 1e9)):
        return NumberRead(value + mixed.value, mixed.end)
    if tokens[i + 1].text == "^" and not tokens[i + 1].space:
        return _raised(tokens, i)
    power = _power_of_ten(tokens, i + 1)
    if power is not None:
        return NumberRead(value * power.value, power.end)
    scale = tokens[i + 1].text
    if scale in _SCALES:
        return NumberRead(value * _SCALES[scale], i + 2)
    if scale == "dozen":
        return NumberRead(value * 12, i + 2)
    return NumberRead(value, i + 1)


def _ratio(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """ "3/4" with a denominator as people use them."""
    above, slash, below = tokens[i], tokens[i + 1], tokens[i + 2]
    if above.kind != NUMBER or slash.text != "/" or below.kind != NUMBER or below.value not in _DENOMINATORS:
        return None
    if slash.space or below.space or above.value != int(min(above.value, 1e9)):
        return None
    return NumberRead(above.value / below.value, i + 3)


def _power_of_ten(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """ "x 10^-2" at token ``i``."""
    if tokens[i].text not in ("x", "*") or tokens[i + 1].text != "10" or tokens[i + 2].text != "^":
        return None
    return _raised(tokens, i + 1)


def _raised(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """ "10^-2" at token ``i``; None for another base, which is no length that people write."""
    j = i + 2
    while tokens[j].text in ("{", "+") and j < i + 4:
        j += 1
    negative = tokens[j].text == "-"
    j += negative
    if tokens[i].text != "10" or tokens[j].kind != NUMBER or tokens[j].value > 30:
        return None
    exponent = tokens[j].value
    end = j + 1 + (tokens[j + 1].text == "}")
    return NumberRead(10.0 ** (-exponent if negative else exponent), end)


def _fraction(tokens: Sequence[Token], i: int) -> NumberRead | None:
    """ "half", "a quarter", "three quarters", "1/2"; "of" and an article behind it belong to it."""
    ratio = _ratio(tokens, i)
    if ratio is not None:
        return ratio
    count, j = 1.0, i
    text = tokens[i].text
    if text in _ARTICLES:
        j += 1
    elif text in _SMALL and tokens[i + 1].text in _PARTS or tokens[i + 1].text == "-" and text in _SMALL:
        count, j = float(_SMALL[text]), i + 1
    if tokens[j].text == "-":
        j += 1
    parts = _PARTS.get(tokens[j].text)
    if parts is None:
        return None
    return NumberRead(count / parts, j + 1)


def _words(tokens: Sequence[Token], i: int) -> NumberRead | None:
    text = tokens[i].text
    fraction = _fraction(tokens, i)
    if fraction is not None:
        return fraction
    if text == "point":
        return _decimals(tokens, i, 0.0)
    if text in ("a", "an"):
        return _behind_article(tokens, i)
    if text in _GROUPS:
        return _group(tokens, i)
    number = _cardinal(tokens, i)
    if number is None:
        return None
    hyphen = tokens[number.end].text == "-"
    parts = _PARTS.get(tokens[number.end + hyphen].text)
    return number if parts is None else NumberRead(number.value / parts, number.end + 1 + hyphen)


def _group(tokens: Sequence[Token], i: int) -> NumberRead:
    """ "couple of", "few", "dozen", "few dozen", "couple hundred" at token ``i``."""
    value, end = _GROUPS[tokens[i].text], i + 1
    vague = tokens[i].text != "dozen"
    more = tokens[end].text
    if vague and (more in _SCALES or more == "dozen"):
        value, end = value * (_SCALES.get(more) or 12), end + 1
    return NumberRead(value, end + (tokens[end].text == "of"), vague=vague)


def _behind_article(tokens: Sequence[Token], i: int) -> NumberRead:
    """ "a", "a full", "a couple of", "a hundred and twenty"."""
    behind = tokens[i + 1].text
    if behind in _GROUPS:
        return _group(tokens, i + 1)
    if behind in _SCALES:
        number = _cardinal(tokens, i + 1, start=1)
        if number is not None:
            return number
    if behind in _INTENSIFIERS:
        return NumberRead(1.0, i + 2, article=True)
    return NumberRead(1.0, i + 1, article=True)


def _cardinal(tokens: Sequence[Token], i: int, start: int = 0) -> NumberRead | None:
    """ "twenty-five", "one hundred and twenty", "twelve hundred", "one point two"."""
    total, group, j = 0, start, i
    room = "any"  # what may follow: any, a unit below ten (after a ten), or a scale only
    while j < i + _LONGEST:
        text = tokens[j].text
        if text == "-" and room == "unit" and 0 < _SMALL.get(tokens[j + 1].text, 0) < 10:
            j += 1
        elif text == "and" and room == "any" and j > i and _below_hundred(tokens, j + 1):
            j += 1
        elif text in _SCALES and (group or total):
            if _SCALES[text] == 100:
                group = (group or 1) * 100
            else:
                total, group = total + (group or 1) * 1000, 0
            room, j = "any", j + 1
        elif text in _TENS and room == "any":
            group, room, j = group + _TENS[text], "unit", j + 1
        elif text in _SMALL and (room == "any" or room == "unit" and 0 < _SMALL[text] < 10):
            group, room, j = group + _SMALL[text], "scale", j + 1
        else:
            break
    if j == i:
        return None
    if tokens[j].text == "point":
        decimals = _decimals(tokens, j, float(total + group))
        if decimals is not None:
            return decimals
    return NumberRead(float(total + group), j)


def _below_hundred(tokens: Sequence[Token], i: int) -> bool:
    return tokens[i].text in _SMALL and tokens[i + 1].text not in _PARTS or tokens[i].text in _TENS


def _decimals(tokens: Sequence[Token], i: int, whole: float) -> NumberRead | None:
    """ "point eight six" or "point 86" behind ``whole``."""
    digits, j = "", i + 1
    while j < i + _LONGEST:
        token = tokens[j]
        if token.text in _SMALL and _SMALL[token.text] < 10:
            digits += str(_SMALL[token.text])
        elif token.text in ("oh", "o", "nought", "naught"):
            digits += "0"
        elif not digits and token.text in _TENS:
            unit = _SMALL.get(tokens[j + 1].text, 0)
            digits = str(_TENS[token.text] + (unit if unit < 10 else 0))
            return NumberRead(whole + float("0." + digits), j + 1 + (0 < unit < 10))
        elif not digits and token.kind == NUMBER and token.text.isascii() and token.text.isdigit():
            return NumberRead(whole + float("0." + token.text), j + 1)
        else:
            break
        j += 1
    return NumberRead(float(f"{int(whole)}.{digits}"), j) if digits else None


def _with_tail(tokens: Sequence[Token], number: NumberRead) -> NumberRead:
    """Adds "and a half" and "and a bit", and steps over "of a", "odd", "-ish"."""
    end, value, vague = number.end, number.value, number.vague
    part = None if number.article else read_fraction_behind_and(tokens, end)
    if part is not None:
        end, value = part.end, value + part.value
    elif (
        tokens[end].text == "and"
        and tokens[end + 1].text in ("a", "some")
        and tokens[end + 2].text in ("bit", "change")
    ):
        end, vague = end + 3, True
    if 0 < value < 1 or (tokens[end - 1].text in _PARTS):
        if tokens[end].text == "of":
            end += 1
        if tokens[end].text in ("a", "an", "one") and tokens[end].kind == WORD:
            if tokens[end + 1].text == "dozen":
                end, value = end + 1, value * 12
            end += 1
    if tokens[end].text == "-" and tokens[end].kind == SYMBOL and tokens[end + 1].text in ("odd", "ish", "some"):
        end, vague = end + 2, True
    elif tokens[end].text in ("odd", "ish"):
        end, vague = end + 1, True
    return NumberRead(value, end, number.article, vague)
