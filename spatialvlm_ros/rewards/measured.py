"""Estimates as arrays: (B, Q) for B environments (or frames) and the Q quantities of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.scenes.relations import RELATIONS

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

Z90 = 1.6448536269514722  # half the 90% interval of a normal, in deviations
_TAIL = 0.05


@dataclass(frozen=True)
class Measured:
    """What is known of Q quantities in B environments; (B, Q) each.

    Attributes:
        value: in the quantity's unit; P(true) of a predicate. 0 where not valid.
        low, high: ends of the 90% interval. Of a predicate those of the truth, which is 0 or 1.
        std: standard deviation, the shared part included; sqrt(p (1 - p)) for a predicate.
        shared: share 0..1 of the deviation that all lengths of the scene have in common.
        valid: whether there is a usable value.
    """

    value: Float
    low: Float
    high: Float
    std: Float
    shared: Float
    valid: Bool

    def __len__(self) -> int:
        return len(self.value)

    def columns(self, index: NDArray[np.int64]) -> Measured:
        """(B, K) of K of the quantities."""
        return Measured(*(getattr(self, f.name)[:, index] for f in fields(self)))

    @staticmethod
    def of(rows: Sequence[Sequence[Estimate]]) -> Measured:
        """From B rows of Q estimates.

        An estimate is usable if it is valid, finite, and states its error by a deviation or an interval.
        """
        relations = [e.relation for e in rows[0]] if rows else []
        numbers = [[(e.valid, e.value, e.std, *e.interval, e.shared_std) for e in row] for row in rows]
        columns = np.asarray(numbers, dtype=np.float64).reshape(len(rows), len(relations), 6)
        valid, value, std, low, high, shared = np.moveaxis(columns, -1, 0)
        predicate = np.array([RELATIONS[r].predicate for r in relations], dtype=bool)
        return Measured._of_arrays(valid > 0, value, std, (low, high), shared, predicate)

    @staticmethod
    def exact(values: ArrayLike, queries: Sequence[Query]) -> Measured:
        """From (B, Q) known values without error, e.g. of a simulator; NaN where unknown."""
        value = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if value.ndim != 2 or value.shape[1] != len(queries):
            raise QueryError("values need one column per query", value.shape, f"Expected (B, {len(queries)}).")
        predicate = np.array([RELATIONS[q.kind].predicate for q in queries], dtype=bool)
        zero = np.zeros_like(value)
        return Measured._of_arrays(np.isfinite(value), value, zero, (value, value), zero, predicate)

    @staticmethod
    def _of_arrays(
        valid: Bool, value: Float, std: Float, interval: tuple[Float, Float], shared: Float, predicate: Bool
    ) -> Measured:
        low, high = interval
        p = np.clip(np.nan_to_num(value), 0.0, 1.0)
        value = np.where(predicate, np.where(np.isnan(value), value, p), value)
        with np.errstate(invalid="ignore"):
            given = (low <= value) & (value <= high) & np.isfinite(low) & np.isfinite(high)
            low, high = np.where(given, low, value - Z90 * std), np.where(given, high, value + Z90 * std)
            std = np.where(np.isfinite(std), std, (high - low) / (2 * Z90))
        low = np.where(predicate, np.where(p > 1 - _TAIL, 1.0, 0.0), low)
        high = np.where(predicate, np.where(p < _TAIL, 0.0, 1.0), high)
        std = np.where(predicate, np.sqrt(p * (1 - p)), std)
        usable = valid & np.isfinite(value) & np.isfinite(std) & (std >= 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.clip(np.nan_to_num(np.abs(shared) / std, posinf=1.0), 0.0, 1.0)
        part = np.where(predicate, 0.0, part)
        value, low, high, std, part = (np.where(usable, column, 0.0) for column in (value, low, high, std, part))
        return Measured(value, low, high, std, part, usable)


def lined_up(estimates: Sequence[Estimate], queries: Sequence[Query]) -> list[Estimate]:
    """The estimate of each query, whatever the order they come in; others may be among them.

    Raises:
        QueryError: one was not measured.
    """
    if len(estimates) == len(queries) and all(map(_answers, estimates, queries)):
        return list(estimates)
    known = {(e.relation, e.subject, e.reference): e for e in estimates}
    found = [known.get((q.kind, str(q.subject), _text(q))) for q in queries]
    missing = [f"{q.kind}: {q.subject} | {_text(q)}" for q, e in zip(queries, found, strict=True) if e is None]
    if missing:
        raise QueryError("the task needs quantities that were not measured", missing, "Measure all of its queries.")
    return [e for e in found if e is not None]


def _answers(estimate: Estimate, query: Query) -> bool:
    return (
        estimate.relation is query.kind
        and estimate.subject == str(query.subject)
        and estimate.reference == _text(query)
    )


def _text(query: Query) -> str:
    return "" if query.reference is None else str(query.reference)


def why_not(estimate: Estimate) -> tuple[Reason, str]:
    """Why an estimate is not usable, with a sentence for people."""
    about = f"{estimate.relation}: {' | '.join(n for n in (estimate.subject, estimate.reference) if n)}"
    if estimate.valid:
        return Reason.MODEL_ERROR, f"{about}: the estimate is not finite, or states no error."
    return estimate.reason, f"{about}: {estimate.detail or estimate.reason.value.replace('_', ' ')}"
