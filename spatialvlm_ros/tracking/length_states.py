"""N scalar filters side by side, in the coordinate of `coordinates`; their arithmetic is in `considered`.

Measurements are combined in the coordinate. Between them a quantity moves evenly in metres, with a rate that is changed
by white noise: in log metres an even approach would look like a growing acceleration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.tracking.considered import (
    RATE,
    SHARED,
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
from spatialvlm_ros.tracking.coordinates import LEAST_STD, Kinds, Stated, unit_per_coordinate, units_per_metre
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_MOST_STEP = 0.7  # in the coordinate, of one prediction: a length that shrinks evenly does not shrink to nothing unseen


class LengthStates:
    """The state of N filters.

    Attributes:
        kinds: of the queries.
        running: (N,) whether there is a state.
        value: (N,) in the coordinate.
        rate: (N,) in the unit of the query per second.
        covariance: (N, 4, 4) of value, rate, own lasting error and shared error.
        updates: (N,) measurements since the start.
    """

    def __init__(self, kinds: Kinds, settings: FilterSettings) -> None:
        n = len(kinds)
        self.kinds = kinds
        self.running: Bool = np.zeros(n, dtype=bool)
        self.value: Float = np.zeros(n)
        self.rate: Float = np.zeros(n)
        self.covariance: Float = np.zeros((n, 4, 4))
        self.updates: Int = np.zeros(n, dtype=np.int64)
        self._streak: Int = np.zeros(n, dtype=np.int64)  # outliers in a row, with their side
        self._claimed: Float = np.zeros((n, 3))  # variance, shared deviation with its sign, lean
        self._settings = settings

    def taken(self, rows: Int, kinds: Kinds) -> LengthStates:
        """The states of other queries: rows of this one, new where the row is -1."""
        other = LengthStates(kinds, self._settings)
        kept = rows >= 0
        for name in ("running", "value", "rate", "covariance", "updates", "_streak", "_claimed"):
            getattr(other, name)[kept] = getattr(self, name)[rows[kept]]
        return other

    def stop(self, rows: Bool) -> None:
        """Forget some of them."""
        self.running = self.running & ~rows

    def predict(self, seconds: float) -> None:
        """Let time pass."""
        if seconds == 0.0 or not self.running.any():
            return
        kinds = self.kinds
        before = unit_per_coordinate(self.value, kinds)
        moved = np.arcsinh(np.sinh(self.value) + seconds * self.rate / kinds.scale)
        self.value = self.value + np.clip(moved - self.value, -_MOST_STEP, _MOST_STEP)
        self._keep_in_range()
        after = unit_per_coordinate(self.value, kinds)
        settings = self._settings
        self.covariance = predicted(
            self.covariance,
            seconds,
            np.clip(before / after, np.exp(-_MOST_STEP), np.exp(_MOST_STEP)),
            1 / after,
            settings.acceleration * self._units_per_metre(),
            (float(np.exp(-seconds / settings.correlation_time_s)), float(np.exp(-seconds / settings.shared_time_s))),
        )

    def measure(self, rows: Bool, stated: Stated, since: Float) -> None:
        """Take measurements in.

        Args:
            rows: (N,) which filters have one.
            stated: the measurements.
            since: (N,) seconds since the last measurement of each.
        """
        parts = self._error_parts(rows, stated, since)
        known = rows & self.running
        self._correct(known, stated.value, parts)
        jumped = known & (np.abs(self._streak) >= self._settings.confirm_frames)
        self._start((rows & ~self.running) | jumped, stated.value, parts)

    def value_std(self) -> Float:
        """(N,) of the value, in the coordinate."""
        return np.sqrt(np.maximum(self.covariance[:, VALUE, VALUE], LEAST_STD**2))

    def shared_std(self) -> Float:
        """(N,) the part of `value_std` that comes from the shared error."""
        return np.minimum(np.abs(self.covariance[:, VALUE, SHARED]), self.value_std())

    def rate_std(self) -> Float:
        """(N,) of the rate, in the unit of the query per second."""
        return np.sqrt(np.maximum(self.covariance[:, RATE, RATE], 0.0))

    def lean(self) -> Float:
        """(N,) as in `Stated`, averaged."""
        return self._claimed[:, 2]

    def _error_parts(self, rows: Bool, stated: Stated, since: Float) -> ErrorParts:
        settings = self._settings
        weight = 1.0 - np.exp(-since / settings.claim_time_s)
        said = np.stack([stated.std**2, stated.shared, stated.lean], axis=1)
        claimed = averaged_claims(self._claimed, said, ~self.running, weight)
        self._claimed = np.where(rows[:, None], claimed, self._claimed)
        return error_parts(claimed[:, 0], claimed[:, 1], settings.correlated_share, LEAST_STD)

    def _correct(self, rows: Bool, values: Float, parts: ErrorParts) -> None:
        spread, total = innovation(self.covariance, parts)
        apart = np.where(rows, values - self.value, 0.0)
        excess = np.maximum(apart**2 / (total * self._settings.gate**2), 1.0)  # an outlier's variance grows with it
        gain = np.where(rows[:, None], gains(spread, total * excess), 0.0)
        self.value = self.value + gain[:, VALUE] * apart
        self.rate = self.rate + gain[:, RATE] * apart
        self.covariance = corrected(self.covariance, parts, gain, parts.white**2 + total * (excess - 1.0))
        side = np.where(excess > 1.0, np.sign(apart), 0.0).astype(np.int64)
        streak = np.where(side == np.sign(self._streak), self._streak + side, side)
        self._streak = np.where(rows, streak, self._streak)
        self.updates = self.updates + rows
        self._keep_in_range()

    def _start(self, rows: Bool, values: Float, parts: ErrorParts) -> None:
        if not rows.any():
            return
        self.value = np.where(rows, values, self.value)
        self.rate = np.where(rows, 0.0, self.rate)
        new = started(parts, self._settings.speed * self._units_per_metre())
        self.covariance = np.where(rows[:, None, None], new, self.covariance)
        self._streak = np.where(rows, 0, self._streak)
        self.updates = np.where(rows, 1, self.updates)
        self.running = self.running | rows

    def _units_per_metre(self) -> Float:
        """(N,) by how much a quantity may change when a thing moves by a metre."""
        share = np.where(self.kinds.is_size, self._settings.size_motion, 1.0)
        return share * units_per_metre(self.value, self.kinds)

    def _keep_in_range(self) -> None:
        """A length that cannot be negative stops at 0; nothing runs away while it is not seen."""
        below = ~self.kinds.signed & (self.value < 0)
        self.value = np.where(below, 0.0, np.clip(self.value, -self.kinds.most, self.kinds.most))
        self.rate = np.where(below, np.maximum(self.rate, 0.0), self.rate)
