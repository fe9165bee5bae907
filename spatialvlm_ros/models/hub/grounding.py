"""Locations from what a hub model says: presence from yes and no, boxes from words, the rest as it was given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.backend import Locations
from spatialvlm_ros.models.given import fill_box, fill_given
from spatialvlm_ros.models.hub.wording import presence_words, several_words
from spatialvlm_ros.models.query import ObjectRef, is_camera

Float = NDArray[np.float64]

LEAST_BOX_STD, BOX_STD = 2.0, 0.06  # pixels; share of the side: what a box in words is good for at least


def names_in(objects: Sequence[ObjectRef | None]) -> list[str]:
    """The different names that have to be looked for."""
    return list(dict.fromkeys(thing for thing in objects if isinstance(thing, str) and not is_camera(thing)))


def presence_questions(names: Sequence[str]) -> list[str]:
    """For K names K questions whether it is there, then K whether there are several."""
    return [presence_words(name) for name in names] + [several_words(name) for name in names]


def given_locations(objects: Sequence[ObjectRef | None], presence: dict[str, Float]) -> Locations:
    """What needs no box from the model: presence as told, the camera, objects given by box or point."""
    found = Locations.unknown(len(objects))
    fill_given(found, objects, LEAST_BOX_STD)
    for i, thing in enumerate(objects):
        if isinstance(thing, str) and thing in presence:
            found.presence[i] = presence[thing]
    return found


def fill_answer(found: Locations, i: int, box: Float) -> None:
    """Write a box that a model stated; one of NaN changes nothing."""
    if np.isfinite(box).all():
        fill_box(found, i, box, np.maximum(BOX_STD * np.tile(box[2:] - box[:2], 2), LEAST_BOX_STD))
