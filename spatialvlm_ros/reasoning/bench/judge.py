"""Is an answer right? The same reading of the words for the planner and for language models."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum

from spatialvlm_ros.models.estimate import Answer
from spatialvlm_ros.questions.parsing.lengths import find_lengths
from spatialvlm_ros.questions.parsing.markup import plain_text
from spatialvlm_ros.questions.parsing.tokens import tokenize
from spatialvlm_ros.reasoning.bench.truths import Kind, Truth
from spatialvlm_ros.reasoning.planner.deciding import UNDECIDED

TOLERANCE = 0.25  # of a number


class Verdict(str, Enum):
    """What became of a question."""

    RIGHT = "right"
    WRONG = "wrong"
    UNDECIDED = "undecided"  # too close to tell: measured, but not decided
    REFUSED = "refused"  # no answer

    def __str__(self) -> str:
        return self.value


def judge(answer: Answer, truth: Truth) -> Verdict:
    """The verdict on an answer; of a question without an answer the refusal is what is right."""
    if not answer.valid:
        return Verdict.REFUSED
    if truth.kind is Kind.REFUSAL:
        return Verdict.WRONG
    if answer.text.startswith(UNDECIDED):
        return Verdict.UNDECIDED
    return Verdict.RIGHT if _CHECKS[truth.kind](answer.text, truth) else Verdict.WRONG


def mentioned(text: str, candidates: Sequence[str]) -> list[str]:
    """The candidates in the order of their first mention; a name inside a longer one does not count."""
    names = "|".join(re.escape(c.lower()) for c in sorted(candidates, key=len, reverse=True))
    found = re.findall(rf"(?<![\w-])(?:{names})(?![\w-])", text.lower()) if names else []
    by_name = {c.lower(): c for c in candidates}
    return [by_name[name] for name in dict.fromkeys(found)]


def _label(text: str, truth: Truth) -> bool:
    return mentioned(text, truth.candidates)[:1] == list(truth.labels)


def _order(text: str, truth: Truth) -> bool:
    return mentioned(text, truth.candidates)[: len(truth.labels)] == list(truth.labels)


def _pair(text: str, truth: Truth) -> bool:
    return set(mentioned(text, truth.candidates)[:2]) == set(truth.labels)


def _yes_no(text: str, truth: Truth) -> bool:
    found = re.search(r"\b(?:yes|no)\b", text.lower())
    return found is not None and found[0] == truth.labels[0]


def _within(value: float | None, truth: Truth) -> bool:
    return value is not None and abs(value - truth.value) <= TOLERANCE * abs(truth.value)


def first_length(text: str) -> float | None:
    """Metres of the first length of a text."""
    lengths = find_lengths(tokenize(plain_text(text)))
    return lengths[0].length.value_m if lengths else None


def first_number(text: str) -> float | None:
    """The first number of a text, percentages apart."""
    found = re.search(r"(?<![\w.])\d+(?:\.\d+)?(?![\w%])", text)
    return float(found[0]) if found else None


def _number(text: str, truth: Truth) -> bool:
    return _within(first_length(text), truth)


def _ratio(text: str, truth: Truth) -> bool:
    return _within(first_number(text), truth)


def _count(text: str, truth: Truth) -> bool:
    return first_number(text) == truth.value


def _label_number(text: str, truth: Truth) -> bool:
    return _label(text, truth) and _number(text, truth)


def _directions(text: str, truth: Truth) -> bool:
    said = set(re.findall(r"\b(?:left|right|behind|front|above|below)\b", text.lower()))
    return said.issuperset(truth.labels) and not said & set(truth.candidates)


_CHECKS: dict[Kind, Callable[[str, Truth], bool]] = {
    Kind.LABEL: _label,
    Kind.LABEL_NUMBER: _label_number,
    Kind.ORDER: _order,
    Kind.PAIR: _pair,
    Kind.YES_NO: _yes_no,
    Kind.WORD: _label,
    Kind.NUMBER: _number,
    Kind.RATIO: _ratio,
    Kind.COUNT: _count,
    Kind.DIRECTIONS: _directions,
}
