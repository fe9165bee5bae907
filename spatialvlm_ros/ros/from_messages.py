"""Messages as answers again, the inverse of `to_messages`: for users' own Python and for reading recordings.

Only fields are read, so the messages of rclpy and those that `rosbags` makes of a recording are taken alike, and
nothing here needs ROS. What a message does not hold comes back as its default: `Estimate.quantiles` and `support_id`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import RemoteError
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.reasoning.steps import Conclusion, ReasoningStep, StepKind
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]
Word = TypeVar("Word", bound=Enum)


@dataclass(frozen=True)
class PictureEstimates:
    """The standing queries of one picture.

    Attributes:
        stamp_ns: of the picture; 0 where none came.
        frame_id: of the picture, an optical frame.
        estimates: in the order of the queries.
        rates: change of each value in its unit per second; NaN where it is not filtered or not valid.
        rate_stds: of the rates.
        reason: `Reason.OK`, or `Reason.TIMEOUT` where no picture came in time; the estimates are refused then too.
    """

    stamp_ns: int = 0
    frame_id: str = ""
    estimates: tuple[Estimate, ...] = ()
    rates: tuple[float, ...] = ()
    rate_stds: tuple[float, ...] = ()
    reason: Reason = Reason.OK

    def late(self, detail: str) -> PictureEstimates:
        """The same queries without answers, because nothing newer came in time."""
        unknown = (float("nan"),) * len(self.estimates)
        refused = tuple(e.refused(Reason.TIMEOUT, detail) for e in self.estimates)
        return PictureEstimates(self.stamp_ns, self.frame_id, refused, unknown, unknown, Reason.TIMEOUT)


def stamp_from(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def estimate_from(message: Any) -> Estimate:
    """Of ``spatialvlm_ros/msg/Estimate``.

    Raises:
        RemoteError: a relation, source or reason that this version does not know.
    """
    return Estimate(
        relation=_word(Relation, message.relation),
        subject=str(message.subject),
        reference=str(message.reference),
        value=float(message.value),
        std=float(message.std),
        interval=(float(message.interval_low), float(message.interval_high)),
        unit=str(message.unit),
        sources=_sources(message),
        valid=bool(message.valid),
        reason=_word(Reason, message.reason),
        shared_std=float(message.shared_std),
        detail=str(message.detail),
    )


def estimates_from(message: Any) -> PictureEstimates:
    """Of ``spatialvlm_ros/msg/EstimateArray``.

    Raises:
        RemoteError: as `estimate_from`.
    """
    return PictureEstimates(
        stamp_from(message.header.stamp),
        str(message.header.frame_id),
        tuple(estimate_from(e) for e in message.estimates),
        tuple(float(e.rate) for e in message.estimates),
        tuple(float(e.rate_std) for e in message.estimates),
    )


def located_from(message: Any) -> LocatedObject:
    """Of ``spatialvlm_ros/msg/LocatedObject``; the position is in the frame that its header names.

    Raises:
        RemoteError: as `estimate_from`.
    """
    return LocatedObject(
        name=str(message.label),
        valid=bool(message.valid),
        reason=_word(Reason, message.reason),
        box2d=np.array(message.box, np.float64),
        score=float(message.score),
        recognition=float(message.recognition),
        position=_vector(message.position),
        covariance=np.array(message.position_covariance, np.float64).reshape(3, 3),
        size=_vector(message.size),
        size_std=_vector(message.size_std),
        sources=_sources(message),
        detail=str(message.detail),
    )


def answer_from(message: Any) -> Answer:
    """Of ``spatialvlm_ros/msg/Answer``; of several measurements behind the words, the first.

    Raises:
        RemoteError: as `estimate_from`.
    """
    return Answer(
        question=str(message.question),
        text=str(message.text),
        valid=bool(message.valid),
        reason=_word(Reason, message.reason),
        estimate=estimate_from(message.estimates[0]) if len(message.estimates) else None,
        detail=str(message.detail),
    )


def conclusion_from(message: Any, text: str) -> Conclusion:
    """Of ``spatialvlm_ros/msg/Conclusion``.

    Args:
        message: the message.
        text: of the answer, which the message leaves to it.

    Raises:
        RemoteError: as `estimate_from`.
    """
    return Conclusion(
        text,
        tuple(str(label) for label in message.labels),
        float(message.value),
        float(message.std),
        str(message.unit),
        float(message.probability),
        estimate_from(message.estimate[0]) if len(message.estimate) else None,
        float(message.presence),
        str(message.object),
    )


def step_from(message: Any) -> ReasoningStep:
    """Of ``spatialvlm_ros/msg/ReasoningStep``.

    Raises:
        RemoteError: as `estimate_from`.
    """
    return ReasoningStep(
        int(message.index),
        _word(StepKind, message.kind),
        str(message.text),
        str(message.tool_input),
        str(message.tool_output),
        tuple(estimate_from(e) for e in message.estimates),
        float(message.seconds),
    )


def _sources(message: Any) -> frozenset[Source]:
    return frozenset(_word(Source, s) for s in message.sources)


def _vector(message: Any) -> Float:
    return np.array([message.x, message.y, message.z], np.float64)


def _word(kind: type[Word], text: Any) -> Word:
    try:
        return kind(str(text))
    except ValueError as error:
        raise RemoteError(
            f"a message holds an unknown {kind.__name__.lower()}", text, "Is the node of another version?"
        ) from error
