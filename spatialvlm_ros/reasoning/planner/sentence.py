"""Reads a question into a skeleton: its words, with the names of objects and the lengths taken out.

"Can a robot 0.6 m wide pass between the sofa and the table?" becomes
"can a robot # wide pass between <0>", where # is 0.6 m and <0> is the group (sofa, table), joined by "and".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.models.query import CAMERA_NAME, MOST_WORDS
from spatialvlm_ros.questions.parsing.markup import plain_text
from spatialvlm_ros.questions.parsing.quantities import read_quantity
from spatialvlm_ros.questions.parsing.tokens import SYMBOL, WORD, Token, length_of, tokenize
from spatialvlm_ros.reasoning.planner.vocabulary import (
    AUXILIARIES,
    CONTAINERS,
    COPULAS,
    DESCRIBING,
    DETERMINERS,
    FUNCTION_WORDS,
    JOINERS,
    OTHER_WORDS,
    PLAIN_ADJECTIVES,
    TWO_FACED,
    VERB_FOLLOWS,
)

_LENGTH = "#"
_PUNCTUATION = frozenset(",:;.?!()")
_RELATIVE = frozenset(("that", "which", "who"))
_ACTORS = ("robot arm", "gripper", "robot gripper")


@dataclass(frozen=True)
class Group:
    """Names that are listed together, or one name.

    Attributes:
        names: as they were written, without article.
        joiner: "and", "or", "," or "" for one name.
    """

    names: tuple[str, ...]
    joiner: str = ""


@dataclass(frozen=True)
class Sentence:
    """A question, read.

    Attributes:
        text: as it was asked.
        skeleton: lower case words; "<k>" for group k, "#" for a length, punctuation set apart.
        groups: in the order of the text.
        lengths: metres, in the order of the text.
    """

    text: str
    skeleton: str
    groups: tuple[Group, ...]
    lengths: tuple[float, ...]

    def has(self, pattern: str) -> bool:
        """Whether a regular expression is found in the skeleton."""
        return re.search(pattern, self.skeleton) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the order of the text."""
        return tuple(name for group in self.groups for name in group.names)

    @property
    def lists(self) -> tuple[int, ...]:
        """The groups of several names."""
        return tuple(k for k, g in enumerate(self.groups) if len(g.names) > 1)

    @property
    def singles(self) -> tuple[int, ...]:
        """The groups of one name."""
        return tuple(k for k, g in enumerate(self.groups) if len(g.names) == 1)

    def name(self, group: int) -> str:
        """The first name of a group."""
        return self.groups[group].names[0]

    def after(self, words: str) -> str | None:
        """The first name that stands directly behind one of these words (a regular expression)."""
        match = re.search(rf"\b(?:{words}) <(\d+)>", self.skeleton)
        return None if match is None else self.name(int(match[1]))


@dataclass(frozen=True)
class _Piece:
    """A word, a length, or a name; ``sure`` names have an article."""

    word: str
    name: str = ""
    sure: bool = False


def read_sentence(text: str) -> Sentence:
    """The skeleton of a question."""
    words, lengths = _words_and_lengths(tokenize(plain_text(text)))
    pieces = _with_names(words)
    if any(p.sure for p in pieces):
        pieces = _without_guesses(pieces)
    pieces = [p for p in pieces if p.name or p.word not in DETERMINERS or p.word == "that"]
    skeleton, groups = _grouped(pieces)
    return Sentence(text, skeleton, groups, tuple(lengths))


# ---- words and lengths ----


def _words_and_lengths(tokens: Sequence[Token]) -> tuple[list[str], list[float]]:
    words: list[str] = []
    lengths: list[float] = []
    i, end = 0, length_of(tokens)
    while i < end:
        quantity = read_quantity(tokens, i)
        if quantity is not None:
            words.append(_LENGTH)
            lengths.append(quantity.metres)
            i = quantity.end
            continue
        token = tokens[i]
        if token.kind == SYMBOL and token.text not in _PUNCTUATION and token.text not in JOINERS:
            i += 1
            continue
        word, i = _hyphenated(tokens, i)
        words += word.split("-") if _is_phrase(word) else _possessive(word)
    return words, lengths


def _hyphenated(tokens: Sequence[Token], i: int) -> tuple[str, int]:
    """ "ping-pong" as one word, and the place behind it."""
    word, i = tokens[i].text, i + 1
    while tokens[i - 1].kind == WORD and tokens[i].text == "-" and tokens[i + 1].kind == WORD and not tokens[i].space:
        if tokens[i + 1].space:
            break
        word, i = f"{word}-{tokens[i + 1].text}", i + 2
    return word, i


def _is_phrase(word: str) -> bool:
    """ "left-to-right": words of the question, joined."""
    return "-" in word and all(part in OTHER_WORDS for part in word.split("-"))


def _possessive(word: str) -> list[str]:
    return [CAMERA_NAME, "'s"] if word == f"{CAMERA_NAME}'s" else [word]


# ---- names ----


