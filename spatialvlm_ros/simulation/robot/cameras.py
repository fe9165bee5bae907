"""Where the cameras stand: a fixed third-person view, random ones, and one on the wrist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.simulation.rendering import CameraPose
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

THIRD_PERSON = "camera_optical_frame"
WRIST = "wrist_camera_optical_frame"

_AIM = np.array([0.42, 0.0, TABLE_TOP_M + 0.14])  # the middle of what happens
_AZIMUTH_RAD = (-1.25, 1.25)  # about the aim, 0 looks at the robot from its front
_ELEVATION_RAD = (0.30, 1.05)
_DISTANCE_M = (0.75, 1.35)
_HFOV_RAD = (np.deg2rad(42), np.deg2rad(75))
_ROLL_RAD = 0.05
_MARGIN = 0.04  # share of the picture that must stay free around what has to be seen
_TRIES = 400
# In the hand's frame (x across the fingers' way, z towards them), metres: beside the hand, looking past the fingertips.
_WRIST_POSITION = np.array([0.075, 0.0, 0.0])
_WRIST_AIM = np.array([0.0, 0.0, 0.16])
_WRIST_HFOV_RAD = np.deg2rad(75)


@dataclass(frozen=True)
class View:
    """A camera model and where it stands."""

    pose: CameraPose
    camera: Camera
    frame_id: str = THIRD_PERSON


def default_view(width: int, height: int) -> View:
    """From the front and left of the robot, a little above."""
    pose = CameraPose.look_at(np.array([1.42, 0.75, TABLE_TOP_M + 0.80]), _AIM + [0.0, 0.0, 0.08])
    return View(pose, Camera.from_hfov(width, height, np.deg2rad(52)))


def draw_view(rng: np.random.Generator, width: int, height: int, must_see: Float) -> View:
    """A random view that has all points ``must_see`` (N, 3), world frame, in the picture.

    Raises:
        SimulationError: none was found; the points are too far apart.
    """
    for _ in range(_TRIES):
        azimuth, elevation = rng.uniform(*_AZIMUTH_RAD), rng.uniform(*_ELEVATION_RAD)
        distance, hfov = rng.uniform(*_DISTANCE_M), rng.uniform(*_HFOV_RAD)
        direction = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        aim = _AIM + rng.uniform(-0.08, 0.08, 3)
        pose = CameraPose.look_at(_AIM + distance * direction, aim, roll=float(rng.uniform(-_ROLL_RAD, _ROLL_RAD)))
        camera = Camera.from_hfov(width, height, float(hfov))
        pixels = camera.project(pose.to_optical(must_see))
        low, high = _MARGIN * np.array([width, height]), (1 - _MARGIN) * np.array([width, height])
        if ((pixels > low) & (pixels < high)).all():  # NaN (behind the camera) is neither
            return View(pose, camera)
    raise SimulationError(
        "no camera sees all that it should", must_see.round(2).tolist(), "Choose points nearer together."
    )


def wrist_view(world: World, width: int, height: int) -> View:
    """The camera on the hand, where it is now."""
    body = world.model.body(world.panda.gripper_bodies[0]).id
    rotation, position = world.data.xmat[body].reshape(3, 3), world.data.xpos[body]
    pose = CameraPose.look_at(
        position + rotation @ _WRIST_POSITION, position + rotation @ _WRIST_AIM, up=-rotation[:, 0]
    )
    return View(pose, Camera.from_hfov(width, height, _WRIST_HFOV_RAD), WRIST)
