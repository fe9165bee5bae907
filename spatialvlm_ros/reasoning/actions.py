"""The tools as a language model sees them: names, arguments, and what each does. One table for both forms."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from spatialvlm_ros.errors import QueryError, RelationError
from spatialvlm_ros.models.query import Query, checked_object
from spatialvlm_ros.reasoning.faults import ExpressionError
from spatialvlm_ros.reasoning.texts import estimate_words, plain
from spatialvlm_ros.reasoning.toolbox import Toolbox, drawn_words, located_words
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Running = Generator[None, None, str]

MEASURABLE: tuple[Relation, ...] = tuple(r for r, spec in RELATIONS.items() if spec.arity <= 2)


@dataclass(frozen=True)
class Tool:
    """A tool that a language model may use.

    Attributes:
        name: in small letters; in the guessing game its line begins with it.
        summary: one sentence.
        arguments: name -> what it is; in the guessing game they follow in this order, separated by "|".
        optional: arguments that may be left out.
        run: does it, and returns what the model is told. A wrong argument is told, not raised.
    """

    name: str
    summary: str
    arguments: Mapping[str, str]
    run: Callable[[Toolbox, Mapping[str, str]], Running]
    optional: frozenset[str] = frozenset()

    def schema(self) -> dict[str, Any]:
        """As the chat completion protocol describes it."""
        properties = {name: {"type": "string", "description": text} for name, text in self.arguments.items()}
        required = [name for name in self.arguments if name not in self.optional]
        parameters = {"type": "object", "properties": properties, "required": required}
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.summary, "parameters": parameters},
        }


def _measure(tools: Toolbox, given: Mapping[str, str]) -> Running:
    try:
        query = Query(given["subject"], given.get("reference") or None, given["relation"].strip().lower())
    except (QueryError, RelationError) as error:
        return f"not measured: {plain(error, 200)}"
    (name,) = yield from tools.measure([query])
    return f"{name} = {tools.said(name)}"


def _locate(tools: Toolbox, given: Mapping[str, str]) -> Running:
    try:
        (thing,) = yield from tools.locate([str(checked_object(given["name"]))])
    except QueryError as error:
        return f"not located: {plain(error, 200)}"
    return located_words(thing)


def _ask(tools: Toolbox, given: Mapping[str, str]) -> Running:
    answer = yield from tools.ask(plain(given["question"]))
    said = f'"{plain(answer.text, 200)}"' if answer.valid else f"no answer ({answer.reason})"
    return said if answer.estimate is None else f"{said}, measured: {estimate_words(answer.estimate)}"


def _calculate(tools: Toolbox, given: Mapping[str, str]) -> Running:
    yield
    try:
        result = tools.calculate(given["expression"])
    except ExpressionError as error:
        return f"not calculated: {plain(error, 300)}"
    return f"{tools.last_sum} = {drawn_words(result)}"


TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "measure",
            "Measure a quantity of one object, or between two. The result gets a name (m1, m2, ...).",
            {
                "relation": f"one of {', '.join(r.value for r in MEASURABLE)}",
                "subject": 'name of an object, or "camera"',
                "reference": "name of the other object; leave it out for a quantity of one object",
            },
            _measure,
            frozenset({"reference"}),
        ),
        Tool("locate", "Find out where an object is, seen from the camera.", {"name": "name of an object"}, _locate),
        Tool(
            "ask",
            "Ask your friend who sees the picture a short question about where things are.",
            {"question": "the question"},
            _ask,
        ),
        Tool(
            "calculate",
            "Calculate with measured values; their errors are carried along. The result gets a name (c1, c2, ...).",
            {"expression": "e.g. m1 + m2, or abs(m1 - m2) < 0.1 * max(m1, m2); + - * / min max sqrt abs < > and or"},
            _calculate,
        ),
    )
}
