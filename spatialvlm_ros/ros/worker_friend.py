"""A view that is asked from another thread: each question goes to the model's thread, between the pictures.

A chain of thought waits for language models too, and those must not hold up the standing queries. No rclpy in here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.models.view import View
from spatialvlm_ros.ros.camera_unit import CameraUnit, Looked
from spatialvlm_ros.ros.worker import DeadlineError

T = TypeVar("T")


class WorkerFriend:
    """What a `Reasoner` asks.

    Args:
        unit: whose worker answers.
        looked: the picture that all questions are about, also when newer ones have come.
        end: monotonic seconds until which answers are waited for.
    """

    def __init__(self, unit: CameraUnit, looked: Looked, end: float) -> None:
        self._unit, self._looked, self._end = unit, looked, end

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """As `View.measure_many`."""
        return self._call(lambda view: view.measure_many(queries))

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """As `View.locate_many`."""
        return self._call(lambda view: view.locate_many(subjects))

    def look_closer(self, names: Sequence[ObjectRef | Sequence[float]]) -> None:
        """As `View.look_closer`."""
        self._call(lambda view: view.look_closer(names))

    def frame(self) -> CanonicalFrame:
        """As `View.frame`."""
        return self._call(lambda view: view.frame())

    def ask_steps(self, question: str) -> Generator[None, None, Answer]:
        """As `View.ask_steps`; the model's thread gives way between the tokens, this one waits for all of them."""
        yield

        def answered(looked: Looked) -> Generator[Any, None, Answer]:
            return (yield from looked.view.ask_steps(question))

        return _in_time(lambda: self._unit.steps_on(self._looked, answered, self._end))

    def _call(self, work: Callable[[View], T]) -> T:
        return _in_time(lambda: self._unit.call_on(self._looked, lambda looked: work(looked.view), self._end))


def _in_time(call: Callable[[], T]) -> T:
    """A deadline that passed is a time-out for the one who thinks."""
    try:
        return call()
    except DeadlineError as error:
        raise ModelError("the model did not answer in time") from TimeoutError(str(error))
