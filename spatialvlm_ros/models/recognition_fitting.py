"""Fits the probability that a located object is the one that was named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.backend import PRESENT
from spatialvlm_ros.models.calibration_examples import Example
from spatialvlm_ros.models.recognition import features
from spatialvlm_ros.models.robust_fitting import logistic

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_OFF = 0.25  # of the diagonal of its box: a centre that is farther off is that of something else
_FEWEST = 50  # located objects to fit on, of the right ones and of the wrong ones
_DRAWN = 1.0  # towards "who knows", in samples


def fit_recognition(examples: Sequence[Example]) -> tuple[float, ...]:
    """Weights from located objects of known views, with names of what is not there among them; () for too few."""
    known = np.concatenate([features(e.readings.locations, e.readings.camera) for e in examples])
    right = np.concatenate([_is_right(e) for e in examples])
    asked = np.concatenate([e.truth.presence >= 0 for e in examples])
    use = asked & np.isfinite(known).all(axis=1)
    if min(int((use & right).sum()), int((use & ~right).sum())) < _FEWEST:
        return ()
    start = np.zeros(known.shape[1])
    found = logistic(known[use], right[use].astype(np.float64), start, np.full(len(start), _DRAWN))
    return tuple(found.tolist())


def _is_right(example: Example) -> Bool:
    """(K,) whether an object is there once and is where the model says."""
    truth, camera = example.truth, example.readings.camera
    there = (truth.presence == PRESENT) & (truth.boxes.centers[:, 2] > 0)
    right = np.zeros(len(there), dtype=bool)
    if there.any():
        boxes = truth.boxes[there]
        off = example.readings.locations.centers[there] - camera.project(boxes.centers)
        right[there] = np.linalg.norm(off, axis=1) < _OFF * _diagonals(boxes, camera)
    return right


def _diagonals(boxes: Boxes, camera: Camera) -> Float:
    """(K,) pixels from corner to corner of the boxes around the whole objects; NaN where one reaches behind."""
    corners = boxes.corners()
    pixels = camera.project(corners.reshape(-1, 3)).reshape(len(boxes), -1, 2)
    pixels[corners[..., 2] <= 0] = np.nan
    return np.linalg.norm(pixels.max(axis=1) - pixels.min(axis=1), axis=1)
