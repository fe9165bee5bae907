"""What the model is given of a picture, and what is known beside it.

"tf" stands for what a robot's transforms tell: the tool centre point, the vertical, and the camera's height over the
table. "no memory" measures every picture alone. "pointed" is told which things are meant, in the first picture: what is
left then is measuring, without recognising. "no picture" is what the model says without seeing anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from spatialvlm_ros.scenes.observation import Observation

_GREY = 128


@dataclass(frozen=True)
class JudgedSource:
    """One way to measure.

    Attributes:
        given: what is left of an observation.
        gripper: whether the tool centre point is known.
        follows: whether objects are followed from picture to picture.
        pointed: whether somebody says which things are meant.
    """

    given: Callable[[Observation], Observation]
    gripper: bool = True
    follows: bool = True
    pointed: bool = False


def _rgb(observation: Observation) -> Observation:
    return replace(observation, depth=None, up=None, camera_height=None)


def _rgb_tf(observation: Observation) -> Observation:
    return replace(observation, depth=None)


def _depth(observation: Observation) -> Observation:
    return replace(observation, up=None, camera_height=None)


def _depth_tf(observation: Observation) -> Observation:
    return observation


def _no_picture(observation: Observation) -> Observation:
    return replace(_rgb_tf(observation), rgb=np.full_like(observation.rgb, _GREY))


SOURCES: dict[str, JudgedSource] = {
    "rgb": JudgedSource(_rgb, gripper=False),
    "rgb+tf": JudgedSource(_rgb_tf),
    "depth": JudgedSource(_depth, gripper=False),
    "depth+tf": JudgedSource(_depth_tf),
    "depth+tf, no memory": JudgedSource(_depth_tf, follows=False),
    "rgb+tf, pointed": JudgedSource(_rgb_tf, pointed=True),
    "depth, pointed": JudgedSource(_depth, gripper=False, pointed=True),
    "depth+tf, pointed": JudgedSource(_depth_tf, pointed=True),
    "no picture": JudgedSource(_no_picture),
}

# Without those that take the others apart.
USUAL_SOURCES = ("rgb", "rgb+tf", "depth", "depth+tf", "depth+tf, pointed", "no picture")
