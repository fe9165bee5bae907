"""Measuring the pictures of one episode one after the other: each alone, or with a follower that remembers the others.

Where a follower thinks that things are depends on all pictures before, and on what the model told it of them. Told the
same again, it comes to the same place: that is how an interrupted run goes on, without another pass of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from spatialvlm_ros.errors import (
    GeometryError,
    ModelError,
    ObservationError,
    RemoteError,
    SourceError,
    SpatialVLMError,
)
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason
from spatialvlm_ros.models.gaps import with_gaps
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.following.follower import Follower, LookedAt, can_follow
from spatialvlm_ros.rewards.looking import not_measured
from spatialvlm_ros.rewards.recordings.episode import Frame
from spatialvlm_ros.rewards.recordings.journal import MeasuredPicture
from spatialvlm_ros.scenes.observation import Observation

UNREADABLE = "The picture cannot be used"
_FAILURES = (ModelError, ObservationError, GeometryError)  # that cost one picture


def may_pass(error: BaseException | None) -> bool:
    """Whether the same picture can be measured at another time: a server is down, or memory is short."""
    if error is None:
        return False
    short = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's own
    return short or isinstance(error, RemoteError) or may_pass(error.__cause__)


# How an answer begins whose model failed in this way (`models.gathering.failure_of`).
_MAY_PASS = ("RemoteError:", "OutOfMemoryError:", "MemoryError:")


def _check_answers(answers: Sequence[Estimate | LocatedObject]) -> None:
    """Complain of answers that are none because the model fails just now: they say so, and raise nothing."""
    for answer in answers:
        late = answer.reason is Reason.TIMEOUT
        if late or (answer.reason is Reason.MODEL_ERROR and answer.detail.startswith(_MAY_PASS)):
            raise RemoteError("the model fails, which may pass", answer.detail, "See to its server or its memory.")


class EpisodeMeasurer:
    """Measures the pictures of one episode in their order.

    Args:
        queries: what is measured in each picture.
        follow: whether objects are followed from picture to picture.
    """

    def __init__(self, queries: Sequence[Query], follow: bool) -> None:
        self._queries = list(queries)
        self._follower = Follower() if follow else None

    def measure(self, frame: Frame, view: LookedAt | SpatialVLMError | None) -> MeasuredPicture:
        """The estimates of the next picture; refused ones where there is no picture, or the model fails on it.

        Args:
            frame: the picture.
            view: what the model sees in it, or the error that it raised; None where there is no picture.

        Raises:
            ModelError: it fails now, and may not later (`may_pass`).
        """
        if view is None:
            return self._refused(frame, frame.reason, f"{UNREADABLE}: {frame.detail}")
        if isinstance(view, SpatialVLMError):  # the follower has not seen it, so nothing has moved for it
            return self._refused(frame, Reason.MODEL_ERROR, str(view))
        if frame.faults:
            view = with_gaps(view, frame.faults)
        noted = _Noted(view) if self._follows(frame) else None
        try:
            estimates = view.measure_many(self._queries) if noted is None else self._follow(frame, noted)
            _check_answers(estimates)
        except _FAILURES as error:
            if may_pass(error):
                raise
            estimates = not_measured(self._queries, Reason.MODEL_ERROR, str(error))
        told = None if noted is None else noted.told
        return MeasuredPicture(frame.stamp_ns, estimates, told, tuple(frame.faults))

    def remember(self, frame: Frame, measured: MeasuredPicture) -> None:
        """Follow into the next picture again, as far as was followed when it was measured.

        Raises:
            SourceError: it is not the picture that was measured.
        """
        if frame.stamp_ns != measured.stamp_ns:
            raise SourceError(
                "a picture has another time than when it was measured", frame.stamp_ns, "The recording has changed."
            )
        if measured.told is None:
            return
        if frame.observation is None:
            raise SourceError("a picture cannot be read again", frame.index, frame.detail)
        with suppress(*_FAILURES):  # as then
            self._follow(frame, _Told(frame.observation, measured.told))

    def _refused(self, frame: Frame, reason: Reason, detail: str) -> MeasuredPicture:
        return MeasuredPicture(frame.stamp_ns, not_measured(self._queries, reason, detail), faults=tuple(frame.faults))

    def _follows(self, frame: Frame) -> bool:
        if self._follower is None or frame.observation is None:
            return False
        return frame.placed and can_follow(frame.observation, frame.gripper)

    def _follow(self, frame: Frame, view: LookedAt) -> list[Estimate]:
        assert self._follower is not None
        return self._follower.measure(view, self._queries, frame.gripper, frame.camera_pose)


@dataclass(frozen=True)
class _Noted:
    """A view, and what it told."""

    view: LookedAt
    told: dict[str, LocatedObject] = field(default_factory=dict)

    @property
    def observation(self) -> Observation:
        return self.view.observation

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        return self.view.measure_many(queries)

    def locate_closer(self, subjects: Sequence[str]) -> list[LocatedObject]:
        located = self.view.locate_closer(subjects)
        _check_answers(located)
        found = [_as_kept(name, spot) for name, spot in zip(subjects, located, strict=True)]
        self.told.update(zip(subjects, found, strict=True))
        return found


def _as_kept(name: str, found: LocatedObject) -> LocatedObject:
    """As it comes back from the journal, so that it counts the same now and then."""
    box = np.asarray(found.box2d, dtype=np.float64)
    return LocatedObject(name, box2d=box, score=float(found.score), recognition=float(found.recognition))


@dataclass(frozen=True)
class _Told:
    """A picture of which the model told this before. Its estimates are known already, so they are not made again."""

    observation: Observation
    told: Mapping[str, LocatedObject]

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        return not_measured(queries, Reason.STALE, "It was measured before.")

    def locate_closer(self, subjects: Sequence[str]) -> list[LocatedObject]:
        unknown = [name for name in subjects if name not in self.told]
        if unknown:
            raise ModelError("the model failed to locate objects", unknown)
        return [self.told[name] for name in subjects]
