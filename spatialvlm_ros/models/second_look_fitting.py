"""Fits what two looks at a name say of whether the named thing is there, once, on views with known truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.models.backend import ABSENT, AMBIGUOUS, PRESENT
from spatialvlm_ros.models.calibration import Thresholds
from spatialvlm_ros.models.calibration_examples import absent_names, ambiguous_names, clear_objects, remembered
from spatialvlm_ros.models.second_look import N_FEATURES, fit_weights
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]

_PRESENT_NAMES = 6  # of a view
_OTHER_NAMES = 3  # of a view, of either kind
_FEWEST = 50
_MOST_REFUSED = 0.0025  # of the things that are there once, for either reason
_REFUSED = 0.95  # wanted, of absent names and of those of several things


@dataclass(frozen=True)
class LookedTwice:
    """The names of one view.

    Attributes:
        features: (K, 12) of `second_look.features`.
        truth: (K,) `PRESENT`, `ABSENT` or `AMBIGUOUS`.
    """

    features: Float
    truth: NDArray[np.int64]


def second_looks(model: SpatialVLM, views: Iterable[tuple[Observation, Scene]], seed: int = 0) -> Iterator[LookedTwice]:
    """Look twice at names of things that are there, that are not, and that are there several times.

    Args:
        model: its calibration is not used.
        views: observation and scene of each.
        seed: of the choice of names.
    """
    rng = np.random.default_rng(seed)
    seen: list[str] = []
    for observation, scene in views:
        present = [scene.objects[k].label for k in clear_objects(scene, observation)]
        kinds = ((PRESENT, present), (ABSENT, absent_names(scene, seen)), (AMBIGUOUS, ambiguous_names(scene)))
        seen = remembered(scene, seen)
        asked = [
            (name, kind)
            for kind, names in kinds
            for name in rng.permutation(names)[: _PRESENT_NAMES if kind == PRESENT else _OTHER_NAMES].tolist()
        ]
        if asked:
            features = model.look(observation).second_looks([name for name, _ in asked])
            yield LookedTwice(features, np.array([kind for _, kind in asked], np.int64))


def fit_second_looks(thresholds: Thresholds, looked: Iterable[LookedTwice]) -> Thresholds:
    """Thresholds with the weights for names that were looked at twice.

    Raises:
        CalibrationError: too few names to fit on.
    """
    views = list(looked)
    known = np.concatenate([np.zeros((0, N_FEATURES)), *(v.features for v in views)])
    truth = np.concatenate([np.zeros(0, np.int64), *(v.truth for v in views)])
    use = np.isfinite(known).all(axis=1)
    of_kind = {kind: known[use & (truth == kind)] for kind in (PRESENT, ABSENT, AMBIGUOUS)}
    fewest = min(len(rows) for rows in of_kind.values())
    if fewest < _FEWEST:
        raise CalibrationError(
            "too few names of things that are there once, not, or several times", fewest, "Use 300 views or more."
        )
    absent, several = (
        fit_weights(of_kind[PRESENT], of_kind[kind], kind, _MOST_REFUSED, _REFUSED) for kind in (ABSENT, AMBIGUOUS)
    )
    return replace(thresholds, closer_absent=absent, closer_several=several)
