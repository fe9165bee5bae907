"""95% intervals: Wilson for shares, order statistics for medians, a bootstrap over scenes for macro-averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

Z95 = 1.959963984540054
BOOTSTRAP_DRAWS = 1000


@dataclass(frozen=True)
class Measured:
    """A number with its 95% interval and the count that it rests on; NaN where there is nothing to measure."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Plain values; NaN becomes None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{k: None if not np.isfinite(v) else round(v, 6) for k, v in numbers.items()}, "n": self.n}


def wilson(hits: ArrayLike, n: ArrayLike) -> tuple[Float, Float]:
    """Wilson's 95% interval of shares, vectorised; NaN where n is 0."""
    hits, n = np.asarray(hits, float), np.asarray(n, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, z2 = hits / n, Z95**2
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 / (1 + z2 / n) * np.sqrt(p * (1 - p) / n + z2 / (4 * n**2))
        low, high = centre - half, centre + half
    return np.where(hits == 0, 0.0 * n, low), np.where(hits == n, 1.0 + 0.0 * n, high)


def share(hits: NDArray[np.bool_]) -> Measured:
    """The share of hits with Wilson's interval."""
    n = len(hits)
    if n == 0:
        return Measured(np.nan, np.nan, np.nan, 0)
    low, high = wilson(hits.sum(), n)
    return Measured(float(hits.mean()), float(low), float(high), n)


def median(values: Float) -> Measured:
    """The median with the 95% interval from order statistics (binomial ranks, no assumption on the shape)."""
    from scipy.stats import binom

    values = np.sort(values[np.isfinite(values)])
    n = len(values)
    if n == 0:
        return Measured(np.nan, np.nan, np.nan, 0)
    rank = int(binom.ppf(0.025, n, 0.5))
    low, high = values[max(rank - 1, 0)], values[min(n - rank, n - 1)]
    return Measured(float(np.median(values)), float(low), float(high), n)


class Bootstrap:
    """Draws scenes with replacement; the same draws for everything that is compared.

    Args:
        clusters: number of scenes.
        draws: number of resamples.
        seed: of the draws.
    """

    def __init__(self, clusters: int, draws: int = BOOTSTRAP_DRAWS, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        chosen = rng.integers(clusters, size=(draws, clusters))
        flat = chosen + np.arange(draws)[:, None] * clusters
        counts = np.bincount(flat.ravel(), minlength=draws * clusters).reshape(draws, clusters)
        self.weights = np.vstack([np.ones(clusters), counts]).astype(np.float32)  # row 0 is the bench itself

    def macro(self, numerator: Float, denominator: Float, group: Int, cluster: Int) -> Measured:
        """Macro-average over groups of sum(numerator) / sum(denominator), with its interval.

        Args:
            numerator, denominator: (N,) per item; a denominator of ones gives means.
            group: (N,) family of each item.
            cluster: (N,) scene of each item.
        """
        if len(group) == 0:
            return Measured(np.nan, np.nan, np.nan, 0)
        averages = self.macros(numerator, denominator, group, cluster)
        low, high = np.nanquantile(averages[1:], [0.025, 0.975])
        return Measured(float(averages[0]), float(low), float(high), len(group))

    def macros(self, numerator: Float, denominator: Float, group: Int, cluster: Int) -> Float:
        """(1 + draws,) macro-averages: of the bench itself, then of each resample."""
        groups, index = np.unique(group, return_inverse=True)
        size = self.weights.shape[1] * len(groups)
        key = cluster * len(groups) + index

        def sums(values: Float) -> NDArray[np.float32]:
            table = np.bincount(key, weights=values, minlength=size)
            return self.weights @ table.reshape(-1, len(groups)).astype(np.float32)

        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = sums(np.asarray(numerator, float)) / sums(np.asarray(denominator, float))
            known = np.isfinite(ratio)  # a family that a resample has nothing of is left out there
            total = np.where(known, ratio, 0.0).sum(axis=1, dtype=np.float64)
            return total / known.sum(axis=1)
