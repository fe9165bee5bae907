"""Which phase a task is in and whether it is done: conditions as probabilities, with hysteresis. (B environments.)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from spatialvlm_ros.rewards.layout import Layout, Wanted
from spatialvlm_ros.rewards.measured import Z90, Measured

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


def condition_probabilities(wanted: Wanted, measured: Measured) -> tuple[Float, Bool]:
    """(B, C) probability of each condition, and (B, C) whether it can be judged.

    A length is taken for two halves of normals that meet at its median and end where its calibrated interval does.
    """
    given = measured.columns(wanted.quantity)
    value, low, high = given.value, given.low, given.high
    not_over = _below(wanted.high, value, low, high)
    not_under = _below(-wanted.low, -value, -high, -low)
    within = np.clip(not_over + not_under - 1.0, 0.0, 1.0)
    chance = np.where(wanted.expected, value, 1.0 - value)
    return np.where(wanted.predicate, chance, within), given.valid


def _below(limit: Float, value: Float, low: Float, high: Float) -> Float:
    """(B, C) probability that a quantity is at most ``limit``."""
    away = limit - value
    half_width = np.where(away < 0, value - low, high - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = ndtr(Z90 * away / half_width)
    return np.where(half_width > 0, normal, (away >= 0).astype(np.float64))


@dataclass(frozen=True)
class Judged:
    """(B,) each.

    Attributes:
        phase: index of the phase.
        phase_known: whether what decides on the phase was measured; where not, it is the phase of before.
        success: the conditions have been met for long enough, and are judged in this frame.
        success_probability: NaN where it cannot be judged.
    """

    phase: Int
    phase_known: Bool
    success: Bool
    success_probability: Float


class Progress:
    """Phases and success of B environments over time.

    A phase is done from the frame on in which its conditions have the probability ``enter`` together, until they have
    less than ``leave``. The task is in the phase after the last one that is done: a later phase implies the earlier
    ones, so that letting go of a placed thing is no way back. Conditions that cannot be judged change nothing.
    """

    def __init__(self, layout: Layout, n: int) -> None:
        self._layout = layout
        self._met: Bool = np.zeros((n, layout.phases), dtype=bool)  # the last column is the success
        self._streak: Int = np.zeros(n, dtype=np.int64)

    def reset(self, rows: Bool) -> None:
        """Start some environments (B,) anew."""
        self._met[rows] = False
        self._streak[rows] = 0

    def judge(self, measured: Measured) -> Judged:
        """Take the measurements of one frame in."""
        probability, known = self._groups(measured)
        now = np.where(self._met, probability >= self._layout.leave, probability >= self._layout.enter)
        last = now[:, -1]
        self._streak = np.where(known[:, -1], np.where(last, self._streak + 1, 0), self._streak)
        now[:, -1] = last & (self._met[:, -1] | (self._streak >= self._layout.task.success.hold))
        self._met = np.where(known, now, self._met)
        phase = self._phases()
        return Judged(
            phase=phase,
            phase_known=self._decided(phase, known),
            success=self._met[:, -1] & known[:, -1],
            success_probability=np.where(known[:, -1], probability[:, -1], np.nan),
        )

    def _groups(self, measured: Measured) -> tuple[Float, Bool]:
        """(B, P) probability that each phase is done (the last: success), and whether it can be judged."""
        layout = self._layout
        each, valid = condition_probabilities(layout.conditions, measured)
        probability = np.ones((len(measured), layout.phases))
        known = np.ones((len(measured), layout.phases), dtype=bool)
        for column, group in enumerate(layout.condition_group):
            probability[:, group] *= each[:, column]
            known[:, group] &= valid[:, column]
        return probability, known

    def _phases(self) -> Int:
        """(B,) the phase after the last one that is done."""
        number = np.arange(1, self._layout.phases)
        return np.max(np.where(self._met[:, :-1], number, 0), axis=1, initial=0)

    def _decided(self, phase: Int, known: Bool) -> Bool:
        """(B,) whether the end of this phase and of the one before can be seen."""
        rows = np.arange(len(phase))
        ends = known.copy()
        ends[:, -1] = True  # the last phase does not end
        return ends[rows, phase] & ends[rows, np.maximum(phase - 1, 0)]
