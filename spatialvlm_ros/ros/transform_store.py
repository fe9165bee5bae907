"""/tf and /tf_static in a buffer of our own, safe for several threads; works with or without tf2_ros."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.gravity import up_from_frames
from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.named_frames import TOLERANCE_NS
from spatialvlm_ros.geometry.transforms import Transform, TransformBuffer

Float = NDArray[np.float64]


class TransformStore:
    """What is known of the frames.

    Attributes:
        refused: transforms that were malformed (quaternions of zeros, empty names, ...).
    """

    def __init__(self) -> None:
        self._buffer = TransformBuffer()
        self._lock = threading.Lock()
        self.refused = 0

    def take(self, message: Any, static: bool = False) -> None:
        """A tf2_msgs/TFMessage. Malformed transforms are counted and left out."""
        with self._lock:
            for stamped in message.transforms:
                q, t = stamped.transform.rotation, stamped.transform.translation
                time = stamped.header.stamp
                stamp = time.sec * 1_000_000_000 + time.nanosec
                try:
                    self._buffer.set(
                        stamped.header.frame_id,
                        stamped.child_frame_id,
                        stamp,
                        (q.x, q.y, q.z, q.w),
                        (t.x, t.y, t.z),
                        static,
                    )
                except TransformError:
                    self.refused += 1

    def clear(self) -> None:
        """Forget what moves, after a jump of the clock."""
        with self._lock:
            self._buffer.clear()

    def frames(self) -> tuple[str, ...]:
        """All names."""
        with self._lock:
            return self._buffer.frames()

    def root(self, frame: str) -> str:
        """The frame at the top of its tree, itself where nothing is above it; `TransformError` where frames loop."""
        with self._lock:
            return self._buffer.root(frame)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Transform:
        """Takes points of ``source`` into ``target``; raises `TransformError` with the missing link."""
        with self._lock:
            return self._buffer.lookup(target, source, stamp_ns or None, TOLERANCE_NS)

    def up(self, camera_frame: str, stamp_ns: int, level_frames: Sequence[str]) -> Float | None:
        """(3,) up in the camera's optical frame by the first level frame that is linked to it."""
        with self._lock:
            return up_from_frames(self._buffer, camera_frame, stamp_ns, level_frames, TOLERANCE_NS)
