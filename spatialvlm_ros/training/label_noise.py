"""Errors put on the metres that quantity tokens are trained on: what wrong labels cost (an ablation of the paper)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]

_TABLE = "table"  # what the simulation calls the plane of its table tops


@dataclass(frozen=True)
class LabelNoise:
    """Gaussian errors, drawn anew for every label.

    Quantity tokens alone get them: ranges, sizes, the camera's height and the relations in metres. Places, predicates,
    dense supervision and answers in words stay exact; leave out what would tell the metres otherwise.

    Attributes:
        metres: standard deviation in rooms.
        share: standard deviation on table tops, as a share of the label.

    Raises:
        ConfigError: a negative one.
    """

    metres: float = 0.0
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.metres < 0 or self.share < 0:
            raise ConfigError("the noise of labels cannot be negative", (self.metres, self.share))

    @property
    def on(self) -> bool:
        """Whether there is any."""
        return self.metres > 0 or self.share > 0

    def applied(self, values: ArrayLike, table_top: ArrayLike, signed: ArrayLike, rng: np.random.Generator) -> Float:
        """Labels with their errors; those that cannot be negative are redrawn until they are positive.

        Args:
            values: (...) metres; NaN stays NaN.
            table_top: (...) whether the view shows a table top, see `shows_table_top`.
            signed: (...) whether the quantity may be negative.
            rng: decides.
        """
        exact = np.asarray(values, dtype=np.float64)
        if not self.on:
            return exact
        spread = np.where(table_top, self.share * np.abs(exact), self.metres)
        noisy = exact + spread * rng.standard_normal(exact.shape)
        # An exact 0 on a table top has no error; a label that is negative against its kind is left alone.
        while (wrong := (noisy <= 0) & (exact >= 0) & (spread > 0) & ~np.asarray(signed, bool)).any():
            drawn = exact + spread * rng.standard_normal(exact.shape)
            noisy = np.where(wrong, drawn, noisy)
        return noisy


def shows_table_top(scene: Scene) -> bool:
    """Whether the plane that carries most of the scene is a table; everything else counts as a room."""
    return scene.frame.support_id == _TABLE
