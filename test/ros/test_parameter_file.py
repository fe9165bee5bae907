"""config/ros/spatialvlm.yaml is the table of parameters."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from spatialvlm_ros.ros.parameters import PARAMETERS, Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import parameter_file

    return parameter_file


def test_the_file_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run tools/parameter_file.py"


def test_it_says_every_default_with_its_type(tool: ModuleType) -> None:
    values = yaml.safe_load(tool.PAGE.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert set(values) == set(PARAMETERS)
    assert Settings.of(values) == Settings()
    for name, value in values.items():  # a bool is no string in ROS, and an empty list has no type
        default = PARAMETERS[name].default
        assert type(value) is (list if isinstance(default, tuple) else type(default)), name
        assert value != [], name


def test_empty_lists_have_an_example_that_is_allowed(tool: ModuleType) -> None:
    assert set(tool.EXAMPLES) == {name for name, p in PARAMETERS.items() if p.default == ()}
    for name, value in tool.EXAMPLES.items():
        assert PARAMETERS[name].validated(value) == value
