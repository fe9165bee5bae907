"""Finds which of two objects an answer names: in full ("the red mug") or by what tells them apart ("the red one")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.tokens import NUMBER, WORD, Token, tokenize

Words = tuple[str, ...]

# Never stand for an object by themselves, though a clause in its name may hold them ("further from the camera").
_STOP_WORDS = frozenset(
    "the a an of on in at to with and its by is that which it's from than one further farther closer nearer more less "
    "most camera viewer us side behind front".split()
)
_ORDINALS = {
    "former": 0,
    "latter": 1,
}
_ORDINALS_WITH_ONE = {"first": 0, "second": 1}
_PREPOSITIONS = frozenset(
    "of than to from with against beside by near behind above below over under beneath underneath between versus vs "
    "as like alongside not".split()
)
_PARTS = frozenset("top bottom base centre center edge rim middle lid foot tip".split())
_CHOOSING = frozenset("go going went stick sticking".split())
_ARTICLES = frozenset("the a an its their this that both".split())


@dataclass(frozen=True)
class NameMention:
    """Tokens ``start`` to ``end`` name the object ``which`` (0 the subject, 1 the reference)."""

    which: int
    start: int
    end: int
    full: bool


@dataclass(frozen=True)
class Names:
    """The names of the subject and the reference of a question, ready to be searched for.

    Attributes:
        full: of each object, the word sequences that stand for it: the whole name, and its end where that begins to
            differ from the other name ("closer to the camera").
        telling: of each object, single words that only its name has ("red").
    """

    full: tuple[tuple[Words, ...], tuple[Words, ...]]
    telling: tuple[frozenset[str], frozenset[str]]

    @classmethod
    def of(cls, subject: str | None, reference: str | None, ignored: frozenset[str] = frozenset()) -> Names:
        """Names as in the question, articles allowed; None or "" where there is none.

        ``ignored`` words do not stand for an object by themselves: when left and right are asked for, "left" is a
        direction even if one of the two is "the mug on the left".
        """
        a, b = _words_of(subject), _words_of(reference)
        common = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        ignored = frozenset(_stem(word) for word in ignored)
        hidden = _STOP_WORDS | ignored
        full = tuple(_wordings(name, name[common:] if common else (), ignored) for name in (a, b))
        return cls((full[0], full[1]), (frozenset(a) - frozenset(b) - hidden, frozenset(b) - frozenset(a) - hidden))

    def find(self, tokens: Sequence[Token], start: int, end: int) -> list[NameMention]:
        """All mentions between two tokens, none inside another; a full name wins over a part of one."""
        mentions: list[NameMention] = []
        i = start
        while i < end:
            mention = self._at(tokens, i, end)
            if mention is None:
                i += 1
                continue
            last = mentions[-1] if mentions else None
            if last and last.which == mention.which and last.end == mention.start and not (last.full and mention.full):
                mentions[-1] = NameMention(last.which, last.start, mention.end, last.full or mention.full)
            else:
                mentions.append(mention)
            i = mention.end
        return mentions

    def _at(self, tokens: Sequence[Token], i: int, end: int) -> NameMention | None:
        best: NameMention | None = None
        for which in (0, 1):
            length = max(self._full_match(tokens, i, end, words) for words in self.full[which])
            if length and (best is None or length > best.end - best.start):
                best = NameMention(which, i, i + length, True)
        if best is not None:
            return best
        text = tokens[i].text
        stem = _stem(text)
        for which in (0, 1):
            if stem in self.telling[which]:
                return NameMention(which, i, i + 1, False)
        if text in _ORDINALS:
            return NameMention(_ORDINALS[text], i, i + 1, False)
        if text in _ORDINALS_WITH_ONE and tokens[i - 1].text == "the" and self.full[1]:
            behind = tokens[i + 1]
            if behind.text in ("one", "object", "item") or behind.kind in ("end", "symbol", "newline"):
                return NameMention(_ORDINALS_WITH_ONE[text], i, i + 1, False)
        return None

    @staticmethod
    def _full_match(tokens: Sequence[Token], i: int, end: int, words: tuple[str, ...]) -> int:
        """Number of tokens from ``i`` on that spell the whole name, hyphens skipped; 0 if they do not."""
        j = i
        for k, word in enumerate(words):
            if k and j < end and tokens[j].text == "-":
                j += 1
            if j >= end or _stem(tokens[j].text) != word:
                return 0
            j += 1
        return j - i


def _wordings(name: Words, end: Words, ignored: frozenset[str]) -> tuple[Words, ...]:
    return (name, end) if len(end) > 1 and not ignored.intersection(end) else (name,)


def _words_of(name: str | None) -> Words:
    words = tuple(_stem(t.text) for t in tokenize(name or "") if t.kind in (WORD, NUMBER))
    return words[1:] if words and words[0] in ("the", "a", "an") else words


def is_landmark(tokens: Sequence[Token], mention: NameMention, start: int) -> bool:
    """Whether a name stands behind a preposition ("than the bowl"), so that the clause is not about it.

    "The top of the mug is ..." is about the mug.
    """
    i = mention.start - 1
    while i >= start and tokens[i].text in _ARTICLES:
        i -= 1
    if i < start or tokens[i].text not in _PREPOSITIONS:
        return False
    before = tokens[i - 1].text if i > start else ""
    return not (tokens[i].text == "of" and before in _PARTS or tokens[i].text == "with" and before in _CHOOSING)


def _stem(word: str) -> str:
    """The singular, roughly, so that "mugs" and "the mug's" find the mug."""
    word = word.removesuffix("'s").removesuffix("'")
    if len(word) > 4 and word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
