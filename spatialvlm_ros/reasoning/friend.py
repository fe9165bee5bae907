"""Who is asked about the picture: anything that measures, locates and answers as a `View` does."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject
from spatialvlm_ros.models.query import ObjectRef, Query


class Friend(Protocol):
    """A `View`, or what stands in for it."""

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """One `Estimate` each, in order; invalid with a reason where the picture gives no answer."""
        ...

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """One each, in order."""
        ...

    def ask_steps(self, question: str) -> Generator[None, None, Answer]:
        """An answer in words; yields between the model's tokens."""
        ...

    def frame(self) -> CanonicalFrame:
        """The frame that signed quantities are in."""
        ...
