"""The other process of test_interfaces: sends back what it receives, on every topic, service and action of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rclpy
from filled_messages import filled, interface_classes
from rclpy.action import ActionServer
from rclpy.executors import ExternalShutdownException


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("echo")
    for name, kind in interface_classes("msg").items():
        back = node.create_publisher(kind, f"back/{name}", 10)
        node.create_subscription(kind, f"there/{name}", back.publish, 10)
    for name, kind in interface_classes("srv").items():
        # The request must arrive whole, else the answer stays empty.
        node.create_service(kind, f"service/{name}", _answer(kind))
    servers = [
        ActionServer(node, kind, f"action/{name}", _execute(kind)) for name, kind in interface_classes("action").items()
    ]
    print("ready", flush=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    for server in servers:
        server.destroy()
    node.destroy_node()
    rclpy.try_shutdown()


def _answer(kind: Any) -> Callable[[Any, Any], Any]:
    return lambda request, response: filled(kind.Response) if request == filled(kind.Request) else response


def _execute(kind: Any) -> Callable[[Any], Any]:
    def execute(handle: Any) -> Any:
        whole = handle.request == filled(kind.Goal)
        handle.publish_feedback(filled(kind.Feedback))
        handle.succeed()
        return filled(kind.Result) if whole else kind.Result()

    return execute


if __name__ == "__main__":
    main()
