"""Answers as messages. `Estimate`, `LocatedObject` and `Answer` go out; nothing here decides anything.

The message classes come from `interfaces()`, so that this module is importable (and its errors readable) without ROS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.reasoning.steps import Conclusion, ReasoningStep, Solution
from spatialvlm_ros.rewards.frames import RewardFrame, RewardTerm
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.scenes.relations import RELATIONS

Float = NDArray[np.float64]

MOST_ESTIMATES = 64  # of an answer
SPATIAL = "_spatial"  # behind the name of an optical frame: x forward, y left, z up, at the camera


def estimate_message(estimate: Estimate, header: Any, rate: float = np.nan, rate_std: float = np.nan) -> Any:
    """``spatialvlm_ros/msg/Estimate``.

    Args:
        header: std_msgs/Header of the picture, with the optical frame. Signed quantities are along the axes of the
            spatial frame, and get a header that names it.
        rate, rate_std: change per second, NaN where it is not filtered.
    """
    message = interfaces().msg.Estimate()
    message.header = _spatial(header) if RELATIONS[estimate.relation].signed else header
    message.subject, message.reference = estimate.subject, estimate.reference
    message.relation, message.unit = str(estimate.relation.value), estimate.unit
    message.value, message.std, message.shared_std = _floats(estimate.value, estimate.std, estimate.shared_std)
    message.interval_low, message.interval_high = _floats(*estimate.interval)
    message.rate, message.rate_std = _floats(rate, rate_std)
    message.sources = sorted(s.value for s in estimate.sources)
    message.valid, message.reason, message.detail = bool(estimate.valid), estimate.reason.value, estimate.detail
    return message


def _spatial(header: Any) -> Any:
    return type(header)(stamp=header.stamp, frame_id=header.frame_id + SPATIAL) if header.frame_id else header


def estimates_message(estimates: Sequence[Any], header: Any) -> Any:
    """``spatialvlm_ros/msg/EstimateArray`` of Estimate messages."""
    message = interfaces().msg.EstimateArray()
    message.header, message.estimates = header, list(estimates)
    return message


def located_message(thing: LocatedObject, header: Any, number: int = -1) -> Any:
    """``spatialvlm_ros/msg/LocatedObject``; ``number`` is its id over time."""
    message = interfaces().msg.LocatedObject()
    message.header = header
    message.label, message.id = thing.name, int(number)
    message.box, message.score = _array(thing.box2d, 4), float(thing.score)
    message.recognition = float(thing.recognition)
    position, size, deviation = (np.asarray(a, np.float64) for a in (thing.position, thing.size, thing.size_std))
    message.position.x, message.position.y, message.position.z = _floats(*position)
    message.position_covariance = _array(thing.covariance, 9)
    message.size.x, message.size.y, message.size.z = _floats(*size)
    message.size_std.x, message.size_std.y, message.size_std.z = _floats(*deviation)
    message.sources = sorted(s.value for s in thing.sources)
    message.valid, message.reason, message.detail = bool(thing.valid), thing.reason.value, thing.detail
    return message


def answer_message(answer: Answer, header: Any) -> Any:
    """``spatialvlm_ros/msg/Answer``."""
    message = interfaces().msg.Answer()
    message.header = header
    message.question, message.text = answer.question, answer.text
    message.estimates = [estimate_message(e, header) for e in _behind(answer)]
    message.valid, message.reason, message.detail = bool(answer.valid), answer.reason.value, answer.detail
    return message


def _behind(answer: Answer) -> list[Estimate]:
    """The measurements behind an answer, the one that is the answer first; of a chain of thought those of its steps."""
    steps = answer.steps if isinstance(answer, Solution) else ()
    found = [] if answer.estimate is None else [answer.estimate]
    found += [e for step in steps for e in step.estimates if e is not answer.estimate]
    return found[:MOST_ESTIMATES]


def conclusion_message(conclusion: Conclusion | None, header: Any) -> Any:
    """``spatialvlm_ros/msg/Conclusion``; None for no answer."""
    message = interfaces().msg.Conclusion()
    end = conclusion or Conclusion("")
    message.labels, message.object, message.unit = list(end.labels), end.object, end.unit
    message.value, message.std = _floats(end.value, end.std)
    message.probability, message.presence = _floats(end.probability, end.presence)
    message.estimate = [] if end.estimate is None else [estimate_message(end.estimate, header)]
    return message


def step_message(step: ReasoningStep, header: Any) -> Any:
    """``spatialvlm_ros/msg/ReasoningStep``."""
    message = interfaces().msg.ReasoningStep()
    message.index, message.kind, message.text = int(step.index), str(step.kind), step.text
    message.tool_input, message.tool_output = step.tool_input, step.tool_output
    message.estimates = [estimate_message(e, header) for e in step.estimates]
    message.seconds = float(step.seconds)
    return message


def reward_message(reward: RewardFrame | None, header: Any, latency_s: float) -> Any:
    """``spatialvlm_ros/msg/Reward``; None for no task: invalid with `not_configured`.

    An invalid reward is NaN: whoever learns leaves the frame out, and the next valid one closes the gap.
    """
    message = interfaces().msg.Reward()
    message.header, message.latency = header, float(latency_s)
    message.reward = message.reward_std = message.potential = message.success_probability = float("nan")
    if reward is None:
        message.reason, message.detail = Reason.NOT_CONFIGURED.value, "No reward task is set."
        return message
    message.task, message.phase = reward.task, reward.phase
    message.success, message.success_probability = bool(reward.success), float(reward.success_probability)
    message.terminated, message.truncated = bool(reward.terminated), bool(reward.truncated)
    message.terms = [_term_message(term) for term in reward.terms]
    message.valid, message.reason, message.detail = bool(reward.valid), reward.reason.value, reward.detail
    if reward.valid:
        message.reward, message.reward_std, message.potential = _floats(
            reward.reward, reward.reward_std, reward.potential
        )
    return message


def _term_message(term: RewardTerm) -> Any:
    message = interfaces().msg.RewardTerm()
    message.name, message.unit, message.valid = term.name, term.unit, bool(term.valid)
    message.value, message.std, message.weight = _floats(term.value, term.std, term.weight)
    return message


def _floats(*values: float) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _array(values: Float, size: int) -> Float:
    return np.asarray(values, np.float64).reshape(size)
