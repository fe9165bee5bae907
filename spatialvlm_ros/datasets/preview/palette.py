"""Colours of objects: the same in the picture, the instances, the table and beside the questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Bright enough over photographs and dark enough on white paper; neighbours differ in hue.
_COLOURS = (
    "#e6194b",
    "#1f7ae0",
    "#2ca02c",
    "#f58231",
    "#911eb4",
    "#00a6a6",
    "#d6249f",
    "#8c6d1f",
    "#5b5bd6",
    "#b3a100",
    "#a0522d",
    "#4d7c8a",
)


def colour(index: int) -> str:
    """CSS colour of the object with that index in its view."""
    return _COLOURS[index % len(_COLOURS)]


def rgb(index: int) -> NDArray[np.uint8]:
    """The same as (3,) uint8 RGB."""
    text = colour(index)
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)