def _with_names(words: Sequence[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    i = 0
    while i < len(words):
        word = words[i]
        if word in DETERMINERS:
            end = _name_end(words, i + 1, sure=True)
            if end > i + 1 and not (word == "that" and words[i - 1 : i] not in ([","], ["and"], ["or"], ["to"], [])):
                pieces.append(_Piece("", " ".join(words[i + 1 : end]), True))
                i = end
                continue
        elif _may_start(words, i):
            end = _name_end(words, i, sure=False)
            if end > i:
                pieces.append(_Piece(" ".join(words[i:end]), " ".join(words[i:end])))
                i = end
                continue
        pieces.append(_Piece(word))
        i += 1
    return pieces


def _may_start(words: Sequence[str], i: int) -> bool:
    """Whether a name without an article can begin here."""
    word = words[i]
    if word == _LENGTH or word in _PUNCTUATION or word in JOINERS or word == "'s":
        return False
    if word in TWO_FACED:
        return i > 0 and words[i - 1] in JOINERS and _is_noun(words, i)
    if word in DESCRIBING:
        return i + 1 < len(words) and _is_content(words, i + 1)
    return word not in OTHER_WORDS


def _name_end(words: Sequence[str], start: int, sure: bool) -> int:
    """The place behind the name that begins here; ``start`` where there is none."""
    for actor in _ACTORS:
        parts = actor.split()
        if sure and list(words[start : start + len(parts)]) == parts and words[start - 1] not in ("a", "an", "my"):
            if words[start + len(parts) : start + len(parts) + 1] != [_LENGTH]:
                return start + len(parts)
    end = start
    if sure:
        end = _describing_end(words, start)
    while end < len(words) and end - start < MOST_WORDS:
        if words[end] == "of" and _goes_on_after_of(words, start, end):
            end += 1
        elif words[end] in PLAIN_ADJECTIVES and end > start and _is_content(words, end + 1):
            end += 1
        elif not (_is_content(words, end) or _is_noun(words, end, inside=end > start or sure)):
            break
        else:
            end += 1
    return end if any(_is_content(words, k) or _is_noun(words, k, inside=True) for k in range(start, end)) else start


def _describing_end(words: Sequence[str], start: int) -> int:
    """Behind cue words at the start of a name that a content word follows: "the tall lamp", "the picture frame"."""
    end = start
    while end < len(words) and words[end] in OTHER_WORDS and words[end] not in FUNCTION_WORDS and end - start < 3:
        end += 1
    return end if end < len(words) and _is_content(words, end) else start


def _goes_on_after_of(words: Sequence[str], start: int, at: int) -> bool:
    if at == start or at + 1 >= len(words) or not _is_content(words, at + 1):
        return False
    return words[at - 1] in CONTAINERS or _is_content(words, at - 1)


def _is_content(words: Sequence[str], i: int) -> bool:
    if i >= len(words):
        return False
    word = words[i]
    return not (word in OTHER_WORDS or word in _PUNCTUATION or word in JOINERS or word in DETERMINERS) and word not in (
        _LENGTH,
        "'s",
    )


def _is_noun(words: Sequence[str], i: int, inside: bool = True) -> bool:
    """Whether a word that can be a noun and a verb is a noun here."""
    if i >= len(words) or not inside:
        return False
    word, following = words[i], words[i + 1] if i + 1 < len(words) else "."
    if word in CONTAINERS and following == "of" and _is_content(words, i + 2):
        return True
    if word not in TWO_FACED or _is_content(words, i + 1):
        return False
    return following not in VERB_FOLLOWS[word] or _has_its_verb(words, i)


def _has_its_verb(words: Sequence[str], i: int) -> bool:
    """Whether the clause up to here has a verb that allows no other: "is the tv stand within", not "does the tv stand
    within"."""
    before = next((w for w in reversed(words[:i]) if w in COPULAS or w in AUXILIARIES), "")
    return before in COPULAS and words[i - 1] not in _RELATIVE


def _without_guesses(pieces: list[_Piece]) -> list[_Piece]:
    """Where names have articles, words without one are names only in a list with those."""
    kept: list[_Piece] = []
    for i, piece in enumerate(pieces):
        guess = bool(piece.name) and not piece.sure
        if guess and piece.name != CAMERA_NAME and not _listed(pieces, i):
            piece = _Piece(piece.word)
        kept.append(piece)
    return kept


def _listed(pieces: Sequence[_Piece], i: int) -> bool:
    """Whether a joiner stands before this piece and a name before that."""
    j = i - 1
    while j >= 0 and pieces[j].word in JOINERS:
        j -= 1
    return j < i - 1 and j >= 0 and bool(pieces[j].name)


# ---- groups ----


def _grouped(pieces: Sequence[_Piece]) -> tuple[str, tuple[Group, ...]]:
    out: list[str] = []
    groups: list[Group] = []
    i = 0
    while i < len(pieces):
        if not pieces[i].name:
            out.append(pieces[i].word)
            i += 1
            continue
        names, joiner, end = [pieces[i].name], "", i + 1
        while True:
            nxt = _next_name(pieces, end)
            if nxt is None:
                break
            word, at = nxt
            joiner = word if joiner in ("", ",") else joiner
            names.append(pieces[at].name)
            end = at + 1
        for group in _split_apposition(names, joiner):
            out.append(f"<{len(groups)}>")
            groups.append(group)
        i = end
    return " ".join(out), tuple(groups)


def _next_name(pieces: Sequence[_Piece], i: int) -> tuple[str, int] | None:
    """The joiner from here to the next name, and its place; None where another word comes first."""
    words = []
    while i < len(pieces) and not pieces[i].name and pieces[i].word in JOINERS:
        words.append(pieces[i].word)
        i += 1
    if not words or i >= len(pieces) or not pieces[i].name:
        return None
    plainer = {"&": "and", "vs": "or", "versus": "or"}
    return plainer.get(words[-1], words[-1]), i


def _split_apposition(names: list[str], joiner: str) -> list[Group]:
    """ "Seen from the mug, the bowl is ...": two names with only a comma between them are no list."""
    if joiner == "," and len(names) == 2:
        return [Group((n,)) for n in names]
    return [Group(tuple(names), joiner)]
