"""Which reliability a subscription takes. No rclpy in here.

A best-effort subscriber hears everybody but loses large pictures between processes; a reliable one hears only reliable
publishers. So a subscription follows what the publishers offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Reliability(str, Enum):
    """As in a QoS profile."""

    RELIABLE = "reliable"
    BEST_EFFORT = "best_effort"

    def __str__(self) -> str:
        return self.value


def wanted_reliability(parameter: str, offered: Sequence[Reliability]) -> Reliability:
    """What to subscribe with.

    Args:
        parameter: "auto", "reliable" or "best_effort".
        offered: by the publishers of the topic now.

    Returns:
        The parameter's; for "auto" reliable if all publishers are (and there is one), else best effort, which hears
        all of them.
    """
    if parameter != "auto":
        return Reliability(parameter)
    reliable = bool(offered) and all(o is Reliability.RELIABLE for o in offered)
    return Reliability.RELIABLE if reliable else Reliability.BEST_EFFORT


def unheard(subscribed: Reliability, offered: Sequence[Reliability]) -> int:
    """How many of the publishers are not heard: best-effort ones by a reliable subscription."""
    return sum(subscribed is Reliability.RELIABLE and o is Reliability.BEST_EFFORT for o in offered)
