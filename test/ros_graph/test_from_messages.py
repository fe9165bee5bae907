"""Answers become messages, are sent as bytes, and come back the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.msg import ReasoningStep
from spatialvlm_ros.reasoning.steps import Conclusion, Solution, StepKind
from spatialvlm_ros.reasoning.steps import ReasoningStep as Step
from spatialvlm_ros.ros.from_messages import (
    answer_from,
    conclusion_from,
    estimate_from,
    estimates_from,
    located_from,
    step_from,
)
from spatialvlm_ros.ros.to_messages import (
    MOST_ESTIMATES,
    answer_message,
    conclusion_message,
    estimate_message,
    estimates_message,
    located_message,
    step_message,
)
from spatialvlm_ros.scenes.relations import Relation

MEASURED = Estimate(
    Relation.LEFT_DIFF,
    "red mug",
    "große Schale",
    value=-0.125,
    std=0.03,
    interval=(-0.2, -0.07),
    sources=frozenset({Source.DEPTH_SENSOR, Source.MONOCULAR}),
    valid=True,
    reason=Reason.OK,
    shared_std=0.01,
    detail="a sentence",
)
REFUSED = Estimate.invalid(Relation.VOLUME, "mug", "", Reason.NOT_VISIBLE, "m3", "no mug")


def sent(message: Any) -> Any:
    return deserialize_message(serialize_message(message), type(message))


def header() -> Header:
    made = Header(frame_id="optical")
    made.stamp.sec, made.stamp.nanosec = 12, 34
    return made


def same(first: Any, second: Any) -> None:
    """Equal field by field, NaN equal to NaN."""
    assert type(first) is type(second)
    for name in first.__dataclass_fields__:
        a, b = getattr(first, name), getattr(second, name)
        if isinstance(a, Estimate):
            same(a, b)
        else:
            np.testing.assert_equal(np.asarray(b), np.asarray(a), err_msg=name)


@pytest.mark.parametrize("estimate", [MEASURED, REFUSED], ids=["measured", "refused"])
def test_an_estimate_comes_back(estimate: Estimate) -> None:
    same(estimate, estimate_from(sent(estimate_message(estimate, header()))))


def test_the_estimates_of_a_picture_come_back_with_their_rates_and_stamp() -> None:
    messages = [estimate_message(MEASURED, header(), 0.5, 0.25), estimate_message(REFUSED, header())]
    picture = estimates_from(sent(estimates_message(messages, header())))
    assert (picture.stamp_ns, picture.frame_id) == (12_000_000_034, "optical")
    assert picture.rates[0] == 0.5 and picture.rate_stds[0] == 0.25 and np.isnan(picture.rates[1])
    for expected, found in zip((MEASURED, REFUSED), picture.estimates, strict=True):
        same(expected, found)
    late = picture.late("nothing came")
    assert [e.reason for e in late.estimates] == [Reason.TIMEOUT] * 2 and not any(e.valid for e in late.estimates)
    assert [e.unit for e in late.estimates] == ["m", "m3"] and np.isnan([e.value for e in late.estimates]).all()


@pytest.mark.parametrize("valid", [True, False])
def test_a_located_object_comes_back(valid: bool) -> None:
    rng = np.random.default_rng(3)
    whole = LocatedObject(
        "mug", True, Reason.OK, rng.random(4), 0.75, rng.random(3), rng.random((3, 3)), rng.random(3), rng.random(3),
        frozenset({Source.TF}), "seen", 0.6,
    )  # fmt: skip
    thing = whole if valid else LocatedObject("mug", reason=Reason.UNKNOWN_NAME)
    same(thing, located_from(sent(located_message(thing, header(), 4))))


def test_an_answer_comes_back_with_the_measurement_behind_it() -> None:
    for answer in (Answer("How far?", "12 cm.", True, Reason.OK, MEASURED), Answer("Why?", reason=Reason.TIMEOUT)):
        same(answer, answer_from(sent(answer_message(answer, header()))))


def test_the_measurements_behind_a_chain_of_thought_are_those_of_its_steps() -> None:
    steps = tuple(Step(k, StepKind.MEASURE, "", estimates=(REFUSED, MEASURED)) for k in range(MOST_ESTIMATES))
    few = Solution("Why?", "So.", True, Reason.OK, estimate=MEASURED, steps=(steps[0],))
    message = sent(answer_message(few, header()))
    assert [e.valid for e in message.estimates] == [True, False]  # each once, the answer first
    assert all(e.header.stamp == header().stamp for e in message.estimates)
    free = Solution("Why?", "So.", True, Reason.OK, steps=steps)
    assert [e.valid for e in answer_message(free, header()).estimates] == [False, True] * (MOST_ESTIMATES // 2)


def test_what_is_signed_names_the_spatial_frame_wherever_it_is_sent() -> None:
    """As msg/Estimate.msg says: the numbers of the others have no axes, and name the camera's frame."""
    steps = (Step(0, StepKind.MEASURE, "", estimates=(MEASURED, REFUSED)),)
    messages = [
        *answer_message(Solution("Why?", "So.", True, Reason.OK, steps=steps), header()).estimates,
        *answer_message(Answer("How far left?", "12 cm.", True, Reason.OK, MEASURED), header()).estimates,
        *conclusion_message(Conclusion("So.", estimate=MEASURED), header()).estimate,
        *step_message(steps[0], header()).estimates,
    ]
    assert len(messages) == 6
    for message in messages:
        signed = message.relation == "left_diff"
        assert message.header.frame_id == ("optical_spatial" if signed else "optical"), message.relation
        assert message.header.stamp == header().stamp


@pytest.mark.parametrize("estimate", [MEASURED, None])
def test_a_conclusion_comes_back(estimate: Estimate | None) -> None:
    conclusion = Conclusion("The mug.", ("mug", "große Schale"), 0.5, 0.25, "m2", 0.75, estimate, 0.875, "mug")
    same(conclusion, conclusion_from(sent(conclusion_message(conclusion, header())), "The mug."))


def test_no_conclusion_is_an_empty_one() -> None:
    same(Conclusion(""), conclusion_from(sent(conclusion_message(None, header())), ""))


def test_a_step_comes_back() -> None:
    message = ReasoningStep(index=3, kind="measure", text="t", tool_input="in", tool_output="out", seconds=0.5)
    message.estimates = [estimate_message(MEASURED, header())]
    step = step_from(sent(message))
    assert (step.index, step.kind, step.text, step.tool_input, step.tool_output) == (3, "measure", "t", "in", "out")
    assert step.seconds == 0.5
    same(MEASURED, step.estimates[0])


def test_a_word_of_another_version_is_named() -> None:
    message = estimate_message(MEASURED, header())
    message.reason = "sulking"
    with pytest.raises(RemoteError, match="reason.*sulking"):
        estimate_from(message)
