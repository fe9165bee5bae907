"""Sampled answers to one query: read, counted, and turned into a row of `Readings`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.quantities import N_BINS
from spatialvlm_ros.models.remote.chat import Completion, p_yes
from spatialvlm_ros.models.remote.spread import presence_of, smoothed_fraction, spread_lengths
from spatialvlm_ros.models.remote.wordings import NOT_VISIBLE, SEVERAL, Wording
from spatialvlm_ros.models.wording import bare_name
from spatialvlm_ros.questions.families import Kind
from spatialvlm_ros.questions.parsing.answers import ParsedAnswer, ParseReason, parse_answer

Float = NDArray[np.float64]

ANSWERED, ABSENT, AMBIGUOUS, REFUSED, UNPARSABLE = "answered", "absent", "ambiguous", "refused", "unparsable"
_LONGEST_REMARK = 160  # characters; "not visible" in a longer text is part of some reasoning


@dataclass(frozen=True)
class SampledAnswers:
    """What a server said to one query.

    Attributes:
        question: as it was sent.
        texts: each answer, as it came.
        counts: answers of each outcome: answered, absent, ambiguous, refused, unparsable.
        values: (K,) lengths in metres, or 1 for yes, 0 for no and 0.5 for uncertain, of those that were answered.
        lengths: (N_BINS,) probabilities; NaN for a predicate, and where nothing was answered.
        p_true: probability of a predicate; NaN for a length, and where nothing was answered.
        presences: (2, 3) of the subject and of the reference: there once, not there, several times; NaN where there is
            neither an answer nor a word about them.
    """

    question: str
    texts: tuple[str, ...]
    counts: dict[str, int]
    values: Float
    lengths: Float
    p_true: float
    presences: Float


def read_answers(wording: Wording, answers: Sequence[Completion], default_unit: str | None = None) -> SampledAnswers:
    """Read all answers to one query.

    Args:
        wording: the query as it was asked.
        answers: of the server.
        default_unit: unit of a bare number; None counts such an answer as unparsable.
    """
    outcomes = [_outcome(wording, a.text, default_unit) for a in answers]
    parsed = [p for kind, p in outcomes if kind == ANSWERED and p is not None]
    counts = Counter(kind for kind, _ in outcomes)
    lengths, p_true = np.full(N_BINS, np.nan), float("nan")
    if wording.family.kind is Kind.NUMBER:
        stated = [p.value for p in parsed if p.value is not None]
        values = np.array([s.value_m for s in stated], dtype=np.float64)
        lows, highs = [s.low_m for s in stated], [s.high_m for s in stated]
        lengths = spread_lengths(values, lows, highs, wording.family.signed)
    else:
        values = np.array([_TRUTH[p.label or "uncertain"] for p in parsed])
        p_true = _p_true(values, answers)
    return SampledAnswers(
        wording.text,
        tuple(a.text for a in answers),
        {kind: counts.get(kind, 0) for kind in (ANSWERED, ABSENT, AMBIGUOUS, REFUSED, UNPARSABLE)},
        values,
        lengths,
        p_true,
        _presences(wording, answers, outcomes),
    )


_TRUTH = {"yes": 1.0, "no": 0.0, "uncertain": 0.5}


def _p_true(values: Float, answers: Sequence[Completion]) -> float:
    """From the probabilities of the first token where the server gave them, else from the counted answers."""
    given = [p for p in (p_yes(a.first_token) for a in answers if a.first_token) if p is not None]
    if given:
        return float(np.mean(given))
    return smoothed_fraction(float(values.sum()), float(len(values) - values.sum()))


def _outcome(wording: Wording, text: str, default_unit: str | None) -> tuple[str, ParsedAnswer | None]:
    remark = _remark(text)
    if remark is not None:
        return remark, None
    parsed = parse_answer(text, wording.family, wording.subject, wording.reference, default_unit)
    if parsed.ok:
        return ANSWERED, parsed
    return (REFUSED if parsed.reason is ParseReason.REFUSAL else UNPARSABLE), None


def _remark(text: str) -> str | None:
    """Whether the answer is the one that was agreed for an object that is missing or not the only one of its name."""
    said = " ".join(text.rpartition("</think>")[2].lower().split()).strip(" \"'`*.")
    if len(said) > _LONGEST_REMARK:
        return None
    return ABSENT if said.startswith(NOT_VISIBLE) else AMBIGUOUS if said.startswith(SEVERAL) else None


def _presences(
    wording: Wording, answers: Sequence[Completion], outcomes: Sequence[tuple[str, ParsedAnswer | None]]
) -> Float:
    """Remarks count for the object that they name; for the subject when they name none, or both beside each other."""
    tally = np.zeros((2, 3), dtype=np.int64)
    column = {ABSENT: 1, AMBIGUOUS: 2}
    for answer, (kind, _) in zip(answers, outcomes, strict=True):
        if kind == ANSWERED:
            tally[:, 0] += 1
        elif kind in column:
            tally[_named(wording, answer.text), column[kind]] += 1
    rows = [presence_of(*map(int, tally[i])) for i in range(2)]
    return np.stack(rows) if wording.reference is not None else np.stack([rows[0], np.full(3, np.nan)])


def _named(wording: Wording, text: str) -> int:
    said = text.lower()
    subject, reference = (bare_name(n.lower()) if n else "" for n in (wording.subject, wording.reference))
    if not reference or reference not in said:
        return 0
    return 1 if subject not in said or subject in reference else 0
