"""Whether a located object is the one that was named, by how sure the model is of its place.

A model that has found the wrong thing, or nothing, spreads its probabilities over several places. That tells more than
the probability that the thing is there (docs/log.md), also of shapes that no training showed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models import presence
from spatialvlm_ros.models.backend import Locations
from spatialvlm_ros.models.distributions import probability

Float = NDArray[np.float64]

_LEAST_SPREAD = 0.002  # of the picture's width
_LEAST_RATIO = 0.02  # of the box


def scores(locations: Locations, camera: Camera, weights: Sequence[float]) -> Float:
    """(K,) probability that each box shows the one thing that was named; NaN where the model does not say where it is.

    Args:
        locations: K, as the model says.
        camera: of the picture.
        weights: of the calibration (`recognition_fitting`); () gives NaN.
    """
    said = np.full(len(locations), np.nan)
    if len(weights):
        known = features(locations, camera)
        full = np.isfinite(known).all(axis=1)
        said[full] = probability(known[full] @ np.asarray(weights))
    return said


def features(locations: Locations, camera: Camera) -> Float:
    """(K, 6) those of `presence`, and the logs of the spread of the box as shares of the picture and of the box."""
    spread = locations.box_stds.mean(axis=1)
    sides = locations.boxes[:, 2:] - locations.boxes[:, :2]
    longest = np.maximum(sides.max(axis=1), _LEAST_SPREAD * camera.width)
    of_picture = np.log(spread / camera.width + _LEAST_SPREAD)
    of_box = np.log(spread / longest + _LEAST_RATIO)
    return np.concatenate([presence.features(locations.presence), of_picture[:, None], of_box[:, None]], axis=1)
