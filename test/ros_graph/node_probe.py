"""What a test sees of our node and of a camera from outside: answers, diagnostics, and their services."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from spatialvlm_ros.msg import EstimateArray

# Answers without work come at once; what a server that has just started did not hear is sent again after these seconds.
AGAIN_S = 3.0
# Nothing may take longer than thirty seconds on an idle machine: so many times that as processes want each processor.
HANG_S = 30.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
TRANSITIONS = {"configure": 1, "cleanup": 2, "activate": 3, "deactivate": 4}


@contextmanager
def spinning_node(domain: int, name: str = "probe") -> Iterator[Node]:
    """A node in a context of its own that spins in a thread."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    thread = threading.Thread(target=spin, name=f"{name} spins")
    thread.start()
    try:
        yield node
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()
        rclpy.shutdown(context=context)


def wait_until(condition: Callable[[], object], what: Callable[[], str] | str, seconds: float = HANG_S) -> float:
    """Seconds until the condition holds; AssertionError with ``what`` when it does not."""
    began = time.monotonic()
    while not condition():
        said = what if isinstance(what, str) else what()
        assert time.monotonic() - began < seconds, f"{seconds:g} s were not enough for: {said}"
        time.sleep(0.02)
    return time.monotonic() - began


class Services:
    """Calls services; their clients are kept."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clients: dict[str, Any] = {}

    def call(self, kind: Any, name: str, request: Any, again_s: float = HANG_S) -> Any:
        """The response; AssertionError when there is none in time. After ``again_s`` without one the
        request is sent again: a server that has just started does not hear what was sent to the one before it."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        client = self._clients[name]
        assert client.wait_for_service(3 * HANG_S), f"there is no service {name}"
        end = time.monotonic() + HANG_S
        while True:
            future = client.call_async(request)
            try:
                wait_until(future.done, f"an answer of {name}", min(again_s, max(end - time.monotonic(), 0.1)))
                return future.result()
            except AssertionError:
                if time.monotonic() > end:
                    raise


@dataclass(frozen=True)
class Heard:
    """One EstimateArray: monotonic seconds when it came, the message, and its age then in seconds of the wall clock."""

    at: float
    message: Any
    age_s: float

    @property
    def stamp_ns(self) -> int:
        """Of the picture."""
        stamp = self.message.header.stamp
        return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)

    @property
    def reasons(self) -> set[str]:
        """Of all estimates."""
        return {e.reason for e in self.message.estimates}

    @property
    def sources(self) -> set[str]:
        """Of all estimates."""
        return {s for e in self.message.estimates for s in e.sources}


class CameraProbe:
    """Steers a `camera_process`."""

    def __init__(self, node: Node, prefix: str = "") -> None:
        self._services, self._name = Services(node), f"{prefix}/camera"

    def become(self, conditions: Mapping[str, Any]) -> None:
        """Returns when all that is published is so."""
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in conditions.items()]
        request = SetParameters.Request(parameters=parameters)
        done = self._services.call(SetParameters, f"{self._name}/set_parameters", request, AGAIN_S)
        assert all(r.successful for r in done.results), [r.reason for r in done.results]


class NodeProbe:
    """Hears and asks one camera of our node.

    Args:
        node: spins.
        name: of our node, with a slash.
        camera: of the parameter ``cameras``.
    """

    def __init__(self, node: Node, name: str = "/spatialvlm", camera: str = "") -> None:
        self.node, self.services, self.name = node, Services(node), name
        self._prefix = f"{name}/{camera}".rstrip("/")
        self._status_name = f"{name[1:]}: camera {camera}".rstrip()
        self.heard: list[Heard] = []
        self.status: Any = None
        self.reports = 0
        node.create_subscription(EstimateArray, f"{self._prefix}/distances", self._hear, 100)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 100)

    def _hear(self, message: Any) -> None:
        stamp = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        self.heard.append(Heard(time.monotonic(), message, time.time() - stamp))

    def _diagnose(self, message: Any) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self.status = status
                self.reports += 1

    # ---- diagnostics ----

    @property
    def level(self) -> int:
        """0 OK, 1 WARN, 2 ERROR, 3 STALE."""
        return -1 if self.status is None else int.from_bytes(self.status.level, "little")

    @property
    def values(self) -> dict[str, str]:
        """Of the last report."""
        return {} if self.status is None else {v.key: v.value for v in self.status.values}

    def count(self, name: str) -> int:
        """A counter: of the camera ("stale"), or of the messages of a slot ("image: duplicate")."""
        slot, _, fate = name.rpartition(": ")
        if not slot:
            return int(self.values.get(name, 0))
        found = re.search(rf"\b{fate} (\d+)", self.values.get(f"messages of {slot}", ""))
        return int(found[1]) if found else 0

    def next_report(self) -> None:
        """Waits for a report that was made from now on: the second one."""
        seen = self.reports
        wait_until(lambda: self.reports >= seen + 2, "diagnostics")

    # ---- answers ----

    def wait_for(self, wanted: Callable[[Heard], bool], number: int = 2, seconds: float = HANG_S) -> list[Heard]:
        """So many answers from now on of which ``wanted`` holds."""
        start = len(self.heard)

        def found() -> list[Heard]:
            return [h for h in self.heard[start:] if wanted(h)]

        def said() -> str:
            last = [(h.reasons, h.sources) for h in self.heard[start:]][-5:]
            return f"{number} answers; heard {last}, diagnostics {None if self.status is None else self.values}"

        wait_until(lambda: len(found()) >= number, said, seconds)
        return found()

    # ---- lifecycle and parameters ----

    def state(self) -> str:
        """Label of the lifecycle state."""
        done = self.services.call(GetState, f"{self.name}/get_state", GetState.Request(), AGAIN_S)
        return str(done.current_state.label)

    def change(self, transition: str) -> bool:
        """Whether the transition succeeded."""
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[transition]
        return bool(self.services.call(ChangeState, f"{self.name}/change_state", request).success)

    def parameter(self, name: str) -> Any:
        """A parameter's message: shows that the node still answers."""
        request = GetParameters.Request(names=[name])
        return self.services.call(GetParameters, f"{self.name}/get_parameters", request, AGAIN_S).values[0]

    def wait_until_active(self, seconds: float = 120.0) -> None:
        """The weights are loaded, and the node has subscribed."""
        wait_until(lambda: self.state() == "active", f"{self.name} to become active", seconds)


def valid(heard: Heard) -> bool:
    """All answers are there."""
    return heard.reasons == {"ok"}
