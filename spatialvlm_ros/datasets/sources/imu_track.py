"""What an IMU said about the vertical all through a recording, in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.gravity import IMU_REACH_NS, read_imu

Float = NDArray[np.float64]


class ImuTrack:
    """Up by each message of an IMU: 40 bytes a message.

    The messages themselves are not kept: there are a million in an hour, and each holds on to the part of the file that
    it was read from.
    """

    def __init__(self) -> None:
        self._stamps = array("q")
        self._frames: list[str] = []
        self._ups = array("d")  # three of each message; NaN where it cannot tell
        self._names: dict[str, str] = {}
        self._order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp_ns: int, message: Any) -> None:
        """A sensor_msgs/Imu; they need not come in order."""
        up, name = read_imu(message).up, str(message.header.frame_id)
        self._stamps.append(stamp_ns)
        self._frames.append(self._names.setdefault(name, name))
        self._ups.extend((np.nan,) * 3 if up is None else up.tolist())
        self._order = None

    def nearest(self, stamp_ns: int) -> tuple[str, Float | None] | None:
        """Frame of the IMU, and (3,) up in it (None where it cannot tell), by the message nearest in time.

        None where no message is near enough to say anything (`IMU_REACH_NS`).
        """
        if self._order is None:
            self._order = np.argsort(np.array(self._stamps), kind="stable")
        order, stamps = self._order, self._stamps
        place = bisect_left(order, stamp_ns, key=lambda number: stamps[number])
        around = [int(number) for number in order[max(place - 1, 0) : place + 1]]
        near = [number for number in around if abs(stamps[number] - stamp_ns) <= IMU_REACH_NS]
        if not near:
            return None
        best = min(near, key=lambda number: abs(stamps[number] - stamp_ns))
        up = np.array(self._ups[3 * best : 3 * best + 3])
        return self._frames[best], None if np.isnan(up).any() else up
