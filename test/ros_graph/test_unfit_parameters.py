"""A real node whose parameters name frames and an IMU that nobody publishes: it says so instead of guessing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from node_probe import NodeProbe, spinning_node, wait_until
from ros_processes import GraphProcess, command_of

pytest.importorskip("torch")

HERE = Path(__file__).parent
QUERIES = ["distance: camera | [80, 80, 160, 160]", "distance: gripper | [80, 80, 160, 160]"]
SETTINGS = {
    "queries": QUERIES,
    "max_age_s": 8.0,
    "target_frame": "mapp",
    "gripper_frame": "tooool",
    "support_frame": "tabel",
    "use_imu": "true",
}
NAMED = {"target_frame": "mapp", "gripper_frame": "tooool", "support_frame": "tabel", "imu": "no message of the IMU"}


@pytest.fixture(scope="module")
def probe(ros_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProbe]:
    folder = tmp_path_factory.mktemp("links")
    arguments = [word for name, value in SETTINGS.items() for word in ("-p", f"{name}:={value}")]
    node = GraphProcess(
        [*command_of("spatialvlm_ros.ros.node_main"), "--ros-args", *arguments], folder / "node.log", {}
    )
    camera = GraphProcess(command_of(HERE / "camera_process.py"), folder / "camera.log", {})
    with spinning_node(ros_domain) as spinning:
        made = NodeProbe(spinning)
        made.wait_until_active()
        yield made
        faults = [fault for process in (camera, node) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)


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
