"""A friend as the tools see him: each call is waited for as long as the chain of thought is wanted, and no longer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.reasoning.calls import Calls, awaited
from spatialvlm_ros.reasoning.friend import Friend

T = TypeVar("T")


class AwaitedFriend:
    """A `Friend`.

    Args:
        calls: of the friend who sees the picture.
        check: raises when nobody wants the answer any more; asked again and again while a call runs.
    """

    def __init__(self, calls: Calls, check: Callable[[], None]) -> None:
        self._calls, self._check = calls, check

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """See `Friend`."""
        return self._awaited(lambda friend: friend.measure_many(queries))

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """See `Friend`."""
        return self._awaited(lambda friend: friend.locate_many(subjects))

    def frame(self) -> CanonicalFrame:
        """See `Friend`."""
        return self._awaited(lambda friend: friend.frame())

    def ask_steps(self, question: str) -> Generator[None, None, Answer]:
        """See `Friend`."""
        answering = self._calls.answering(question)
        try:
            for call in answering:
                answer = awaited(call, self._check)
                if answer is not None:
                    return answer
                yield
        finally:
            answering.close()
        raise ModelError("the friend ended without an answer", question, "Ask again.")

    def _awaited(self, work: Callable[[Friend], T]) -> T:
        return awaited(self._calls.start(work), self._check)
