"""What the node was promised and does not have is said in the answers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.gaps import with_gaps
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.scenes.relations import Relation


class SureView:
    """Answers everything with one metre."""

    def measure_many(self, queries: Any) -> list[Estimate]:
        return [self._measured(str(q.subject), str(q.reference or "")) for q in queries]

    def locate_many(self, subjects: Any) -> list[LocatedObject]:
        return [LocatedObject(str(s), valid=True, reason=Reason.OK) for s in subjects]

    def ask_steps(self, question: str, own_words: bool = False) -> Generator[None, None, Answer]:
        yield
        measured = None if "colour" in question else self._measured("gripper" if "hand" in question else "mug", "bowl")
        return Answer(question, "one metre", valid=True, reason=Reason.OK, estimate=measured)

    def frame(self) -> str:
        return "level"

    @staticmethod
    def _measured(subject: str, reference: str) -> Estimate:
        return Estimate(Relation.DISTANCE, subject, reference, value=1.0, std=0.1, valid=True, reason=Reason.OK)


def said(view: Any, question: str) -> Answer:
    steps = view.ask_steps(question)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


QUERIES = [Query("mug", "bowl", Relation.DISTANCE), Query("mug", "Gripper", Relation.DISTANCE)]


def test_nothing_is_changed_where_nothing_is_missing() -> None:
    view = SureView()
    assert with_gaps(view, {}) is view and with_gaps(view, {"support_frame": "unknown"}) is view  # type: ignore[arg-type]


def test_a_gripper_whose_frame_is_missing_is_not_looked_for_by_its_name() -> None:
    view = with_gaps(SureView(), {"gripper_frame": "frame 'tooool' is unknown"})  # type: ignore[arg-type]
    mug, gripper = view.measure_many(QUERIES)
    assert mug.valid and mug.detail == ""
    assert not gripper.valid and gripper.reason is Reason.NO_FRAME and "tooool" in gripper.detail
    found = {thing.name: thing for thing in view.locate_many(["mug", "gripper", "The robot gripper"])}
    assert found["mug"].valid and found["gripper"].reason is Reason.NO_FRAME
    assert found["The robot gripper"].reason is Reason.NO_FRAME
    assert said(view, "How far is the mug?").valid
    refused = said(view, "How far is the hand?")
    assert not refused.valid and refused.reason is Reason.NO_FRAME and not refused.text and "tooool" in refused.detail
    assert view.frame() == "level"  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("fault", ["depth_not_registered", "depth_unreadable"])
def test_who_gets_no_depth_hears_why(fault: str) -> None:
    view = with_gaps(SureView(), {fault: "depth of another size"})  # type: ignore[arg-type]
    sentence = f"{fault}: depth of another size"
    assert [(e.valid, e.detail) for e in view.measure_many(QUERIES)] == [(True, sentence)] * 2
    assert view.locate_many(["mug"])[0].detail == sentence
    answer = said(view, "How far is the mug?")
    assert answer.valid and answer.detail == sentence and answer.estimate is not None
    assert said(view, "What colour is it?").detail == ""
