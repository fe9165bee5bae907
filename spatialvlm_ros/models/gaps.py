"""Answers that own up to what was promised and is not there: the gripper's frame, depth that fits.

A gripper that a frame should tell is not looked for by its name, and who gets no depth hears why.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.query import ObjectRef, Query, is_gripper

_Looked = TypeVar("_Looked")

DEPTH_FAULTS = ("depth_not_registered", "depth_unreadable")


def with_gaps(view: _Looked, faults: Mapping[str, str]) -> _Looked:
    """A view whose answers name these faults of its picture; the view itself where nothing is amiss.

    Args:
        view: a `View`, or what has a part of its methods.
        faults: name -> sentence, as in `ros.observations.Seen` and `rewards.recordings.episode.Frame`.
    """
    gripper = faults.get("gripper_frame", "")
    depth = next((f"{name}: {faults[name]}" for name in DEPTH_FAULTS if name in faults), "")
    return cast(_Looked, _ViewWithGaps(view, gripper, depth)) if gripper or depth else view


@dataclass(frozen=True)
class _ViewWithGaps:
    """A `View` for those who ask.

    Attributes:
        view: that is asked.
        gripper: why the gripper's place is not known, "" where nothing is amiss.
        depth: why there is no depth, "" where nothing is amiss.
    """

    view: Any
    gripper: str
    depth: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """As `View.measure_many`."""
        return [self._estimate(estimate) for estimate in self.view.measure_many(queries)]

    def locate_many(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """As `View.locate_many`."""
        return [self._located(thing) for thing in self.view.locate_many(subjects)]

    def locate_closer(self, subjects: Sequence[ObjectRef | Sequence[float]]) -> list[LocatedObject]:
        """As `View.locate_closer`."""
        return [self._located(thing) for thing in self.view.locate_closer(subjects)]

    def ask_steps(self, question: str, own_words: bool = False) -> Generator[None, None, Answer]:
        """As `View.ask_steps`."""
        answer = yield from self.view.ask_steps(question, own_words)
        if answer.estimate is None:
            return answer
        estimate = self._estimate(answer.estimate)
        if answer.valid and not estimate.valid and not own_words:
            return Answer(answer.question, reason=estimate.reason, estimate=estimate, detail=estimate.detail)
        return replace(answer, estimate=estimate, detail=estimate.detail if not own_words else answer.detail)

    def _estimate(self, estimate: Estimate) -> Estimate:
        if self.gripper and (is_gripper(estimate.subject) or is_gripper(estimate.reference)):
            return estimate.refused(Reason.NO_FRAME, self.gripper)
        return estimate if not self.depth else estimate.with_(detail=self._without_depth(estimate.detail))

    def _located(self, thing: LocatedObject) -> LocatedObject:
        if self.gripper and is_gripper(thing.name):
            return LocatedObject(thing.name, reason=Reason.NO_FRAME, detail=self.gripper)
        return thing if not self.depth else replace(thing, detail=self._without_depth(thing.detail))

    def _without_depth(self, detail: str) -> str:
        return f"{detail} {self.depth}".lstrip()
