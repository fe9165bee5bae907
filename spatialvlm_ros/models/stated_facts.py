"""What the robot states of a view (sizes of objects, the camera's height), held against all the rest.

A statement that contradicts the model is usually right: a model of one picture is at times wrong by half. One that is
far beyond any error is in another unit or of another thing, and is left out with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.shared_scale import ScalePosterior

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Update = Callable[[tuple[Float, Float], tuple[float, float]], ScalePosterior]

_MOST_SURPRISE = 4.0  # deviations
_LEAST_STD = 0.35  # log, of a contradiction: less than a factor of 4 is never too much


def credible(update: Update, sized: tuple[Float, Float], height: tuple[float, float]) -> tuple[Bool, bool]:
    """Which statements agree with the rest.

    Args:
        update: (sized, height) -> the scale's posterior with those statements and all that is known beside them.
        sized: (K,) log range of known sizes less the model's, and its deviation; NaN where there is none.
        height: the same of the camera's height.

    Returns:
        (K,) whether each size may be used, and whether the height may.
    """
    values, stds = np.append(sized[0], height[0]), np.append(sized[1], height[1])
    kept = np.isfinite(values) & np.isfinite(stds)
    if not kept.any():
        return np.ones(len(sized[0]), bool), True
    nothing = np.zeros(len(kept), bool)
    doubts = np.where(kept, _surprises(update, values, stds, nothing), 0.0)
    refused = nothing.copy()
    # What agrees with the model and depth stays. Of the others each has to agree with the rest of the statements.
    for k in np.argsort(-doubts):
        if doubts[k] <= _MOST_SURPRISE:
            break
        others = kept & ~refused
        others[k] = False
        refused[k] = _surprises(update, values, stds, others)[k] > _MOST_SURPRISE
    return ~refused[:-1], not refused[-1]


def _surprises(update: Update, values: Float, stds: Float, use: Bool) -> Float:
    """(K + 1,) deviations of all statements from what is expected with some of them."""
    taken = np.where(use, values, np.nan)
    posterior = update((taken[:-1], stds[:-1]), (float(taken[-1]), float(stds[-1])))
    c = posterior.covariance
    expected = posterior.mean[0] + posterior.mean[1:]
    variance = c[0, 0] + 2 * c[0, 1:] + np.diag(c)[1:]
    return np.abs(values - expected) / np.maximum(np.sqrt(np.maximum(variance + stds**2, 0.0)), _LEAST_STD)


def contradicts(given: Float, said: Float, stds: Float) -> Bool:
    """(K,) whether known sizes contradict others in all three extents alike, as in another unit; False where there are
    none. One extent that does not fit is more often seen wrongly than stated wrongly.

    Args:
        given, said: (K, 3) log metres along the same axes, NaN where unknown.
        stds: (K, 3) of what is said.
    """
    with np.errstate(invalid="ignore"):
        off = (given - said) / np.maximum(stds, _LEAST_STD)
        return np.asarray((off > _MOST_SURPRISE).all(axis=1) | (off < -_MOST_SURPRISE).all(axis=1))
