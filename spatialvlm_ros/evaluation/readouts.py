"""The read-outs behind a view's estimates, where a model offers them: direct, composed, and their quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.crps import crps_quantiles
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.questions.families import FAMILIES

Float = NDArray[np.float64]

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


def read_out(looked: Any, queries: Sequence[Query], truth: Sequence[float]) -> ReadOutValues:
    """What ``looked.readouts(queries)`` holds; nothing for models without it."""
    nothing = np.full(len(queries), np.nan)
    method = getattr(looked, "readouts", None)
    if not callable(method) or not queries:
        return ReadOutValues({}, nothing)
    made = method(queries)
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
