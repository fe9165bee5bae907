"""Two looks at a name: at the whole picture, and at the part of it around where the name seems to be.

Together they tell better than the first one whether the named thing is there, once: a name that is not there moves
elsewhere or is doubted in a window of its own, and of two things of one name the window often shows the other, too
(docs/log.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes2d import iou
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models import presence, recognition
from spatialvlm_ros.models.backend import PRESENT, Locations
from spatialvlm_ros.models.calibration import Thresholds
from spatialvlm_ros.models.closer import Window

Float = NDArray[np.float64]

_ONE_LOOK = 6  # features of `recognition`; the one at `_CONSTANT` is a 1
_CONSTANT = 3
N_FEATURES = 2 * _ONE_LOOK


def features(first: Locations, camera: Camera, near: Locations | None = None, window: Window | None = None) -> Float:
    """(K, 12) of K names: those of `recognition` of either look, the second one's without its 1, and how much their
    boxes overlap (intersection over union).

    Args:
        first: the names in the whole picture.
        camera: of the whole picture.
        near: the names in the window, in its pixels; None where there is no window that shows more: as the first look.
        window: part of the picture that ``near`` is about.
    """
    far = recognition.features(first, camera)
    if near is None or window is None:
        overlap = np.ones(len(first))
        second = far
    else:
        second = recognition.features(near, camera.cropped(window.x0, window.y0, window.width, window.height))
        overlap = iou(first.boxes, near.boxes + np.array([window.x0, window.y0, window.x0, window.y0]))
    return np.concatenate([far, np.delete(second, _CONSTANT, axis=1), overlap[:, None]], axis=1)


def refusal_odds(known: Float, first: Float, thresholds: Thresholds) -> Float:
    """(K, 2) how much speaks for refusing a name as absent and as several; above 0 it is refused.

    Args:
        known: (K, 12) `features`; rows with NaN have no second look.
        first: (K, 2) what the first look alone says (`presence.refusal_odds`): the answer where there is no second
            look, or no weights for it.
        thresholds: of the calibration.
    """
    odds = first.copy()
    said = np.isfinite(known).all(axis=1)
    for column, weights in enumerate((thresholds.closer_absent, thresholds.closer_several)):
        if weights:
            odds[said, column] = known[said] @ np.asarray(weights)
    return odds


def fit_weights(there: Float, gone: Float, kind: int, refused: float, wanted: float) -> tuple[float, ...]:
    """Weights of `features` that tell one kind of name from those of things that are there once.

    Args:
        there, gone: (N, 12), (M, 12) features of names of either kind, without NaN.
        kind: `ABSENT` or `AMBIGUOUS`.
        refused, wanted: as in `presence.fit_weights`.
    """
    by_themselves = np.zeros(N_FEATURES)
    for start in (0, _ONE_LOOK):  # the log-odds of either look come first
        by_themselves[start + PRESENT], by_themselves[start + kind] = -0.25, 0.25
    return presence.fit_limit(there, gone, by_themselves, _CONSTANT, refused, wanted)


def learnt(thresholds: Thresholds) -> bool:
    """Whether a calibration knows what a second look means."""
    return bool(thresholds.closer_absent or thresholds.closer_several)
