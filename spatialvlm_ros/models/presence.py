"""Whether a named object is there once: what the three probabilities of a model say together.

The probability of "once" alone is a poor judge of names that several things have: such a name keeps most of it.
Log-odds of all three, weighted by what calibration views showed, refuse three times as many (docs/log.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.calibration import Thresholds
from spatialvlm_ros.models.distributions import log_odds
from spatialvlm_ros.models.robust_fitting import logistic

Float = NDArray[np.float64]

_LIMIT = 1e-6  # probabilities are kept that far from 0 and 1
_DRAWN = 1.0  # towards what the probabilities say by themselves, in samples


def features(presence: ArrayLike) -> Float:
    """(K, 4) log-odds of `PRESENT`, `ABSENT` and `AMBIGUOUS`, and a 1, of probabilities (K, 3)."""
    presence = np.asarray(presence, dtype=np.float64)
    return np.concatenate([log_odds(presence, _LIMIT), np.ones((len(presence), 1))], axis=1)


def refusal_odds(presence: ArrayLike, thresholds: Thresholds) -> Float:
    """(K, 2) how much speaks for refusing a name as absent and as several; above 0 it is refused.

    Args:
        presence: (K, 3) probabilities; a row with NaN speaks for nothing (-inf).
        thresholds: of the calibration.
    """
    presence = np.asarray(presence, dtype=np.float64)
    odds = np.full((len(presence), 2), -np.inf)
    said = np.isfinite(presence).all(axis=1)
    known = features(presence[said])
    for column, (weights, kind) in enumerate(((thresholds.absent, ABSENT), (thresholds.several, AMBIGUOUS))):
        if weights:
            odds[said, column] = known @ np.asarray(weights)
        else:
            likelier = presence[said, kind] >= presence[said][:, [ABSENT, AMBIGUOUS]].max(axis=1)
            doubt = log_odds(thresholds.present, _LIMIT) - log_odds(presence[said, PRESENT], _LIMIT)
            odds[said, column] = np.where(likelier, doubt, -np.inf)
    return odds


def fit_weights(there: Float, gone: Float, kind: int, refused: float, wanted: float) -> tuple[float, ...]:
    """Weights of `features` that tell one kind of name from those of things that are there once.

    Args:
        there, gone: (N, 3), (M, 3) probabilities of names of either kind.
        kind: `ABSENT` or `AMBIGUOUS`.
        refused: share of ``there`` that may be refused.
        wanted: share of ``gone`` that is to be refused; where both can be had, the limit is half way.
    """
    known, labels = features(np.concatenate([there, gone])), np.repeat([0.0, 1.0], [len(there), len(gone)])
    by_themselves = np.zeros(known.shape[1])
    by_themselves[PRESENT], by_themselves[kind] = -0.5, 0.5
    weights = logistic(known, labels, by_themselves, np.full(known.shape[1], _DRAWN))
    odds = known @ weights
    limit = float(np.quantile(odds[labels == 0], 1 - refused))
    enough = float(np.quantile(odds[labels == 1], 1 - wanted))
    weights[-1] -= max((limit + enough) / 2, limit)
    return tuple(weights.tolist())
