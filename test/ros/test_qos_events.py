"""Event callbacks are found in every rclpy: its modules are stood in for by ones that have what a release has."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "spatialvlm_ros"
NAMES = ("PublisherEventCallbacks", "SubscriptionEventCallbacks")


class Callbacks:
    """As of rclpy: takes its arguments by name only."""

    def __init__(self, *, incompatible_qos: Any = None, use_default_callbacks: bool = True) -> None:
        self.default = use_default_callbacks


def module(name: str, **content: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made


@pytest.mark.parametrize("home", ["event_handler", "qos_event"])
def test_they_are_found_where_this_rclpy_has_them(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {home: module(f"rclpy.{home}", **dict.fromkeys(NAMES, Callbacks))}
    monkeypatch.setitem(sys.modules, "rclpy", module("rclpy", __path__=[], **there))
    for name in ("event_handler", "qos_event"):  # None: importing it raises
        monkeypatch.setitem(sys.modules, f"rclpy.{name}", there.get(name))
    spec = importlib.util.spec_from_file_location("qos_events_again", PACKAGE / "ros" / "qos_events.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    for options in (found.QUIET_SUBSCRIPTION, found.QUIET_PUBLISHER):
        assert isinstance(options["event_callbacks"], Callbacks) and not options["event_callbacks"].default


def test_nobody_else_imports_them() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [name for name, text in texts.items() if "event_handler import" in text] == ["qos_events.py"]
