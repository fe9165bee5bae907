"""The embedded planner: recognises the form of a question, measures what the form needs, and concludes with errors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Generator
from functools import lru_cache

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.faults import ExpressionError, Stopped
from spatialvlm_ros.reasoning.planner import forms
from spatialvlm_ros.reasoning.planner.plan import FORMS, Evidence, Form, Plan
from spatialvlm_ros.reasoning.planner.sentence import read_sentence
from spatialvlm_ros.reasoning.steps import Conclusion, StepKind
from spatialvlm_ros.reasoning.task import Task
from spatialvlm_ros.reasoning.toolbox import refusal_of

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
    """The plan of the first form that recognises a question; None where none does, or its names are malformed."""
    sentence = read_sentence(question)
    for known in known_forms():
        try:
            plan = known.read(sentence)
        except QueryError:  # a name of twenty words
            continue
        if plan is not None:
            return plan
    return None


class Planner:
    """A `Thinker` without a language model. It holds nothing of a question and may be shared."""

    name = "planner"

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
        places = dict(zip(plan.places, (yield from task.tools.locate(plan.places)), strict=True))
        names = yield from task.tools.measure(plan.queries)
        estimates = [task.tools.measured[name] for name in names]
        refusal = refusal_of(estimates, list(places.values()))
        if refusal is not None:
            raise Stopped(*refusal)
        try:
            return plan.conclude(Evidence(task.tools, dict(zip(plan.queries, names, strict=True)), places))
        except ExpressionError as error:
            raise Stopped(Reason.MODEL_ERROR, f"The measurements give no answer: {error}") from error
