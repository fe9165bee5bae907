"""Does an answer rest on what was told? Its numbers must come from the question, or from what the tools returned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.stated_numbers import StatedNumber, stated_numbers
from spatialvlm_ros.reasoning.steps import ReasoningStep, StepKind
from spatialvlm_ros.reasoning.task import Task

_COARSEST = 0.25  # of a number: rounded more than this it is another one
_SLACK = 1e-6
_LARGEST_FACTOR = 10  # "two robots": 2 * 0.6 m
_NAME = re.compile(r"\b[mc]\d+\b")
_POWERS = {"m": 1.0, "m2": 2.0, "m3": 3.0}


@dataclass(frozen=True)
class Told:
    """A number that was told: ``value`` in metres to the ``power``; None where a text gives no unit, 0 for a share or
    a ratio."""

    value: float
    power: float | None


def unsupported_numbers(answer: str, task: Task) -> list[str]:
    """The numbers of an answer that nobody told, as they stand in it.

    A number may be rounded, be given in another unit, or be the end of a stated error. Whole numbers without a unit
    may count what was looked at.
    """
    told = list(_told(task))
    looked_at = len(task.tools.measured) + len(task.tools.located)
    return [
        number.text
        for number in stated_numbers(answer)
        if not (number.counts and number.value <= looked_at) and not _is_told(number, told)
    ]


def _is_told(number: StatedNumber, told: Iterable[Told]) -> bool:
    return any(agrees(number, one) for one in told)


def agrees(number: StatedNumber, told: Told) -> bool:
    """Whether a number that is stated is a told one, rounded, or in another unit."""
    if number.percent and told.power in (None, 0.0):
        shares = (told.value, abs(1 - told.value))  # "83% sure", "17% shorter", "50% longer"
        if any(_is_rounded(number.value / 100, number.half / 100, share) for share in shares):
            return True
    if number.percent:
        return False
    for scale in number.scales:
        if scale is None:
            value = told.value
        elif told.power in (None, scale.power):
            value = told.value / scale.factor
        else:
            continue
        if _is_rounded(number.value, number.half, value):
            return True
    return False


def _is_rounded(said: float, half: float, exact: float) -> bool:
    exact = abs(exact)
    return abs(abs(said) - exact) <= min(half, _COARSEST * exact) + _SLACK * max(exact, 1e-3)


# ---- what was told ----


def _told(task: Task) -> Iterator[Told]:
    """The numbers of the question, and of each step in its order."""
    known = list(_of_text(task.question))
    names: set[str] = set()
    for step in task.trace.steps:
        if step.kind is StepKind.CALCULATE:
            known += _of_sum(step, task, known, names)
        elif step.kind is not StepKind.THINK:  # the language model's own words
            known += _of_text(step.tool_output)
            known += [told for estimate in step.estimates for told in _of_estimate(estimate)]
            names |= set(_NAME.findall(step.tool_output))
    yield from known


def _of_text(text: str) -> Iterator[Told]:
    for number in stated_numbers(text):
        if number.percent:
            yield Told(number.value / 100, 0.0)
            continue
        known = [scale for scale in number.scales if scale is not None]
        yield from (Told(number.value * scale.factor, scale.power) for scale in known)
        if not known:
            yield Told(number.value, None)


def _of_estimate(estimate: Estimate) -> Iterator[Told]:
    if not estimate.valid:
        return
    power = 0.0 if estimate.unit == PROBABILITY else _POWERS.get(estimate.unit)
    yield from _with_ends(estimate.value, estimate.std, power)


def _of_sum(step: ReasoningStep, task: Task, known: list[Told], names: set[str]) -> list[Told]:
    """The result of a sum over what was told; of a comparison also the numbers that were compared with.

    A number that the language model made up stays made up when it is calculated with nothing else.
    """
    constants = stated_numbers(_NAME.sub(" ", step.tool_input))
    if not names.intersection(_NAME.findall(step.tool_input)) and not _are_told(constants, known):
        return []
    name = step.tool_output.partition(" ")[0]
    names.add(name)
    result: Drawn = task.tools.value(name)
    made = list(_of_text(step.tool_output))
    if result.truth:
        return [*made, Told(result.value, 0.0), *_of_text(_NAME.sub(" ", step.tool_input))]
    return [*made, *_with_ends(result.value, result.std, result.power)]


def _are_told(constants: list[StatedNumber], known: list[Told]) -> bool:
    """Whether the numbers of a sum are told ones, beside small factors."""
    told = [number for number in constants if _is_told(number, known)]
    others = [number for number in constants if number not in told]
    return bool(told) and all(number.counts and number.value <= _LARGEST_FACTOR for number in others)


def _with_ends(value: float, std: float, power: float | None) -> Iterator[Told]:
    """A number, its error, and where that ends."""
    yield Told(value, power)
    if std > 0:
        yield from (Told(std, power), Told(value - std, power), Told(value + std, power))
