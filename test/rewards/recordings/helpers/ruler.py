"""A model that reads a length off the picture: the red level says how many centimetres it is.

Its arithmetic is exact, so that a wrong picture, a shifted row or a lost frame shows in the rewards.
"""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.models.estimate import Estimate, Reason, Source

TASK = "move the gripper to the apple"
HALF_M = 0.1  # of that task's only term
STD_M = 0.004
BROKEN = 250  # the red level at which the ruler raises


def picture(centimetres: float, width: int = 64, height: int = 48) -> np.ndarray:
    """(H, W, 3) picture that says so many centimetres, 0..60."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = round(4 * centimetres)
    image[..., 1:] = 60
    return image


def episode(centimetres) -> list[np.ndarray]:
    """Its pictures."""
    return [picture(c) for c in centimetres]


def potential(centimetres: float) -> float:
    """What the task's potential is there."""
    return HALF_M / (HALF_M + centimetres / 100)


class RulerView:
    """What `View` is for the rewards."""

    def __init__(self, observation) -> None:
        self._observation = observation

    def measure_many(self, queries):
        level = float(self._observation.rgb[..., 0].mean())
        metres = level / 400
        return [
            Estimate(
                q.kind,
                str(q.subject),
                str(q.reference or ""),
                value=metres,
                std=STD_M,
                interval=(metres - 1.6 * STD_M, metres + 1.6 * STD_M),
                sources=frozenset({Source.MONOCULAR}),
                valid=True,
                reason=Reason.OK,
                quantiles=(metres - STD_M, metres, metres + STD_M),
            )
            for q in queries
        ]


class Ruler:
    """What `SpatialVLM` is for the rewards; counts the pictures it looked at."""

    name = "ruler"

    def __init__(self) -> None:
        self.looked = 0
        self.batches: list[int] = []
        self.cameras: list = []

    def look(self, observation, known_sizes=None, gripper=None):
        return self.look_many([observation], known_sizes)[0]

    def look_many(self, observations, known_sizes=None):
        self.batches.append(len(observations))
        self.looked += len(observations)
        self.cameras += [observation.camera for observation in observations]
        if any(observation.rgb[0, 0, 0] >= BROKEN for observation in observations):
            raise ObservationError("the ruler cannot read a picture", BROKEN, "It is too red.")
        return [RulerView(observation) for observation in observations]
