"""The read-outs behind a view's estimates, where a model offers them: direct, composed, and their quantiles."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SpatialVLMError
from spatialvlm_ros.evaluation.crps import crps_quantiles
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.questions.families import FAMILIES

Float = NDArray[np.float64]

_log = logging.getLogger(__name__)

READ_OUTS = ("direct", "composed", "combined")
_SIGNED = {f.relation for f in FAMILIES.values() if f.signed or f.qualitative}


@dataclass(frozen=True)
class ReadOutValues:
    """N queries as each read-out answers them, abstention aside.

    Attributes:
        values: name of a read-out -> (N,) median in metres, or P(true); NaN where it has none.
        crps: (N,) CRPS in log metres of the combined distribution; NaN where there is none or no logarithm.
    """

    values: dict[str, Float]
    crps: Float


def measured(looked: Any, queries: Sequence[Query]) -> tuple[list[Estimate], Any]:
    """The estimates of a view, and its read-outs (None where a model has none).

    Both of one reading where the model can: a server that is asked twice costs twice, and says something else.
    """
    together, apart = (getattr(looked, name, None) for name in ("measure_with_readouts", "readouts"))
    if callable(together) and queries:
        estimates, made = together(queries)
        return list(estimates), made
    estimates = looked.measure_many(queries)
    try:
        return estimates, apart(queries) if callable(apart) and queries else None
    except SpatialVLMError as error:
        _log.warning("no read-outs: %s", error)
        return estimates, None


def read_out(made: Any, queries: Sequence[Query], truth: Sequence[float]) -> ReadOutValues:
    """The values of read-outs; nothing for None."""
    nothing = np.full(len(queries), np.nan)
    if made is None:
        return ReadOutValues({}, nothing)
    values = {}
    for name in READ_OUTS:
        quantiles = getattr(made, name, None)
        if quantiles is not None:
            chance = np.asarray(getattr(made, f"p_{name}"), float)
            values[name] = np.where(np.isfinite(chance), chance, _middle(np.asarray(quantiles, float)))
    combined = getattr(made, "combined", None)
    if combined is None:
        return ReadOutValues(values, nothing)
    lengths = np.array([q.kind not in _SIGNED for q in queries])
    crps = crps_quantiles(np.asarray(combined, float), np.asarray(truth, float))
    return ReadOutValues(values, np.where(lengths, crps, np.nan))


def _middle(quantiles: Float) -> Float:
    """(N,) medians of quantiles (N, Q) at evenly spread levels."""
    k = quantiles.shape[1]
    return (quantiles[:, (k - 1) // 2] + quantiles[:, k // 2]) / 2
