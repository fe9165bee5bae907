"""Settings of the wrong type are named before anything is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_mapping, check_own_types, check_setting_types


@dataclass(frozen=True)
class Coating:
    layers: int = 1


@dataclass(frozen=True)
class Lens:
    width: int = 640
    angle: float | None = None
    name: str = ""
    round: bool = False
    holes: tuple[int, ...] = ()
    makers: Sequence[str] = ()
    coating: Coating = Coating()
    extra: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "values",
    [
        {"width": 3, "angle": None},
        {"width": np.int64(3), "angle": np.float32(2.5)},
        {"angle": 2},
        {"angle": 2.5, "round": True},
        {"name": "a", "holes": [3, 4]},
        {"holes": (), "makers": ("a", "b")},
        {"coating": Coating(2), "extra": {"any": 1}},
        {"coating": {"layers": 2}},
        {},
    ],
)
def test_good_values_pass_and_so_do_other_names(values: dict) -> None:
    check_setting_types(Lens, {**values, "no field": 1}, "the lens")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"width": 2.5}, "int"),
        ({"width": True}, "int"),
        ({"width": None}, "int"),
        ({"angle": "2.5"}, "float or None"),
        ({"angle": False}, "float or None"),
        ({"name": 3}, "str"),
        ({"round": "no"}, "bool"),
        ({"round": 1}, "bool"),
        ({"holes": 3}, "list of int"),
        ({"holes": [3, "4"]}, "list of int"),
        ({"makers": "abc"}, "list of str"),
        ({"coating": 2}, "mapping"),
        ({"extra": [1]}, "mapping"),
    ],
)
def test_others_are_named(values: dict, wanted: str) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(values))} of the lens must be of type {wanted}"):
        check_setting_types(Lens, values, "the lens")


def test_an_instance_checks_its_own() -> None:
    check_own_types(Lens(angle=2), "the lens")
    with pytest.raises(ConfigError, match="width of the lens must be of type int"):
        check_own_types(Lens(width="wide"), "the lens")  # type: ignore[arg-type]


def test_a_number_that_yaml_takes_for_text_is_explained() -> None:
    with pytest.raises(ConfigError, match="write 1000"):
        check_setting_types(Lens, {"angle": "1e3"}, "the lens")


def test_sections_are_mappings() -> None:
    check_mapping({}, "the lens", "lens: {width: 640}")
    with pytest.raises(ConfigError, match="lens: {width: 640}"):
        check_mapping("wide", "the lens", "lens: {width: 640}")
