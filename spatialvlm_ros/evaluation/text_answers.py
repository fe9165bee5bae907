"""Answers in words: what they say, and what the best possible rounded answer would score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.item_table import ItemTable
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Family, Kind
from spatialvlm_ros.questions.parsing.answers import ParsedAnswer, parse_answer
from spatialvlm_ros.questions.rounding import UNIFORMS, round_lengths

Float = NDArray[np.float64]


def parse_answers(texts: Sequence[str | None], table: ItemTable) -> Answers:
    """M answers in words as values: metres, or 1 and 0 for the two sides of a qualitative question.

    None is a question that was not asked. The reasons are those of ``ParseReason``.
    """
    answers = Answers.empty(len(table))
    for row, text in enumerate(texts):
        if text is None:
            continue
        family = FAMILIES[FAMILY_NAMES[table.family[row]]]
        parsed = parse_answer(text, family, table.subject[row], table.reference[row] or None)
        value = _value(parsed, family, str(table.subject[row]))
        answers.asked[row] = True
        answers.value[row] = value
        answers.valid[row] = np.isfinite(value)
        answers.reason[row] = str(parsed.reason.value)
    return answers


def _value(parsed: ParsedAnswer, family: Family, subject: str) -> float:
    if family.kind is Kind.NUMBER:
        return float("nan") if parsed.value is None else parsed.value.value_m
    first = {Kind.PREDICATE: "yes", Kind.CHOICE: subject}.get(family.kind, next(iter(family.words), ""))
    if parsed.label is None or parsed.label == "uncertain":
        return float("nan")
    return 1.0 if parsed.label == first else 0.0


def rounding_oracle(table: ItemTable, seed: int = 0) -> Answers:
    """What an oracle scores that knows the truth and says it as people do (``questions/rounding.py``)."""
    rng = np.random.default_rng(seed)
    uniforms = rng.random((len(table), UNIFORMS))
    known = np.where(np.isfinite(table.value), table.value, 0.0)
    said = np.sign(known) * round_lengths(known, uniforms).metres
    value = np.where(table.numeric, said, np.where(known > 0, 1.0, 0.0))
    return Answers.of_values(np.where(np.isfinite(table.value), value, np.nan))
