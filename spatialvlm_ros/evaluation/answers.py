"""What a model answered, as columns beside an `ItemTable`, and as lines of a file that a run is resumed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.estimate import Estimate, Reason

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_DIGITS = 6


@dataclass(frozen=True)
class Answers:
    """M answers of `measure`, in the order of the items.

    Attributes:
        valid: (M,) whether there is a value.
        value: (M,) median in metres, or P(true); NaN when invalid.
        low, high: (M,) 90% interval; NaN where there is none.
        crps: (M,) CRPS in log metres of the full distribution where the model gives one, else NaN.
        reason: M reasons.
        asked: (M,) whether it was asked at all.
    """

    valid: Bool
    value: Float
    low: Float
    high: Float
    crps: Float
    reason: NDArray[np.object_]
    asked: Bool

    def __len__(self) -> int:
        return len(self.valid)

    @staticmethod
    def empty(n: int) -> Answers:
        """n items that were not asked."""
        nan = np.full(n, np.nan)
        reasons = np.full(n, "", dtype=object)
        return Answers(np.zeros(n, bool), nan, nan.copy(), nan.copy(), nan.copy(), reasons, np.zeros(n, bool))

    @staticmethod
    def of_values(values: Float, low: Float | None = None, high: Float | None = None) -> Answers:
        """Answers that are all valid where finite (controls)."""
        nan = np.full(len(values), np.nan)
        good = np.isfinite(values)
        reason = np.where(good, str(Reason.OK), str(Reason.MODEL_ERROR)).astype(object)
        return Answers(
            good,
            values,
            nan if low is None else low,
            nan.copy() if high is None else high,
            nan.copy(),
            reason,
            np.ones(len(values), bool),
        )

    def take(self, index: NDArray[Any]) -> Answers:
        """The rows at ``index``."""
        return Answers(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class ViewAnswers:
    """Everything a model said about one view: one line of the answers file.

    Attributes:
        view_id: of the view.
        measured: position of an item -> (value, low, high, crps, reason).
        said: position of an item -> its answer in words.
        located: name -> box (4,) pixels, or None where it was not found.
        readouts: name of a read-out -> position -> value.
        seconds: of "look", "measure", "ask", "locate".
    """

    view_id: str
    measured: dict[int, tuple[float, float, float, float, str]] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)
    located: dict[str, list[float] | None] = field(default_factory=dict)
    readouts: dict[str, dict[int, float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN becomes None."""
        return {
            "view_id": self.view_id,
            "measured": {str(k): [*map(_number, v[:4]), v[4]] for k, v in self.measured.items()},
            "said": {str(k): v for k, v in self.said.items()},
            "located": {k: None if v is None else [_number(x) for x in v] for k, v in self.located.items()},
            "readouts": {n: {str(k): _number(v) for k, v in r.items()} for n, r in self.readouts.items()},
            "seconds": {k: round(v, 4) for k, v in self.seconds.items()},
        }

    @staticmethod
    def from_json(values: dict[str, Any]) -> ViewAnswers:
        """The inverse of `to_json`."""
        return ViewAnswers(
            view_id=values["view_id"],
            measured={int(k): (*map(_nan, v[:4]), v[4]) for k, v in values["measured"].items()},  # type: ignore[misc]
            said={int(k): v for k, v in values["said"].items()},
            located=values["located"],
            readouts={n: {int(k): _nan(v) for k, v in r.items()} for n, r in values["readouts"].items()},
            seconds=values["seconds"],
        )


def entry(estimate: Estimate, crps: float = float("nan")) -> tuple[float, float, float, float, str]:
    """What is kept of an estimate. A value that is not finite is no value, whatever its flag says."""
    if not estimate.valid or not np.isfinite(estimate.value):
        reason = estimate.reason if not estimate.valid else Reason.MODEL_ERROR
        return (float("nan"),) * 4 + (str(reason),)  # type: ignore[return-value]
    low, high = estimate.interval
    return float(estimate.value), float(low), float(high), float(crps), str(Reason.OK)


def collect(records: Sequence[ViewAnswers], view: NDArray[np.int64], position: NDArray[np.int64]) -> Answers:
    """The columns of answers for items at (view, position); ``records`` are in the order of the views."""
    answers = Answers.empty(len(view))
    for row, (v, k) in enumerate(zip(view.tolist(), position.tolist(), strict=True)):
        found = records[v].measured.get(k)
        if found is None:
            continue
        value, low, high, crps, reason = found
        answers.asked[row] = True
        answers.reason[row] = reason
        answers.valid[row] = reason == Reason.OK
        answers.value[row], answers.low[row], answers.high[row], answers.crps[row] = value, low, high, crps
    return answers


def collect_readout(
    records: Sequence[ViewAnswers], name: str, view: NDArray[np.int64], position: NDArray[np.int64]
) -> Answers:
    """The same of one read-out."""
    pairs = zip(view.tolist(), position.tolist(), strict=True)
    return Answers.of_values(np.array([records[v].readouts.get(name, {}).get(k, np.nan) for v, k in pairs], float))


def _number(value: float) -> float | None:
    return None if not np.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def _nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)
