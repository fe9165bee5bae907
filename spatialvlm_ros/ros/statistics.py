"""What happened to the pictures of one camera: counters and the last times. No rclpy in here."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_KEPT = 300  # frames
_RECENT_S = 5.0


@dataclass(frozen=True)
class FrameTimes:
    """One picture's way, monotonic seconds but where said.

    Attributes:
        received: its last message arrived.
        started, ended: the worker began with it; the last message was published.
        model: seconds in the model (resampling included).
        latency: seconds from the picture's stamp to the publication, by the node's clock.
        waited: seconds for which it waited because the model was busy with something else.
    """

    received: float
    started: float
    ended: float
    model: float
    latency: float
    waited: float = 0.0

    @property
    def overhead(self) -> float:
        """The node's own seconds, from its callback to the end of the publication: all but the model."""
        return self.ended - self.received - self.waited - self.model


@dataclass(frozen=True)
class Summary:
    """Counters, and medians over the last frames (NaN where there are none).

    Attributes:
        counts: of everything that happened, by name.
        faults: the last sentence of each fault.
        rate_hz: pictures worked on per second, over the last five seconds.
        latency_s, latency_p95_s, model_s, overhead_s: of the last 300 frames.
        last_s: monotonic time of the last publication, 0 for none.
    """

    counts: dict[str, int]
    faults: dict[str, str]
    rate_hz: float
    latency_s: float
    latency_p95_s: float
    model_s: float
    overhead_s: float
    last_s: float


class Statistics:
    """Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._faults: dict[str, str] = {}
        self._frames: deque[FrameTimes] = deque(maxlen=_KEPT)

    def count(self, name: str, detail: str = "") -> bool:
        """Something happened; ``detail`` is kept where it is a fault.

        Returns:
            Whether that is new: not the sentence that was kept last.
        """
        with self._lock:
            self._counts[name] += 1
            new = bool(detail) and self._faults.get(name) != detail
            if new:
                self._faults[name] = detail
            return new

    def frame(self, times: FrameTimes) -> None:
        """A picture was worked on."""
        with self._lock:
            self._counts["published"] += 1
            self._frames.append(times)

    def frames(self) -> tuple[FrameTimes, ...]:
        """The last ones, for benchmarks."""
        with self._lock:
            return tuple(self._frames)

    def summary(self, now: float) -> Summary:
        """As of ``now``, monotonic seconds."""
        with self._lock:
            frames, counts, faults = tuple(self._frames), dict(self._counts), dict(self._faults)
        recent = [f for f in frames if now - f.ended <= _RECENT_S]
        return Summary(
            counts,
            faults,
            len(recent) / _RECENT_S,
            _median([f.latency for f in frames]),
            float(np.quantile([f.latency for f in frames], 0.95)) if frames else float("nan"),
            _median([f.model for f in frames]),
            _median([f.overhead for f in frames]),
            frames[-1].ended if frames else 0.0,
        )


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")
