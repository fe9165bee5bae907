from __future__ import annotations

from collections import Counter

import pytest

from spatialvlm_ros.errors import QuestionError
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind, family
from spatialvlm_ros.scenes.relations import RELATIONS


def test_the_43_families_of_the_paper():
    assert Counter(f.kind.value for f in FAMILIES.values()) == {
        "predicate": 12,
        "choice": 12,
        "classify": 6,
        "number": 13,
    }
    assert len(FAMILY_NAMES) == 43
    assert sum(f.qualitative for f in FAMILIES.values()) == 30


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_family_agrees_with_the_definition_of_its_relation(name):
    f = FAMILIES[name]
    spec = RELATIONS[f.relation]
    assert (f.objects, f.min_level) == (spec.arity, spec.min_level)
    if f.kind is Kind.NUMBER:
        assert f.signed == spec.signed and not spec.predicate and spec.unit == "m"
    else:
        assert spec.predicate
    if f.kind is Kind.CLASSIFY:
        assert f.relation.value == f.words[0]
    if f.signed:
        assert len(f.words) == 2


def test_levels_are_those_of_the_decision_table():
    needs_up = {n for n in FAMILY_NAMES if FAMILIES[n].min_level == 1}
    words = ("above", "below", "tall", "short", "big", "small")
    expected = {f"{w}_{kind}" for w in words for kind in ("predicate", "choice")}
    expected |= {"above_below_classify", "tall_short_classify", "big_small_classify"}
    expected |= {"height", "vertical_distance", "horizontal_distance", "above_diff", "below_diff"}
    assert needs_up == expected
    assert [n for n in FAMILY_NAMES if FAMILIES[n].min_level == 2] == ["elevation"]


def test_unknown_family_is_named():
    with pytest.raises(QuestionError, match="lefty"):
        family("lefty")
