"""The record of a chain of thought while it grows, and the guard of its limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.reasoning.faults import Stopped
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.steps import ReasoningStep, StepKind
from spatialvlm_ros.reasoning.texts import plain

Clock = Callable[[], float]
_MOST_CHARACTERS = 2000  # of each text of a step


class Trace:
    """Steps in order, what they cost, and when it is enough.

    Args:
        limits: bounds.
        cancelled: whether the one who asked has lost interest; asked between all that takes time.
        clock: seconds, monotonic.
    """

    def __init__(
        self, limits: Limits, cancelled: Callable[[], bool] | None = None, clock: Clock = time.monotonic
    ) -> None:
        self.limits = limits
        self.steps: list[ReasoningStep] = []
        self._cancelled = cancelled or (lambda: False)
        self._clock = clock
        self._began = self._step_began = clock()
        self._tokens = 0
        self._idle = 0  # replies that added no step

    def check(self) -> None:
        """Go on?

        Raises:
            Stopped: cancelled, or out of time.
        """
        if self._cancelled():
            raise Stopped(Reason.TIMEOUT, "Cancelled before there was an answer.", cancelled=True)
        if self._clock() - self._began > self.limits.seconds:
            raise Stopped(Reason.TIMEOUT, f"No answer within {self.limits.seconds:g} s.")

    def tokens_left(self) -> int:
        """Tokens that the next reply of a language model may have; `Stopped` where there are none."""
        left = self.limits.tokens - self._tokens
        if left < 1:
            raise Stopped(Reason.MODEL_ERROR, f"The language model used up {self.limits.tokens} tokens.")
        return min(left, self.limits.reply_tokens)

    def spend(self, tokens: int) -> None:
        """Count a reply's tokens."""
        self._tokens += max(int(tokens), 1)

    def idle(self) -> None:
        """A reply of a language model did nothing new: it counts as a step that is not noted.

        Raises:
            Stopped: there were too many.
        """
        self._idle += 1
        self._leave_room(0)

    def add(
        self,
        kind: StepKind,
        text: str,
        tool_input: str = "",
        tool_output: str = "",
        estimates: Sequence[Estimate] = (),
    ) -> None:
        """Note a step. The last one that is allowed must be the answer.

        Raises:
            Stopped: there were too many.
        """
        self._leave_room(kind is not StepKind.ANSWER)
        now = self._clock()
        said, given, told = (plain(t, _MOST_CHARACTERS) for t in (text, tool_input, tool_output))
        seconds = now - self._step_began
        self.steps.append(ReasoningStep(len(self.steps), kind, said, given, told, tuple(estimates), seconds))
        self._step_began = now

    def _leave_room(self, more: int) -> None:
        """For the answer, after so many steps more."""
        if len(self.steps) + self._idle + more >= self.limits.steps:
            raise Stopped(Reason.MODEL_ERROR, f"No answer within {self.limits.steps} steps.")
