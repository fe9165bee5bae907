"""The smoothed position of one object: two filters of `considered`, along the ray from the camera and across it.

All frames share the range error, so only the filter along the ray has a shared part. The two follow the ray as it
turns. A full 3D gain would read the shared error off small turns of the measured ray, which are mostly noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.tracking.considered import (
    RATE,
    VALUE,
    ErrorParts,
    averaged_claims,
    corrected,
    error_parts,
    gains,
    innovation,
    predicted,
    started,
)

Float = NDArray[np.float64]

_LEAST_STD = 1e-4  # metres
_MOST = 1e3
_ALONG, _ACROSS = 0, 1


@dataclass(frozen=True)
class Motion:
    """What is believed of motion and errors.

    Attributes:
        acceleration: white-noise acceleration, m/s per root second.
        speed: deviation of each part of the velocity at first sight, m/s.
        correlated_share, correlation_time_s: share of the own variance that lasts from frame to frame, and how long.
        claim_time_s: time over which stated errors are averaged.
    """

    acceleration: float
    speed: float
    correlated_share: float
    correlation_time_s: float
    claim_time_s: float


@dataclass(frozen=True)
class SeenPosition:
    """One measurement.

    Attributes:
        mean: (3,) metres.
        ray: (3,) unit vector from the camera.
        claimed: (2, 2) along and across: variance per axis in m^2, shared deviation in metres.
    """

    mean: Float
    ray: Float
    claimed: Float

    @staticmethod
    def of(position: Float, covariance: Float, camera: Transform, shared_share: float) -> SeenPosition | None:
        """From a position (3,) with covariance (3, 3) in the optical frame; None if they are not finite, or absurd."""
        variances = np.diag(covariance)
        if not (np.isfinite(covariance).all() and (np.abs(position) <= _MOST).all()):
            return None
        if not ((variances >= 0).all() and (variances <= _MOST**2).all()):
            return None
        ray = position / max(float(np.linalg.norm(position)), 1e-9)
        along = max(float(ray @ covariance @ ray), _LEAST_STD**2)
        across = max((float(np.trace(covariance)) - along) / 2, _LEAST_STD**2)
        claimed = np.array([[along, np.sqrt(shared_share * along)], [across, 0.0]])
        return SeenPosition(camera.rotation @ position + camera.translation, camera.rotation @ ray, claimed)


class PositionState:
    """Position and velocity of one object.

    Attributes:
        mean: (3,) metres.
        velocity: (3,) m/s.
    """

    def __init__(self, seen: SeenPosition, motion: Motion) -> None:
        self._motion = motion
        self._start(seen)

    def _start(self, seen: SeenPosition) -> None:
        self.mean, self.velocity, self._ray, self._claimed = seen.mean, np.zeros(3), seen.ray, seen.claimed
        self._p = started(self._parts(), np.full(2, self._motion.speed))

    def _parts(self) -> ErrorParts:
        return error_parts(self._claimed[:, 0], self._claimed[:, 1], self._motion.correlated_share, _LEAST_STD)

    def predict(self, seconds: float) -> None:
        """Let time pass."""
        self.mean = self.mean + seconds * self.velocity
        self._p = self._after(seconds)

    def after(self, seconds: float) -> tuple[Float, Float]:
        """(3,) position and (3, 3) covariance some time later, without a measurement; metres."""
        variance = self._after(seconds)[:, VALUE, VALUE]
        along = np.outer(self._ray, self._ray)
        covariance = variance[_ALONG] * along + variance[_ACROSS] * (np.eye(3) - along)
        return self.mean + seconds * self.velocity, covariance

    def deviations_to(self, seen: SeenPosition, seconds: float, way: float) -> float:
        """Mahalanobis distance of a measurement some time later, if the object may have gone ``way`` metres."""
        _, total = innovation(self._after(seconds), self._averaged(seen, seconds)[0])
        return _deviations(seen.mean - self.mean - seconds * self.velocity, seen.ray, total, way)

    def correct(self, seen: SeenPosition, seconds: float, way: float, max_deviations: float) -> None:
        """Take a measurement in that was made some time later.

        An object that cannot have gone on as before is let move by ``way`` metres; one that is still too far off (its
        box says that it is the same one) starts anew where it is seen.
        """
        parts, claimed = self._averaged(seen, seconds)
        self.predict(seconds)
        spread, total = innovation(self._p, parts)
        apart = seen.mean - self.mean
        if _deviations(apart, seen.ray, total, 0.0) > max_deviations:
            if _deviations(apart, seen.ray, total, way) > max_deviations:
                self._start(seen)
                return
            self._p[:, VALUE, VALUE] += way**2
            spread, total = innovation(self._p, parts)
        gain = gains(spread, total)
        along, across = _split(apart, seen.ray)
        self.mean = self.mean + gain[_ALONG, VALUE] * along + gain[_ACROSS, VALUE] * across
        self.velocity = self.velocity + gain[_ALONG, RATE] * along + gain[_ACROSS, RATE] * across
        self._p = corrected(self._p, parts, gain, parts.white**2)
        self._ray, self._claimed = seen.ray, claimed

    def _after(self, seconds: float) -> Float:
        if seconds == 0.0:
            return self._p
        ones = np.ones(2)
        own = float(np.exp(-seconds / self._motion.correlation_time_s))
        return predicted(self._p, seconds, ones, ones, self._motion.acceleration * ones, (own, 1.0))

    def _averaged(self, seen: SeenPosition, seconds: float) -> tuple[ErrorParts, Float]:
        weight = np.full(2, 1.0 - np.exp(-seconds / self._motion.claim_time_s))
        claimed = averaged_claims(self._claimed, seen.claimed, np.zeros(2, dtype=bool), weight)
        parts = error_parts(claimed[:, 0], claimed[:, 1], self._motion.correlated_share, _LEAST_STD)
        return parts, claimed


def _split(way: Float, ray: Float) -> tuple[Float, Float]:
    """(3,) its parts along and across the ray."""
    along = (way @ ray) * ray
    return along, way - along


def _deviations(apart: Float, ray: Float, variances: Float, way: float) -> float:
    """Mahalanobis distance of what is left of a distance (3,) after a way of at most so many metres."""
    metres = float(np.linalg.norm(apart))
    if metres <= way:
        return 0.0
    along, across = _split(apart * (1 - way / metres), ray)
    return float(np.sqrt(along @ along / variances[_ALONG] + across @ across / variances[_ACROSS]))
