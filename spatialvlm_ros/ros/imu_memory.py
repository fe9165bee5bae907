"""The last seconds of an IMU: a picture is levelled by the message of its own time. No rclpy in here."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from spatialvlm_ros.bags.gravity import IMU_REACH_NS

REACH_NS = IMU_REACH_NS  # one limit, live and in recordings
_APART_NS = 20_000_000  # kept messages, of an IMU that is quicker
_KEPT = 500  # ten seconds: as long as a picture may wait for a busy model


def _stamp_of(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


class ImuMemory:
    """Safe for several threads. Messages whose stamps go back begin a new memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, Any]] = deque(maxlen=_KEPT)

    def take(self, message: Any) -> None:
        """A sensor_msgs/Imu."""
        stamp = _stamp_of(message)
        with self._lock:
            if self._kept and stamp < self._kept[-1][0]:
                self._kept.clear()
            if not self._kept or stamp <= 0 or stamp - self._kept[-1][0] >= _APART_NS:
                self._kept.append((stamp, message))

    def near(self, stamp_ns: int) -> tuple[Any, float]:
        """The message nearest to a time, and its distance from it in seconds; None and infinity if none has come.
        Without stamps there is no distance: the last message, and 0."""
        with self._lock:
            if not self._kept:
                return None, float("inf")
            best, message = self._kept[-1]
            if best <= 0 or stamp_ns <= 0:
                return message, 0.0
            for stamp, other in reversed(self._kept):
                if abs(stamp - stamp_ns) > abs(best - stamp_ns):
                    break
                best, message = stamp, other
        return message, abs(best - stamp_ns) * 1e-9
