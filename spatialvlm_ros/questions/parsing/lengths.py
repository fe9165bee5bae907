"""Finds every length of a text: single ones, ranges, tolerances, bounds.

`find_lengths` returns them in order; which of them is the answer is decided in `selection`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Sequence

from spatialvlm_ros.questions.parsing.labelled import read_labelled
from spatialvlm_ros.questions.parsing.numbers import read_number
from spatialvlm_ros.questions.parsing.quantities import Quantity, read_quantity, read_sign, read_unit
from spatialvlm_ros.questions.parsing.tokens import NUMBER, SYMBOL, WORD, Token
from spatialvlm_ros.questions.parsing.units import Unit

_RANGE_WORDS = frozenset("to or till until through".split())
_RANGE_SYMBOLS = ("-", "~", "/")
_APPROXIMATE = frozenset(
    "about around roughly approximately approx circa ca nearly almost maybe perhaps probably somewhere like some say "
    "guess estimate close estimated appears seems ish appr abt unos vers etwa ungef\u00e4hr".split()
)
_APPROXIMATE_BEHIND = frozenset("approx approximately roughly ish circa".split())
# (words directly before a length) -> which side of it is open
_BOUNDS_BEFORE: tuple[tuple[tuple[str, ...], str], ...] = tuple(
    sorted(
        (
            *(
                (tuple(words.split()), "upper")
                for words in (
                    "less than|under|below|at most|no more than|not more than|not over|up to|within|fewer than|"
                    "smaller than|shorter than|a maximum of|maximum of|maximum|max|<|< =|lower than|not exceeding|"
                    "no greater than|not greater than|no longer than|no larger than|at the most|not above|"
                    "closer than|nearer than"
                ).split("|")
            ),
            *(
                (tuple(words.split()), "lower")
                for words in (
                    "more than|over|at least|no less than|not less than|not under|greater than|above|>|> =|larger than|"
                    "longer than|a minimum of|minimum of|minimum|min|in excess of|upwards of|exceeds|exceeding|"
                    "at the least|well over|no fewer than|farther than|further than|beyond"
                ).split("|")
            ),
        ),
        key=lambda item: -len(item[0]),
    )
)
_BOUNDS_BEHIND: tuple[tuple[tuple[str, ...], str], ...] = (
    (("at", "most"), "upper"),
    (("at", "the", "most"), "upper"),
    (("or", "less"), "upper"),
    (("or", "under"), "upper"),
    (("or", "below"), "upper"),
    (("max",), "upper"),
    (("maximum",), "upper"),
    (("tops",), "upper"),
    (("at", "least"), "lower"),
    (("or", "more"), "lower"),
    (("or", "over"), "lower"),
    (("plus",), "lower"),
    (("minimum",), "lower"),
    (("min",), "lower"),
    (("+",), "lower"),
)
# "just over a metre" is about a metre, not a bound.
_SOFTENERS = frozenset("just slightly little bit barely marginally tad hair fraction somewhat".split())
_TOLERANCE = ((("\u00b1",), 1), (("+", "/", "-"), 3), (("+", "-"), 2), (("plus", "or", "minus"), 3))
_GIVE_OR_TAKE = ("give", "or", "take")


@dataclass(frozen=True)
class ParsedLength:
    """A length as it was said.

    Attributes:
        value_m: metres; the middle of a range, the length that a bound names.
        low_m, high_m: metres; equal to the value unless a range, a tolerance or a bound is said. The open side of a
            bound is 0 (below) or infinity (above).
        unit: symbol of the (first) unit that is written: um, mm, cm, dm, m, km, in, ft, yd or mi.
        text: the words it was read from.
        approximate: whether it is said to be rough ("about", "a few", a range or a bound).
    """

    value_m: float
    low_m: float
    high_m: float
    unit: str
    text: str
    approximate: bool

    def scaled(self, sign: int) -> ParsedLength:
        """This length, mirrored at 0 when ``sign`` is -1."""
        if sign >= 0:
            return self
        return replace(self, value_m=0.0 - self.value_m, low_m=0.0 - self.high_m, high_m=0.0 - self.low_m)


@dataclass(frozen=True)
class Mention:
    """A length and where it stands: tokens ``start`` (bound words included) to ``end`` (exclusive)."""

    length: ParsedLength
    start: int
    end: int
    bound: bool = False


@dataclass(frozen=True)
class _Span:
    """A length before bounds and words of approximation are looked at."""

    value: float
    low: float
    high: float
    unit: Unit
    end: int
    vague: bool


def find_lengths(tokens: Sequence[Token], default_unit: Unit | None = None) -> list[Mention]:
    """All lengths of the text in their order, none inside another; time is linear in the number of tokens."""
    mentions: list[Mention] = []
    i, end = 0, len(tokens) - 10
    while i < end:
        span = read_labelled_span(tokens, i) or _read_span(tokens, i, default_unit)
        if span is None or not all(map(math.isfinite, (span.value, span.low, span.high))):
            i += 1
            continue
        mention = _with_words_around(tokens, i, span, mentions[-1].end if mentions else 0)
        mentions.append(mention)
        i = max(mention.end, i + 1)
    return mentions


def read_labelled_span(tokens: Sequence[Token], i: int) -> _Span | None:
    """A length whose unit stands in its label: ``distance_cm: 35``, ``"value": 45, "unit": "cm"``."""
    labelled = read_labelled(tokens, i)
    if labelled is None:
        return None
    metres = labelled.unit.to_metres(labelled.number)
    high = metres if labelled.upper is None else labelled.unit.to_metres(labelled.upper)
    return _Span((metres + high) / 2, metres, high, labelled.unit, labelled.end, False)


def _read_span(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> _Span | None:
    opening = tokens[i].text
    if opening == "between" or opening in ("betwen", "beetween"):
        return _between(tokens, i + 1, default_unit)
    if opening in ("[", "("):
        return _bracketed(tokens, i)
    shared = _range_with_one_unit(tokens, i, default_unit)
    if shared is not None:
        return shared
    quantity = read_quantity(tokens, i)
    if quantity is None:
        return None
    return _range_of_two(tokens, quantity) or _tolerance_behind(tokens, quantity) or _single(quantity)


def _single(quantity: Quantity) -> _Span:
    return _Span(quantity.metres, quantity.metres, quantity.metres, quantity.unit, quantity.end, quantity.vague)


def _range(low: float, high: float, unit: Unit, end: int) -> _Span:
    return _Span((low + high) / 2, min(low, high), max(low, high), unit, end, True)


def _around(middle: float, margin: float, unit: Unit, end: int) -> _Span:
    return _Span(middle, middle - abs(margin), middle + abs(margin), unit, end, True)


def _between(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> _Span | None:
    """ "3 and 4 cm", "50 cm and 1 m" behind "between"."""
    first = read_quantity(tokens, i, compound=False)
    if first is not None:
        if tokens[first.end].text not in ("and", "to", "-", "&"):
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
    if low is None or tokens[low.end].text not in ("and", "to", "-", "&"):
        return None
    return _upper_end(tokens, sign * low.value, low.end + 1, default_unit)


def _upper_end(tokens: Sequence[Token], low: float, i: int, default_unit: Unit | None) -> _Span | None:
    """Second end of a range whose first end has no unit of its own."""
    quantity = read_quantity(tokens, i)
    if quantity is not None:
        return _range(quantity.unit.to_metres(low), quantity.metres, quantity.unit, quantity.end)
    number = read_number(tokens, i) if default_unit is not None else None
    if number is None or number.article or default_unit is None or not ends_bare_number(tokens, number.end):
        return None
    return _range(default_unit.to_metres(low), default_unit.to_metres(number.value), default_unit, number.end)


def _bracketed(tokens: Sequence[Token], i: int) -> _Span | None:
    """ "[0.4, 0.6] m" and "(0.52 \u00b1 0.04) m"."""
    low = read_number(tokens, i + 1)
    if low is None:
        return None
    pm = _tolerance_sign(tokens, low.end)
    separator = low.end + 1 if tokens[low.end].text in (",", "-", ";") else low.end
    high = read_number(tokens, pm or separator)
    if (
        high is None
        or high.end == low.end
        or tokens[high.end].text not in ("]", ")")
        or separator == low.end
        and not pm
    ):
        return None
    unit_read = read_unit(tokens, high.end + 1)
    if unit_read is None:
        return None
    unit, end = unit_read
    if pm:
        return _around(unit.to_metres(low.value), unit.to_metres(high.value), unit, end)
    return _range(unit.to_metres(low.value), unit.to_metres(high.value), unit, end)


def _range_with_one_unit(tokens: Sequence[Token], i: int, default_unit: Unit | None) -> _Span | None:
    """ "3-4 cm", "two or three feet", "1.2 \u00b1 0.1 m"; with a default unit also bare "0.4" and "3-5"."""
    sign, start = read_sign(tokens, i)
    number = read_number(tokens, start)
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
    metres = default_unit.to_metres(low)
    return _Span(metres, metres, metres, default_unit, number.end, number.vague)


def _behind_range_sign(tokens: Sequence[Token], i: int) -> int:
    """Index behind "to", "or", "-", "~", ".." at token ``i``; 0 where none stands."""
    token = tokens[i]
    if token.kind == WORD and token.text in _RANGE_WORDS:
        return i + 1 + (tokens[i + 1].text in ("maybe", "perhaps", "possibly", "even"))
    if token.kind == SYMBOL and token.text in _RANGE_SYMBOLS and token.text != "/":
        return i + 1
    if token.text == "." and tokens[i + 1].text == ".":
        return i + 2 + (tokens[i + 2].text == ".")
    return 0


def _range_of_two(tokens: Sequence[Token], first: Quantity) -> _Span | None:
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


def _tolerance_behind(tokens: Sequence[Token], middle: Quantity) -> _Span | None:
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
        if _words_at(tokens, i, written):
            return i + count
    j = i + (tokens[i].text == ",")
    if _words_at(tokens, j, _GIVE_OR_TAKE) and tokens[j + 3].kind in (NUMBER, WORD):
        return j + 3
    return 0


def _words_at(tokens: Sequence[Token], i: int, words: tuple[str, ...]) -> bool:
    if i < 0:
        return False
    return all(tokens[i + k].text == word for k, word in enumerate(words))


def _with_words_around(tokens: Sequence[Token], i: int, span: _Span, previous_end: int) -> Mention:
    """Adds what the words before and behind a length say about it: a bound, or that it is rough."""
    start, end = i, span.end
    before = i - 1
    while before >= previous_end and tokens[before].text in _APPROXIMATE | {"~", "a", "the"} and before > i - 4:
        before -= 1
    side, words = _bound_before(tokens, before if tokens[before].text not in ("a",) else before, previous_end)
    low, high, bound = span.low, span.high, False
    if side:
        start = before - words + 1
        bound = not _softened(tokens, start)
    else:
        side, words = _bound_behind(tokens, end)
        if side:
            end, bound = end + words, True
    if bound and side == "upper":
        low = min(0.0, low)
    elif bound:
        high = math.inf
    rough = span.vague or bool(side) or _is_rough(tokens, start, end, previous_end)
    text = " ".join(token.text for token in tokens[start:end])
    return Mention(ParsedLength(span.value, low, high, span.unit.name, text, rough), start, end, bound)


def _bound_before(tokens: Sequence[Token], last: int, previous_end: int) -> tuple[str, int]:
    """(side, number of words) of the bound words that end at token ``last``."""
    for words, side in _BOUNDS_BEFORE:
        first = last - len(words) + 1
        if first >= previous_end and _words_at(tokens, first, words):
            return side, len(words)
    return "", 0


def _bound_behind(tokens: Sequence[Token], i: int) -> tuple[str, int]:
    for words, side in _BOUNDS_BEHIND:
        if _words_at(tokens, i, words):
            return side, len(words)
    return "", 0


def _softened(tokens: Sequence[Token], i: int) -> bool:
    """ "just", "a little", "a bit" directly before the bound words at token ``i``."""
    return i > 0 and tokens[i - 1].text in _SOFTENERS


def _is_rough(tokens: Sequence[Token], start: int, end: int, previous_end: int) -> bool:
    before = {token.text for token in tokens[max(previous_end, start - 4, 0) : start]}
    if before & _APPROXIMATE or "~" in before or "quite" in before:
        return True
    if tokens[end].text in _APPROXIMATE_BEHIND or _words_at(tokens, end, ("or", "so")):
        return True
    comma = end + (tokens[end].text == ",")
    return _words_at(tokens, comma, _GIVE_OR_TAKE) or _words_at(tokens, comma, ("more", "or", "less"))


# ---- numbers without a unit ------------------------------------------------------------------------------------

_BEFORE_BARE = frozenset(
    "about is be at say approx around roughly approximately answer distance and of exactly maybe probably gap height "
    "width between from to was it's its by equals value result nearly almost over under than like just".split()
)
_BEHIND_BARE = frozenset("or to and tall wide apart away from high long approx approximately roughly maybe i".split())


def is_bare_number(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether the number in tokens ``start`` to ``end`` is a measurement that lacks its unit.

    "About 3." is one; "3 mugs", "image 3", "20%" and "the second one" are not.
    """
    before = tokens[start - 1] if start > 0 else None
    if before is not None and before.kind in (WORD, NUMBER) and before.text not in _BEFORE_BARE:
        return False
    if before is not None and before.text in ("#", "/", "^") or start > 0 and tokens[start].text in ("one", "o"):
        return False
    return ends_bare_number(tokens, end)


def ends_bare_number(tokens: Sequence[Token], end: int) -> bool:
    """Whether what stands at token ``end`` can follow a number that lacks its unit."""
    token = tokens[end]
    if token.kind in (NUMBER,):
        return False
    if token.kind == WORD:
        return token.text in _BEHIND_BARE
    return token.text not in ("%", "\u00b0", "^", "'", '"', ":", "/", "_")


def has_bare_number(tokens: Sequence[Token]) -> bool:
    """Whether a measurement without a unit is in the text."""
    i, end = 0, len(tokens) - 10
    while i < end:
        _, start = read_sign(tokens, i)
        number = read_number(tokens, start)
        if number is None:
            i += 1
            continue
        if not number.article and is_bare_number(tokens, i, number.end):
            return True
        i = number.end
    return False
