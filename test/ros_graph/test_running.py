"""How node processes live and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from node_probe import Services, wait_until
from rcl_interfaces.srv import GetParameters

HERE = Path(__file__).parent
FAILURE = "this callback always fails"


def test_a_callback_that_raises_is_logged_and_does_not_end_the_node(spawn: Callable[..., Any], node: Any) -> None:
    process = spawn(HERE / "failing_process.py")
    process.wait_for_output(FAILURE)
    wait_until(lambda: process.output.count(FAILURE) >= 3, "the callback to be called again")
    done = Services(node).call(GetParameters, "/failing/get_parameters", GetParameters.Request(names=["alive"]))
    assert done.values[0].bool_value
