"""Simulated episodes of known truth: what a calibrated model would say of them, frame by frame.

Errors are drawn in the coordinate of the relation: one scale error per episode, a part that lasts (Ornstein-Uhlenbeck),
and a white one. The stated errors are right on average and jitter from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spatialvlm_ros.models.distributions import RELATION_INDEX, coordinate_scale, from_coordinate, to_coordinate
from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

Z90 = 1.6448536269514722


@dataclass(frozen=True)
class Errors:
    """Of one measurement: log shared error; deviation of the own one in the coordinate and how it lasts."""

    shared: float = 0.12
    own: float = 0.10
    lasting: float = 0.9
    lasting_s: float = 5.0
    jitter: float = 0.1
    outliers: float = 0.0


@dataclass(frozen=True)
class Episodes:
    """N episodes of T frames.

    Attributes:
        relation: measured in all of them.
        stamps_ns: (T,).
        truth, measured, low, high: (N, T) in the unit; measured is NaN where the object was not seen.
        std, shared_std: (N, T) in the unit, as stated.
    """

    relation: Relation
    stamps_ns: np.ndarray
    truth: np.ndarray
    measured: np.ndarray
    low: np.ndarray
    high: np.ndarray
    std: np.ndarray
    shared_std: np.ndarray

    def __len__(self) -> int:
        return len(self.truth)

    def estimates(self, frame: int) -> list[Estimate]:
        """One per episode."""
        unit = RELATIONS[self.relation].unit
        columns = (self.measured, self.std, self.low, self.high, self.shared_std)
        rows = np.stack([c[:, frame] for c in columns], axis=1).tolist()
        result = []
        for n, (value, std, low, high, shared) in enumerate(rows):
            if value != value:
                result.append(Estimate.invalid(self.relation, f"thing {n}", "bowl", Reason.NOT_VISIBLE, unit))
            else:
                result.append(
                    Estimate(
                        self.relation,
                        f"thing {n}",
                        "bowl",
                        value,
                        std,
                        (low, high),
                        unit,
                        frozenset({Source.MONOCULAR}),
                        True,
                        Reason.OK,
                        shared,
                    )
                )
        return result

    def seen(self, seen: np.ndarray) -> Episodes:
        """The same, not seen where (N, T) is false."""
        return replace(self, measured=np.where(seen, self.measured, np.nan))


def simulate(truth: np.ndarray, times: np.ndarray, relation: Relation, errors: Errors, seed: int) -> Episodes:
    """Measure (N, T) true lengths at (T,) seconds."""
    rng = np.random.default_rng(seed)
    n, frames = truth.shape
    index = np.full(n, RELATION_INDEX[relation])
    scale = coordinate_scale(relation)
    coordinate = to_coordinate(truth, index)
    follows = truth / np.hypot(truth, scale)  # of the coordinate over a scale error; 0 at 0
    lasting = np.zeros((n, frames))
    lasting[:, 0] = rng.standard_normal(n)
    for k in range(1, frames):
        keep = np.exp(-(times[k] - times[k - 1]) / errors.lasting_s)
        lasting[:, k] = keep * lasting[:, k - 1] + np.sqrt(1 - keep**2) * rng.standard_normal(n)
    own = np.sqrt(errors.lasting) * lasting + np.sqrt(1 - errors.lasting) * rng.standard_normal((n, frames))
    wild = rng.random((n, frames)) < errors.outliers
    own = own + wild * 10 * rng.standard_normal((n, frames))
    z = coordinate + errors.shared * follows * rng.standard_normal((n, 1)) + errors.own * own
    measured = from_coordinate(z, index)
    stated = np.exp(errors.jitter * rng.standard_normal((n, frames)))
    shared = errors.shared * np.abs(measured) / np.hypot(measured, scale)
    sigma = np.hypot(shared, errors.own) * stated

    def at(deviations: float) -> np.ndarray:
        return from_coordinate(z + deviations * sigma, index)

    std = (at(1) - at(-1)) / 2
    shared_std = std * shared * stated / sigma
    return Episodes(
        relation, np.round(times * 1e9).astype(np.int64), truth, measured, at(-Z90), at(Z90), std, shared_std
    )


def approach(times: np.ndarray, far: np.ndarray, near: np.ndarray, start: np.ndarray, seconds: float) -> np.ndarray:
    """(N, T) lengths that go smoothly (least jerk) from far (N,) to near (N,), beginning at start (N,) seconds."""
    s = np.clip((times[None] - start[:, None]) / seconds, 0, 1)
    return far[:, None] + (near - far)[:, None] * (10 * s**3 - 15 * s**4 + 6 * s**5)
