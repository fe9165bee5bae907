"""What a chain of thought can do: measure, locate, ask, calculate. Each use is a step of the trace.

Nothing else can be triggered from here, whatever names or words come in: no code, no file, no other machine.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from spatialvlm_ros.models.estimate import PROBABILITY, Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn, draws_of
from spatialvlm_ros.reasoning.arithmetic.expressions import calculate
from spatialvlm_ros.reasoning.friend import Friend
from spatialvlm_ros.reasoning.steps import StepKind
from spatialvlm_ros.reasoning.texts import estimate_words, percent, plain, with_error
from spatialvlm_ros.reasoning.trace import Trace

_MOST_QUERIES = 64  # of one step
LIKELY = 0.5  # from here on nobody is warned that an object may not be there


class Toolbox:
    """The tools over one picture, with the names of what was measured so far.

    Args:
        friend: who sees the picture.
        trace: where each use is noted; its limits hold before each use.

    Attributes:
        measured: name ("m1", "m2", ...) -> the measurement, valid or not.
        located: name as asked for -> where it is.
        calculated: name ("c1", "c2", ...) -> the expression.
    """

    def __init__(self, friend: Friend, trace: Trace) -> None:
        self.friend = friend
        self.measured: dict[str, Estimate] = {}
        self.located: dict[str, LocatedObject] = {}
        self.calculated: dict[str, str] = {}
        self._trace = trace
        self._values: dict[str, Drawn] = {}
        self._names: dict[Query, str] = {}
        self._said: dict[str, str] = {}
        self._answered = False

    @property
    def learnt(self) -> bool:
        """Whether any tool has told anything of the picture yet."""
        located = any(thing.valid for thing in self.located.values())
        return located or self._answered or any(e.valid for e in self.measured.values())

    @property
    def found(self) -> frozenset[str]:
        """Names of what was located, or measured."""
        places = {name for name, thing in self.located.items() if thing.valid}
        measured = (e for e in self.measured.values() if e.valid)
        return frozenset(places.union(*((e.subject, e.reference) for e in measured)) - {""})

    @property
    def last_sum(self) -> str:
        """Name of the last value that was calculated."""
        return f"c{len(self.calculated)}"

    @property
    def first_refusal(self) -> Estimate | None:
        """The first measurement without a value, or None."""
        return next((e for e in self.measured.values() if not e.valid), None)

    def measure(self, queries: Sequence[Query], why: str = "") -> Generator[None, None, list[str]]:
        """Measure in one batch; returns the name of each measurement. Known ones keep theirs."""
        queries = list(queries)[:_MOST_QUERIES]
        new = list(dict.fromkeys(q for q in queries if q not in self._names))
        if new:
            self._trace.check()
            yield
            estimates = self.friend.measure_many(new)
            lines = [self._keep(q, e) for q, e in zip(new, estimates, strict=True)]
            asked = "; ".join(query_words(q) for q in new)
            self._trace.add(StepKind.MEASURE, why or f"Measure {asked}.", asked, "; ".join(lines), estimates)
            yield
        return [self._names[q] for q in queries]

    def locate(self, names: Sequence[str], why: str = "") -> Generator[None, None, list[LocatedObject]]:
        """Where objects are, in one batch."""
        new = [n for n in dict.fromkeys(names) if n not in self.located]
        if new:
            self._trace.check()
            yield
            found = dict(zip(new, self.friend.locate_many(new), strict=True))
            self.located.update(found)
            lines = [f"{plain(n, 60)}: {located_words(thing)}" for n, thing in found.items()]
            self._trace.add(StepKind.LOCATE, why or f"Locate {', '.join(new)}.", "; ".join(new), "; ".join(lines))
            yield
        return [self.located[n] for n in names]

    def ask(self, question: str) -> Generator[None, None, Answer]:
        """Ask the one who sees the picture in words."""
        self._trace.check()
        answering = self.friend.ask_steps(question)
        while True:
            try:
                next(answering)
            except StopIteration as end:
                answer: Answer = end.value
                break
            self._trace.check()
            yield
        self._answered |= answer.valid
        said = plain(answer.text) if answer.valid else f"no answer ({answer.reason}) {plain(answer.detail, 120)}"
        estimates = [] if answer.estimate is None else [answer.estimate]
        self._trace.add(StepKind.ASK, f"Ask: {question}", question, said.rstrip(), estimates)
        yield
        return answer

    def calculate(self, expression: str, why: str = "") -> Drawn:
        """The value of an expression over measured names; it gets a name ("c1", ...) of its own.

        Raises:
            ExpressionError: another thing than a sum over valid measurements.
        """
        self._trace.check()
        result = calculate(expression, self._values)
        self.calculated[f"c{len(self.calculated) + 1}"] = expression
        self._values[self.last_sum] = result
        said = f"{self.last_sum} = {drawn_words(result)}"
        self._trace.add(StepKind.CALCULATE, why or f"Calculate {expression}.", expression, said)
        return result

    @property
    def values(self) -> Mapping[str, Drawn]:
        """All valid measurements and sums as draws, by name."""
        return self._values

    def value(self, name: str) -> Drawn:
        """A valid measurement, or a sum, as draws."""
        return self._values[name]

    def _keep(self, query: Query, estimate: Estimate) -> str:
        name = f"m{len(self.measured) + 1}"
        self.measured[name], self._names[query] = estimate, name
        if estimate.valid:
            self._values[name] = draws_of(estimate)
        metric = estimate.valid and estimate.unit != PROBABILITY
        self._said[name] = said = drawn_words(self._values[name]) if metric else estimate_words(estimate)
        return f"{name} = {said}"

    def said(self, name: str) -> str:
        """What was told of a measurement."""
        return self._said[name]


def query_words(query: Query) -> str:
    """ "distance of mug and bowl"."""
    words = f"{query.kind.value} of {plain(query.subject, 60)}"
    return words if query.reference is None else f"{words} and {plain(query.reference, 60)}"


def located_words(thing: LocatedObject) -> str:
    """Where it is, or why that is not known."""
    if not thing.valid:
        return f"not found ({thing.reason})"
    doubt = "" if thing.score >= LIKELY else f", if it is there at all ({percent(thing.score)} sure)"
    x, y, z = (float(v) for v in thing.position)
    if z != z:
        return f"in the picture, its place in metres is not known{doubt}"
    side = "left" if x < 0 else "right"
    rise = "above" if y < 0 else "below"
    errors = np.sqrt(np.maximum(np.nan_to_num(np.diag(thing.covariance)), 0.0))
    aside, across, ahead = (with_error(abs(v), float(std)) for v, std in zip((x, y, z), errors, strict=True))
    return f"{ahead} ahead of the camera, {aside} to its {side}, {across} {rise} its axis{doubt}"


def drawn_words(result: Drawn) -> str:
    """A value with its error, or how sure a comparison is."""
    if result.truth:
        p = result.value
        return f"{'true' if p >= 0.5 else 'false'} ({percent(max(p, 1 - p))} sure)"
    return with_error(result.value, result.std, result.unit)


def refusal_of(estimates: Sequence[Estimate], places: Sequence[LocatedObject] = ()) -> tuple[Reason, str] | None:
    """Reason and detail of the first that has no value, or None."""
    for thing in places:
        if not thing.valid:
            return thing.reason, thing.detail or f"{plain(thing.name, 60)}: {thing.reason}."
    for estimate in estimates:
        if not estimate.valid:
            names = " and ".join(n for n in (estimate.subject, estimate.reference) if n)
            return estimate.reason, estimate.detail or f"{estimate.relation} of {plain(names, 120)}: {estimate.reason}."
    return None
