"""A model that looks at a picture once and measures from what is in it to wherever the hand is later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.answering import estimates_of
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.fusion import interpret
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.readings import FIXED, ViewReadings
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]


class _Picture:
    """A picture that was looked at, with what was read in it: once for all places where the hand may be."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._read: dict[tuple[Query, ...], ViewReadings] = {}
        self._unanswered: dict[tuple[Query, ...], list[Estimate]] = {}

    def readings(self, queries: tuple[Query, ...], hand: Float) -> ViewReadings:
        """What is known of the queries, with the hand at ``hand`` (3,), optical frame, metres."""
        if queries not in self._read:
            self._read[queries] = self._view.readings(queries)
        read = self._read[queries]
        return replace(read, positions=np.where((read.kinds == FIXED)[:, None], hand, read.positions))

    def unanswered(self, queries: tuple[Query, ...]) -> list[Estimate]:
        """What the picture itself did not answer (an unknown or unseen thing) stays unanswered."""
        if queries not in self._unanswered:
            self._unanswered[queries] = self._view.measure_many(queries)
        return self._unanswered[queries]


class RememberedView:
    """A remembered picture, and the hand as it is now."""

    def __init__(self, picture: _Picture, hand: Float, calibration: Calibration) -> None:
        self._picture, self._hand, self._calibration = picture, hand, calibration

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """One `Estimate` per query, in their order; see `View.measure_many`."""
        asked = tuple(queries)
        readings = self._picture.readings(asked, self._hand)
        found = estimates_of(asked, readings, interpret(readings, self._calibration), [None] * len(asked))
        first = self._picture.unanswered(asked)
        return [now if before.valid else before for now, before in zip(found, first, strict=True)]


class RememberingModel(SpatialVLM):
    """What `SpatialReward` takes as a model, for a robot that knows where its hand is.

    It keeps the first picture after `forget`: right for a fixed camera and things that nobody moves. The hand hides
    nothing in that picture, and nothing has to be looked at again.
    """

    def __init__(self, model: SpatialVLM) -> None:
        super().__init__(model.backend, model.calibration)
        self._kept: _Picture | None = None

    def forget(self) -> None:
        """Look anew: things were moved."""
        self._kept = None

    def look(  # type: ignore[override]  # a reward asks a view for its estimates alone
        self,
        observation: Observation,
        known_sizes: Mapping[str, Sequence[float]] | None = None,
        gripper: ArrayLike | None = None,
    ) -> RememberedView:
        """As `SpatialVLM.look`; where a picture is remembered, ``observation`` is not looked at.

        Raises:
            QueryError: no place of the hand.
        """
        if gripper is None:
            raise QueryError("the hand is nowhere", None, "Pass the tool centre point in the optical frame.")
        if self._kept is None:
            self._kept = _Picture(super().look(observation, known_sizes, gripper))
        return RememberedView(self._kept, np.asarray(gripper, dtype=np.float64), self.calibration)
