"""/tf and /tf_static of a node: into our buffer, and out of it where tf2_msgs is installed. tf2_ros is not needed."""

from __future__ import annotations

from functools import partial
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from spatialvlm_ros.ros.profiles import profile_of
from spatialvlm_ros.ros.qos_events import QUIET_PUBLISHER, QUIET_SUBSCRIPTION
from spatialvlm_ros.ros.topics import INTERFACES
from spatialvlm_ros.ros.transform_store import TransformStore

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # some distributions bring no tf2_msgs: everything but frames works
    TFMessage = None

AVAILABLE = TFMessage is not None


class TfLink:
    """Listens to transforms, and publishes the spatial frames.

    Args:
        node: owner.
        store: filled.
        group: callback group.
    """

    def __init__(self, node: Node, store: TransformStore, group: CallbackGroup) -> None:
        self._node = node
        self._subscriptions: list[Any] = []
        self._publisher: Any = None
        if TFMessage is None:
            node.get_logger().warning("tf2_msgs is not installed: frames are not used")
            return
        moving, fixed = INTERFACES["/tf"], INTERFACES["/tf_static"]
        self._subscriptions = [
            node.create_subscription(
                TFMessage, entry.topic(), take, profile_of(entry), callback_group=group, **QUIET_SUBSCRIPTION
            )
            for entry, take in ((moving, store.take), (fixed, partial(store.take, static=True)))
        ]
        self._publisher = node.create_publisher(
            TFMessage, moving.topic(), profile_of(moving), callback_group=group, **QUIET_PUBLISHER
        )

    def broadcast(self, transform: Any) -> None:
        """A geometry_msgs/TransformStamped on /tf."""
        if self._publisher is not None:
            self._publisher.publish(TFMessage(transforms=[transform]))

    def close(self) -> None:
        """Ends everything."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
