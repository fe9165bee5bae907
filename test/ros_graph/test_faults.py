"""A real node before a real camera that does everything wrong that cameras do: it counts, says so, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from camera_process import CONDITIONS
from node_probe import HANG_S, CameraProbe, Heard, NodeProbe, spinning_node, valid, wait_until
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from ros_processes import GraphProcess, command_of

from spatialvlm_ros.msg import Query
from spatialvlm_ros.srv import Locate, Measure, SetQueries

HERE = Path(__file__).parent
BOARD = (80, 80, 160, 160)  # where `Clip.drawn` has it in 320x240
QUERIES = ("distance: [80, 80, 160, 160] | [200, 20, 300, 100]", "height: [80, 80, 160, 160]")
DEADLINE_S = 10.0
RIGHT = {name: values[0] for name, values in CONDITIONS.items() if name not in ("rate_hz", "simulated_time", "clip")}


@dataclass
class Graph:
    """The processes of this file, and what is seen of them."""

    folder: Path
    spinning: Node
    probe: NodeProbe
    camera: CameraProbe
    camera_process: GraphProcess
    node_process: GraphProcess

    def start_camera(self, *ros_args: str) -> None:
        """Another driver takes the place of the one that was."""
        self.camera_process = started_camera(self.folder / "camera_again.log", *ros_args)


def started_camera(log: Path, *ros_args: str) -> GraphProcess:
    process = GraphProcess([*command_of(HERE / "camera_process.py"), "--ros-args", *ros_args], log, {})
    process.wait_for_output("ready")
    return process


@pytest.fixture(scope="module")
def graph(ros_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    folder = tmp_path_factory.mktemp("faults")
    # On a machine that is busy with other things a picture may be some seconds old when the model has time.
    settings = ["-p", f"queries:={list(QUERIES)}", "-p", "max_age_s:=8.0", "-p", f"deadline_s:={DEADLINE_S}"]
    command = [*command_of("spatialvlm_ros.ros.node_main"), "--ros-args", *settings]
    node = GraphProcess(command, folder / "node.log", {})
    with spinning_node(ros_domain) as spinning:
        camera = started_camera(folder / "camera.log")
        made = Graph(folder, spinning, NodeProbe(spinning), CameraProbe(spinning), camera, node)
        try:
            made.probe.wait_until_active()
            yield made
        finally:
            faults = [fault for process in (made.camera_process, node) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)
    assert "Traceback" not in node.output, node.output


@pytest.fixture
def seen(graph: Graph) -> Iterator[Graph]:
    """The graph while all is right; afterwards all is right again, and the node answers as before."""
    graph.camera.become(RIGHT)
    graph.probe.wait_for(valid)
    yield graph
    graph.camera.become(RIGHT)
    graph.probe.wait_for(with_depth)
    assert graph.node_process.popen.poll() is None, graph.node_process.output


def refused(reason: str) -> Callable[[Heard], bool]:
    return lambda heard: heard.reasons == {reason}


def with_depth(heard: Heard) -> bool:
    return valid(heard) and "depth_sensor" in heard.sources


def without_depth(heard: Heard) -> bool:
    return "depth_sensor" not in heard.sources


@dataclass(frozen=True)
class Fault:
    """What the camera does, the counter that tells it, and the answers meanwhile: None where there can be none."""

    conditions: Mapping[str, Any]
    counter: str
    answers: Callable[[Heard], bool] | None = None
    warns: bool = True
    counted: int = field(default=2)


FAULTS = {
    "picture cut off": Fault({"colour": "truncated"}, "picture_unreadable", refused("model_error")),
    "picture of an unknown encoding": Fault({"colour": "encoding"}, "picture_unreadable", refused("model_error")),
    "picture with a wrong step": Fault({"colour": "step"}, "picture_unreadable", refused("model_error")),
    "picture of another size than its info": Fault({"colour": "size"}, "camera_info", refused("no_camera_info")),
    "info of zeros": Fault({"info": "zero"}, "camera_info", refused("no_camera_info")),
    "depth cut off": Fault({"depth": "truncated"}, "depth_unreadable", without_depth),
    "depth of an unknown encoding": Fault({"depth": "encoding"}, "depth_unreadable", without_depth),
    "depth of another size": Fault({"depth": "size"}, "depth_not_registered", without_depth),
    "depth in another frame": Fault({"depth": "frame"}, "depth_not_registered", without_depth),
    "depth of another camera whose place nobody tells": Fault(
        {"depth": "other_camera"}, "depth_not_registered", without_depth
    ),
    "depth that is too far from the pictures": Fault({"depth_shift_s": 0.06}, "depth: unpaired", without_depth),
    "stamps that sometimes go far back": Fault({"stamps": "sometimes_old"}, "image: far_back", lambda heard: True),
    "stamps that sometimes go back a little": Fault({"stamps": "sometimes_late"}, "image: late", lambda heard: True),
    "stamps that stand still": Fault({"stamps": "equal"}, "image: duplicate"),
    "stamps of zero": Fault({"stamps": "zero"}, "image: unstamped"),
    "stamps of the past": Fault({"shift_s": -30.0}, "stale"),
    "stamps of the future": Fault({"shift_s": 5.0}, "future", lambda heard: True),
    "stamps of next year": Fault({"shift_s": 3e7}, "image: far_ahead", lambda heard: True, counted=1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_counted_and_reported_and_the_node_goes_on(seen: Graph, name: str) -> None:
    fault, probe = FAULTS[name], seen.probe
    before, resets = probe.count(fault.counter), probe.count("resets")
    levels: list[int] = []

    def counted() -> bool:
        levels.append(probe.level)
        return probe.count(fault.counter) >= before + fault.counted

    seen.camera.become(fault.conditions)
    if fault.answers is not None:
        probe.wait_for(fault.answers)
    wait_until(counted, lambda: f"{fault.counter} to count, diagnostics say {probe.values}")
    wait_until(lambda: probe.level >= 1 or any(v >= 1 for v in levels), "a warning in diagnostics")
    assert probe.parameter("deadline_s").double_value == DEADLINE_S
    assert probe.count("resets") == resets or "shift_s" in fault.conditions


def test_answers_without_depth_say_why(seen: Graph) -> None:
    seen.camera.become({"depth": "size"})
    said = seen.probe.wait_for(lambda h: valid(h) and without_depth(h))[-1].message.estimates
    assert all("depth_not_registered" in estimate.detail for estimate in said)


def test_a_camera_that_stops_is_reported_and_heard_when_it_returns(seen: Graph) -> None:
    seen.camera.become({"paused": True})
    wait_until(lambda: seen.probe.level == 2 and "no frames" in seen.probe.status.message, "an error in diagnostics")
    heard = len(seen.probe.heard)
    seen.probe.next_report()
    assert len(seen.probe.heard) == heard
    seen.camera.become({"paused": False})
    seen.probe.wait_for(valid)
    wait_until(lambda: seen.probe.level == 0, "diagnostics to be OK again")


def set_queries(probe: NodeProbe, *queries: Query) -> None:
    done = probe.services.call(SetQueries, f"{probe.name}/set_queries", SetQueries.Request(queries=list(queries)))
    assert done.success, done.message


def query_of(line: str) -> Query:
    relation, _, objects = line.partition(": ")
    subject, _, reference = objects.partition(" | ")
    return Query(relation=relation, subject=subject, reference=reference)


def test_the_resolution_may_change(seen: Graph) -> None:
    found = {}
    for width in (320, 640, 160):
        # The same part of the picture, the same depth, the same opening angle: the same metres.
        board = ", ".join(f"{v * width / 320:g}" for v in BOARD)
        set_queries(seen.probe, Query(subject="camera", reference=f"[{board}]", relation="distance"))
        seen.camera.become({"width": width, "height": width * 3 // 4})
        found[width] = seen.probe.wait_for(lambda h: with_depth(h) and len(h.message.estimates) == 1, 3)[-1]
    seen.camera.become({"width": 320, "height": 240})
    set_queries(seen.probe, *(query_of(line) for line in QUERIES))
    metres = [heard.message.estimates[0].value for heard in found.values()]
    assert metres == pytest.approx([metres[0]] * 3, rel=0.1) and 0.8 < metres[0] < 2.0


def test_a_region_that_a_smaller_picture_does_not_have_is_refused_and_counted(seen: Graph) -> None:
    seen.camera.become({"width": 64, "height": 48})
    seen.probe.wait_for(lambda h: not valid(h))
    assert seen.probe.parameter("deadline_s").double_value == DEADLINE_S


def test_subscriptions_follow_a_camera_that_starts_again_with_other_qos(seen: Graph) -> None:
    seen.camera_process.popen.kill()  # what it published with is still in the graph for a while
    seen.camera_process.popen.wait()
    seen.start_camera("-p", "best_effort:=true")
    RIGHT["best_effort"] = True
    seen.probe.wait_for(valid, seconds=2 * HANG_S)
    wait_until(lambda: qualities(seen.probe) == {"best_effort"}, lambda: f"{seen.probe.values}")
    assert not seen.camera_process.end()
    seen.start_camera()
    RIGHT["best_effort"] = False
    seen.probe.wait_for(valid, seconds=2 * HANG_S)
    wait_until(lambda: qualities(seen.probe) == {"reliable"}, lambda: f"{seen.probe.values}")


def qualities(probe: NodeProbe) -> set[str | None]:
    return {probe.values.get(f"QoS of {slot}") for slot in ("image", "camera_info", "depth", "depth_camera_info")}


def test_stamps_of_answers_only_rise(seen: Graph) -> None:
    stamps = [h.stamp_ns for h in seen.probe.wait_for(valid, 10, 3 * HANG_S)]
    assert all(a < b for a, b in zip(stamps, stamps[1:], strict=False))


def test_every_picture_has_one_fate(seen: Graph) -> None:
    """What came is what was published, replaced, refused, or still waits; nothing is lost between the counters."""
    seen.camera.become({"paused": True})
    wait_until(lambda: seen.probe.level == 2, "an error in diagnostics")
    seen.probe.next_report()
    probe = seen.probe
    ends = ("published", "stale", "throttled", "unasked")
    assert probe.count("received") == probe.count("dropped") + sum(probe.count(e) for e in ends)
    assert probe.count("received") == probe.count("image: delivered")


def test_deactivating_and_activating_fifty_times_while_pictures_come(seen: Graph) -> None:
    probe = seen.probe
    for _ in range(50):
        assert probe.change("deactivate") and probe.change("activate")
    probe.wait_for(valid)
    assert probe.change("deactivate") and probe.state() == "inactive"
    heard = len(probe.heard)
    probe.next_report()
    assert len(probe.heard) <= heard + 1 and probe.level == 3  # one may have been on its way
    assert subscriptions(seen) == 0
    # A camera that gives no info at all: none is remembered from before.
    seen.camera.become({"info": "none"})
    assert probe.change("activate")
    probe.wait_for(refused("no_camera_info"))
    wait_until(lambda: probe.count("camera_info") >= 1, "the missing info to be counted")
    assert subscriptions(seen) == 1


def test_what_services_have_set_outlasts_a_pause(seen: Graph) -> None:
    probe = seen.probe
    set_queries(probe, query_of(QUERIES[1]))
    assert probe.change("deactivate")
    parameters = [Parameter("deadline_s", value=DEADLINE_S + 1).to_parameter_msg()]
    changed = probe.services.call(
        SetParameters, f"{probe.name}/set_parameters", SetParameters.Request(parameters=parameters)
    )
    assert changed.results[0].successful and probe.change("activate")
    assert {e.relation for h in probe.wait_for(valid) for e in h.message.estimates} == {"height"}
    parameters = [Parameter("deadline_s", value=DEADLINE_S).to_parameter_msg()]
    probe.services.call(SetParameters, f"{probe.name}/set_parameters", SetParameters.Request(parameters=parameters))
    set_queries(probe, *map(query_of, QUERIES))


def subscriptions(graph: Graph) -> int:
    """Of the picture topic."""
    return graph.spinning.count_subscribers("/image")


def test_depth_that_stops_costs_its_metres_and_nothing_else(seen: Graph) -> None:
    seen.camera.become({"depth": "none"})
    seen.probe.wait_for(lambda h: valid(h) and without_depth(h), 3)


@pytest.mark.parametrize("name", ["", "x" * 1000, "[5, 5, 1, 1]"])
def test_what_is_no_object_is_refused_and_not_taken_for_a_fault_of_the_model(seen: Graph, name: str) -> None:
    done = seen.probe.services.call(Locate, f"{seen.probe.name}/locate", Locate.Request(names=["mug", name]))
    assert not done.success and done.message and not done.objects


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, float("nan"), -1.0])
def test_a_deadline_that_is_none_is_no_fault(seen: Graph, seconds: float) -> None:
    asked = Measure.Request(queries=[query_of(QUERIES[0])], deadline_s=seconds)
    done = seen.probe.services.call(Measure, f"{seen.probe.name}/measure", asked)
    assert done.success and done.estimates[0].reason == "ok", (done.message, done.estimates)
