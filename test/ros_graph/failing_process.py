"""A node one of whose callbacks always raises."""

from __future__ import annotations

from rclpy.node import Node

from spatialvlm_ros.ros.running import run_until_signal


class FailingNode(Node):
    """Its timer raises ten times a second."""

    def __init__(self) -> None:
        super().__init__("failing")
        self.declare_parameter("alive", True)
        self._timer = self.create_timer(0.1, self._fail)

    def _fail(self) -> None:
        raise ValueError("this callback always fails")


if __name__ == "__main__":
    run_until_signal(FailingNode, lambda node: None, None, 4)
