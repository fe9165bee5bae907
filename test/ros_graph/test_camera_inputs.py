"""The subscriptions of a camera, in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from spatialvlm_ros.ros.camera_inputs import CameraInputs
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.qos_events import QUIET_PUBLISHER


class InterruptedNode(Node):
    """Does something after the first subscription that is made."""

    interruption: Callable[[], None] | None = None

    def create_subscription(self, *args: Any, **options: Any) -> Any:
        made = super().create_subscription(*args, **options)
        interruption, self.interruption = self.interruption, None
        if interruption is not None:
            interruption()
        return made


@pytest.fixture
def interrupted(ros_domain: int) -> Iterator[InterruptedNode]:
    context = Context()
    rclpy.init(context=context, domain_id=ros_domain)
    node = InterruptedNode("inputs", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def ignore(*_: Any) -> None:
    """Nobody listens."""


def opened(node: Node, give: Callable[[Any], None] = ignore) -> CameraInputs:
    return CameraInputs(node, Settings(), "", give, ignore, ignore, MutuallyExclusiveCallbackGroup())


def of_pictures(node: Node) -> list[str]:
    return [s.topic_name for s in node.subscriptions if "image" in s.topic_name or "depth" in s.topic_name]


def test_inputs_that_are_closed_while_they_follow_a_publisher_leave_nothing_behind(
    interrupted: InterruptedNode, wait_until: Callable[..., None]
) -> None:
    from sensor_msgs.msg import Image

    inputs = opened(interrupted)
    assert len(of_pictures(interrupted)) == 3
    publisher = interrupted.create_publisher(Image, "image", 10)  # reliable: the subscription has to change
    wait_until(lambda: interrupted.count_publishers("image"), what="discovery")
    closing = threading.Thread(target=inputs.close)

    def close_meanwhile() -> None:
        closing.start()
        closing.join(0.5)  # a deactivation in another thread; it may have to wait

    interrupted.interruption = close_meanwhile
    inputs._follow()  # as its timer does
    closing.join()
    assert interrupted.interruption is None, "nothing was subscribed again"
    assert of_pictures(interrupted) == []
    inputs._follow()  # a call of the timer that was under way
    assert of_pictures(interrupted) == []
    interrupted.destroy_publisher(publisher)


def test_a_picture_after_a_long_silence_is_given_at_once(interrupted: InterruptedNode) -> None:
    from sensor_msgs.msg import Image

    given: list[Any] = []
    inputs = opened(interrupted, given.append)
    now = interrupted.get_clock().now()
    for seconds_ago in (60, 30, 0):
        picture = Image()
        picture.header.stamp = (now - Duration(seconds=seconds_ago)).to_msg()
        inputs._take("image", picture)  # as its subscription does
        inputs._last_image = 0.0
        inputs._flush()  # as its timer does, where nothing more comes
    assert [now.nanoseconds - found.stamp_ns for found in given] == [60 * 10**9, 30 * 10**9, 0]
    inputs.close()


def test_a_camera_info_that_was_published_once_before_is_heard(node: Node, wait_until: Callable[..., None]) -> None:
    """By a driver that keeps it for those who come later; then one takes its place that does not."""
    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    driver = node.create_publisher(CameraInfo, "camera_info", latched)
    driver.publish(CameraInfo(width=64))
    inputs = opened(node)
    wait_until(lambda: inputs.counts()["camera_info"].received == 1, what="the CameraInfo to arrive")
    node.destroy_publisher(driver)
    plain = node.create_publisher(CameraInfo, "camera_info", 1, **QUIET_PUBLISHER)

    def heard() -> bool:
        plain.publish(CameraInfo(width=32))
        return inputs.counts()["camera_info"].received > 1

    wait_until(heard, what="the other driver to be heard")
    inputs.close()
    node.destroy_publisher(plain)


def test_a_camera_on_another_topic_is_named(node: Node, wait_until: Callable[..., None]) -> None:
    inputs = opened(node)
    elsewhere = node.create_publisher(Image, "/eye/image_color", 1)
    pictures = None
    try:
        wait_until(lambda: "e.g. to /eye/image_color" in inputs.silences(0.0)["image"], what="the other topic")
        assert list(inputs.silences(0.0)) == ["image"]  # of the others nothing is to be expected yet
        assert not inputs.silences(600.0)
        pictures = node.create_publisher(Image, "image", 1)

        def told() -> dict[str, str]:
            pictures.publish(Image())
            time.sleep(0.05)
            return inputs.silences(0.5)

        wait_until(lambda: list(told()) == ["camera_info", "depth"], what="pictures, and nothing that belongs to them")
        assert "nobody publishes /camera_info" in inputs.silences(0.5)["camera_info"]
        # The other picture may be depth; the one that is taken for colours is not.
        assert inputs.silences(0.5)["depth"].endswith("e.g. to /eye/image_color")
    finally:
        inputs.close()
        for publisher in filter(None, (elsewhere, pictures)):
            node.destroy_publisher(publisher)
