"""Rows of `Locations` that need no model: the camera, and objects that were given by box or point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.backend import Locations
from spatialvlm_ros.models.query import ObjectRef, Region, is_camera

Float = NDArray[np.float64]

THERE = (1.0, 0.0, 0.0)


def fill_given(found: Locations, things: Sequence[ObjectRef | None], std: float) -> None:
    """Write the rows of the camera, of boxes and of points; the others stay as they are.

    Args:
        found: with a row for each thing.
        things: what was asked for; None where there is nothing.
        std: standard deviation of a given box or point, pixels.
    """
    for i, thing in enumerate(things):
        if is_camera(thing) or isinstance(thing, Region):
            found.presence[i] = THERE
        if isinstance(thing, Region) and thing.is_point:
            found.centers[i], found.center_stds[i] = thing.pixels, std
        elif isinstance(thing, Region):
            fill_box(found, i, np.array(thing.pixels), np.full(4, std))


def fill_box(found: Locations, i: int, box: Float, stds: Float) -> None:
    """Write a box (4,) and its standard deviations (4,), pixels, into row i, with the centre that follows."""
    found.boxes[i], found.box_stds[i] = box, stds
    found.centers[i] = (box[:2] + box[2:]) / 2 - 0.5  # pixel centres are whole numbers, edges lie half a pixel off
    found.center_stds[i] = np.hypot(stds[:2], stds[2:]) / 2
