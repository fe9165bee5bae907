"""A node one of whose callbacks finds, while the node ends, that what it holds is gone."""

from __future__ import annotations

import time

from rclpy.node import Node

from spatialvlm_ros.ros.running import run_until_signal


class TornNode(Node):
    """Its timer raises from the moment on that it is closed."""

    def __init__(self) -> None:
        super().__init__("torn")
        self._closed = False
        self._timer = self.create_timer(0.02, self._use)

    def _use(self) -> None:
        if self._closed:
            raise RuntimeError("what this callback holds is gone")

    def close(self) -> None:
        """Takes away what the timer uses, and lets it notice."""
        self._closed = True
        time.sleep(0.5)


if __name__ == "__main__":
    run_until_signal(TornNode, TornNode.close, None, 2)
