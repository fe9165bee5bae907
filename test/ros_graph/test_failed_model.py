"""A node that cannot start says why, in its log and on /diagnostics, and starts when the reason is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from node_probe import AGAIN_S, HANG_S, NodeProbe, Services, wait_until

pytest.importorskip("torch")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.srv import GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

HERE = Path(__file__).parent
STARTS_S = 120.0


class Reports:
    """What /diagnostics says of the node's model and of its camera."""

    def __init__(self, node: Any) -> None:
        self.all: list[Any] = []
        node.create_subscription(DiagnosticArray, "/diagnostics", self._hear, 100)

    def _hear(self, message: Any) -> None:
        self.all += message.status

    @property
    def model(self) -> list[Any]:
        """Of the model only."""
        return [s for s in self.all if s.name == "spatialvlm: model"]

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
    return services.call(SetParameters, "/spatialvlm/set_parameters", request, AGAIN_S).results[0]


def state(services: Services) -> str:
    return str(services.call(GetState, "/spatialvlm/get_state", GetState.Request(), AGAIN_S).current_state.label)


def test_a_model_that_cannot_be_loaded_is_an_error_in_diagnostics_until_another_one_can(
    spawn: Callable[..., Any], node: Any
) -> None:
    process = spawn("spatialvlm_ros.ros.node_main", "-p", "model:=/nowhere/at/all")
    status, services = Reports(node), Services(node)
    status.wait_for_error("/nowhere/at/all")
    # Between two attempts, when there is no worker that could tell.
    wait_until(lambda: "trying again" in process.output, "the end of the first attempt", STARTS_S)
    status.wait_for_error("/nowhere/at/all")
    wait_until(lambda: set_parameter(services, "model", "embedded").successful, "a moment between two attempts")
    wait_until(lambda: state(services) == "active", lambda: f"the node to start: {process.output}", STARTS_S)
    wait_until(lambda: status.model[-1].level == DiagnosticStatus.OK, "the model to be reported as ready")
    # The model is ready a moment before the node is active, which forgets what had failed.
    wait_until(lambda: "failed before" not in {v.key for v in status.model[-1].values}, "the fault to be forgotten")


def test_a_parameter_that_may_not_be_is_an_error_in_diagnostics(spawn: Callable[..., Any], node: Any) -> None:
    spawn("spatialvlm_ros.ros.node_main", "-p", "reliability:=maybe")
    status, services = Reports(node), Services(node)
    status.wait_for_error("cannot configure", "reliability", "maybe")
    assert set_parameter(services, "reliability", "auto").successful
    heard = len(status.model)
    wait_until(
        lambda: any(s.level == DiagnosticStatus.WARN for s in status.model[heard:]),
        lambda: f"the weights to be loaded; heard {[(s.level, s.message) for s in status.model[heard:]]}",
        HANG_S,
    )


@pytest.mark.slow
def test_what_a_transition_raises_or_refuses_is_said_and_the_node_tries_again(
    spawn: Callable[..., Any], node: Any
) -> None:
    process = spawn(HERE / "stumbling_process.py")
    status, services = Reports(node), Services(node)
    status.wait_for_error("on_configure failed", "RuntimeError", "a stone: configuring raises")
    assert set_parameter(services, "stumble", "activating is refused").successful
    status.wait_for_error("cannot activate", "a stone: activating is refused")
    assert set_parameter(services, "stumble", "activating raises").successful
    status.wait_for_error("on_activate failed", "RuntimeError", "a stone: activating raises")
    assert "active with the model" not in process.output
    assert set_parameter(services, "stumble", "").successful
    wait_until(lambda: state(services) == "active", lambda: f"the node to start: {process.output}", STARTS_S)
    process.wait_for_output("active with the model")
    wait_until(lambda: status.model[-1].level == DiagnosticStatus.OK, "the model to be reported as ready")
    assert process.output.count("active with the model") == 1
    raised = process.output.count("Traceback")  # says where
    assert raised == process.output.count(" failed: RuntimeError") >= 2


def test_what_is_not_live_changes_only_while_the_node_is_unconfigured(spawn: Callable[..., Any], node: Any) -> None:
    spawn("spatialvlm_ros.ros.node_main", "-p", "autostart:=false")
    probe = NodeProbe(node)
    assert set_parameter(probe.services, "device", "cpu").successful
    assert probe.change("configure") and probe.state() == "inactive"
    refused = set_parameter(probe.services, "device", "auto")
    assert not refused.successful and "device" in refused.reason and "Clean up" in refused.reason
    assert set_parameter(probe.services, "target", "red mug").successful  # this one is live
    assert probe.change("cleanup") and set_parameter(probe.services, "device", "auto").successful
