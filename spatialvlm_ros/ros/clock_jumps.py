"""What a node does when its clock runs back: simulated time was reset, or a recording plays again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node


def on_jump_back(node: Node, call: Callable[[], None]) -> Any:
    """Calls ``call`` after each jump back, in the thread that hears ``/clock``.

    Returns:
        What the node has to keep: the calls end with it.
    """
    back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False)
    return node.get_clock().create_jump_callback(back, post_callback=lambda _: call())
