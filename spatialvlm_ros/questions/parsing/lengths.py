"""Finds every length of a text: single ones, ranges, tolerances, bounds.

`find_lengths` returns them in order; which of them is the answer is decided in `selection`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialvlm_ros.questions.parsing.bounds import LOWER, UPPER, read_surroundings
from spatialvlm_ros.questions.parsing.spans import Span, read_span
from spatialvlm_ros.questions.parsing.tokens import Token, length_of
from spatialvlm_ros.questions.parsing.units import Unit


@dataclass(frozen=True)
class ParsedLength:
    """A length as it was said.

    Attributes:
        value_m: metres; the middle of a range, the length that a bound names.
        low_m, high_m: metres; equal to the value unless a range, a tolerance or a bound is said. The open side of a
            bound is 0 (below) or infinity (above).
        unit: symbol of the (first) unit that is written: um, mm, cm, dm, m, km, in, ft, yd or mi; "" for a zero that
            is said without one ("they touch").
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
    """A length and where it stands: tokens ``start`` to ``end`` (exclusive), the words of a bound included."""

    length: ParsedLength
    start: int
    end: int
    bound: bool = False


def find_lengths(tokens: Sequence[Token], default_unit: Unit | None = None) -> list[Mention]:
    """All lengths of the text in their order, none inside another; time is linear in the number of tokens.

    With a ``default_unit`` measurements that lack their unit count in that one.
    """
    mentions: list[Mention] = []
    i, end, earliest = 0, length_of(tokens), 0
    while i < end:
        span = read_span(tokens, i, default_unit)
        if span is None:
            i += 1
            continue
        mentions.append(_mention(tokens, i, span, earliest))
        i = earliest = mentions[-1].end
    return mentions


def _mention(tokens: Sequence[Token], start: int, span: Span, earliest: int) -> Mention:
    around = read_surroundings(tokens, start, span.end, earliest)
    low = min(0.0, span.low) if around.side == UPPER else span.low
    high = math.inf if around.side == LOWER else span.high
    text = " ".join(token.text for token in tokens[around.start : around.end])
    length = ParsedLength(span.value, low, high, span.unit.name, text, span.vague or around.rough)
    return Mention(length, around.start, around.end, bool(around.side))
