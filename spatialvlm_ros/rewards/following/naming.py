"""Which of the things that depth sees is meant by a name: the model's boxes are votes, picture after picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.perception.boxes2d import overlaps

Float = NDArray[np.float64]

_LEAST_OVERLAP = 0.1  # of a model's box with that of a thing, to be a vote for it
_LEAST_VOTES = 0.1  # with which a thing gets a name
_CHANGE = 1.3  # how many times the votes of the named thing another one needs to take its name
SURE = 1e6  # votes of somebody who points at a thing


@dataclass
class Votes:
    """The votes of one name.

    Attributes:
        of: number of a thing -> overlap of boxes, weighted by how sure the model is and how much of the thing is seen.
        chosen: the thing that has the name, or None.
        pictures: in which the model had a vote.
    """

    of: dict[int, float] = field(default_factory=dict)
    chosen: int | None = None
    pictures: int = 0

    def cast(self, box: Float, weight: float, things: Sequence[int], boxes: Float) -> None:
        """Vote with a box (4,), NaN where there is none, for things with boxes (N, 4) in the picture."""
        if not len(things) or not np.isfinite(box).all():
            return
        self.pictures += 1
        found = overlaps(box[None], boxes)[0]
        for thing, overlap in zip(things, found.tolist(), strict=True):
            if overlap >= _LEAST_OVERLAP:
                self.of[thing] = self.of.get(thing, 0.0) + overlap * weight
        self._choose()

    def _choose(self) -> None:
        if not self.of:
            return
        best = max(self.of, key=lambda thing: self.of[thing])
        held = self.of.get(self.chosen, 0.0) if self.chosen is not None else 0.0
        if self.of[best] >= _LEAST_VOTES and (self.chosen is None or self.of[best] > _CHANGE * held):
            self.chosen = best
