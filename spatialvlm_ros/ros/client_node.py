"""A node that is there for its clients only: in a ROS context and a thread of its own."""

from __future__ import annotations

import os
import threading
import uuid
from typing import Any

_JOIN_S = 2.0


class ClientNode:
    """Spins until it is closed. The caller's own rclpy (its context, signal handlers, remaps) is left alone.

    Attributes:
        node: an rclpy node that spins.
    """

    def __init__(self) -> None:
        from rclpy.context import Context
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
        from rclpy.node import Node

        self._closed = False
        self._context = Context()
        self._context.init(args=[])
        name = f"spatialvlm_client_{os.getpid()}_{uuid.uuid4().hex[:6]}"
        self.node: Any = Node(
            name,
            context=self._context,
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

        def spin() -> None:
            try:
                self._executor.spin()
            except ExternalShutdownException:
                pass

        self._thread = threading.Thread(target=spin, name="spatialvlm-client", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends everything, in the order that does not abort the process. Again: nothing."""
        if self._closed:
            return
        self._closed = True
        self._executor.shutdown(timeout_sec=_JOIN_S)
        self._thread.join(_JOIN_S)
        self.node.destroy_node()
        self._context.try_shutdown()
