"""A friend who knows the truth but states an error, part of which all his lengths share, and doubts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spatialvlm_ros.models.estimate import PROBABILITY, Estimate, Reason
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.scenes.relations import Relation


@dataclass
class NoisyFriend:
    """Wraps an `ExactFriend`; ``error`` and ``shared`` are shares of each length. ``missing`` names are not visible.

    Predicates in ``probable`` are true with that probability, and a thing in ``seen`` is there with that.
    """

    exact: ExactFriend
    error: float = 0.05
    shared: float = 0.0
    missing: frozenset[str] = frozenset()
    probable: Mapping[Relation, float] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict)

    def measure_many(self, queries):
        return [self._with_error(e) for e in self.exact.measure_many(queries)]

    def _with_error(self, estimate: Estimate) -> Estimate:
        if {estimate.subject, estimate.reference} & self.missing:
            return estimate.refused(Reason.NOT_VISIBLE, f"{estimate.subject} or {estimate.reference} is hidden.")
        if not estimate.valid or estimate.unit == PROBABILITY:
            return replace(estimate, value=self.probable.get(estimate.relation, estimate.value))
        size = abs(estimate.value)
        return replace(estimate, std=self.error * size, shared_std=self.shared * size)

    def locate_many(self, subjects):
        return [replace(t, score=self.seen.get(t.name, t.score)) for t in self.exact.locate_many(subjects)]

    def __getattr__(self, name):
        return getattr(self.exact, name)
