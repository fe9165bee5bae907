"""Cuts plain text into numbers, words and symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

NUMBER, WORD, SYMBOL, NEWLINE, END = "number", "word", "symbol", "newline", "end"
_PADDING = 10  # END tokens behind the last one, so that looking a few tokens ahead needs no bounds check


class Token(NamedTuple):
    """One piece of the text.

    Attributes:
        kind: NUMBER, WORD, SYMBOL, NEWLINE or END.
        text: lower case.
        value: of a NUMBER, else 0.
        space: whether white space stands before it.
        capital: whether it begins with a capital letter.
        start, end: its place in the plain text.
    """

    kind: str
    text: str
    value: float = 0.0
    space: bool = True
    capital: bool = False
    start: int = 0
    end: int = 0


# Numbers, most particular first: 1,234.5 and 1'234 | 1.234,5 | 1 200 | 0.86 and 0,86 and 12 | .8
_NUMBER = r"""
      [1-9]\d{0,2}(?:,\d{3}){1,6}(?:\.\d+)?(?![\d,])
    | [1-9]\d{0,2}(?:'\d{3}){1,6}(?:\.\d+)?(?!\d)
    | [1-9]\d{0,2}(?:\.\d{3}){1,6},\d+
    | (?<![\d.,][ ])[1-9]\d{0,2}(?:[ ]\d{3}){1,6}(?![\d./,]*\d|[ ]?/)
    | \d+(?:[.,]\d+)?
    | (?<![\d.])\.\d+
"""
_CJK_UNIT = "\u5398\u7c73|\u6beb\u7c73|\u516c\u5206|\u5206\u7c73|\u516c\u91cc|\u82f1\u5bf8|\u82f1\u5c3a|\u7c73"
_TOKEN = re.compile(
    rf"""
      (?P<number>(?:{_NUMBER})(?:[eE][+-]?\d{{1,3}}(?![\w.]))?)
    | (?P<word>{_CJK_UNIT}|[\u3040-\u9fff]|[^\W\d_\u3040-\u9fff]+(?:'[^\W\d_]{{1,3}}(?![^\W\d_]))?)
    | (?P<newline>\n)
    | (?P<symbol>\S)
    """,
    re.VERBOSE,
)
_EXPONENT = re.compile(r"[eE][+-]?\d+$")
_END_TOKEN = Token(END, "")


def tokenize(text: str) -> list[Token]:
    """The tokens of ``text`` (as `markup.plain_text` returns it), followed by some END tokens."""
    tokens: list[Token] = []
    previous_end = 0
    for match in _TOKEN.finditer(text):
        kind, piece = match.lastgroup or SYMBOL, match.group()
        space = match.start() > previous_end or not tokens
        previous_end = match.end()
        value = _value(piece) if kind == NUMBER else 0.0
        tokens.append(Token(kind, piece.lower(), value, space, piece[0].isupper(), match.start(), match.end()))
    return tokens + [_END_TOKEN] * _PADDING


def length_of(tokens: Sequence[Token]) -> int:
    """Number of tokens of the text itself, without the END tokens behind it."""
    return len(tokens) - _PADDING


def words_at(tokens: Sequence[Token], i: int, words: tuple[str, ...]) -> bool:
    """Whether the tokens from ``i`` on are these words or symbols."""
    return i >= 0 and all(tokens[i + k].text == word for k, word in enumerate(words))


def _value(digits: str) -> float:
    """The number that is written; separators of thousands go, a decimal comma becomes a point."""
    exponent = _EXPONENT.search(digits)
    power = exponent.group() if exponent else ""
    mantissa = digits[: len(digits) - len(power)].replace(" ", "").replace("'", "")
    point, comma = mantissa.rfind("."), mantissa.rfind(",")
    if point >= 0 and comma > point:  # 1.234,5
        mantissa = mantissa.replace(".", "").replace(",", ".")
    elif comma >= 0 and (point >= 0 or _is_thousands(mantissa)):
        mantissa = mantissa.replace(",", "")
    else:
        mantissa = mantissa.replace(",", ".")
    return float(mantissa + power)


def _is_thousands(mantissa: str) -> bool:
    """Whether the commas of "1,200" separate thousands; "0,125" and "1,20" are decimals."""
    head, *groups = mantissa.split(",")
    return 1 <= len(head) <= 3 and head[0] != "0" and all(len(g) == 3 for g in groups)
