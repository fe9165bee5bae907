"""A model that only locates, while depth and the arm's own position measure; and that may remember where a thing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.distributions import quantile_at
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate, Reason, Source
from spatialvlm_ros.models.fusion import interpret
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.readings import FIXED, ViewReadings
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.models.view import View
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.relations import RELATIONS

Float = NDArray[np.float64]

_MIDDLE = 0.5
_LOW, _HIGH = 0.05, 0.95
_SIGMA_LOW, _SIGMA_HIGH = 0.158655, 0.841345


class _Picture:
    """A picture that was looked at, with what was read in it: once for all places where the hand may be."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._read: dict[tuple[Query, ...], ViewReadings] = {}

    def readings(self, queries: Sequence[Query], gripper: Float) -> ViewReadings:
        """What is known of the queries, with the hand at ``gripper`` (3,), optical frame, metres."""
        key = tuple(queries)
        if key not in self._read:
            self._read[key] = self._view.readings(key)
        read = self._read[key]
        return replace(read, positions=np.where((read.kinds == FIXED)[:, None], gripper, read.positions))

    @property
    def source(self) -> Source:
        """Where its metres come from."""
        return Source.MONOCULAR if self._view.observation.depth is None else Source.DEPTH_SENSOR


class GroundedView:
    """A look whose lengths are composed of where the things were located; the model's direct answer is left out.

    The direct read-out looks at a picture alone: it cannot know where the tool centre point is.
    """

    def __init__(self, picture: _Picture, gripper: Float, calibration: Calibration) -> None:
        self._picture, self._gripper, self._calibration = picture, gripper, calibration

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]:
        """One `Estimate` per query; predicates, and what was not located, are invalid."""
        composed = interpret(self._picture.readings(queries, self._gripper), self._calibration).composed
        return [_estimate(query, row, self._picture.source) for query, row in zip(queries, composed, strict=True)]


class GroundedModel(SpatialVLM):
    """What `SpatialReward` takes as a model, for a robot that knows where its hand is.

    Args:
        model: that locates.
        remembers: keep the picture that was seen first after `forget`, and measure from the things in it to where
            the hand is now: for a fixed camera, and things that nobody moves. The hand hides nothing in that picture.
    """

    def __init__(self, model: SpatialVLM, remembers: bool = False) -> None:
        super().__init__(model.backend, model.calibration)
        self.remembers = remembers
        self._kept: _Picture | None = None

    def forget(self) -> None:
        """Look anew: the things were moved."""
        self._kept = None

    def look(  # type: ignore[override]  # a reward asks a view for its estimates alone
        self,
        observation: Observation,
        known_sizes: Mapping[str, Sequence[float]] | None = None,
        gripper: ArrayLike | None = None,
    ) -> GroundedView:
        """As `SpatialVLM.look`; where a picture is remembered, ``observation`` is not looked at.

        Raises:
            QueryError: no place of the hand.
        """
        if gripper is None:
            raise QueryError("the hand is nowhere", None, "Pass the tool centre point in the optical frame.")
        if self._kept is None or not self.remembers:
            self._kept = _Picture(super().look(observation, known_sizes, gripper))
        return GroundedView(self._kept, np.asarray(gripper, dtype=np.float64), self.calibration)


def _estimate(query: Query, quantiles: Float, source: Source) -> Estimate:
    subject, reference = str(query.subject), "" if query.reference is None else str(query.reference)
    if RELATIONS[query.kind].predicate or np.isnan(quantiles).any():
        return Estimate.invalid(query.kind, subject, reference, Reason.NOT_VISIBLE, query.unit, "It was not located.")

    def at(level: float) -> float:
        return float(quantile_at(quantiles[None], level)[0])

    return Estimate(
        relation=query.kind,
        subject=subject,
        reference=reference,
        value=at(_MIDDLE),
        std=(at(_SIGMA_HIGH) - at(_SIGMA_LOW)) / 2,
        interval=(at(_LOW), at(_HIGH)),
        unit=query.unit,
        sources=frozenset({source, Source.TF}),
        valid=True,
        reason=Reason.OK,
        quantiles=tuple(at(level) for level in QUANTILE_LEVELS),
    )
