"""A measurement as a sentence, in the wordings of the 43 families: what is said is what was measured."""

from __future__ import annotations

import math
from functools import lru_cache

from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.questions.families import Family, Kind
from spatialvlm_ros.questions.grammar import clean_label
from spatialvlm_ros.questions.templates import VALUE, Template, load_templates

_UNSURE = (0.4, 0.6)  # between these probabilities neither side is taken
_ZERO_M = 0.0005
_CENTIMETRES_TO_M = 1.0


def told(family: Family, query: Query, estimate: Estimate) -> str:
    """The answer to a family's question.

    Args:
        family: of the question.
        query: its names.
        estimate: valid; metres, or the probability that the predicate is true of the subject.
    """
    a, b = clean_label(str(query.subject)), clean_label(str(query.reference or ""))
    first = estimate.value > (0.0 if family.kind is Kind.NUMBER else 0.5)
    roles = {"a": a, "b": b, "win": a if first else b, "lose": b if first else a}
    roles[VALUE] = length_words(estimate.value, estimate.std) if family.kind is Kind.NUMBER else ""
    return _wording(family.name, _case(family, estimate)).fill(**roles)


def _case(family: Family, estimate: Estimate) -> str:
    value = estimate.value
    if family.kind is Kind.NUMBER:
        known = load_templates()[family.name].answers
        wanted = "zero" if abs(value) < _ZERO_M else "positive" if value > 0 else "negative"
        return wanted if wanted in known else "positive"
    if _UNSURE[0] < value < _UNSURE[1]:
        return "uncertain"
    if family.kind is Kind.CHOICE:
        return "name"
    sides = family.words or ("affirm", "deny")
    return sides[0] if value > 0.5 else sides[1]


@lru_cache(maxsize=256)
def _wording(family: str, case: str) -> Template:
    """Of the wordings that name most of what was asked about the first in the file."""
    answers = load_templates()[family].answers[case]
    return max(answers, key=lambda template: len(template.roles))  # the first of those that are largest


def length_words(metres: float, std: float) -> str:
    """A length without its sign, to the digit that its error leaves: "34 cm", "1.8 m"."""
    value, unit = (abs(metres), "m") if abs(metres) >= _CENTIMETRES_TO_M else (100 * abs(metres), "cm")
    scale = 1.0 if unit == "m" else 100.0
    error = std * scale if math.isfinite(std) and std > 0 else 0.01 * value
    digits = min(max(-math.floor(math.log10(max(error, 1e-6))), 0), 2 if unit == "m" else 1)
    return f"{value:.{digits}f} {unit}"
