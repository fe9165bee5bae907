"""A chain of thought that was asked for: its steps as they come, its end, and how to stop it."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from typing import Any

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.estimate import Answer, Reason
from spatialvlm_ros.reasoning.steps import Conclusion, ReasoningStep, Solution
from spatialvlm_ros.ros.from_messages import answer_from, conclusion_from, step_from

_END_AFTER_CANCEL_S = 1.0


class ReasoningGoal:
    """One goal of the action ``reason``.

        for step in goal.steps():
            print(step.text)
        print(goal.result().text)

    Steps are given to whoever iterates, in the iterating thread; nothing of the user runs in the executor.

    Args:
        question: that was asked.
        send: sends the goal with this feedback callback and returns the future of its acceptance.
        deadline_s: from now; after it the goal is cancelled and the answer is refused with `Reason.TIMEOUT`.
    """

    def __init__(self, question: str, send: Any, deadline_s: float) -> None:
        self._question, self._end = question, time.monotonic() + deadline_s
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._handle: Any = None
        self._cancelled = self._closed = False
        self._steps: dict[int, ReasoningStep] = {}
        self._result: Solution | None = None
        self._target = ""
        accepted = send(lambda message: self._events.put(("step", message.feedback.step)))
        accepted.add_done_callback(lambda future: self._events.put(("accepted", future)))

    def cancel(self) -> None:
        """Asks the node to stop, from any thread; whoever waits has the result soon, whatever the node does."""
        self._events.put(("cancel", None))

    def close(self) -> None:
        """Cancels it in the node and ends the waiting, from any thread: its client is about to end."""
        if self._result is None and self._handle is not None:
            self._handle.cancel_goal_async()
        self._events.put(("closed", None))

    def steps(self) -> Iterator[ReasoningStep]:
        """Each step as it comes, until there is a result or the time is over.

        Raises:
            RemoteError: the client that started it was closed.
        """
        given = 0
        while self._result is None:
            self._take(self._end - time.monotonic())
            while given in self._steps:
                yield self._steps[given]
                given += 1
        while given in self._steps:  # the last feedback may come after the result, which holds it too
            yield self._steps[given]
            given += 1

    def result(self) -> Solution:
        """Waits for the end, at most until the deadline; raises as `steps`."""
        for _ in self.steps():
            pass
        assert self._result is not None
        return self._result

    def target(self) -> str:
        """Waits as `result`; the name that the goal made the target, "" where it asked for none or concluded so."""
        self.result()
        return self._target

    # ---- parts ----

    def _take(self, seconds: float) -> None:
        """Waits for one event and takes it in."""
        if self._closed:
            raise client_closed()
        try:
            kind, content = self._events.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            return self._give_up()
        if kind == "step":
            self._note(step_from(content))
        elif kind == "accepted":
            self._accepted(content.result())
        elif kind == "cancel":
            self._stop()
        elif kind == "closed":
            self._closed = True
            raise client_closed()
        else:
            result = content.result().result
            for message in result.steps:
                self._note(step_from(message))
            answer = answer_from(result.answer)
            conclusion = conclusion_from(result.conclusion, answer.text) if answer.valid else None
            self._target = str(result.target)
            self._result = solution_of(answer, self._in_order(), conclusion=conclusion)

    def _note(self, step: ReasoningStep) -> None:
        self._steps.setdefault(step.index, step)

    def _accepted(self, handle: Any) -> None:
        if not handle.accepted:
            self._result = self._refused(Reason.NOT_CONFIGURED, "the node does not accept the question")
            return
        self._handle = handle
        handle.get_result_async().add_done_callback(lambda future: self._events.put(("result", future)))
        if self._cancelled:  # before it was accepted
            handle.cancel_goal_async()

    def _stop(self) -> None:
        self._cancelled = True
        self._end = min(self._end, time.monotonic()) + _END_AFTER_CANCEL_S  # the node may still say how far it came
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _give_up(self) -> None:
        if not self._cancelled:
            self._stop()
        else:
            self._result = self._refused(Reason.TIMEOUT, "the chain of thought did not end in time")

    def _refused(self, reason: Reason, detail: str) -> Solution:
        refused = Answer(self._question, reason=reason, detail=detail)
        return solution_of(refused, self._in_order(), self._cancelled)

    def _in_order(self) -> tuple[ReasoningStep, ...]:
        return tuple(self._steps[k] for k in sorted(self._steps))


def client_closed() -> RemoteError:
    """What those are told who still ask, or wait."""
    return RemoteError("this client is closed", remedy="Make another SpatialClient.")


def solution_of(
    answer: Answer,
    steps: Sequence[ReasoningStep] = (),
    cancelled: bool = False,
    conclusion: Conclusion | None = None,
) -> Solution:
    """An answer with its steps and what they come to. Many measurements may be behind the words: the one that is the
    answer is the conclusion's."""
    fields = {name: getattr(answer, name) for name in answer.__dataclass_fields__}
    fields["estimate"] = None if conclusion is None else conclusion.estimate
    return Solution(**fields, steps=tuple(steps), conclusion=conclusion, cancelled=cancelled)
