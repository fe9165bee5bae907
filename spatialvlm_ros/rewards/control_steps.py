"""How many control steps of the learner have passed, by the stamps of pictures: cameras keep a rate of their own."""

from __future__ import annotations

import math

from spatialvlm_ros.errors import ConfigError

# A picture that comes early by so much of a control step ends it: cameras are not on time.
_EARLY = 0.25


class ControlSteps:
    """Counts the control steps of one episode from its first picture on, so that no rounding adds up.

    Args:
        step_s: seconds of a control step; 0: each picture is one.

    Raises:
        ConfigError: no such length.
    """

    def __init__(self, step_s: float) -> None:
        if not 0 <= step_s < math.inf:
            raise ConfigError("a control step has a length in seconds", step_s, "Pass 0 where each picture is one.")
        self._step_s = step_s
        self.reset()

    def reset(self) -> None:
        """The next picture is the first of an episode."""
        self._began_ns: int | None = None
        self._counted = 0

    def until(self, stamp_ns: int, last: bool = False) -> int:
        """Control steps that this picture ends, 0 for one that comes before the next one is over.

        The first picture ends none, but has to be judged: 1.

        Args:
            stamp_ns: of the picture, nanoseconds.
            last: the episode ends with this picture, and so does a control step.
        """
        if self._began_ns is None:
            self._began_ns = stamp_ns
            return 1
        if self._step_s <= 0:
            return 1
        passed = (stamp_ns - self._began_ns) * 1e-9 / self._step_s
        steps = max(math.floor(passed + _EARLY) - self._counted, int(last))
        self._counted += max(steps, 0)
        return max(steps, 0)
