"""A node that cannot start says why, on /diagnostics too, and starts by itself when the reason is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from node_probe import HANG_S, Services, wait_until

pytest.importorskip("torch")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

STARTS_S = 120.0


class ModelStatus:
    """What /diagnostics says of the node's model."""

    def __init__(self, node: Any) -> None:
        self.all: list[Any] = []
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 100)

    def _hear(self, message: Any) -> None:
        self.all += [s for s in message.status if s.name == "spatialvlm: model"]

    def wait_for_error(self, *words: str) -> Any:
        """A report from now on with level ERROR that holds all the words."""
        start = len(self.all)

        def found() -> list[Any]:
            errors = [s for s in self.all[start:] if s.level == DiagnosticStatus.ERROR]
            return [s for s in errors if all(word in s.message for word in words)]

        said = lambda: f"an error with {words}; heard {[(s.level, s.message) for s in self.all[start:]]}"  # noqa: E731
        wait_until(found, said, STARTS_S)
        return found()[-1]


def set_parameter(services: Services, name: str, value: str) -> Any:
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return services.call(SetParameters, "/spatialvlm/set_parameters", request).results[0]


def state(services: Services) -> str:
    return str(services.call(GetState, "/spatialvlm/get_state", GetState.Request()).current_state.label)


def test_a_model_that_cannot_be_loaded_is_an_error_in_diagnostics_until_another_one_can(
    spawn: Callable[..., Any], node: Any
) -> None:
    process = spawn("spatialvlm_ros.ros.node_main", "-p", "model:=/nowhere/at/all")
    status, services = ModelStatus(node), Services(node)
    status.wait_for_error("/nowhere/at/all")
    # Between two attempts, when there is no worker that could tell.
    wait_until(lambda: "trying again" in process.output, "the end of the first attempt", STARTS_S)
    status.wait_for_error("/nowhere/at/all")
    wait_until(lambda: set_parameter(services, "model", "embedded").successful, "a moment between two attempts")
    wait_until(lambda: state(services) == "active", lambda: f"the node to start: {process.output}", STARTS_S)
    wait_until(
        lambda: (
            status.all[-1].level == DiagnosticStatus.OK
            and not any(v.key == "failed before" for v in status.all[-1].values)
        ),
        "diagnostics to be OK again",
    )


def test_a_parameter_that_may_not_be_is_an_error_in_diagnostics(spawn: Callable[..., Any], node: Any) -> None:
    spawn("spatialvlm_ros.ros.node_main", "-p", "reliability:=maybe")
    status, services = ModelStatus(node), Services(node)
    status.wait_for_error("cannot configure", "reliability", "maybe")
    assert set_parameter(services, "reliability", "auto").successful
    heard = len(status.all)
    wait_until(
        lambda: any(s.level == DiagnosticStatus.WARN for s in status.all[heard:]),
        lambda: f"the weights to be loaded; heard {[(s.level, s.message) for s in status.all[heard:]]}",
        HANG_S,
    )
