"""When a command has to end: a job on a shared machine has minutes, a run may need hours."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from spatialvlm_ros.errors import ConfigError


@dataclass(frozen=True)
class Deadline:
    """A moment; by default one that never comes.

    Attributes:
        at: seconds of ``time.monotonic``.
    """

    at: float = math.inf

    @staticmethod
    def after(minutes: float) -> Deadline:
        """So many minutes from now.

        Raises:
            ConfigError: not a positive number.
        """
        if not (minutes > 0 and math.isfinite(minutes)):
            raise ConfigError("minutes to stop after must be a positive number", minutes, "Write e.g. 9.5.")
        return Deadline(time.monotonic() + 60 * minutes)

    def passed(self) -> bool:
        """Whether it is time to end."""
        return time.monotonic() >= self.at


NEVER = Deadline()
