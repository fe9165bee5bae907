"""What the model is given of a picture; "no picture" is what it says without seeing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from spatialvlm_ros.scenes.observation import Observation

_GREY = 128


def _rgb(observation: Observation) -> Observation:
    return replace(observation, depth=None, up=None, camera_height=None)


def _no_picture(observation: Observation) -> Observation:
    return replace(_rgb(observation), rgb=np.full_like(observation.rgb, _GREY))


# Name -> what is left of an observation. All know the camera model and the tool centre point, as a robot does.
SOURCES: dict[str, Callable[[Observation], Observation]] = {
    "rgb": _rgb,
    "depth": lambda observation: observation,
    "no picture": _no_picture,
}
