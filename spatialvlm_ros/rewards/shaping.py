"""The bookkeeping of potential-based shaping: F = gamma Phi_t - Phi_(t-1), such that its discounted sum telescopes.

What makes the sum exact, whatever is not seen:

- The potential that was paid for last is kept, and never computed again.
- A frame without a potential pays nothing. That is what it would pay if its potential were Phi / gamma, so that is
  what is kept: the next frame that is seen closes the gap.
- At a terminated frame the potential is 0 by definition, seen or not. At a truncated one it stays what it is.
- If the first frame of an episode is not seen, its potential counts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

KEPT, DROPPED = "kept", "dropped"
MOST_GROWTH = 100.0


@dataclass(frozen=True)
class Discount:
    """How the learner counts.

    Attributes:
        gamma: its discount per control step, over 0 and up to 1.
        every: control steps from one frame to the next.
        unseen: what it does with frames without a potential: "kept" learns from them (with the sparse reward alone),
            "dropped" leaves them out and discounts the step from the frame before to the one after with gamma^k.
        most_growth: a kept potential grows by 1 / gamma in each unseen control step. Before it has grown by more than
            this factor it is paid back, as if the unseen potential were 0, and earned again when it is seen.

    Raises:
        ConfigError: a value out of its range.
    """

    gamma: float
    every: int = 1
    unseen: str = KEPT
    most_growth: float = MOST_GROWTH

    def __post_init__(self) -> None:
        if isinstance(self.gamma, bool) or not isinstance(self.gamma, (int, float)) or not 0 < self.gamma <= 1:
            raise ConfigError("gamma is not over 0 and up to 1", self.gamma, "Pass the learner's, per control step.")
        if isinstance(self.every, bool) or not isinstance(self.every, (int, np.integer)) or self.every < 1:
            raise ConfigError("every is not a whole number of control steps from 1", self.every, "Pass 1 or more.")
        if self.unseen not in (KEPT, DROPPED):
            raise ConfigError("unseen frames are kept or dropped", self.unseen, f"Pass {KEPT!r} or {DROPPED!r}.")
        if not self.most_growth > 1:
            raise ConfigError("most_growth is not over 1", self.most_growth, f"Pass e.g. {MOST_GROWTH:g}.")


@dataclass(frozen=True)
class Paid:
    """(B,) each.

    Attributes:
        shaping: F.
        before: the kept potential that was subtracted.
        growth: by which the one that was paid for last had grown.
        discount: gamma^k by which the new potential was multiplied.
        settled: the kept potential was paid back in an unseen frame.
    """

    shaping: Float
    before: Float
    growth: Float
    discount: Float
    settled: Bool


class Shaping:
    """The kept potentials of B environments."""

    def __init__(self, discount: Discount, n: int) -> None:
        self._rule = discount
        self._kept: Float = np.zeros(n)
        self._growth: Float = np.ones(n)
        self._waiting: Float = np.zeros(n)  # control steps of dropped frames
        self._running: Bool = np.zeros(n, dtype=bool)

    @property
    def running(self) -> Bool:
        """(B,) whether an episode is under way: where not, the next frame is the first of one."""
        return self._running.copy()

    def reset(self, rows: Bool) -> None:
        """Begin a new episode in some environments (B,)."""
        self._kept[rows] = 0.0
        self._growth[rows] = 1.0
        self._waiting[rows] = 0.0
        self._running[rows] = False

    def pay(self, potential: Float, seen: Bool, terminated: Bool, truncated: Bool, steps: Float) -> Paid:
        """One frame of each environment.

        Args:
            potential: (B,).
            seen: (B,) whether it is known.
            terminated, truncated: (B,) the episode ends here.
            steps: (B,) control steps since the frame before.
        """
        rule, first = self._rule, ~self._running
        new = np.where(terminated, 0.0, np.where(seen, potential, 0.0))
        steps = steps + self._waiting
        discount = rule.gamma**steps
        with np.errstate(divide="ignore"):  # so many control steps that gamma^k is 0
            grown = self._growth / (discount if rule.unseen == KEPT else 1.0)
        settled = ~first & ~seen & ~terminated & (grown > rule.most_growth) & (self._kept != 0)
        known = seen | terminated | first | settled
        paid = Paid(
            shaping=np.where(known & ~first, discount * new - self._kept, 0.0),
            before=np.where(first, 0.0, self._kept),
            growth=self._growth.copy(),
            discount=discount,
            settled=settled,
        )
        waits = ~known
        if rule.unseen == KEPT:
            # Without discount, what was not 0 has been settled; 0 stays 0 whatever it is divided by.
            later = np.divide(self._kept, discount, out=np.zeros_like(self._kept), where=discount > 0)
            self._kept = np.where(known, new, later)
            self._growth = np.where(known, 1.0, np.where(self._kept != 0, grown, 1.0))
        else:
            self._kept = np.where(known, new, self._kept)
            self._waiting = np.where(waits, steps, 0.0)
        self._running = np.ones_like(self._running)
        self.reset(terminated | truncated)
        return paid
