"""Numbers without a unit: which of them are measurements that lack it, and which count or label something."""

from __future__ import annotations

from collections.abc import Sequence

from spatialvlm_ros.questions.parsing.numbers import read_number
from spatialvlm_ros.questions.parsing.quantities import read_sign
from spatialvlm_ros.questions.parsing.tokens import NUMBER, WORD, Token, length_of

_BEFORE = frozenset(
    "about is be at say approx around roughly approximately answer distance and of exactly maybe probably gap height "
    "width between from to was it's its by equals value result nearly almost over under than like just minus plus "
    "negative".split()
)
_BEHIND = frozenset("or to and tall wide apart away from high long approx approximately roughly maybe i".split())
_SYMBOLS_NOT_BEHIND = frozenset("%\u00b0^'\":/_")


def is_bare_number(tokens: Sequence[Token], start: int, end: int) -> bool:
    """Whether the number in tokens ``start`` to ``end`` is a measurement that lacks its unit.

    "About 3." is one; "3 mugs", "image 3", "20%" and "the second one" are not.
    """
    if start > 0 and tokens[start].text == "one":  # "the red one"
        return False
    before = tokens[start - 1] if start > 0 else None
    if before is not None and (before.kind in (WORD, NUMBER) and before.text not in _BEFORE or before.text in "#/^"):
        return False
    return ends_bare_number(tokens, end)


def ends_bare_number(tokens: Sequence[Token], i: int) -> bool:
    """Whether what stands at token ``i`` can follow a measurement that lacks its unit."""
    token = tokens[i]
    if token.kind == NUMBER:
        return False
    if token.kind == WORD:
        return token.text in _BEHIND
    return not token.text or token.text not in _SYMBOLS_NOT_BEHIND


def has_bare_number(tokens: Sequence[Token]) -> bool:
    """Whether a measurement without a unit is in the text."""
    i, end = 0, length_of(tokens)
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
