"""What really happened in an episode, judged from the physics alone.

A script only tries; chance and contact decide. These conditions are necessary and exclude each other, so an episode
carries a label only when it earned it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.robot.tasks import LIFT_HEIGHT_M, Task, TaskState

Float = NDArray[np.float64]

STAYED_M = 0.02  # an object that moved less was left alone
_HELD_ELEVATION_M = 0.04  # higher than this it was taken off the table
_MISSED_GAP_M = 0.25  # a miss is near the object at its nearest
_SHORT_GAPS_M = (0.03, 0.25)  # a hand that stopped short is this far from the object
_NEARER = 0.75  # of the first gap


@dataclass(frozen=True)
class Course:
    """The truth of an episode, frame by frame.

    Attributes:
        task: what was to be done.
        target: T states of the task.
        others: for each distractor, T states of the same task as if it were the target.
        moved: (n_objects,) metres between each object's first and last place; target first.
    """

    task: Task
    target: Sequence[TaskState]
    others: Sequence[Sequence[TaskState]]
    moved: Float

    @property
    def succeeded(self) -> bool:
        """The task's own condition at the end."""
        return self.task.success(self.target[-1])

    @property
    def other_succeeded(self) -> bool:
        """The condition at the end, for one of the distractors."""
        return any(self.task.success(states[-1]) for states in self.others)


def _was_held(states: Sequence[TaskState]) -> bool:
    return any(s.gripped and s.elevation > _HELD_ELEVATION_M for s in states)


def _never_touched(states: Sequence[TaskState]) -> bool:
    return not any(s.touched for s in states)


def _success(course: Course) -> bool:
    return course.succeeded


def _miss(course: Course) -> bool:
    left_alone = not _was_held(course.target) and course.moved[0] < STAYED_M
    came_near = min(s.gap for s in course.target) < _MISSED_GAP_M
    return not course.succeeded and not course.other_succeeded and left_alone and came_near


def _drop(course: Course) -> bool:
    end = course.target[-1]
    lies = end.elevation < LIFT_HEIGHT_M / 4 and not end.touched and end.inside <= 0
    return not course.succeeded and _was_held(course.target) and lies


def _wrong_object(course: Course) -> bool:
    return not course.succeeded and course.other_succeeded and course.moved[0] < STAYED_M


def _stops_short(course: Course) -> bool:
    end = course.target[-1]
    untouched = _never_touched(course.target) and all(_never_touched(states) for states in course.others)
    low, high = _SHORT_GAPS_M
    came_nearer = end.gap < _NEARER * course.target[0].gap
    return not course.succeeded and not course.other_succeeded and untouched and came_nearer and low <= end.gap <= high


_EARNED: dict[str, Callable[[Course], bool]] = {
    "success": _success,
    "miss": _miss,
    "drop": _drop,
    "wrong_object": _wrong_object,
    "stops_short": _stops_short,
}


def earned(course: Course, outcome: str) -> bool:
    """Whether the episode really had this outcome."""
    return _EARNED[outcome](course)
