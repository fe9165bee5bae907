"""Cuts an answer into clauses and ranks them: a conclusion counts more than a remark, and that more than a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialvlm_ros.questions.parsing.markup import ANSWER_MARK
from spatialvlm_ros.questions.parsing.tokens import END, NEWLINE, NUMBER, SYMBOL, WORD, Token, length_of

FINAL, CONCLUSION, CORRECTION, MAIN, REASON = range(5)  # by weight, heaviest first

_ABBREVIATIONS = frozenset("ft in yd cm mm m mi approx ca vs no fig".split())
# Words that begin a clause of a certain weight.
_CUE_WORDS = {
    FINAL: f"{ANSWER_MARK}|final answer|the answer is|answer :|answer is",
    CONCLUSION: "so|therefore|thus|hence|consequently|which means|in conclusion|overall|in total|altogether",
    CORRECTION: (
        "but|actually|however|no wait|wait|on second thought|correction|i mean|make that|make it|sorry|or rather|"
        "in fact|scratch that|nevertheless"
    ),
    REASON: (
        "because|since|although|though|even though|given that|considering|assuming|despite|while|whereas|based on|if"
    ),
}
_CUES: tuple[tuple[tuple[str, ...], int], ...] = tuple(
    sorted(
        ((tuple(cue.split()), weight) for weight, cues in _CUE_WORDS.items() for cue in cues.split("|")),
        key=lambda cue: -len(cue[0]),
    )
)
_FIRST_WORDS = frozenset(words[0] for words, _ in _CUES)


@dataclass(frozen=True)
class Clause:
    """Tokens ``start`` to ``end`` (exclusive) of one weight; ``sentence`` counts sentences from 0."""

    start: int
    end: int
    weight: int
    sentence: int


def is_sentence_end(tokens: Sequence[Token], i: int) -> bool:
    """Whether the sentence ends with token ``i``."""
    token, behind = tokens[i], tokens[i + 1]
    if token.kind == NEWLINE:
        return True
    if token.kind != SYMBOL or token.text not in ".!?;":
        return False
    if token.text != ".":
        return True
    if behind.kind in (END, NEWLINE):
        return True
    if i and tokens[i - 1].text in _ABBREVIATIONS and not behind.capital:
        return False
    return behind.space or behind.text == "."


def split_clauses(tokens: Sequence[Token]) -> list[Clause]:
    """All clauses in their order. Linear in the number of tokens."""
    clauses: list[Clause] = []
    start, weight, sentence, i = 0, MAIN, 0, 0
    end = length_of(tokens)
    while i < end:
        if is_sentence_end(tokens, i):
            clauses.append(Clause(start, i + 1, weight, sentence))
            start, i, sentence = i + 1, i + 1, sentence + 1
            # "The answer is" and a bare heading reach into the next line.
            weight = weight if weight == FINAL and clauses[-1].end - clauses[-1].start <= 3 else MAIN
            continue
        if weight == REASON and tokens[i].text == "," and _begins_sentence(clauses, start, sentence):
            clauses.append(Clause(start, i + 1, weight, sentence))
            start, weight = i + 1, MAIN
        cue = _cue_at(tokens, i)
        if cue is not None:
            words, new_weight = cue
            if i > start:
                clauses.append(Clause(start, i, weight, sentence))
            start, weight, i = i, new_weight, i + words
            continue
        i += 1
    if start < end:
        clauses.append(Clause(start, end, weight, sentence))
    return clauses


def by_weight(clauses: Sequence[Clause]) -> list[Clause]:
    """Heaviest first; of equal ones the last conclusion or correction, but the first remark or reason."""
    return sorted(clauses, key=lambda c: (c.weight, -c.start if c.weight <= CORRECTION else c.start))


def _begins_sentence(clauses: Sequence[Clause], start: int, sentence: int) -> bool:
    return not clauses or clauses[-1].sentence != sentence or clauses[-1].end != start


def _cue_at(tokens: Sequence[Token], i: int) -> tuple[int, int] | None:
    """(number of words, weight) of the cue at token ``i``."""
    if tokens[i].text not in _FIRST_WORDS:
        return None
    for words, weight in _CUES:
        if all(tokens[i + k].text == word for k, word in enumerate(words)):
            if words == ("so",) and not _so_concludes(tokens, i):
                continue
            return len(words), weight
    return None


def _so_concludes(tokens: Sequence[Token], i: int) -> bool:
    """ "..., so it is 2 m" and not "or so", "I think so, yes", "so far"."""
    before = tokens[i - 1] if i else None
    opens = before is None or before.kind in (SYMBOL, NEWLINE) or before.text == "and"
    return opens and tokens[i + 1].kind != END and tokens[i + 1].text not in (",", ".", "far", "close", "!")


def words_of(tokens: Sequence[Token], start: int, end: int) -> str:
    """The clause as words and marks separated by single spaces, for phrase patterns."""
    return " ".join(t.text for t in tokens[start:end] if t.kind in (WORD, SYMBOL, NUMBER))
