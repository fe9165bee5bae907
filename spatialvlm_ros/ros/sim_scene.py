"""The scene that the simulated camera looks at: a robot at a table with objects that the fixed camera sees well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.rendering import CameraPose
from spatialvlm_ros.simulation.robot.cameras import View
from spatialvlm_ros.simulation.robot.casting import MIN_DISTRACTORS, draw_cast
from spatialvlm_ros.simulation.robot.control import ArmControl
from spatialvlm_ros.simulation.robot.layout import arrange
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.tasks import task_named
from spatialvlm_ros.simulation.robot.truth import TruthCamera
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

CONTROL_HZ = 50.0
OPTICAL_FRAME = "camera_color_optical_frame"

_DOMAIN = 0x51  # keeps these random numbers apart from those of the episodes
_DRAWS = 40
_LEAST_VISIBLE = 0.75  # share of each object
# In front of the robot, to its left, looking down: objects hide each other little, and a hand over them is in the
# picture. The robot's base is at x = 0, the objects at x = 0.3 to 0.6.
_EYE = np.array([1.22, 0.30, TABLE_TOP_M + 0.72])
_AIM = np.array([0.46, 0.0, TABLE_TOP_M + 0.08])
_HFOV_RAD = np.deg2rad(52.0)


@dataclass(frozen=True)
class SceneOptions:
    """What is drawn.

    Attributes:
        seed: decides the objects, their sizes and places.
        task: reach, pick or place_in (with a container).
        n_distractors: objects beside the one of the task, two or more.
        width, height: of the pictures, in pixels.
    """

    seed: int = 7
    task: str = "pick"
    n_distractors: int = 3
    width: int = 640
    height: int = 480


@dataclass(frozen=True)
class SimScene:
    """A compiled scene in its initial state."""

    world: World
    control: ArmControl
    view: View


def fixed_view(width: int, height: int) -> View:
    """The camera of the node, in the world frame."""
    return View(CameraPose.look_at(_EYE, _AIM), Camera.from_hfov(width, height, float(_HFOV_RAD)), OPTICAL_FRAME)


def draw_scene(options: SceneOptions, pack: AssetPack) -> SimScene:
    """Objects on the table, each at least three quarters visible; the same options and pack give the same scene.

    Raises:
        ConfigError: there is no such task.
        SimulationError: no scene came about: too many objects, or too few kinds in the pack.
    """
    task = task_named(options.task)
    view = fixed_view(options.width, options.height)
    last: SimulationError | None = None
    for attempt in range(_DRAWS):
        rng = np.random.default_rng([_DOMAIN, *options.task.encode(), options.seed, attempt])
        try:
            cast = draw_cast(task, pack, rng, max(options.n_distractors, MIN_DISTRACTORS))
            world = World(cast.items, pack, cast.scales)
            control = ArmControl(world, CONTROL_HZ)
            arrange(world, control, rng, upright=tuple(range(len(cast.items))))
        except SimulationError as error:  # things that do not stand, or do not fit: others are drawn
            last = error
            continue
        if _all_visible(world, view):
            return SimScene(world, control, view)
    raise SimulationError(
        "no scene could be drawn whose objects the camera sees", options, "Take another seed, or fewer objects."
    ) from last


def _all_visible(world: World, view: View) -> bool:
    camera = TruthCamera(world, view.camera.width, view.camera.height)
    try:
        return bool((camera.visible_fractions(view)[: len(world.objects)] >= _LEAST_VISIBLE).all())
    finally:
        camera.close()
