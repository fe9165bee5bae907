"""What a form makes of a question: what has to be known, and how it is concluded from that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from spatialvlm_ros.models.estimate import Estimate, LocatedObject
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn
from spatialvlm_ros.reasoning.planner.sentence import Sentence
from spatialvlm_ros.reasoning.steps import Conclusion
from spatialvlm_ros.reasoning.toolbox import Toolbox


class Evidence:
    """What was measured for a plan; everything in it is valid.

    Args:
        tools: with the measurements in them.
        names: of the measurements, by query.
        places: by name.
    """

    def __init__(self, tools: Toolbox, names: dict[Query, str], places: dict[str, LocatedObject]) -> None:
        self._tools = tools
        self._names = names
        self.places = places

    def name(self, query: Query) -> str:
        """The name of a measurement in expressions: "m1"."""
        return self._names[query]

    def estimate(self, query: Query) -> Estimate:
        """A measurement."""
        return self._tools.measured[self._names[query]]

    def drawn(self, query: Query) -> Drawn:
        """A measurement as draws."""
        return self._tools.value(self._names[query])

    def calculate(self, expression: str, why: str = "") -> Drawn:
        """A sum over measurements; a step of the trace."""
        return self._tools.calculate(expression, why)

    @property
    def tools(self) -> Toolbox:
        """The tools, for what frame and friend know."""
        return self._tools


@dataclass(frozen=True)
class Plan:
    """A question that a form has recognised.

    Attributes:
        form: its name.
        thought: what is needed, for people.
        queries: measurements that are needed.
        places: objects that must be located.
        conclude: from the evidence to the answer.
    """

    form: str
    thought: str
    queries: tuple[Query, ...]
    conclude: Callable[[Evidence], Conclusion]
    places: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Of all objects, each once."""
        found = dict.fromkeys([*self.places, *(n for q in self.queries for n in (q.subject, q.reference))])
        return tuple(n for n in found if isinstance(n, str))


@dataclass(frozen=True)
class Form:
    """A kind of question.

    Attributes:
        name: of the form.
        rank: forms of lower rank are tried first.
        read: the plan for a question of this kind; None for others.
        example: a question of this kind.
        accounts: patterns of the turning words that it reads (see `turns`); a question with others is not of this kind.
            None for a form that reads a question word for word.
    """

    name: str
    rank: int
    read: Callable[[Sentence], Plan | None]
    example: str
    accounts: tuple[str, ...] | None = ()


Reader = Callable[[Sentence], Plan | None]
FORMS: dict[str, Form] = {}


def form(name: str, rank: int, example: str, accounts: tuple[str, ...] | None = ()) -> Callable[[Reader], Reader]:
    """Register the reader of a form."""

    def register(read: Reader) -> Reader:
        FORMS[name] = Form(name, rank, read, example, accounts)
        return read

    return register
