"""Which thing is meant by a name: the model's boxes are votes, picture after picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes2d import overlaps
from spatialvlm_ros.models.estimate import LocatedObject

Float = NDArray[np.float64]

_LEAST_OVERLAP = 0.1  # of a model's box with that of a thing, to be a vote for it
_LEAST_VOTES = 0.1  # with which a thing gets a name
_CHANGE = 1.3  # how many times the votes of the named thing another one needs to take its name
_LEAST_WEIGHT = 1e-3  # of a box in a median
SURE = 1e6  # votes of somebody who points at a thing


@dataclass(frozen=True)
class Vote:
    """A box of a name in one picture.

    Attributes:
        box: (4,) x0, y0, x1, y1 in pixels, NaN where the model sees no such thing.
        weight: how much it counts.
    """

    box: Float
    weight: float

    @property
    def is_cast(self) -> bool:
        """Whether there is a box."""
        return bool(np.isfinite(self.box).all())


def vote_of(found: LocatedObject) -> Vote:
    """What a model says, by how likely its box shows what was named; by how likely that is there, where no calibration
    tells more."""
    weight = found.recognition if math.isfinite(found.recognition) else found.score
    return Vote(np.asarray(found.box2d, dtype=np.float64), float(weight))


def pointed_at(box: Float) -> Vote:
    """What somebody says who knows which thing is meant."""
    return Vote(box, SURE)


def middle_box(votes: Sequence[Vote]) -> Float:
    """(4,) medians of the edges of N >= 1 boxes, each box counted by its weight."""
    boxes = np.array([vote.box for vote in votes])
    weights = np.array([max(vote.weight, _LEAST_WEIGHT) for vote in votes])
    order = np.argsort(boxes, axis=0)
    edges = np.take_along_axis(boxes, order, axis=0)
    up_to = np.cumsum(weights[order], axis=0) - weights[order] / 2
    half = weights.sum() / 2
    return np.array([np.interp(half, up_to[:, edge], edges[:, edge]) for edge in range(4)])


@dataclass
class Votes:
    """The votes of one name.

    Attributes:
        of: number of a thing -> overlap of boxes, weighted by how much each of them counts.
        chosen: the thing that has the name, or None.
        pictures: in which the model had a vote.
    """

    of: dict[int, float] = field(default_factory=dict)
    chosen: int | None = None
    pictures: int = 0

    def cast(self, vote: Vote, things: Sequence[int], boxes: Float) -> None:
        """Vote for things with boxes (N, 4) in the picture."""
        if not len(things) or not vote.is_cast:
            return
        self.pictures += 1
        found = overlaps(vote.box[None], boxes)[0]
        for thing, overlap in zip(things, found.tolist(), strict=True):
            if overlap >= _LEAST_OVERLAP:
                self.of[thing] = self.of.get(thing, 0.0) + overlap * vote.weight
        self._choose()

    def _choose(self) -> None:
        if not self.of:
            return
        best = max(self.of, key=lambda thing: self.of[thing])
        held = self.of.get(self.chosen, 0.0) if self.chosen is not None else 0.0
        if self.of[best] >= _LEAST_VOTES and (self.chosen is None or self.of[best] > _CHANGE * held):
            self.chosen = best
