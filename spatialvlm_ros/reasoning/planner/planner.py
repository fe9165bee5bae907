"""The embedded planner: recognises the form of a question, measures what the form needs, and concludes with errors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator
from dataclasses import replace
from functools import lru_cache

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.models.query import is_camera, is_gripper
from spatialvlm_ros.reasoning.faults import ExpressionError, Stopped
from spatialvlm_ros.reasoning.planner import forms
from spatialvlm_ros.reasoning.planner.plan import FORMS, Evidence, Form, Plan
from spatialvlm_ros.reasoning.planner.sentence import read_sentence
from spatialvlm_ros.reasoning.planner.turns import points, unread
from spatialvlm_ros.reasoning.steps import Conclusion, StepKind
from spatialvlm_ros.reasoning.task import Task
from spatialvlm_ros.reasoning.texts import listed, percent, plain, sentence, the
from spatialvlm_ros.reasoning.toolbox import LIKELY, refusal_of

_ABOUT_NAMES = frozenset({Reason.NOT_VISIBLE, Reason.UNKNOWN_NAME, Reason.AMBIGUOUS, Reason.OUT_OF_VIEW})
_UNKNOWN = (
    "The planner knows no question of this form. It knows questions like: {}. Reword it, or configure a language model."
)


@lru_cache(maxsize=1)
def known_forms() -> tuple[Form, ...]:
    """All forms, in the order in which they are tried."""
    for module in pkgutil.iter_modules(forms.__path__):
        importlib.import_module(f"{forms.__name__}.{module.name}")
    return tuple(sorted(FORMS.values(), key=lambda f: f.rank))


def read_plan(question: str) -> Plan | None:
    """The plan of the first form that recognises a question and accounts for all words that turn its meaning; None
    where none does, or its names are malformed."""
    sentence = read_sentence(question)
    for known in known_forms():
        if known.accounts is not None and unread(sentence, known.accounts):
            continue
        try:
            plan = known.read(sentence)
        except QueryError:  # a name of twenty words
            continue
        if plan is not None and not any(map(points, plan.names)):
            return plan
    return None


class Planner:
    """A `Thinker` without a language model. It holds nothing of a question and may be shared.

    Args:
        least_presence: probability that an object is there, once, below which a question about it is refused. A
            conclusion from several objects is worth less than its worst one, so this is stricter than a single
            measurement: with the shipped model it refuses 0.5% of present and 61% of absent names (44% without; 110
            views of the frozen evaluation set). 0 takes every measurement that the model gives.
    """

    name = "planner"

    def __init__(self, least_presence: float = 0.08) -> None:
        self.least_presence = least_presence

    def close(self) -> None:
        """Nothing to free."""

    def think(self, task: Task) -> Generator[None, None, Conclusion]:
        """See `Thinker`."""
        plan = read_plan(task.question)
        if plan is None:
            examples = " / ".join(f.example for f in known_forms()[:4])
            raise Stopped(Reason.NOT_CONFIGURED, _UNKNOWN.format(examples))
        task.trace.add(StepKind.THINK, plan.thought)
        yield
        places = yield from self._looked(plan, task)
        names = yield from task.tools.measure(plan.queries)
        estimates = [task.tools.measured[name] for name in names]
        refusal = refusal_of(estimates, [places[name] for name in plan.places])
        if refusal is not None:
            raise Stopped(*refusal)
        evidence = Evidence(task.tools, dict(zip(plan.queries, names, strict=True)), places)
        try:
            return _with_presence(plan.conclude(evidence), places)
        except ExpressionError as error:
            raise Stopped(Reason.MODEL_ERROR, f"The measurements give no answer: {error}") from error

    def _looked(self, plan: Plan, task: Task) -> Generator[None, None, dict[str, LocatedObject]]:
        """Where the objects of a plan are.

        Raises:
            Stopped: one of them is not there, not once, or probably not.
        """
        named = [n for n in plan.names if n in plan.places or not _is_exact(n)]
        places = yield from task.tools.locate(named, "Look whether everything is there.")
        for thing in places:
            name = plain(thing.name, 60)
            if not thing.valid and thing.reason in _ABOUT_NAMES:
                raise Stopped(thing.reason, thing.detail or f"{name}: {thing.reason}.")
            if thing.valid and thing.score < self.least_presence:
                seen = f"only {percent(thing.score)} sure that it is"
                raise Stopped(Reason.NOT_VISIBLE, f"{sentence(the(name))} is probably not in the picture ({seen}).")
        return dict(zip(named, places, strict=True))


def _with_presence(conclusion: Conclusion, places: dict[str, LocatedObject]) -> Conclusion:
    """A conclusion that says of which of its objects it is doubtful whether they are there."""
    if not places:
        return conclusion
    doubtful = [t for t in places.values() if t.score < LIKELY]
    presence = min(t.score for t in places.values())
    if not doubtful:
        return replace(conclusion, presence=presence)
    named = listed([f"{the(plain(t.name, 60))} ({percent(t.score)} sure)" for t in doubtful])
    verb = "is" if len(doubtful) == 1 else "are"
    return replace(conclusion, text=f"{conclusion.text} That is, if {named} {verb} there at all.", presence=presence)


def _is_exact(name: str) -> bool:
    """Whether it is no object that has to be seen."""
    return is_camera(name) or is_gripper(name)
