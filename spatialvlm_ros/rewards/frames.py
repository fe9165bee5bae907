"""The reward of one frame, and of one frame of many environments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.rewards.layout import Layout
from spatialvlm_ros.rewards.measured import Measured, why_not
from spatialvlm_ros.rewards.potential import Potentials
from spatialvlm_ros.rewards.progress import Judged

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_NAN = float("nan")


@dataclass(frozen=True)
class RewardTerm:
    """One term of the phase.

    Attributes:
        name: e.g. "gap: gripper | apple".
        value, std: of the quantity, in ``unit``; P(true) of a predicate; NaN when invalid.
        unit: "m", "m3" or "probability".
        score: 0..1, how near to its goal it is; NaN when invalid.
        weight: share of the phase's score.
        valid, reason: as in `Estimate`.
    """

    name: str
    value: float
    std: float
    unit: str
    score: float
    weight: float
    valid: bool
    reason: Reason


@dataclass(frozen=True)
class RewardFrame:
    """The reward of one frame.

    Attributes:
        task, phase: names.
        reward: what the learner gets: base + shaping (or base + potential in the absolute mode). Always finite: base
            alone where the frame is not valid.
        reward_std: deviation of it that comes from measuring.
        base: the sparse reward: that of `Success` in each frame that is one, else 0.
        shaping: gamma^steps times this potential minus the one kept from before; 0 at the first frame.
        potential: that was used: 0 at a terminated frame; NaN when invalid.
        progress: the potential as measured, also at a terminated frame; NaN when it is not known.
        potential_std: deviation of ``progress``; NaN likewise.
        potential_interval: 90% interval of ``progress``; NaN likewise.
        success: the conditions have been met for long enough.
        success_probability: of the conditions now; NaN where they cannot be judged.
        terms: of the phase.
        valid: whether ``potential`` is known.
        reason: `Reason.OK` exactly when valid.
        detail: one sentence for people.
        steps: control steps since the frame before; 0 at the first of an episode.
        terminated, truncated: the episode ends here.
    """

    task: str
    phase: str
    reward: float
    reward_std: float
    base: float
    shaping: float
    potential: float
    progress: float
    potential_std: float
    potential_interval: tuple[float, float]
    success: bool
    success_probability: float
    terms: tuple[RewardTerm, ...]
    valid: bool
    reason: Reason
    detail: str
    steps: int
    terminated: bool
    truncated: bool


@dataclass(frozen=True)
class RewardFrames:
    """The rewards of one frame in B environments; arrays are (B,), with the meaning they have in `RewardFrame`."""

    reward: Float
    reward_std: Float
    base: Float
    shaping: Float
    potential: Float
    valid: Bool
    steps: Int
    terminated: Bool
    truncated: Bool
    settled: Bool
    potentials: Potentials
    judged: Judged
    measured: Measured
    layout: Layout
    rows: Sequence[Sequence[Estimate]] | None = None

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def success(self) -> Bool:
        """(B,) whether the task is done."""
        return self.judged.success

    @property
    def success_probability(self) -> Float:
        """(B,) NaN where it cannot be judged."""
        return self.judged.success_probability

    @property
    def phase(self) -> Int:
        """(B,) index of the phase."""
        return self.judged.phase

    def frame(self, index: int) -> RewardFrame:
        """The frame of one environment."""
        task, phase = self.layout.task, self.layout.task.phases[int(self.phase[index])]
        measured = self.measured_here[index]
        known = bool(measured)
        reason, detail = self._why(index, known)
        found = self.potentials
        return RewardFrame(
            task=task.name,
            phase=phase.name,
            reward=float(self.reward[index]),
            reward_std=float(self.reward_std[index]),
            base=float(self.base[index]),
            shaping=float(self.shaping[index]),
            potential=float(self.potential[index]),
            progress=float(found.value[index]) if known else _NAN,
            potential_std=float(found.std[index]) if known else _NAN,
            potential_interval=(float(found.low[index]), float(found.high[index])) if known else (_NAN, _NAN),
            success=bool(self.success[index]),
            success_probability=float(self.success_probability[index]),
            terms=self._terms(index),
            valid=bool(self.valid[index]),
            reason=reason,
            detail=detail,
            steps=int(self.steps[index]),
            terminated=bool(self.terminated[index]),
            truncated=bool(self.truncated[index]),
        )

    @property
    def measured_here(self) -> Bool:
        """(B,) whether the potential was measured in this frame."""
        return self.potentials.valid & self.judged.phase_known

    def _terms(self, index: int) -> tuple[RewardTerm, ...]:
        terms, task = self.layout.terms, self.layout.task
        made = []
        for n in np.flatnonzero(terms.phase == self.phase[index]).tolist():
            column = int(terms.wanted.quantity[n])
            quantity = task.measured[column]
            valid = bool(self.measured.valid[index, column])
            made.append(
                RewardTerm(
                    name=str(quantity),
                    value=float(self.measured.value[index, column]) if valid else _NAN,
                    std=float(self.measured.std[index, column]) if valid else _NAN,
                    unit="probability" if quantity.spec.predicate else quantity.spec.unit,
                    score=float(self.potentials.scores[index, n]),
                    weight=float(terms.share[n]),
                    valid=valid,
                    reason=Reason.OK if valid else self._reason_of(index, column)[0],
                )
            )
        return tuple(made)

    def _why(self, index: int, known: bool) -> tuple[Reason, str]:
        """Reason and detail of one frame."""
        if known:
            return Reason.OK, ""
        reason, detail = self._reason_of(index, self._first_missing(index))
        if self.valid[index]:
            return Reason.OK, f"The episode ends here, not seen: {detail}"
        if self.settled[index]:
            detail += " Unseen for so long that the potential was paid back; it is earned again when it is seen."
        return reason, detail

    def _first_missing(self, index: int) -> int:
        """The first quantity that the phase, its end or its beginning needs and does not have."""
        phase, terms = int(self.phase[index]), self.layout.terms
        needed = [terms.wanted.quantity[terms.phase == phase]]
        for group in (phase, phase - 1):
            if 0 <= group < self.layout.phases - 1:
                needed.append(self.layout.conditions.quantity[self.layout.condition_group == group])
        columns = np.concatenate(needed)
        return int(columns[~self.measured.valid[index, columns]][0])

    def _reason_of(self, index: int, column: int) -> tuple[Reason, str]:
        if self.rows is None:
            return Reason.MODEL_ERROR, f"{self.layout.task.measured[column]} is not known."
        return why_not(self.rows[index][column])
