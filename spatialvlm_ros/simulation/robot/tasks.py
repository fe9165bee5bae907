"""What is to be done, when it is done, and what a step towards it is worth.

All quantities are those of `spatialvlm_ros.scenes.relations`, taken from the true state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.relations import Relation, relation_values
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World

REACH_GAP_M = 0.015  # the tool centre point is at the object
LIFT_HEIGHT_M = 0.10  # the object is picked up
AT_REST_M_S = 0.05
_LET_GO_M = 0.05  # what holding on to an object that is in its container costs

# The world's axes (z up, x forward) with the origin on the floor, written as a frame of level 2.
_UP, _FORWARD, _LEFT = np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class TaskState:
    """The true quantities that decide a task.

    Attributes:
        gap: metres between the tool centre point and the target's surface, 0 inside its material.
        elevation: metres of the target's lowest point over the table top.
        lifted: signed margin of the predicate "lifted" in metres (> 0: true).
        inside: signed margin of "target inside container" in metres; -inf without a container.
        to_container: metres from the target's centre to the middle of the container's cavity; 0 without one.
        touched: a finger touches the target.
        gripped: both fingers touch the target.
        speed: of the target, m/s.
    """

    gap: float
    elevation: float
    lifted: float
    inside: float
    to_container: float
    touched: bool
    gripped: bool
    speed: float


def measure(world: World, target: int, container: int | None) -> TaskState:
    """The state of a task about the objects ``target`` and ``container`` (indices into ``world.objects``)."""
    boxes = world.boxes()
    frame = Frames(np.array([2]), _UP, _FORWARD, _LEFT, np.array([-TABLE_TOP_M]))
    supported = np.array([world.is_supported(target)])
    subject = boxes[target]
    alone = Pairs(subject, None, frame, contacts=supported)
    inside, to_container = -np.inf, 0.0
    if container is not None:
        inside = float(relation_values(Relation.INSIDE, Pairs(subject, boxes[container], frame))[0])
        to_container = float(np.linalg.norm(subject.centers[0] - world.cavity_center(container)))
    left, right = world.pads_on(target)
    return TaskState(
        gap=world.gap_to(target, world.tcp()),
        elevation=float(relation_values(Relation.ELEVATION, alone)[0]),
        lifted=float(relation_values(Relation.LIFTED, alone)[0]),
        inside=inside,
        to_container=to_container,
        touched=left or right,
        gripped=left and right,
        speed=float(np.linalg.norm(world.velocity(target))),
    )


@dataclass(frozen=True)
class Task:
    """One kind of task.

    Attributes:
        name: reach, pick or place_in.
        needs_container: whether a second object takes part.
        success: the condition.
        dense: metres still to go, negative, 0 at best; see the functions below.
        instruction: in words, with {target} and {container}.
    """

    name: str
    needs_container: bool
    success: Callable[[TaskState], bool]
    dense: Callable[[TaskState], float]
    instruction: str


def _reached(state: TaskState) -> bool:
    return state.gap <= REACH_GAP_M


def _reach_reward(state: TaskState) -> float:
    """Minus the gap between the tool centre point and the object."""
    return -state.gap


def _picked(state: TaskState) -> bool:
    return state.gripped and state.lifted > 0 and state.elevation >= LIFT_HEIGHT_M


def _pick_reward(state: TaskState) -> float:
    """Minus the gap, minus what is missing to the lift height."""
    return -state.gap - max(0.0, LIFT_HEIGHT_M - max(0.0, state.elevation))


def _placed(state: TaskState) -> bool:
    return state.inside > 0 and not state.touched and state.speed < AT_REST_M_S


def _place_reward(state: TaskState) -> float:
    """Inside: minus 5 cm while a finger touches it. Else minus the gap, the way to the cavity and those 5 cm."""
    if state.inside > 0:
        return -_LET_GO_M if state.touched else 0.0
    return -state.gap - state.to_container - _LET_GO_M


REACH = Task("reach", False, _reached, _reach_reward, "Move the gripper to the {target}.")
PICK = Task("pick", False, _picked, _pick_reward, "Pick up the {target}.")
PLACE_IN = Task("place_in", True, _placed, _place_reward, "Put the {target} into the {container}.")
TASKS: dict[str, Task] = {task.name: task for task in (REACH, PICK, PLACE_IN)}


def task_named(name: str) -> Task:
    """The task of that name; raises `ConfigError` for an unknown one."""
    if name not in TASKS:
        raise ConfigError("there is no such robot task", name, f"Known: {', '.join(TASKS)}.")
    return TASKS[name]
