"""A friend who knows the truth but states an error, part of which all his lengths share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, Reason
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend


@dataclass
class NoisyFriend:
    """Wraps an `ExactFriend`; ``error`` and ``shared`` are shares of each length. ``missing`` names are not visible."""

    exact: ExactFriend
    error: float = 0.05
    shared: float = 0.0
    missing: frozenset[str] = frozenset()

    def measure_many(self, queries):
        return [self._with_error(e) for e in self.exact.measure_many(queries)]

    def _with_error(self, estimate: Estimate) -> Estimate:
        if {estimate.subject, estimate.reference} & self.missing:
            return estimate.refused(Reason.NOT_VISIBLE, f"{estimate.subject} or {estimate.reference} is hidden.")
        if not estimate.valid or estimate.unit == PROBABILITY:
            return estimate
        size = abs(estimate.value)
        return replace(estimate, std=self.error * size, shared_std=self.shared * size)

    def __getattr__(self, name):
        return getattr(self.exact, name)
