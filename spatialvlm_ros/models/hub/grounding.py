"""Locations from what a hub model says: presence from yes and no, boxes from words, the rest as it was given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.backend import Locations
from spatialvlm_ros.models.hub import wording
from spatialvlm_ros.models.query import CAMERA_NAME, ObjectRef, Region

Float = NDArray[np.float64]

THERE = (1.0, 0.0, 0.0)
LEAST_BOX_STD, BOX_STD = 2.0, 0.06  # pixels; share of the side: what a box in words is good for at least


def names_in(objects: Sequence[ObjectRef | None]) -> list[str]:
    """The different names that have to be looked for."""
    return list(dict.fromkeys(thing for thing in objects if isinstance(thing, str) and thing != CAMERA_NAME))


def presence_questions(names: Sequence[str]) -> list[str]:
    """For K names K questions whether it is there, then K whether there are several."""
    return [wording.presence_words(name) for name in names] + [wording.several_words(name) for name in names]


def given_locations(objects: Sequence[ObjectRef | None], presence: dict[str, Float]) -> Locations:
    """What needs no box from the model: presence as told, the camera, objects given by box or point."""
    found = Locations.unknown(len(objects))
    for i, thing in enumerate(objects):
        if thing == CAMERA_NAME or isinstance(thing, Region):
            found.presence[i] = THERE
        elif isinstance(thing, str) and thing in presence:
            found.presence[i] = presence[thing]
        if isinstance(thing, Region) and thing.is_point:
            found.centers[i], found.center_stds[i] = thing.pixels, LEAST_BOX_STD
        elif isinstance(thing, Region):
            fill_box(found, i, np.array(thing.pixels), np.full(4, LEAST_BOX_STD))
    return found


def fill_box(found: Locations, i: int, box: Float, stds: Float) -> None:
    """Write a box (4,) and its standard deviations (4,), pixels, into row i, with the centre that follows."""
    found.boxes[i], found.box_stds[i] = box, stds
    found.centers[i] = (box[:2] + box[2:]) / 2 - 0.5  # pixel centres are whole numbers, edges lie half a pixel off
    found.center_stds[i] = np.hypot(stds[:2], stds[2:]) / 2


def fill_answer(found: Locations, i: int, box: Float) -> None:
    """Write a box that a model stated; one of NaN changes nothing."""
    if np.isfinite(box).all():
        fill_box(found, i, box, np.maximum(BOX_STD * np.tile(box[2:] - box[:2], 2), LEAST_BOX_STD))
