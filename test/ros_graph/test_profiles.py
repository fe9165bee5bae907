"""The QoS that docs/interfaces.md tells is the one that runs: depths are known in the process only."""

from __future__ import annotations

from typing import Any

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy

from spatialvlm_ros.ros.camera_inputs import CameraInputs
from spatialvlm_ros.ros.outputs import CameraOutputs
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.tf_link import TfLink
from spatialvlm_ros.ros.topics import INTERFACES, Kind
from spatialvlm_ros.ros.transform_store import TransformStore

pytest.importorskip("tf2_msgs")


def words(profile: Any, follows: bool) -> str:
    """Of a profile, as the table has them."""
    reliable = profile.reliability == QoSReliabilityPolicy.RELIABLE
    latched = profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    said = "reliable" if reliable else "best effort"
    first = "follows the publishers (parameter reliability)" if follows else said
    return ", ".join([first, *(["transient local"] if latched else []), f"depth {profile.depth}"])


@pytest.mark.parametrize("transports", [("raw", "raw"), ("compressed", "compressedDepth")])
def test_the_documented_qos_is_the_one_that_runs(node: Any, transports: tuple[str, str]) -> None:
    image, depth = transports
    settings = Settings.of({"use_imu": True, "image_transport": image, "depth_transport": depth})
    group = MutuallyExclusiveCallbackGroup()

    def ignore(*_: Any) -> None:
        pass

    store = TransformStore()
    frames = TfLink(node, store, group)
    outputs = CameraOutputs(node, "", settings, frames.broadcast, group)
    inputs = CameraInputs(node, settings, "", ignore, ignore, ignore, group)
    found = {
        entity.topic_name: entity.qos_profile
        for entity in [*node.subscriptions, *node.publishers]
        if entity.topic_name.startswith(("/tf", f"/{node.get_name()}/")) or entity.topic_name.strip("/") in INTERFACES
    }
    compared = set()
    for name, entry in INTERFACES.items():
        topic = node.resolve_topic_name(entry.topic())
        if entry.kind in (Kind.INPUT, Kind.OUTPUT) and topic in found:
            assert words(found[topic], entry.qos.startswith("follows")) == entry.qos, name
            compared.add(name)
    pictures = {"image" if image == "raw" else "image/compressed", "camera_info"}
    pictures |= {"depth" if depth == "raw" else "depth/compressedDepth", "depth_camera_info"}
    published = {n for n, e in INTERFACES.items() if e.kind is Kind.OUTPUT and not n.startswith("/")}
    assert compared == pictures | {"imu", "/tf", "/tf_static"} | published
    inputs.close()
    outputs.close()
    frames.close()
