"""The node's parameters: one table, checked values, live ones apart; queries and sizes as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.ros.parameters import PARAMETERS, Settings
from spatialvlm_ros.ros.query_text import make_query, read_known_sizes, read_query
from spatialvlm_ros.scenes.relations import Relation


def test_every_default_is_allowed_and_described() -> None:
    settings = Settings.of({})
    for name, parameter in PARAMETERS.items():
        assert getattr(settings, name) == parameter.default
        assert parameter.description.endswith(".") and len(parameter.description) > 15
        if isinstance(parameter.default, float):
            assert parameter.low is not None and parameter.high is not None, name


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("slop_s", 2.0, "slop_s"),
        ("slop_s", float("nan"), "slop_s"),
        ("slop_s", "fast", "float"),
        ("use_depth", 1, "bool"),
        ("reliability", "maybe", "best_effort"),
        ("model", 7, "str"),
        ("queries", "gap: a | b", "list"),
        ("queries", ["gap: mug"], "query"),
        ("queries", ["nearness: mug | cup"], "nearness"),
        ("known_sizes", ["mug: 0.1 0.1"], "known size"),
        ("known_sizes", ["mug: 0.1 0.1 -1"], "known size"),
        ("target", "stay away from it", "which object"),
        ("modell", "embedded", "modell"),
    ],
)
def test_bad_values_are_named(name: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Settings.of({name: value})


def test_whole_numbers_are_numbers() -> None:
    assert Settings.of({"deadline_s": 3}).deadline_s == 3.0


def test_only_live_parameters_change_while_active() -> None:
    settings = Settings.of({"model": "here"})
    changed = settings.with_live({"queries": ["height: mug"], "deadline_s": 4.0})
    assert (changed.queries, changed.deadline_s, changed.model) == (("height: mug",), 4.0, "here")
    assert settings.queries == ()
    with pytest.raises(ConfigError, match="model"):
        settings.with_live({"model": "there"})


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("distance: red mug | bowl", Query("red mug", "bowl", Relation.DISTANCE)),
        ("red mug | bowl", Query("red mug", "bowl", Relation.DISTANCE)),
        ("height: red mug", Query("red mug", None, Relation.HEIGHT)),
        ("  gap :  gripper|[10, 20, 60.5, 80] ", Query("gripper", Region((10, 20, 60.5, 80)), Relation.GAP)),
        ("gap: [3, 4] mug | camera", Query(Region((3, 4), "mug"), "camera", Relation.GAP)),
    ],
)
def test_queries_are_read(line: str, query: Query) -> None:
    assert read_query(line) == query


def test_three_texts_make_a_query() -> None:
    assert make_query("mug", "", "") == Query("mug", None, Relation.HEIGHT)
    assert make_query("mug", "cup", "left") == Query("mug", "cup", Relation.LEFT)


@given(st.text(max_size=40))
def test_no_line_breaks_the_reader(line: str) -> None:
    try:
        assert isinstance(read_query(line), Query)
    except ConfigError:
        pass


def test_sizes_are_read() -> None:
    assert read_known_sizes(["red mug: 0.08, 0.08 0.1"]) == {"red mug": (0.08, 0.08, 0.1)}
