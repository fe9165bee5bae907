"""Measurements in words: what is said is read back as what was measured, in all 43 families."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.telling import length_words, told
from spatialvlm_ros.questions.families import FAMILIES, Family, Kind
from spatialvlm_ros.questions.parsing.answers import parse_answer, parse_length

A, B = "red mug", "bowl"


def said(family: Family, value: float, std: float = 0.01) -> str:
    query = Query(A, B if family.objects == 2 else None, family.relation)
    estimate = Estimate(family.relation, A, B, value=value, std=std, valid=True, reason=Reason.OK)
    return told(family, query, estimate)


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.kind is Kind.NUMBER])
@pytest.mark.parametrize("value", [0.034, 0.33, 1.72, -0.27])
def test_a_length_is_said_with_its_direction_and_to_the_digit_that_its_error_leaves(name: str, value: float) -> None:
    family = FAMILIES[name]
    if value < 0 and not family.signed:
        return
    text = said(family, value)
    parsed = parse_answer(text, family, A, B if family.objects == 2 else None)
    assert parsed.value is not None and parsed.value.value_m == pytest.approx(value, abs=0.006), text
    if family.objects == 2:
        assert A in text.lower() or B in text.lower(), text


@pytest.mark.parametrize("name", [n for n, f in FAMILIES.items() if f.qualitative])
@pytest.mark.parametrize("p_true", [0.93, 0.07, 0.5])
def test_a_side_is_said_where_it_is_known(name: str, p_true: float) -> None:
    family = FAMILIES[name]
    text = said(family, p_true)
    label = parse_answer(text, family, A, B).label
    yes, no = {Kind.PREDICATE: ("yes", "no"), Kind.CHOICE: (A, B)}.get(family.kind, family.words)
    assert label == {0.93: yes, 0.07: no, 0.5: "uncertain"}[p_true], text


@given(st.floats(1e-3, 30.0), st.floats(1e-4, 1.0))
def test_rounding_costs_less_than_the_error(metres: float, std: float) -> None:
    parsed = parse_length(length_words(metres, std))
    assert parsed is not None
    finest = 0.005 if metres >= 1 else 0.0005  # half a digit of the last one that is ever said
    assert abs(parsed.value_m - metres) <= max(0.5 * std, finest) + 1e-9


@pytest.mark.parametrize(
    ("metres", "std", "words"),
    [
        (0.342, 0.05, "34 cm"),
        (0.0342, 0.002, "3.4 cm"),
        (1.834, 0.2, "1.8 m"),
        (1.834, 0.02, "1.83 m"),
        (7.4, 2.0, "7 m"),
    ],
)
def test_the_digits_follow_the_error(metres: float, std: float, words: str) -> None:
    assert length_words(metres, std) == words
