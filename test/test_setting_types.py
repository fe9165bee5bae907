"""Settings of the wrong type are named before anything is done with them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_mapping, check_setting_types


@dataclass(frozen=True)
class Lens:
    width: int = 640
    angle: float | None = None
    name: str = ""
    round: bool = False
    holes: tuple[int, ...] = ()


@pytest.mark.parametrize(
    "values", [{"width": 3, "angle": None}, {"angle": 2}, {"angle": 2.5, "round": True}, {"name": "a", "holes": 3}, {}]
)
def test_good_values_pass_and_so_does_what_is_not_looked_at(values: dict) -> None:
    check_setting_types(Lens, {**values, "no field": 1}, "the lens")


@pytest.mark.parametrize(
    "values",
    [
        {"width": 2.5},
        {"width": True},
        {"width": None},
        {"angle": "2.5"},
        {"angle": False},
        {"name": 3},
        {"round": "no"},
    ],
)
def test_others_are_named(values: dict) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(values))} of the lens must be of type"):
        check_setting_types(Lens, values, "the lens")


def test_a_number_that_yaml_takes_for_text_is_explained() -> None:
    with pytest.raises(ConfigError, match="write 1000"):
        check_setting_types(Lens, {"angle": "1e3"}, "the lens")


def test_sections_are_mappings() -> None:
    check_mapping({}, "the lens", "lens: {width: 640}")
    with pytest.raises(ConfigError, match="lens: {width: 640}"):
        check_mapping("wide", "the lens", "lens: {width: 640}")
