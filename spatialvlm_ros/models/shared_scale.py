"""The scale error that all monocular lengths of a view share, and what corrects it.

The log range of object k is said as mu_k; the truth is mu_k + s + e_k, with one s for the view. A measured range
(depth, known size) tells s + e_k, a known camera height tells s + e_h. All is linear and Gaussian: one update gives the
corrected ranges of measured objects and, through s, of all others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

UNKNOWN_VARIANCE = 16.0  # of a log range that nothing is said of
_LEAST_OWN = 0.1  # of a stated deviation that is the object's own at least


@dataclass(frozen=True)
class ScalePosterior:
    """The joint distribution of [s, e_1 .. e_K, e_h] after all measurements.

    Attributes:
        mean: (K + 2,) log.
        factor: (K + 2, K + 2) lower Cholesky factor of the covariance.
        covariance: (K + 2, K + 2).
        prior_variance: of s.
    """

    mean: Float
    factor: Float
    covariance: Float
    prior_variance: float

    @property
    def shared_mean(self) -> float:
        """Correction of all monocular lengths, log."""
        return float(self.mean[0])

    @property
    def shared_std(self) -> float:
        """What remains of the shared error, log."""
        return float(np.sqrt(max(self.covariance[0, 0], 0.0)))

    def range_corrections(self) -> Float:
        """(K,) s + e_k, log."""
        return self.mean[0] + self.mean[1:-1]

    def range_stds(self) -> Float:
        """(K,) of s + e_k, log."""
        c = self.covariance
        return np.sqrt(np.maximum(c[0, 0] + 2 * c[0, 1:-1] + np.diag(c)[1:-1], 0.0))

    def shared_share(self) -> Float:
        """(K,) how much of a change of s an object's range still follows: 1 without measurements, near 0 with depth."""
        variance = max(float(self.covariance[0, 0]), 1e-12)
        return np.clip((variance + self.covariance[0, 1:-1]) / variance, 0.0, 1.0)


def scale_posterior(
    range_stds: Float,
    height_std: float,
    shared_std: float,
    measured: tuple[Float, Float],
    sized: tuple[Float, Float],
    height: tuple[float, float],
) -> ScalePosterior:
    """Update the ranges.

    Args:
        range_stds: (K,) of what the model says, NaN where it says nothing.
        height_std: of the camera's log height as the model says it, NaN if it does not.
        shared_std: prior deviation of s.
        measured: (K,) log range of depth minus that of the model, and its deviation; NaN where there is none.
        sized: the same from known sizes.
        height: known log height minus the model's, and its deviation; NaN where unknown.
    """
    known = np.isfinite(range_stds)
    typical = float(np.median(range_stds[known])) if known.any() else shared_std
    shared_variance = max(min(shared_std, float(np.sqrt(1 - _LEAST_OWN**2)) * typical), 1e-4) ** 2
    own = np.where(known, np.maximum(range_stds**2 - shared_variance, (_LEAST_OWN * range_stds) ** 2), UNKNOWN_VARIANCE)
    own_height = UNKNOWN_VARIANCE
    if np.isfinite(height_std):
        own_height = max(height_std**2 - shared_variance, (_LEAST_OWN * height_std) ** 2)
    covariance = np.diag(np.concatenate([[shared_variance], own, [own_height]]))
    mean = np.zeros(len(covariance))
    columns = np.concatenate([np.arange(len(own)), np.arange(len(own)), [len(own)]]) + 1
    values = np.concatenate([measured[0], sized[0], [height[0]]])
    deviations = np.concatenate([measured[1], sized[1], [height[1]]])
    use = np.isfinite(values) & np.isfinite(deviations)
    if use.any():
        design = np.zeros((int(use.sum()), len(mean)))
        design[:, 0] = 1.0
        design[np.arange(len(design)), columns[use]] = 1.0
        spread = covariance @ design.T
        gain = np.linalg.solve(design @ spread + np.diag(deviations[use] ** 2), spread.T).T
        mean = gain @ values[use]
        covariance = covariance - gain @ spread.T
        covariance = (covariance + covariance.T) / 2
    factor = np.asarray(np.linalg.cholesky(covariance + 1e-10 * np.eye(len(covariance))), dtype=np.float64)
    return ScalePosterior(mean, factor, covariance, shared_variance)
