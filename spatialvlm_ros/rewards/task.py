"""What a reward is about: quantities of named objects, the phases of a task, and when it is done.

All is plain data. `task_file` reads it from YAML, `consistency` refuses what contradicts itself, `potential` and
`reward` compute with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import CAMERA_NAME, GRIPPER_NAME, Query
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, RelationSpec

RECIPROCAL, LINEAR = "reciprocal", "linear"
SHAPES = (RECIPROCAL, LINEAR)
DEFAULT_HALF_M = 0.1
ALWAYS_THERE = (GRIPPER_NAME, CAMERA_NAME)  # nameable without being declared


@dataclass(frozen=True)
class Quantity:
    """A relation between objects of the task.

    Attributes:
        relation: what is measured.
        subject, reference: keys of `RewardTask.objects`, "gripper" or "camera"; no reference where there is none.
    """

    relation: Relation
    subject: str
    reference: str = ""

    @property
    def spec(self) -> RelationSpec:
        """What is known of the relation."""
        return RELATIONS[self.relation]

    @property
    def objects(self) -> tuple[str, ...]:
        """The one or two objects."""
        return (self.subject, self.reference) if self.reference else (self.subject,)

    def __str__(self) -> str:
        return f"{self.relation}: {' | '.join(self.objects)}"


@dataclass(frozen=True)
class Goal:
    """Where a quantity is wanted.

    Attributes:
        low, high: ends of the range in the quantity's unit (metres), both included.
        expected: for a predicate: whether it shall be true.
    """

    low: float = -np.inf
    high: float = np.inf
    expected: bool = True

    def leads_to(self, other: Goal) -> bool:
        """Whether a quantity that just comes into this range is in ``other`` too, wherever it comes from."""
        ends = [end for end in (self.low, self.high) if np.isfinite(end)]
        return self.meets(other) and all(other.low <= end <= other.high for end in ends)

    def meets(self, other: Goal) -> bool:
        """Whether both can be true at once."""
        return max(self.low, other.low) <= min(self.high, other.high) and self.expected == other.expected


@dataclass(frozen=True)
class Term:
    """One part of a phase's potential: a score 0..1 that grows as a quantity nears its goal.

    Attributes:
        quantity, goal: what is wanted.
        weight: against the other terms of the phase, over 0.
        half: metres from the goal at which the score is 1/2; not used for predicates, whose score is their probability.
        shape: "reciprocal", half / (half + d), has a slope everywhere; "linear", 1 - d / (2 half), ends at 0.
    """

    quantity: Quantity
    goal: Goal
    weight: float = 1.0
    half: float = DEFAULT_HALF_M
    shape: str = RECIPROCAL

    def __post_init__(self) -> None:
        _positive(f"the weight of {self.quantity}", self.weight)
        _positive(f"half of {self.quantity}", self.half)
        if self.shape not in SHAPES:
            raise ConfigError(f"{self.quantity} has an unknown shape", self.shape, f"Known: {', '.join(SHAPES)}.")


@dataclass(frozen=True)
class Condition:
    """A quantity is where it is wanted: true with a probability."""

    quantity: Quantity
    goal: Goal


@dataclass(frozen=True)
class Phase:
    """A part of the task.

    Attributes:
        name: e.g. "reach".
        terms: at least one.
        done: conditions that end it, all of them together; the last phase has none, it ends with the success.
        weight: its share of the potential against the other phases, over 0.
        enter, leave: probability of ``done`` from which the phase counts as done, and under which no longer.
    """

    name: str
    terms: tuple[Term, ...]
    done: tuple[Condition, ...] = ()
    weight: float = 1.0
    enter: float = 0.6
    leave: float = 0.4

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigError("a phase has no name", self.name, "Name it, e.g. reach.")
        if not self.terms:
            raise ConfigError(f"the phase {self.name} has no terms", self.terms, "Give it one or more.")
        _positive(f"the weight of the phase {self.name}", self.weight)
        _thresholds(f"the phase {self.name}", self.enter, self.leave)


@dataclass(frozen=True)
class Success:
    """When the task is done.

    Attributes:
        when: conditions, all of them together.
        enter: probability from which they count as met, over ...
        hold: ... so many judged frames in a row.
        leave: probability under which the success is lost again.
        reward: the sparse reward of each frame in which it is a success.
    """

    when: tuple[Condition, ...]
    enter: float = 0.7
    leave: float = 0.4
    hold: int = 2
    reward: float = 1.0

    def __post_init__(self) -> None:
        if not self.when:
            raise ConfigError("a task has no condition of success", self.when, "Write success: when: ...")
        _thresholds("the success", self.enter, self.leave)
        if isinstance(self.hold, bool) or not isinstance(self.hold, int) or self.hold < 1:
            raise ConfigError("hold is not a whole number of frames from 1", self.hold, "Write 1 or more.")
        if not np.isfinite(self.reward):
            raise ConfigError("the reward of the success is not finite", self.reward, "Write a number, e.g. 1.")


@dataclass(frozen=True)
class RewardTask:
    """A task with everything that its reward needs.

    Attributes:
        name: short.
        objects: the word used in the quantities -> the name that the model is asked for.
        phases: in order; the potential rises from one to the next.
        success: when it is done.
        instruction: in words.

    Raises:
        ConfigError: something is missing, out of its range, or contradicts itself (see `consistency`).
    """

    name: str
    objects: Mapping[str, str]
    phases: tuple[Phase, ...]
    success: Success
    instruction: str = ""

    def __post_init__(self) -> None:
        from spatialvlm_ros.rewards.consistency import check_task  # which is made of these classes

        object.__setattr__(self, "objects", MappingProxyType(dict(self.objects)))
        check_task(self)

    def __reduce__(self) -> tuple[object, ...]:  # a read-only mapping cannot be pickled
        return RewardTask, (self.name, dict(self.objects), self.phases, self.success, self.instruction)

    def quantities(self) -> Iterator[Quantity]:
        """All quantities as they are written, terms before conditions, phase by phase; some come more than once."""
        for phase in self.phases:
            yield from (term.quantity for term in phase.terms)
            yield from (condition.quantity for condition in phase.done)
        yield from (condition.quantity for condition in self.success.when)

    @cached_property
    def measured(self) -> tuple[Quantity, ...]:
        """The different quantities, in order."""
        return tuple(dict.fromkeys(self.quantities()))

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """What has to be measured in each picture: one query for each of `measured`."""
        return tuple(self.query(quantity) for quantity in self.measured)

    def query(self, quantity: Quantity) -> Query:
        """What a model is asked for a quantity."""
        names = [self.name_of(key) for key in quantity.objects]
        return Query(names[0], names[1] if len(names) > 1 else None, quantity.relation)

    def name_of(self, key: str) -> str:
        """The name that the model is asked for."""
        return key if key in ALWAYS_THERE else self.objects[key]


def _positive(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ConfigError(f"{what} is not over 0", value, "Write a positive number.")


def _thresholds(what: str, enter: float, leave: float) -> None:
    if not 0 < leave <= enter < 1:
        raise ConfigError(
            f"enter and leave of {what} are no thresholds", (enter, leave), "Write 0 < leave <= enter < 1."
        )
