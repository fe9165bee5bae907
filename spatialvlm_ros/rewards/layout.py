"""A task as arrays: which quantity each term and condition is about, and what it wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.rewards.task import LINEAR, Condition, RewardTask, Term

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """N goals; (N,) each.

    Attributes:
        quantity: index into `RewardTask.measured`.
        low, high: of the goal.
        predicate, expected: whether it is a predicate, and what it shall be.
    """

    quantity: Int
    low: Float
    high: Float
    predicate: Bool
    expected: Bool

    @staticmethod
    def of(task: RewardTask, parts: Sequence[Term | Condition]) -> Wanted:
        """The arrays of terms or conditions."""
        place = {quantity: n for n, quantity in enumerate(task.measured)}
        return Wanted(
            np.array([place[p.quantity] for p in parts], dtype=np.int64),
            np.array([p.goal.low for p in parts], dtype=np.float64),
            np.array([p.goal.high for p in parts], dtype=np.float64),
            np.array([p.quantity.spec.predicate for p in parts], dtype=bool),
            np.array([p.goal.expected for p in parts], dtype=bool),
        )


@dataclass(frozen=True)
class TermArrays:
    """All T terms of a task.

    Attributes:
        wanted: their goals.
        phase: (T,) index of the phase each belongs to.
        share: (T,) of the phase's score, 1 in each phase together.
        half: (T,) metres from the goal at which the score is 1/2.
        linear: (T,) whether the score falls in a straight line.
    """

    wanted: Wanted
    phase: Int
    share: Float
    half: Float
    linear: Bool


@dataclass(frozen=True)
class Layout:
    """A task, flattened.

    Attributes:
        task: the task.
        terms: of all phases.
        phase_weight: (P,) share of each phase in the potential, 1 together.
        phase_start: (P,) the potential that the phases before have earned.
        conditions: of all phases, then of the success.
        condition_group: (C,) phase that each condition ends; P - 1 for those of the success.
        enter, leave: (P,) thresholds of the groups.
    """

    task: RewardTask
    terms: TermArrays
    phase_weight: Float
    phase_start: Float
    conditions: Wanted
    condition_group: Int
    enter: Float
    leave: Float

    @property
    def phases(self) -> int:
        """How many phases there are."""
        return len(self.phase_weight)

    @staticmethod
    def of(task: RewardTask) -> Layout:
        """The arrays of a task."""
        terms = [term for phase in task.phases for term in phase.terms]
        owner = [n for n, phase in enumerate(task.phases) for _ in phase.terms]
        shares = [term.weight / sum(t.weight for t in phase.terms) for phase in task.phases for term in phase.terms]
        weight = np.array([phase.weight for phase in task.phases])
        weight = weight / weight.sum()
        ends = [phase.done for phase in task.phases[:-1]] + [task.success.when]
        thresholds = [(phase.enter, phase.leave) for phase in task.phases[:-1]]
        enter, leave = np.array([*thresholds, (task.success.enter, task.success.leave)]).T
        return Layout(
            task=task,
            terms=TermArrays(
                Wanted.of(task, terms),
                np.array(owner, dtype=np.int64),
                np.array(shares),
                np.array([term.half for term in terms]),
                np.array([term.shape == LINEAR for term in terms]),
            ),
            phase_weight=weight,
            phase_start=np.concatenate([[0.0], np.cumsum(weight)[:-1]]),
            conditions=Wanted.of(task, [condition for end in ends for condition in end]),
            condition_group=np.array([n for n, end in enumerate(ends) for _ in end], dtype=np.int64),
            enter=enter,
            leave=leave,
        )
