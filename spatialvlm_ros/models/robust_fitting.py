"""Small robust fits of `fit_calibration`: factors, quantile regression, ridge logistic regression; few samples are
drawn towards what is known otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.distributions import probability

Float = NDArray[np.float64]

NORMAL_68, NORMAL_90 = 0.9945, 1.6449  # quantiles of |z| at 68% and 90%
_LEAST_FACTOR, _MOST_FACTOR = 0.1, 20.0


def drawn(value: float, n: int, towards: float, weight: float) -> float:
    """A value from n samples, drawn towards another one that is worth ``weight`` samples."""
    if n == 0 or not np.isfinite(value):
        return float(towards)
    return float((n * value + weight * towards) / (n + weight))


def factor(standardised: Float, towards: float = 1.0, weight: float = 30.0) -> float:
    """By how much a stated deviation has to grow: 68% of the errors lie within it afterwards."""
    values = np.abs(standardised[np.isfinite(standardised)])
    if len(values) == 0:
        return towards
    found = np.clip(np.quantile(values, 0.68) / NORMAL_68, _LEAST_FACTOR, _MOST_FACTOR)
    return float(np.exp(drawn(np.log(found), len(values), np.log(towards), weight)))


def bias(errors: Float, towards: float = 0.0, weight: float = 25.0) -> float:
    """Median error."""
    errors = errors[np.isfinite(errors)]
    return drawn(float(np.median(errors)) if len(errors) else np.nan, len(errors), towards, weight)


def correlation(a: Float, b: Float, towards: float, weight: float = 50.0) -> float:
    """Of two sets of standardised errors, without their outliers; between 0 and 0.95."""
    use = np.isfinite(a) & np.isfinite(b)
    a, b = np.clip(a[use], -3, 3), np.clip(b[use], -3, 3)
    if len(a) < 8 or a.std() < 1e-9 or b.std() < 1e-9:
        return towards
    return float(np.clip(drawn(float(np.corrcoef(a, b)[0, 1]), len(a), towards, weight), 0.0, 0.95))


def conformal_quantile(scores: Float, coverage: float = 0.9) -> float:
    """The score that ``coverage`` of new samples stay below, at least (split conformal prediction)."""
    scores = np.sort(scores[np.isfinite(scores)])
    n = len(scores)
    if n == 0:
        return float("nan")
    return float(scores[min(int(np.ceil((n + 1) * coverage)), n) - 1])


def quantile_regression(features: Float, values: Float, level: float, ridge: float = 5.0, rounds: int = 60) -> Float:
    """Weights (F + 1,) of the features (N, F) and of a constant, for a quantile of the values (N,).

    Iteratively reweighted least squares on the check loss; the weights of features are drawn towards 0.
    """
    design = np.concatenate([features, np.ones((len(values), 1))], axis=1)
    penalty = np.diag([ridge] * features.shape[1] + [0.0])
    weights = np.zeros(design.shape[1])
    weights[-1] = np.quantile(values, level)
    for _ in range(rounds):
        error = values - design @ weights
        importance = np.where(error > 0, level, 1 - level) / np.maximum(np.abs(error), 0.02)
        scaled = design * importance[:, None]
        weights = np.linalg.solve(scaled.T @ design + penalty, scaled.T @ values)
    return np.asarray(weights, dtype=np.float64)


def logistic(features: Float, labels: Float, towards: Float, strength: Float, rounds: int = 25) -> Float:
    """Weights (F,) of the log-odds of labels (N,) 0 or 1, drawn towards ``towards`` with ``strength`` (F,) each."""
    weights = towards.astype(np.float64).copy()
    for _ in range(rounds):
        p = probability(features @ weights)
        gradient = features.T @ (p - labels) + strength * (weights - towards)
        curvature = (features * (p * (1 - p))[:, None]).T @ features + np.diag(strength + 1e-6)
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-9))
        if np.abs(step).max() < 1e-6:
            break
    return weights


def shared_variance(errors: Float, groups: NDArray[np.int64], others: Float | None = None) -> float:
    """Covariance of two different errors of the same group: what its members share.

    Args:
        errors: (N,) without bias.
        groups: (N,) integers.
        others: (N,) errors of another kind; the same by default.
    """
    others = errors if others is None else others
    use = np.isfinite(errors) & np.isfinite(others)
    errors, others = errors[use], others[use]
    _, index = np.unique(groups[use], return_inverse=True)
    if len(index) == 0:
        return float("nan")
    limit_a, limit_b = (4 * 1.4826 * np.median(np.abs(e)) + 1e-9 for e in (errors, others))
    errors, others = np.clip(errors, -limit_a, limit_a), np.clip(others, -limit_b, limit_b)
    counts = np.bincount(index)
    products = np.bincount(index, errors) * np.bincount(index, others) - np.bincount(index, errors * others)
    pairs = counts * (counts - 1)
    return float(products.sum() / pairs.sum()) if pairs.sum() else float("nan")
