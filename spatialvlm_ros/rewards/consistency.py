"""Refuses reward tasks that contradict themselves, with the place and the remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from math import isfinite

from spatialvlm_ros.errors import ConfigError, QueryError, SpatialVLMError
from spatialvlm_ros.models.query import checked_object
from spatialvlm_ros.rewards.implications import contradict, draws_away, fact_of
from spatialvlm_ros.rewards.task import ALWAYS_THERE, Condition, Goal, Phase, Quantity, RewardTask, Term


def check_task(task: RewardTask) -> None:
    """Raises `ConfigError` for a task that cannot be meant."""
    for check in _CHECKS:
        check(task)


def _named(task: RewardTask) -> None:
    if not task.name.strip() or "\n" in task.name:
        raise ConfigError("a task has no name of one line", task.name, "Write name: apple_into_bowl.")
    if not task.phases:
        raise ConfigError(f"the task {task.name} has no phases", task.phases, "Give it one or more.")
    counted = Counter(phase.name for phase in task.phases)
    twice = [name for name, times in counted.items() if times > 1]
    if twice:
        raise ConfigError("two phases have the same name", twice, "Give each phase its own.")


def _objects(task: RewardTask) -> None:
    for key, name in task.objects.items():
        if key in ALWAYS_THERE:
            raise ConfigError(f"{key!r} needs no name", name, f"Leave {key!r} out of objects; it is always there.")
        try:
            checked_object(name)
        except QueryError as error:
            raise ConfigError(f"the object {key!r} has no usable name", name, str(error)) from error
    counted = Counter(name.lower() for name in task.objects.values())
    twice = [name for name, times in counted.items() if times > 1]
    if twice:
        raise ConfigError("two objects have the same name, so a model cannot tell them apart", twice, "Describe each.")
    used = {key for quantity in task.quantities() for key in quantity.objects}
    unknown = sorted(used - set(task.objects) - set(ALWAYS_THERE))
    if unknown:
        known = ", ".join([*task.objects, *ALWAYS_THERE])
        raise ConfigError("quantities name unknown objects", unknown, f"Declare them under objects; known: {known}.")
    unused = sorted(set(task.objects) - used)
    if unused:
        raise ConfigError("objects that no quantity names", unused, "Use them, or take them out of objects.")


def _relations(task: RewardTask) -> None:
    for quantity in task.measured:
        if len(set(quantity.objects)) < len(quantity.objects):
            raise ConfigError("a quantity relates an object to itself", str(quantity), "Name two objects.")
        try:
            task.query(quantity)
        except SpatialVLMError as error:
            raise ConfigError(f"{quantity} cannot be measured: {error.fault}", error.value, error.remedy) from error


def _goals(task: RewardTask) -> None:
    for phase in task.phases:
        for term in phase.terms:
            _check_goal(term.quantity, term.goal)
        for condition in phase.done:
            _check_goal(condition.quantity, condition.goal)
    for condition in task.success.when:
        _check_goal(condition.quantity, condition.goal)


def _check_goal(quantity: Quantity, goal: Goal) -> None:
    spec = quantity.spec
    limits = (goal.low, goal.high)
    free = limits == (-float("inf"), float("inf"))
    if spec.predicate:
        if not free:
            raise ConfigError(f"{quantity} is true or false and has no metres", limits, "Write is: true or is: false.")
        return
    if not goal.expected:
        raise ConfigError(f"{quantity} is a length and not true or false", False, "Write at_most or at_least.")
    if free or goal.low == float("inf") or goal.high == -float("inf"):
        raise ConfigError(f"{quantity} has no goal", limits, f"Write at_most or at_least, in {spec.unit}.")
    if not goal.low <= goal.high:
        raise ConfigError(f"{quantity} can never be in this range", limits, "at_least must not be over at_most.")
    if not spec.signed and goal.high < 0:
        raise ConfigError(f"{quantity} is never negative", goal.high, "Write at_most: 0 or more.")
    if not spec.signed and goal.low <= 0 and goal.high == float("inf"):
        raise ConfigError(f"{quantity} is always at least 0", goal.low, "Write a positive at_least, or at_most.")


def _ends(task: RewardTask) -> None:
    for phase in task.phases[:-1]:
        if not phase.done:
            raise ConfigError(f"the phase {phase.name} never ends", phase.done, "Give it done: with conditions.")
    if task.phases[-1].done:
        raise ConfigError(
            f"the last phase ({task.phases[-1].name}) ends with the success",
            [str(c.quantity) for c in task.phases[-1].done],
            "Take its done away, or add a phase after it.",
        )


def _together(task: RewardTask) -> None:
    for phase in task.phases:
        _check_once(phase)
        _check_possible(f"done of the phase {phase.name}", phase.done)
        _check_leads(f"the phase {phase.name} ends", phase.terms, phase.done)
    _check_possible("the success", task.success.when)
    _check_leads("the success", task.phases[-1].terms, task.success.when)


def _check_once(phase: Phase) -> None:
    for first, second in combinations(phase.terms, 2):
        if _same_quantity(first, second):
            raise ConfigError(
                f"the phase {phase.name} has two terms of the same quantity", str(first.quantity), "Keep one."
            )


def _same_quantity(first: Term | Condition, second: Term | Condition) -> bool:
    """Whether both are about the same, however it is written: a gap has no first object."""
    one, other = (fact_of(each.quantity, each.goal) for each in (first, second))
    predicates = first.quantity.spec.predicate, second.quantity.spec.predicate
    return (one.relation, one.objects, predicates[0]) == (other.relation, other.objects, predicates[1])


def _check_possible(where: str, conditions: Sequence[Condition]) -> None:
    for first, second in combinations(conditions, 2):
        if contradict(first, second):
            raise ConfigError(
                f"{where} asks for two things that exclude each other",
                [str(first.quantity), str(second.quantity)],
                "Drop or change one of them.",
            )


def _check_leads(what: str, terms: Sequence[Term], conditions: Sequence[Condition]) -> None:
    """A term that draws a quantity away from where the phase ends would pay for never finishing."""
    for term in terms:
        for condition in conditions:
            if _same_quantity(term, condition) and not _leads(term, condition):
                remedy = "The ends of the term's range must lie within the condition's."
            elif draws_away(term, condition):
                remedy = f"It needs {condition.quantity}, which is usually not met there: change or drop one of them."
            else:
                continue
            raise ConfigError(
                f"a term draws {term.quantity} to where {what} not",
                (_said(term.goal), _said(condition.goal)),
                remedy,
            )


def _leads(term: Term, condition: Condition) -> bool:
    if term.quantity == condition.quantity:
        return term.goal.leads_to(condition.goal)
    wanted, needed = (fact_of(each.quantity, each.goal).range for each in (term, condition))
    ends = [end for end in (wanted.low, wanted.high) if isfinite(end)]
    return wanted.meets(needed) and all(needed.low <= end <= needed.high for end in ends)


def _said(goal: Goal) -> object:
    return goal.expected if goal.low == -float("inf") and goal.high == float("inf") else (goal.low, goal.high)


_CHECKS: tuple[Callable[[RewardTask], None], ...] = (_named, _objects, _relations, _goals, _ends, _together)
