"""What a detector and a segmenter say about one object of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import GeometryError


@dataclass(frozen=True)
class Detection:
    """One object found in a picture, before anything is known in 3D.

    Attributes:
        label: the words that name it, e.g. "red coffee mug".
        box2d: (4,) x0, y0, x1, y1 pixels (x1, y1 exclusive); may reach over the picture's border.
        mask: (H, W) bool, pixels of its visible part; None where only a box is known.
        score: the detector's confidence, 0..1.
        noun, attributes: parts of the label ("mug", ("red", "coffee")); the noun is the label where unknown.
    """

    label: str
    box2d: NDArray[np.float64]
    mask: NDArray[np.bool_] | None = None
    score: float = 1.0
    noun: str = ""
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        box2d = np.asarray(self.box2d, dtype=np.float64)
        if box2d.shape != (4,):
            raise GeometryError("a 2D box needs four numbers x0, y0, x1, y1", self.box2d, "Pass pixels.")
        object.__setattr__(self, "box2d", box2d)
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.ndim != 2:
                raise GeometryError("a mask must be (H, W)", mask.shape, "Pass one mask per detection.")
            object.__setattr__(self, "mask", mask.astype(bool, copy=False))
        if not self.noun:
            object.__setattr__(self, "noun", self.label)

    @staticmethod
    def from_mask(label: str, mask: ArrayLike, score: float = 1.0, **parts: object) -> Detection:
        """A detection whose 2D box is the tight box of ``mask`` (H, W); an empty mask gives an empty box."""
        mask = np.asarray(mask, dtype=bool)
        return Detection(label, tight_box(mask), mask, score, **parts)  # type: ignore[arg-type]


def tight_box(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(4,) x0, y0, x1, y1 of the True pixels of ``mask`` (H, W), x1 and y1 exclusive; zeros if there is none."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
