"""Chain of thought over one picture.

reasoner = Reasoner("planner", view)
solution = reasoner.solve("Can a robot 0.6 m wide pass between the sofa and the table?")
solution.text, solution.steps
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.gathering import failure_of
from spatialvlm_ros.reasoning.awaited_friend import AwaitedFriend
from spatialvlm_ros.reasoning.calls import Calls, ThreadCalls, thread_calls_of
from spatialvlm_ros.reasoning.chat_thinker import ChatThinker
from spatialvlm_ros.reasoning.decided_object import decided_object
from spatialvlm_ros.reasoning.faults import Stopped
from spatialvlm_ros.reasoning.friend import Friend
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.llm.chat_model import ChatModel
from spatialvlm_ros.reasoning.loading import load_thinker
from spatialvlm_ros.reasoning.steps import Conclusion, ReasoningStep, Solution, StepKind
from spatialvlm_ros.reasoning.task import Task, Thinker
from spatialvlm_ros.reasoning.texts import plain
from spatialvlm_ros.reasoning.toolbox import Toolbox
from spatialvlm_ros.reasoning.trace import Trace

_log = logging.getLogger(__name__)

MOST_LETTERS = 1000  # of a question

OnStep = Callable[[ReasoningStep], None]
Cancelled = Callable[[], bool]


class Reasoner:
    """Answers questions that take several steps.

    Args:
        llm: "planner" (or None), the embedded planner without a language model; "openai:URL#model"; a hub id or folder
            of a chat model; or a loaded `ChatModel` or `Thinker`.
        view: who sees the picture: a `View`, or the `Calls` of one. The language model does not see it.
        limits: bounds of each question.
        clock: seconds, monotonic.

    Raises:
        ModelError, ConfigError, MissingDependencyError: the language model cannot be loaded.
    """

    def __init__(
        self,
        llm: str | ChatModel | Thinker | None,
        view: Friend | Calls,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.thinker = thinker_of(llm)
        self.view = view
        self._calls = calls_of(view)
        self.limits = limits or Limits()
        self._clock = clock

    @property
    def busy(self) -> bool:
        """Whether a call of the view still runs that a question has left behind when it ended before it.

        Until it is done, the next question of any reasoner of the view waits for it, and nobody else may use the view.
        """
        return isinstance(self._calls, ThreadCalls) and self._calls.busy

    def solve(
        self,
        question: str,
        *,
        on_step: OnStep | None = None,
        cancelled: Cancelled | None = None,
        limits: Limits | None = None,
    ) -> Solution:
        """Answer a question.

        Args:
            question: in words.
            on_step: called with each step as it is done.
            cancelled: asked between tools and tokens, and fifty times a second while the view is at work; True ends
                it.
            limits: of this question, in place of the reasoner's.

        Returns:
            The answer with its steps; invalid with a reason instead of an exception where there is none.
        """
        steps = self.steps(question, cancelled=cancelled, limits=limits)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                solution: Solution = end.value
                return solution
            if step is not None and on_step is not None:
                on_step(step)

    def steps(
        self, question: str, *, cancelled: Cancelled | None = None, limits: Limits | None = None
    ) -> Generator[ReasoningStep | None, None, Solution]:
        """`solve` bit by bit: yields each step as it is done, and None between tools and between tokens.

        Whoever owns the model does other things in between (standing queries of newer pictures). Closing the generator
        ends the chain of thought. Returns the answer.
        """
        text = " ".join(str(question).split())
        trace = Trace(limits or self.limits, cancelled, self._clock)
        if not text or len(text) > MOST_LETTERS:
            fault = f"has {len(text)} letters, at most {MOST_LETTERS} are read" if text else "is empty"
            return Solution(text[:MOST_LETTERS], reason=Reason.MODEL_ERROR, detail=f"The question {fault}.")
        task = Task(plain(text, MOST_LETTERS), Toolbox(AwaitedFriend(self._calls, trace.check), trace), trace)
        thinking = self.thinker.think(task)
        shown = 0
        outcome: Conclusion | Stopped | None = None
        try:
            while outcome is None:
                outcome = _advance(thinking, trace)
                yield from trace.steps[shown:]
                shown = len(trace.steps)
                if outcome is None:
                    yield None
        finally:
            thinking.close()
        if isinstance(outcome, Conclusion):
            outcome = replace(outcome, object=decided_object(outcome, task.tools.found))
        solution = _solution(text, outcome, trace)
        yield from trace.steps[shown:]
        return Solution(**{**vars(solution), "steps": tuple(trace.steps)})


def calls_of(view: Friend | Calls) -> Calls:
    """How a view is called: as it says itself, or in the one thread that all reasoners of it share."""
    given: Any = view
    return given if hasattr(given, "answering") else thread_calls_of(given)


def thinker_of(llm: str | ChatModel | Thinker | None) -> Thinker:
    """Whoever leads the thoughts, from a name or an object."""
    if llm is None or isinstance(llm, str):
        return load_thinker(llm or "planner")
    given: Any = llm
    return given if hasattr(given, "think") else ChatThinker(given)


def _advance(thinking: Generator[None, None, Conclusion], trace: Trace) -> Conclusion | Stopped | None:
    """One stretch of thinking; None where there is more to come."""
    try:
        trace.check()
        next(thinking)
    except StopIteration as end:
        conclusion: Conclusion = end.value
        return conclusion
    except Stopped as stopped:
        return stopped
    except SpatialVLMError as error:
        failure = failure_of(error)
        return Stopped(failure.reason, str(error))
    except Exception as error:  # noqa: BLE001  whatever a model raises, an answer says so
        _log.exception("a chain of thought failed")
        failure = failure_of(error)
        return Stopped(failure.reason, failure.detail)
    return None


def _solution(question: str, outcome: Conclusion | Stopped, trace: Trace) -> Solution:
    """The answer, noted as the last step where there is one."""
    if isinstance(outcome, Conclusion):
        try:
            trace.add(StepKind.ANSWER, outcome.text)
        except Stopped as stopped:
            outcome = stopped
        else:
            return Solution(question, outcome.text, True, Reason.OK, estimate=outcome.estimate, conclusion=outcome)
    return Solution(question, reason=outcome.reason, detail=outcome.detail, cancelled=outcome.cancelled)
