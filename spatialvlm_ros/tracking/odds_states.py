"""Predicates over time: the average of their log-odds, newer frames counting more.

An average and not a sum: frames of one scene share their error, and a hundred frames that each say 70% do not make it
certain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.distributions import probability
from spatialvlm_ros.tracking.settings import FilterSettings

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


class OddsStates:
    """N averages.

    Attributes:
        running: (N,) whether there is a state.
        updates: (N,) measurements since the start.
    """

    def __init__(self, n: int, settings: FilterSettings) -> None:
        self.running: Bool = np.zeros(n, dtype=bool)
        self.updates: Int = np.zeros(n, dtype=np.int64)
        self._odds: Float = np.zeros(n)
        self._weight: Float = np.zeros(n)
        self._settings = settings

    def taken(self, rows: Int) -> OddsStates:
        """The states of other queries: rows of this one, new where the row is -1."""
        other = OddsStates(len(rows), self._settings)
        kept = rows >= 0
        for name in ("running", "updates", "_odds", "_weight"):
            getattr(other, name)[kept] = getattr(self, name)[rows[kept]]
        return other

    def stop(self, rows: Bool) -> None:
        """Forget some of them."""
        self.running = self.running & ~rows

    def predict(self, seconds: float) -> None:
        """Let time pass: what was seen counts less."""
        self._weight = self._weight * np.exp(-seconds / self._settings.predicate_time_s)

    def measure(self, rows: Bool, odds: Float) -> None:
        """Take (N,) log-odds of some rows in."""
        weight = np.where(self.running, self._weight, 0.0) + 1.0
        before = np.where(self.running, self._odds, 0.0)
        self._odds = np.where(rows, before + (odds - before) / weight, self._odds)
        self._weight = np.where(rows, weight, self._weight)
        self.updates = np.where(rows, np.where(self.running, self.updates, 0) + 1, self.updates)
        self.running = self.running | rows

    def probability(self, age_s: Float) -> Float:
        """(N,) P(true), drawn towards 1/2 with the seconds (N,) since each was last seen."""
        return probability(self._odds * np.exp(-np.minimum(age_s / self._settings.max_age_s, 50.0)))
