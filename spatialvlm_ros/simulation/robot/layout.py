"""Where the objects stand and the hand starts: drawn at random, free of each other and within reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.robot.control import ArmControl
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

# The part of the table that the hand can work on, as seen from the robot's base.
_NEAR_M, _FAR_M, _SIDE_RAD = 0.38, 0.60, 0.62
_FINGER_ROOM_M = 0.065  # kept free around whatever may be grasped: half the open hand with its fingers
_ROOM_M = 0.015  # between the others
_TRIES, _RESTARTS = 80, 60
_HOVER_M = 0.0005  # things start this far over the table
_SETTLE_STEPS = 100
_MAX_TILT_RAD = 0.15
_START_LOW = np.array([0.36, -0.18, TABLE_TOP_M + 0.30])
_START_HIGH = np.array([0.50, 0.18, TABLE_TOP_M + 0.42])


def arrange(
    world: World,
    control: ArmControl,
    rng: np.random.Generator,
    upright: tuple[int, ...],
    grasp_yaw: float | None = None,
) -> None:
    """Stand the objects on the table and the hand over it, and let everything settle.

    Args:
        upright: indices of the objects that must be standing, undisturbed, after settling (the others may fall over).
        grasp_yaw: hand yaw, radians, that the objects' grasps should fit (within 10 degrees); None: any orientation.

    Raises:
        SimulationError: no arrangement was found (too many or too large objects).
    """
    for _ in range(_RESTARTS):
        positions = _positions(world, rng)
        if positions is None:
            continue
        world.reset()
        for index, position in enumerate(positions):
            world.place(index, np.array([*position, TABLE_TOP_M + _HOVER_M]), _yaw(world, index, grasp_yaw, rng))
        start = rng.uniform(_START_LOW, _START_HIGH)
        control.reset(start, yaw=grasp_yaw or 0.0)
        world.step(_SETTLE_STEPS)
        world.forward()
        if all(_stands(world, index, positions[index]) for index in upright):
            return
    raise SimulationError(
        "the objects could not be arranged on the table",
        [o.label for o in world.objects],
        "Choose fewer or smaller objects, or such as stand by themselves.",
    )


def _stands(world: World, index: int, position: Float) -> bool:
    here = world.data.xpos[world.body_ids[index]]
    round_thing = world.objects[index].item.noun == "ball"  # has no upright
    tilted = 0.0 if round_thing else world.tilt(index)
    stayed = float(np.linalg.norm(here[:2] - position)) < 0.02 and here[2] > TABLE_TOP_M - 0.02
    return bool(tilted < _MAX_TILT_RAD and stayed)


def _positions(world: World, rng: np.random.Generator) -> list[Float] | None:
    chosen: list[Float] = []
    for index, made in enumerate(world.objects):
        for _ in range(_TRIES):
            angle, reach = rng.uniform(-_SIDE_RAD, _SIDE_RAD), rng.uniform(_NEAR_M, _FAR_M)
            here = np.array([reach * np.cos(angle), reach * np.sin(angle)])
            if all(
                np.linalg.norm(here - there) > made.radius + world.objects[k].radius + _room(world, index, k)
                for k, there in enumerate(chosen)
            ):
                chosen.append(here)
                break
        else:
            return None
    return chosen


def _room(world: World, a: int, b: int) -> float:
    graspable = world.objects[a].grasp is not None or world.objects[b].grasp is not None
    return _FINGER_ROOM_M if graspable else _ROOM_M


def _yaw(world: World, index: int, grasp_yaw: float | None, rng: np.random.Generator) -> float:
    grasp = world.objects[index].grasp
    if grasp_yaw is None or grasp is None:
        return float(rng.uniform(-np.pi, np.pi))
    # The fingers open along (sin yaw, -cos yaw): at yaw - 90 degrees.
    fitting = grasp_yaw - np.pi / 2 - grasp.angle + (np.pi if rng.random() < 0.5 else 0.0)
    return float(fitting + rng.uniform(-1, 1) * np.deg2rad(10))
