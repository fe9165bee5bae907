"""The arithmetic of Kalman filters whose measurements share errors: N of them side by side.

A measurement is z = u + a n + c s + w: u the value, n the lasting part of its own error, s the error that all frames
of the scene share (both of unit variance), w white. n and s are *considered*, not estimated (Schmidt): their
covariance with u is carried along, so averaging shrinks neither, but they get no value of their own. Estimating them
would be a little sharper, and would learn them from the accidents of the stated errors a and c, which are not that
exact.

Covariances are (N, 4, 4), of truth minus estimate, in the order value, rate, own lasting error, shared error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

VALUE, RATE, OWN, SHARED = range(4)
_NEW_CLAIM = 2.0  # a stated error that changes by more than this factor has a reason, such as depth, and counts at once


@dataclass(frozen=True)
class ErrorParts:
    """Deviations (N,) of the three parts of a measurement's error.

    Attributes:
        own: a, lasting.
        white: of w.
        shared: c, with the sign by which a positive s moves the value.
    """

    own: Float
    white: Float
    shared: Float

    def design(self) -> Float:
        """(N, 4) of a measurement over the state."""
        return np.stack([np.ones_like(self.own), np.zeros_like(self.own), self.own, self.shared], axis=1)


def error_parts(variance: Float, shared: Float, correlated_share: float, least_std: float) -> ErrorParts:
    """Split stated variances (N,), of which shared deviations (N,) are a part."""
    shared = np.clip(shared, -np.sqrt(variance), np.sqrt(variance))
    alone = np.maximum(variance - shared**2, least_std**2)
    white = np.sqrt(np.maximum((1 - correlated_share) * alone, least_std**2))
    return ErrorParts(np.sqrt(correlated_share * alone), white, shared)


def averaged_claims(before: Float, said: Float, new: Bool, weight: Float) -> Float:
    """(N, M) what measurements state of themselves, averaged over time.

    Args:
        before: (N, M) of the average so far; the first column is the variance.
        said: (N, M) of this measurement.
        new: (N,) where there is no average yet.
        weight: (N,) of this measurement, 0..1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.abs(np.log(said[:, 0] / before[:, 0]))
    at_once = new | ~(change <= 2 * np.log(_NEW_CLAIM))
    part = np.where(at_once, 1.0, weight)[:, None]
    return np.where(at_once[:, None], said, (1 - part) * before + part * said)


def started(parts: ErrorParts, rate_std: Float) -> Float:
    """(N, 4, 4) after a first measurement, with the rate known to (N,) beforehand."""
    p = np.zeros((len(parts.own), 4, 4))
    p[:, VALUE, VALUE] = parts.own**2 + parts.white**2 + parts.shared**2
    p[:, RATE, RATE] = rate_std**2
    p[:, VALUE, OWN] = p[:, OWN, VALUE] = -parts.own
    p[:, VALUE, SHARED] = p[:, SHARED, VALUE] = -parts.shared
    p[:, OWN, OWN] = p[:, SHARED, SHARED] = 1.0
    return p


def predicted(
    p: Float, seconds: float, stays: Float, per_rate: Float, acceleration: Float, keeps: tuple[float, float]
) -> Float:
    """(N, 4, 4) after some time.

    Args:
        p: (N, 4, 4).
        seconds: that pass.
        stays: (N,) derivative of the value by the value before.
        per_rate: (N,) change of the value per unit of the rate and second.
        acceleration: (N,) density of the white noise that changes the rate, rate per root second.
        keeps: correlation of the own and of the shared error with themselves before.
    """
    own, shared = keeps
    step = np.zeros_like(p)
    step[:, VALUE, VALUE] = stays
    step[:, VALUE, RATE] = seconds * per_rate
    step[:, RATE, RATE], step[:, OWN, OWN], step[:, SHARED, SHARED] = 1.0, own, shared
    p = step @ p @ step.transpose(0, 2, 1)
    noise = acceleration**2
    p[:, VALUE, VALUE] += noise * per_rate**2 * seconds**3 / 3
    p[:, VALUE, RATE] += noise * per_rate * seconds**2 / 2
    p[:, RATE, VALUE] += noise * per_rate * seconds**2 / 2
    p[:, RATE, RATE] += noise * seconds
    p[:, OWN, OWN] += 1 - own**2
    p[:, SHARED, SHARED] += 1 - shared**2
    return p


def innovation(p: Float, parts: ErrorParts) -> tuple[Float, Float]:
    """(N, 4) covariance of the state with a measurement, and (N,) the variance of measurement minus estimate."""
    design = parts.design()
    spread = (p @ design[:, :, None])[:, :, 0]
    return spread, (spread * design).sum(axis=1) + parts.white**2


def gains(spread: Float, total: Float) -> Float:
    """(N, 4) how value and rate follow the innovation: the value never beyond the measurement, nor away from it."""
    gain = spread / total[:, None]
    gain[:, OWN:] = 0.0
    gain[:, VALUE] = np.clip(gain[:, VALUE], 0.0, 1.0)
    return gain


def corrected(p: Float, parts: ErrorParts, gain: Float, noise: Float) -> Float:
    """(N, 4, 4) after a measurement with white variance (N,), for any gain (N, 4)."""
    left = np.eye(4) - gain[:, :, None] * parts.design()[:, None, :]
    return left @ p @ left.transpose(0, 2, 1) + noise[:, None, None] * gain[:, :, None] * gain[:, None, :]
