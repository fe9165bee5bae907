"""What a model answers: never a bare float, and never a silent zero."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]

INTERVAL_COVERAGE = 0.9
QUANTILE_LEVELS = tuple(k / 20 for k in range(1, 20))  # 5%, 10%, ... 95%


class Reason(str, Enum):
    """Why an answer is invalid (or `OK`): closed, and the same in the ROS messages."""

    OK = "ok"
    NOT_VISIBLE = "not_visible"
    UNKNOWN_NAME = "unknown_name"
    AMBIGUOUS = "ambiguous"
    OUT_OF_VIEW = "out_of_view"
    OUT_OF_RANGE = "out_of_range"
    NO_FRAME = "no_frame"
    NO_DEPTH = "no_depth"
    DEPTH_NOT_REGISTERED = "depth_not_registered"
    NO_CAMERA_INFO = "no_camera_info"
    STALE = "stale"
    TIMEOUT = "timeout"
    NOT_CONFIGURED = "not_configured"
    MODEL_ERROR = "model_error"

    def __str__(self) -> str:
        return self.value


class Source(str, Enum):
    """Where the metres of an answer come from."""

    DEPTH_SENSOR = "depth_sensor"
    CAMERA_HEIGHT = "camera_height"
    KNOWN_SIZE = "known_size"
    MONOCULAR = "monocular"
    TF = "tf"
    GROUND_TRUTH = "ground_truth"

    def __str__(self) -> str:
        return self.value


PROBABILITY = "probability"


@dataclass(frozen=True)
class Estimate:
    """A measured quantity with its error, or the reason why there is none.

    Attributes:
        relation: what was measured.
        subject, reference: the objects as they were asked for ("" where there is none).
        value: median in ``unit``; for a predicate P(true); NaN when invalid.
        std: standard deviation in ``unit`` (its shared and independent part together); NaN when invalid.
        interval: calibrated 90% interval (low, high) in ``unit``; NaN when invalid.
        unit: "m", "m3" or "probability".
        sources: where the metres come from.
        valid: whether there is a value.
        reason: `Reason.OK` exactly when valid.
        shared_std: the part of ``std`` that all monocular lengths of this view (and of later frames of the scene) have
            in common: filtering over time does not shrink it, and ratios of two lengths cancel it.
        support_id: the plane that heights over the support are counted from, or "".
        detail: one sentence for people, e.g. which of the objects was not found.
        quantiles: the calibrated distribution of a length at `QUANTILE_LEVELS`, in ``unit``; () for predicates and
            when invalid.
    """

    relation: Relation
    subject: str
    reference: str = ""
    value: float = float("nan")
    std: float = float("nan")
    interval: tuple[float, float] = (float("nan"), float("nan"))
    unit: str = "m"
    sources: frozenset[Source] = frozenset()
    valid: bool = False
    reason: Reason = Reason.MODEL_ERROR
    shared_std: float = 0.0
    support_id: str = ""
    detail: str = ""
    quantiles: tuple[float, ...] = ()

    @property
    def independent_std(self) -> float:
        """The part of ``std`` that is this measurement's own."""
        return float(np.sqrt(max(self.std**2 - self.shared_std**2, 0.0)))

    @staticmethod
    def invalid(
        relation: Relation, subject: str, reference: str, reason: Reason, unit: str = "m", detail: str = ""
    ) -> Estimate:
        """An answer without a value."""
        return Estimate(relation, subject, reference, unit=unit, reason=reason, detail=detail)

    def refused(self, reason: Reason, detail: str = "") -> Estimate:
        """This estimate without its value."""
        return Estimate.invalid(self.relation, self.subject, self.reference, reason, self.unit, detail)

    def with_(self, **changes: object) -> Estimate:
        """A copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class LocatedObject:
    """Where an object is.

    Attributes:
        name: as it was asked for.
        valid, reason: as in `Estimate`.
        box2d: (4,) x0, y0, x1, y1 in pixels of the observation (x1, y1 exclusive), visible part; NaN when invalid.
        score: probability that the object is there, once.
        position: (3,) metres, centre of the whole (amodal) object in the optical frame; NaN when unknown.
        covariance: (3, 3) of the position, m^2; its error along the ray is the largest.
        size: (3,) metres along the frame's left, forward and up axes (width, depth, height).
        size_std: (3,) metres.
        sources: where the metres come from.
        detail: one sentence for people.
        recognition: probability that the box shows it, and that it is the only one of that name, as known views have
            shown; NaN where no calibration tells.
    """

    name: str
    valid: bool = False
    reason: Reason = Reason.MODEL_ERROR
    box2d: Float = field(default_factory=lambda: np.full(4, np.nan))
    score: float = 0.0
    position: Float = field(default_factory=lambda: np.full(3, np.nan))
    covariance: Float = field(default_factory=lambda: np.full((3, 3), np.nan))
    size: Float = field(default_factory=lambda: np.full(3, np.nan))
    size_std: Float = field(default_factory=lambda: np.full(3, np.nan))
    sources: frozenset[Source] = frozenset()
    detail: str = ""
    recognition: float = float("nan")


@dataclass(frozen=True)
class Answer:
    """An answer in words.

    Attributes:
        question, text: what was asked and said; "" when invalid.
        valid, reason: as in `Estimate`.
        estimate: the measurement behind the words, where the question named a known quantity; else None.
        detail: one sentence for people.
    """

    question: str
    text: str = ""
    valid: bool = False
    reason: Reason = Reason.MODEL_ERROR
    estimate: Estimate | None = None
    detail: str = ""
