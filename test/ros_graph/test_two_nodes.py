"""Two nodes in one process share one model; one has two cameras, the other lives in simulated time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from node_probe import CameraProbe, NodeProbe, spinning_node, valid, wait_until
from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from ros_processes import GraphProcess, command_of

pytest.importorskip("torch")
TFMessage = pytest.importorskip("tf2_msgs.msg").TFMessage

from spatialvlm_ros.msg import LocatedObjectArray  # noqa: E402
from spatialvlm_ros.ros.node import SpatialVLMNode  # noqa: E402
from spatialvlm_ros.ros.shared_models import SHARED_MODELS  # noqa: E402

HERE = Path(__file__).parent
QUERIES = ["distance: camera | [80, 80, 160, 160]"]


@dataclass
class Pair:
    """Probes of the cameras and of what is said about them."""

    front: NodeProbe
    rear: NodeProbe
    simulated: NodeProbe
    rear_camera: CameraProbe
    simulated_camera: CameraProbe
    nodes: tuple[SpatialVLMNode, SpatialVLMNode]


def made(name: str, context: Context, namespace: str = "", **parameters: Any) -> SpatialVLMNode:
    given = {"queries": QUERIES, "max_age_s": 8.0, **parameters}
    overrides = [Parameter(key, value=value) for key, value in given.items()]
    return SpatialVLMNode(name, context=context, namespace=namespace, parameter_overrides=overrides)


@pytest.fixture(scope="module")
def nodes(ros_domain: int) -> Iterator[tuple[SpatialVLMNode, SpatialVLMNode]]:
    context = Context()
    rclpy.init(context=context, domain_id=ros_domain)
    both = (
        made("robot", context, cameras=["front", "rear"]),
        made("simulated", context, "/sim", use_sim_time=True),
    )
    executor = MultiThreadedExecutor(8, context=context)
    for node in both:
        executor.add_node(node)

    # The spinning ends first: what it hands to its threads after a shutdown finds the executor's guard destroyed.
    ending = threading.Event()

    def spin() -> None:
        while not ending.is_set():
            executor.spin_once(timeout_sec=0.1)
        for node in both:
            executor.remove_node(node)
        executor.spin_once(timeout_sec=1.0)  # nothing new is handed out; its threads end what was

    thread = threading.Thread(target=spin, name="two nodes")
    thread.start()
    yield both
    for node in both:
        node.stop_work()
    ending.set()
    thread.join()
    executor.shutdown()
    for node in both:
        node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def pair(
    ros_domain: int, nodes: tuple[SpatialVLMNode, SpatialVLMNode], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("cameras")
    script = command_of(HERE / "camera_process.py")
    options = {"front": [], "rear": [], "sim": ["-p", "simulated_time:=true"]}
    cameras = [
        GraphProcess([*script, "--ros-args", "-r", f"__ns:=/{name}", *more], folder / f"{name}.log", {})
        for name, more in options.items()
    ]
    with spinning_node(ros_domain) as probing:
        seen = Pair(
            NodeProbe(probing, "/robot", "front"),
            NodeProbe(probing, "/robot", "rear"),
            NodeProbe(probing, "/sim/simulated"),
            CameraProbe(probing, "/rear"),
            CameraProbe(probing, "/sim"),
            nodes,
        )
        seen.front.wait_until_active()
        seen.simulated.wait_until_active()
        yield seen
        faults = [fault for camera in cameras if (fault := camera.end())]
    assert not faults, "\n\n".join(faults)


def test_all_cameras_are_answered_by_one_model(pair: Pair) -> None:
    workers = [node._worker for node in pair.nodes]
    assert workers[0] is workers[1] and len(SHARED_MODELS._shared) == 1
    for probe in (pair.front, pair.rear, pair.simulated):
        assert len(probe.wait_for(valid)[0].message.estimates) == 1


def test_cameras_fail_alone(pair: Pair) -> None:
    pair.rear_camera.become({"depth": "encoding"})
    wait_until(lambda: pair.rear.count("depth_unreadable") >= 1, "the fault of the rear camera to be counted")
    pair.front.next_report()
    assert pair.front.count("depth_unreadable") == 0
    pair.rear_camera.become({"depth": "right", "paused": True})
    wait_until(lambda: pair.rear.level == 2, "an error of the rear camera")
    assert pair.front.level < 2
    pair.front.wait_for(valid)
    pair.rear_camera.become({"paused": False})
    pair.rear.wait_for(valid)


def moving_link(stamp_ns: int, child: str = "tool") -> Any:
    """As a robot publishes it; the node hears it on /tf."""
    link = TransformStamped(child_frame_id=child)
    link.header.frame_id = "base"
    link.header.stamp.sec, link.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
    link.transform.rotation.w = 1.0
    return TFMessage(transforms=[link])


def test_a_clock_that_jumps_back_begins_tracks_and_frames_anew(pair: Pair) -> None:
    probe, node = pair.simulated, pair.nodes[1]
    objects: list[Any] = []
    probe.node.create_subscription(LocatedObjectArray, "/sim/simulated/objects", objects.append, 100)

    def ids() -> set[int]:
        return {thing.id for message in objects for thing in message.objects if thing.valid}

    wait_until(lambda: ids() - {-1}, "an object with an id")
    frames = probe.node.create_publisher(TFMessage, "/tf", 10)
    stamp = probe.heard[-1].stamp_ns

    def linked() -> bool:
        frames.publish(moving_link(stamp))
        return "tool" in node._transforms.frames()

    wait_until(linked, "the transform to be heard")
    frames.publish(moving_link(stamp, "last"))  # none may still be under way when the clock jumps
    wait_until(lambda: "last" in node._transforms.frames(), "the last transform to be heard")
    before, resets = max(ids()), probe.count("resets")
    pair.simulated_camera.become({"shift_s": -30.0})
    objects.clear()
    wait_until(lambda: probe.count("resets") > resets, "the reset to be counted")
    wait_until(lambda: ids() and min(ids() - {before}, default=0) > before, "an object with a new id")
    assert "tool" not in node._transforms.frames()
    assert "jumped back" in probe.values["last resets"]
    pair.simulated_camera.become({"shift_s": 0.0})
    probe.wait_for(valid)


def test_a_camera_whose_stamps_begin_again_leaves_the_others_alone(pair: Pair) -> None:
    resets = pair.rear.count("resets"), pair.front.count("resets")
    pair.nodes[0]._transforms.take(moving_link(pair.rear.heard[-1].stamp_ns))
    pair.rear_camera.become({"shift_s": -3.0})
    wait_until(lambda: pair.rear.count("resets") > resets[0], "the reset of the rear camera")
    pair.front.next_report()
    assert pair.front.count("resets") == resets[1]
    assert "tool" in pair.nodes[0]._transforms.frames()
    pair.rear_camera.become({"shift_s": 0.0})
    pair.rear.wait_for(valid)


@pytest.mark.parametrize("shift", [-50.0, 0.0], ids=["back", "ahead"])
def test_answers_go_on_when_the_clock_jumps(pair: Pair, shift: float) -> None:
    probe = pair.simulated
    before, resets = probe.wait_for(valid)[-1].stamp_ns, probe.count("resets")
    pair.simulated_camera.become({"shift_s": shift})
    heard = probe.wait_for(lambda h: valid(h) and abs(h.stamp_ns - before) > 20e9, 4)
    assert (heard[-1].stamp_ns < before) == (shift < 0)
    assert all(a.stamp_ns < b.stamp_ns for a, b in zip(heard, heard[1:], strict=False))
    if shift < 0:
        wait_until(lambda: probe.count("resets") > resets, "the reset to be counted")


def test_one_node_may_go_while_the_other_works_on(pair: Pair) -> None:
    worker = pair.nodes[0]._worker
    assert pair.simulated.change("deactivate") and pair.simulated.change("cleanup")
    assert pair.simulated.state() == "unconfigured"
    pair.front.wait_for(valid)
    assert worker is not None and worker.alive
    # It comes back, and finds the weights where they are.
    assert pair.simulated.change("configure") and pair.simulated.change("activate")
    assert pair.nodes[1]._worker is worker
    pair.simulated.wait_for(valid)
