"""Statistics of a column as LeRobot keeps them: of the whole set, and of each episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Statistics = dict[str, list[float] | list[int]]

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def statistics_of(
    values: NDArray[np.generic], quantiles: bool, fallback: NDArray[np.generic] | None = None
) -> Statistics:
    """min, max, mean, std and count of the finite values of a column with one number a row.

    Args:
        values: (N,) numbers or booleans; what is not finite is left out and not counted.
        quantiles: add q01 .. q99, as newer data sets have them.
        fallback: (M,) values that describe an episode without a finite one; its count stays 0, so that it weighs
            nothing when episodes are put together.
    """
    finite = _finite(values)
    described = finite if finite.size else _finite(np.zeros(0) if fallback is None else fallback)
    described = described if described.size else np.zeros(1)
    result: Statistics = {
        "min": [float(described.min())],
        "max": [float(described.max())],
        "mean": [float(described.mean())],
        "std": [float(described.std())],
        "count": [int(finite.size)],
    }
    if quantiles:
        result.update({name: [float(np.quantile(described, level))] for name, level in QUANTILES.items()})
    return result


def _finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def has_quantiles(statistics: Mapping[str, Mapping[str, object]] | Sequence[str]) -> bool:
    """Whether statistics that are there (by feature), or names of such columns, hold quantiles."""
    if isinstance(statistics, Mapping):
        return any("q50" in entry for entry in statistics.values())
    return any(name.endswith("/q50") for name in statistics)
