"""A real node whose parameters do not fit what is published: it says so instead of guessing or going silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from camera_process import DEPTH_BEHIND_M, DEPTH_FRAME, FRAME
from geometry_msgs.msg import TransformStamped
from node_probe import CameraProbe, Heard, NodeProbe, spinning_node, wait_until
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from ros_processes import GraphProcess, command_of

pytest.importorskip("torch")
TFMessage = pytest.importorskip("tf2_msgs.msg").TFMessage

HERE = Path(__file__).parent
QUERIES = ["distance: camera | [80, 80, 160, 160]", "distance: gripper | [80, 80, 160, 160]"]
SETTINGS = {
    "queries": QUERIES,
    "max_age_s": 8.0,
    "target_frame": "mapp",
    "gripper_frame": "tooool",
    "support_frame": "tabel",
    "use_imu": "true",
    "reliability": "reliable",
}
NAMED = {"target_frame": "mapp", "gripper_frame": "tooool", "support_frame": "tabel", "imu": "no message of the IMU"}


@pytest.fixture(scope="module")
def graph(ros_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProbe, CameraProbe]]:
    folder = tmp_path_factory.mktemp("links")
    arguments = [word for name, value in SETTINGS.items() for word in ("-p", f"{name}:={value}")]
    node = GraphProcess(
        [*command_of("spatialvlm_ros.ros.node_main"), "--ros-args", *arguments], folder / "node.log", {}
    )
    camera = GraphProcess(command_of(HERE / "camera_process.py"), folder / "camera.log", {})
    with spinning_node(ros_domain) as spinning:
        made = NodeProbe(spinning)
        made.wait_until_active()
        yield made, CameraProbe(spinning)
        faults = [fault for process in (camera, node) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)


@pytest.fixture
def probe(graph: tuple[NodeProbe, CameraProbe]) -> NodeProbe:
    return graph[0]


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_and_not_there_is_counted_and_warned_of(probe: NodeProbe, name: str) -> None:
    before = probe.count(name)
    wait_until(lambda: probe.count(name) >= before + 2, lambda: f"{name} to count, diagnostics say {probe.values}")
    assert NAMED[name] in probe.values[f"last {name}"]
    wait_until(lambda: probe.level == 1, "a warning in diagnostics")


def test_the_gripper_is_not_looked_for_by_its_name(probe: NodeProbe) -> None:
    camera, gripper = probe.wait_for(lambda heard: len(heard.message.estimates) == 2)[-1].message.estimates
    assert camera.reason == "ok"
    assert gripper.reason == "no_frame" and "tooool" in gripper.detail


def test_a_camera_that_is_not_heard_because_of_its_qos_is_named(graph: tuple[NodeProbe, CameraProbe]) -> None:
    """A reliable subscription hears no best-effort publisher: there are no pictures, and the reason is said."""
    probe, camera = graph
    camera.become({"best_effort": True})
    wait_until(lambda: probe.values.get("not heard on /image") == "1", lambda: f"{probe.values}")
    wait_until(
        lambda: probe.level == 2 and "/image are not heard" in probe.status.message, lambda: probe.status.message
    )
    camera.become({"best_effort": False})
    probe.wait_for(lambda heard: bool(heard.message.estimates))
    wait_until(lambda: "not heard on /image" not in probe.values, lambda: f"{probe.values}")


LEVEL = (-0.5, 0.5, -0.5, 0.5)  # looking along x of its parent, z of which is up
LINKS = (
    ("mapp", FRAME, (0.0, 0.0, 1.25), LEVEL),
    ("mapp", "tabel", (0.0, 0.0, 0.2), (0.0, 0.0, 0.0, 1.0)),
    (FRAME, "tooool", (0.2, 0.0, 0.6), (0.0, 0.0, 0.0, 1.0)),
    (FRAME, DEPTH_FRAME, (0.0, 0.0, -DEPTH_BEHIND_M), (0.0, 0.0, 0.0, 1.0)),
)


def published(node: Any) -> Any:
    """Publishes all links as a robot_state_publisher does; the publisher keeps them for who comes later."""
    message = TFMessage()
    for parent, child, (x, y, z), turn in LINKS:
        link = TransformStamped(child_frame_id=child)
        link.header.frame_id = parent
        link.transform.translation.x, link.transform.translation.y, link.transform.translation.z = x, y, z
        rotation = link.transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = turn
        message.transforms.append(link)
    latched = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    publisher = node.create_publisher(TFMessage, "/tf_static", latched)
    publisher.publish(message)
    return publisher


def test_when_the_frames_come_the_gripper_is_exact_and_depth_of_another_camera_is_used(
    graph: tuple[NodeProbe, CameraProbe],
) -> None:
    """The last test here: static frames cannot be taken back."""
    probe, camera = graph
    publisher = published(probe.node)

    def measured(heard: Heard) -> bool:
        return heard.reasons == {"ok"} and "depth_sensor" in heard.message.estimates[0].sources

    probe.wait_for(measured)
    camera.become({"depth": "other_camera"})
    probe.next_report()
    board, gripper = probe.wait_for(measured)[-1].message.estimates
    # The board is 0.9 m before the camera, but 1.2 m before the one that measured it.
    assert board.value == pytest.approx(0.93, rel=0.1)
    assert "tf" in gripper.sources and gripper.value == pytest.approx(0.44, rel=0.15)
    before = {name: probe.count(name) for name in ("gripper_frame", "support_frame", "target_frame")}
    probe.next_report()
    assert {name: probe.count(name) for name in before} == before
    probe.node.destroy_publisher(publisher)
