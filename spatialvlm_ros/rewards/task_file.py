"""Reward tasks as plain values, in and out; `templates` reads the files, docs/rewards.md shows the format.

Errors name the line and the place: ``line 9: phases, reach, terms: unknown key (got 'halff'). Did you mean half?``
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, NoReturn

import numpy as np
import yaml

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.task import (
    DEFAULT_HALF_M,
    RECIPROCAL,
    SHAPES,
    Condition,
    Goal,
    Phase,
    Quantity,
    RewardTask,
    Success,
    Term,
)
from spatialvlm_ros.rewards.yaml_lines import Lined
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

_TASK_KEYS = ("name", "instruction", "objects", "phases", "success")
_PHASE_KEYS = ("name", "weight", "terms", "done", "enter", "leave")
_SUCCESS_KEYS = ("when", "enter", "leave", "hold", "reward")
_GOAL_KEYS = ("at_most", "at_least", "is")
_TERM_KEYS = (*_GOAL_KEYS, "weight", "half", "shape")
_RELATIONS = tuple(r.value for r in Relation if RELATIONS[r].arity < 3)


def build_task(values: object, where: str = "the reward task") -> RewardTask:
    """The task of plain values, as YAML gives them.

    Raises:
        ConfigError: something is unknown, missing, out of its range or contradictory; with line and place.
    """
    place = Place(where)
    given = place.mapping(values, _TASK_KEYS, required=("name", "objects", "phases", "success"))
    objects = place.at("objects").mapping(given["objects"])
    for key, name in objects.items():
        if not isinstance(name, str) or not name.strip():
            place.at("objects").fail(f"the object {key!r} has no name", name, "Name it, as a person would call it.")
    known = (*objects, "gripper", "camera")
    phases = place.at("phases").sequence(given["phases"])
    return place.made(
        RewardTask,
        name=place.text(given, "name"),
        instruction=place.text(given, "instruction") if "instruction" in given else "",
        objects={key: " ".join(name.split()) for key, name in objects.items()},
        phases=tuple(_phase(place.at("phases"), n, p, known) for n, p in enumerate(phases)),
        success=_success(place.at("success"), given["success"], known),
    )


def to_plain(task: RewardTask) -> dict[str, Any]:
    """Plain values of a task, without what is the default; `build_task` reads them back."""
    plain: dict[str, Any] = {"name": task.name}
    if task.instruction:
        plain["instruction"] = task.instruction
    plain["objects"] = dict(task.objects)
    plain["phases"] = [_plain_phase(phase) for phase in task.phases]
    plain["success"] = {"when": [_plain_part(c) for c in task.success.when], **_changed(task.success)}
    return plain


def to_yaml(task: RewardTask) -> str:
    """YAML of a task; `templates.parse_task` reads it back."""
    return yaml.safe_dump(to_plain(task), sort_keys=False, allow_unicode=True, width=120)


# ---- reading ----


@dataclass(frozen=True)
class Place:
    """Where in a task file something stands."""

    path: str
    line: int = 0

    def at(self, name: str) -> Place:
        """A place inside this one."""
        return Place(f"{self.path}, {name}", self.line)

    def fail(self, fault: str, value: object, remedy: str, cause: Exception | None = None) -> NoReturn:
        """Raises `ConfigError` for something here."""
        start = f"line {self.line}: " if self.line else ""
        raise ConfigError(f"{start}{self.path}: {fault}", value, remedy) from cause

    def made(self, kind: Callable[..., Any], **values: Any) -> Any:
        """``kind(**values)``; what it refuses is said to be here."""
        try:
            return kind(**values)
        except ConfigError as error:
            self.fail(error.fault, error.value, error.remedy, error)

    def mapping(
        self, values: object, known: Collection[str] | None = None, required: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """A mapping with known keys."""
        if not isinstance(values, Mapping):
            self.fail("this must be a mapping", values, "Write 'key: value' lines.")
        here = Place(self.path, values.line if isinstance(values, Lined) else self.line)
        for key in values:
            if known is not None and key not in known:
                line = values.lines.get(key, here.line) if isinstance(values, Lined) else here.line
                Place(self.path, line).fail("unknown key", key, _suggestion(key, known))
        missing = [key for key in required if key not in values]
        if missing:
            here.fail("something is missing", missing, f"Write {missing[0]}: ...")
        return values

    def sequence(self, values: object) -> Sequence[Any]:
        """A list that is not empty."""
        if not isinstance(values, list) or not values:
            self.fail("this must be a list of one or more", values, "Write lines that begin with '- '.")
        return values

    def number(self, values: Mapping[str, Any], key: str) -> float:
        """A number of a mapping."""
        value = values[key]
        remedy = "Write metres as digits, e.g. 0.05."
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(f"{key} is not a number", value, remedy)
        try:
            number = float(value)
        except OverflowError as error:  # an integer of more digits than a float can have, and maybe than can be shown
            self.fail(f"{key} is too large", f"{int(value).bit_length()} bits", remedy, error)
        if not np.isfinite(number):
            self.fail(f"{key} is not a number", value, remedy)
        return number

    def text(self, values: Mapping[str, Any], key: str) -> str:
        """A text of a mapping."""
        value = values[key]
        if not isinstance(value, str):
            self.fail(f"{key} is not a text", value, "Write it in quotes.")
        return value


def _phase(place: Place, index: int, values: object, known: Sequence[str]) -> Phase:
    name = values.get("name") if isinstance(values, Mapping) else None
    place = _lined(place, values).at(str(name or f"number {index + 1}"))
    given = place.mapping(values, _PHASE_KEYS, required=("name", "terms"))
    terms = place.at("terms").sequence(given["terms"])
    numbers = {key: place.number(given, key) for key in ("weight", "enter", "leave") if key in given}
    return place.made(
        Phase,
        name=place.text(given, "name"),
        terms=tuple(_term(place.at("terms"), t, known) for t in terms),
        done=_conditions(place.at("done"), given["done"], known) if "done" in given else (),
        **numbers,
    )


def _success(place: Place, values: object, known: Sequence[str]) -> Success:
    place = _lined(place, values)
    given = place.mapping(values, _SUCCESS_KEYS, required=("when",))
    numbers: dict[str, Any] = {key: place.number(given, key) for key in ("enter", "leave", "reward") if key in given}
    if "hold" in given:
        numbers["hold"] = given["hold"]
    return place.made(Success, when=_conditions(place.at("when"), given["when"], known), **numbers)


def _conditions(place: Place, values: object, known: Sequence[str]) -> tuple[Condition, ...]:
    return tuple(_condition(place, value, known) for value in place.sequence(values))


def _condition(place: Place, values: object, known: Sequence[str]) -> Condition:
    place = _lined(place, values)
    given = place.mapping(values, (*_RELATIONS, *_GOAL_KEYS))
    quantity = _quantity(place, given, known)
    return Condition(quantity, _goal(place, given, quantity))


def _term(place: Place, values: object, known: Sequence[str]) -> Term:
    place = _lined(place, values)
    given = place.mapping(values, (*_RELATIONS, *_TERM_KEYS))
    quantity = _quantity(place, given, known)
    numbers: dict[str, Any] = {key: place.number(given, key) for key in ("weight", "half") if key in given}
    if "shape" in given:
        numbers["shape"] = place.text(given, "shape")
        if numbers["shape"] not in SHAPES:
            place.fail("unknown shape", numbers["shape"], _suggestion(numbers["shape"], SHAPES))
    if quantity.spec.predicate and {"half", "shape"} & set(given):
        place.fail(f"{quantity} is true or false", sorted({"half", "shape"} & set(given)), "Leave half and shape out.")
    return place.made(Term, quantity=quantity, goal=_goal(place, given, quantity), **numbers)


def _quantity(place: Place, given: Mapping[str, Any], known: Sequence[str]) -> Quantity:
    relations = [key for key in given if key in _RELATIONS]
    if len(relations) != 1:
        place.fail(
            "there must be one relation", relations, "Write e.g. gap: gripper | apple, each in a line with '- '."
        )
    relation = Relation(relations[0])
    names = [" ".join(part.split()) for part in place.text(given, relation.value).split("|")]
    arity = RELATIONS[relation].arity
    if len(names) != arity or not all(names):
        wanted = "subject" if arity == 1 else "subject | reference"
        place.fail(f"{relation} is about {arity} object{'s' * (arity > 1)}", names, f"Write {relation}: {wanted}.")
    for name in names:
        if name not in known:
            place.fail("unknown object", name, f"{_suggestion(name, known)} Declare objects under objects:.")
    return Quantity(relation, *names)


def _goal(place: Place, given: Mapping[str, Any], quantity: Quantity) -> Goal:
    lengths = {key: place.number(given, key) for key in ("at_most", "at_least") if key in given}
    if quantity.spec.predicate:
        if lengths:
            place.fail(f"{quantity} is true or false and has no metres", lengths, "Write is: true or is: false.")
        expected = given.get("is", True)
        if not isinstance(expected, bool):
            place.fail("'is' is neither true nor false", expected, "Write is: true or is: false.")
        return Goal(expected=expected)
    if "is" in given or not lengths:
        place.fail(f"{quantity} needs a goal", given.get("is"), f"Write at_most or at_least, in {quantity.spec.unit}.")
    return Goal(low=lengths.get("at_least", -np.inf), high=lengths.get("at_most", np.inf))


def _lined(place: Place, values: object) -> Place:
    return Place(place.path, values.line) if isinstance(values, Lined) else place


def _suggestion(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(str(word), list(known), n=1)
    listed = f"Known: {', '.join(known)}."
    return f"Did you mean {near[0]}? {listed}" if near else listed


# ---- writing ----


def _plain_phase(phase: Phase) -> dict[str, Any]:
    plain: dict[str, Any] = {"name": phase.name, **_changed(phase)}
    plain["terms"] = [_plain_part(term) for term in phase.terms]
    if phase.done:
        plain["done"] = [_plain_part(condition) for condition in phase.done]
    return plain


def _plain_part(part: Term | Condition) -> dict[str, Any]:
    quantity, goal = part.quantity, part.goal
    plain: dict[str, Any] = {quantity.relation.value: " | ".join(quantity.objects)}
    if goal.low != -np.inf:
        plain["at_least"] = float(goal.low)
    if goal.high != np.inf:
        plain["at_most"] = float(goal.high)
    if not goal.expected:
        plain["is"] = False
    if isinstance(part, Term):
        plain |= {
            key: value
            for key, value, default in (
                ("half", part.half, DEFAULT_HALF_M),
                ("shape", part.shape, RECIPROCAL),
                ("weight", part.weight, 1.0),
            )
            if value != default
        }
    return plain


def _changed(part: Phase | Success) -> dict[str, Any]:
    """The plain settings that are not the default."""
    return {
        f.name: getattr(part, f.name)
        for f in fields(part)
        if f.default is not MISSING and f.name not in ("done",) and getattr(part, f.name) != f.default
    }
