"""When a qualitative question is too close to call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Margin:
    """The measurement error inside which yes/no, choice and classify questions have no clear answer.

    A signed margin m of objects up to r metres from the camera is unclear when |m| <= max(absolute, relative * r).

    Attributes:
        absolute: metres.
        relative: share of the range of the farther object.
        answered: probability that an unclear case is asked and answered with a phrase of uncertainty; otherwise
            another question is drawn in its place.
    """

    absolute: float = 0.01
    relative: float = 0.02
    answered: float = 0.25

    def __post_init__(self) -> None:
        if not (0 <= self.absolute < np.inf and 0 <= self.relative < np.inf and 0 <= self.answered <= 1):
            raise ConfigError(
                "a margin needs tolerances of 0 or more and a probability",
                (self.absolute, self.relative, self.answered),
                "Metres, share of the range, probability.",
            )

    def tolerance(self, ranges: Float) -> Float:
        """(N,) metres for the range (N,) of the farther object of each pair."""
        return np.maximum(self.absolute, self.relative * ranges)

    def unclear(self, margins: Float, ranges: Float) -> NDArray[np.bool_]:
        """(N,) whether each signed margin, metres, lies inside the measurement error."""
        return np.abs(margins) <= self.tolerance(ranges)
