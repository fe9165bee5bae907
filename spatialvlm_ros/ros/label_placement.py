"""Where labels go in a picture, so that none is written over another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Corner = tuple[float, float]

_TEXT = 10.0  # how bad it is to cover text
_WORSE_PER_RANK = 0.03  # what a candidate may cover, as a share of the label, more than the one after it
_WORSE_PER_SHIFT = 0.5  # the same for being moved by its own size into the picture


class Placement:
    """Gives each label a place of its own, in the order in which they ask.

    Args:
        width, height: of the picture, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = np.array([width, height], float)
        self._taken = np.empty((0, 4))
        self._weights = np.empty(0)

    def reserve(self, box: Sequence[float], weight: float = _TEXT) -> None:
        """Keep labels off (x0, y0, x1, y1); ``weight`` is how bad it is to cover it, 10 for text."""
        self._taken = np.vstack([self._taken, np.asarray(box, float)])
        self._weights = np.append(self._weights, weight)

    def place(self, width: int, height: int, corners: Sequence[Corner]) -> tuple[int, int]:
        """Take a place for a label.

        Args:
            width, height: of the label, pixels.
            corners: candidates for its top left corner, best first. They are moved into the picture.

        Returns:
            (x, y) of the candidate that covers least; among equals the first.
        """
        wanted = np.asarray(corners, float)
        size = np.array([width, height], float)
        starts = np.clip(wanted, 0, np.maximum(self._size - size, 0))
        shifts = (np.abs(starts - wanted) / size).sum(axis=1)
        ranks = np.arange(len(wanted))
        cost = self._covered(np.hstack([starts, starts + size])) / (width * height)
        best = int(np.argmin(cost + _WORSE_PER_RANK * ranks + _WORSE_PER_SHIFT * np.minimum(shifts, 1)))
        x, y = (int(v) for v in np.round(starts[best]))
        self.reserve((x, y, x + width, y + height))
        return x, y

    def _covered(self, boxes: Float) -> Float:
        """Weighted square pixels that each of (N, 4) boxes shares with what is taken."""
        low = np.maximum(boxes[:, None, :2], self._taken[None, :, :2])
        high = np.minimum(boxes[:, None, 2:], self._taken[None, :, 2:])
        return np.prod(np.clip(high - low, 0, None), axis=2) @ self._weights
