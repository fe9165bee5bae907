"""A view that is asked from another thread: each question goes to the model's thread, between the pictures.

A chain of thought waits for language models too, and those must not hold up the standing queries. No rclpy in here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, TypeVar

from spatialvlm_ros.models.estimate import Answer
from spatialvlm_ros.reasoning.friend import Friend
from spatialvlm_ros.ros.camera_unit import CameraUnit, Looked

T = TypeVar("T")

_LATER_S = 1.0  # who asks ends at the deadline; what is left in the model's queue is thrown away this much later


class WorkerCalls:
    """What a `Reasoner` asks: the `Calls` of a view.

    Args:
        unit: whose worker answers.
        looked: the picture that all questions are about, also when newer ones have come.
        end: monotonic seconds until which answers are waited for.
    """

    def __init__(self, unit: CameraUnit, looked: Looked, end: float) -> None:
        self._unit, self._looked, self._end = unit, looked, end + _LATER_S

    def start(self, work: Callable[[Friend], T]) -> Future[T]:
        """See `Calls`."""
        return self._unit.call_on(self._looked, lambda looked: work(looked.view), self._end)

    def answering(self, question: str) -> Generator[Future[Answer | None], None, None]:
        """See `Calls`: one call, in which the model's thread gives way between the tokens."""
        unwanted = threading.Event()

        def answered(looked: Looked) -> Generator[Any, None, Answer | None]:
            steps = looked.view.ask_steps(question)
            try:
                while not unwanted.is_set():
                    try:
                        next(steps)
                    except StopIteration as end:
                        answer: Answer = end.value
                        return answer
                    yield
            finally:
                steps.close()
            return None

        try:
            yield self._unit.steps_on(self._looked, answered, self._end)
        finally:
            unwanted.set()
