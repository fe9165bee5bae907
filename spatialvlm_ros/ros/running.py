"""Runs a node until Ctrl-C or SIGTERM, and ends it in the order that does not abort the process."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

_log = logging.getLogger(__name__)

_JOIN_S = 1.0
_AFTER_FAILURE_S = 0.05  # a callback that fails at once, again and again, is not to take all of the processor


def run_until_signal(
    make: Callable[[], Any], close: Callable[[Any], object], args: list[str] | None, threads: int
) -> None:
    """Spins a node in a thread of its own while this (the main) thread waits for a signal.

    rclpy's own handlers end the context at once, under the feet of whoever publishes; here the node is closed first.
    A callback that raises is logged, and the node goes on.

    Args:
        make: the node; what it raises goes through.
        close: called before the executor ends; it makes callbacks that wait return.
        args: command line, None for sys.argv.
        threads: of the executor.
    """
    import rclpy
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = None
    try:
        node = make()
        executor = MultiThreadedExecutor(num_threads=threads)
        executor.add_node(node)

        def spin() -> None:
            while rclpy.ok() and not stop.is_set():
                try:
                    executor.spin()
                except ExternalShutdownException:
                    break
                except Exception:
                    _log.exception("a callback failed")
                    time.sleep(_AFTER_FAILURE_S)
            stop.set()

        thread = threading.Thread(target=spin, name="executor", daemon=True)
        thread.start()
        stop.wait()
        close(node)
        # It waits for all callbacks without end, whatever timeout it is given; one may wait for a server far away.
        closing = threading.Thread(target=executor.shutdown, name="executor ends", daemon=True)
        closing.start()
        closing.join(_JOIN_S)
        thread.join(_JOIN_S)
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
