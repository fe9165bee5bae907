"""Runs a node until Ctrl-C or SIGTERM, and ends it in the order that does not abort the process."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

_log = logging.getLogger(__name__)

_JOIN_S = 1.0
_LOOK_UP_S = 0.2
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

    from spatialvlm_ros.ros.middleware import make_room_for_pictures

    # Not an Event: a second signal that comes while the first one is being noticed would wait for itself for ever.
    reasons_to_end: SimpleQueue[str] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: reasons_to_end.put("signal"))
    make_room_for_pictures()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = None
    try:
        node = make()
        executor = MultiThreadedExecutor(num_threads=threads)
        executor.add_node(node)

        ending = threading.Event()

        def spin() -> None:
            while rclpy.ok() and not ending.is_set():
                try:
                    executor.spin()
                except ExternalShutdownException:
                    break
                except Exception:
                    if ending.is_set():  # what it holds is being taken away
                        break
                    _log.exception("a callback failed")
                    time.sleep(_AFTER_FAILURE_S)
            reasons_to_end.put("nothing to spin")

        thread = threading.Thread(target=spin, name="executor", daemon=True)
        thread.start()
        _wait_for(reasons_to_end)
        ending.set()
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


def _wait_for(reasons: SimpleQueue[str]) -> None:
    """Looks up now and then: a signal that another thread of the process received does not wake this one."""
    while True:
        try:
            reasons.get(timeout=_LOOK_UP_S)
        except Empty:
            continue
        return
