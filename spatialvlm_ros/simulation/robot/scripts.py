"""How a scripted arm behaves: doing the task, and going wrong in four ways.

A script is a generator of commands. It looks at the true state each time it is asked for the next one, so that it
follows an object that has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError, SimulationError
from spatialvlm_ros.simulation.robot.casting import Cast
from spatialvlm_ros.simulation.robot.control import MAX_TURN_RAD, ArmControl
from spatialvlm_ros.simulation.robot.kinematics import FINGER_TRAVEL
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.tasks import LIFT_HEIGHT_M
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

OPEN, CLOSED = 1.0, -1.0
_MAX_STEPS_OF_A_MOVE = 40
_ARRIVED_M, _ARRIVED_RAD = 1e-3, 1e-2
_GRASP_STEPS, _HOLD_STEPS = 4, 4
_HALT_SHARE = 0.6  # of the way that is left, at most, where a hand stops short
_PALM_OVER_RIM_M = 0.02  # the tool centre point may be this far below a container's rim without the hand hitting it


@dataclass(frozen=True)
class Command:
    """One control step: metres along the world's axes, -1 closed ... 1 open, radians about the vertical; and why."""

    move: Float
    grip: float
    turn: float
    phase: str


Script = Iterator[Command]


@dataclass(frozen=True)
class Actor:
    """What a script works with.

    Attributes:
        world, control: to look at and to plan in; scripts never step the physics themselves.
        cast: who is who.
        rng: for the choices of the script.
        speed: metres per control step on the way; half of it near objects.
    """

    world: World
    control: ArmControl
    cast: Cast
    rng: np.random.Generator
    speed: float

    # ---- planning ----

    def grasp_pose(self, index: int) -> tuple[Float, float]:
        """Where the tool centre point and the hand's yaw have to be to take an object.

        Raises:
            SimulationError: the object cannot be grasped.
        """
        made = self.world.objects[index]
        if made.grasp is None:
            raise SimulationError("the gripper cannot take that object from above", made.label, "Choose another one.")
        point = self.world.posed(index).to_world(np.array(made.grasp.point))
        # The fingers open along yaw - 90 degrees; half a turn makes no difference to them.
        yaw = self.world.yaw(index) + made.grasp.angle + np.pi / 2
        return point, float((yaw + np.pi / 2) % np.pi - np.pi / 2)

    def half_open(self, index: int, margin: float) -> float:
        """The grip command that leaves ``margin`` metres around a held object."""
        grasp = self.world.objects[index].grasp
        width = 2 * FINGER_TRAVEL if grasp is None else grasp.width + margin
        return float(np.clip(width / FINGER_TRAVEL - 1.0, CLOSED, OPEN))

    # ---- moves ----

    def move(self, goal: Float, yaw: float, grip: float, phase: str, slow: bool = False) -> Script:
        """Straight to ``goal`` (3,), turning on the way."""
        speed = self.speed * (0.5 if slow else 1.0)
        for _ in range(_MAX_STEPS_OF_A_MOVE):
            way, turn = goal - self.control.target, yaw - self.control.yaw
            length = float(np.linalg.norm(way))
            if length < _ARRIVED_M and abs(turn) < _ARRIVED_RAD:
                return
            step = way * min(1.0, speed / max(length, 1e-9))
            yield Command(step, grip, float(np.clip(turn, -MAX_TURN_RAD, MAX_TURN_RAD)), phase)

    def wait(self, steps: int, grip: float, phase: str) -> Script:
        """Hold still."""
        for _ in range(steps):
            yield Command(np.zeros(3), grip, 0.0, phase)

    def approach(self, index: int, grip: float = OPEN, offset: Float | None = None) -> Script:
        """Over an object, then down to where it is grasped; ``offset`` (3,) goes beside it."""
        beside = np.zeros(3) if offset is None else offset
        point, yaw = self.grasp_pose(index)
        yield from self.move(point + beside + [0, 0, self._hover(index, point)], yaw, grip, "approach")
        yield from self.move(point + beside, yaw, grip, "descend", slow=True)

    def grasp(self, index: int) -> Script:
        """Approach and close."""
        yield from self.approach(index)
        yield from self.wait(_GRASP_STEPS, CLOSED, "grasp")

    def lift(self, height: float, grip: float = CLOSED) -> Script:
        """Straight up by ``height`` metres."""
        yield from self.move(self.control.target + [0, 0, height], self.control.yaw, grip, "lift")

    def carry_over(self, index: int, container: int, share: float = 1.0) -> Script:
        """Bring a held object over a container, or ``share`` of the way there."""
        start, goal = self.control.target.copy(), self._drop_point(index, container)
        goal[2] = max(goal[2] + 0.06, start[2])
        yield from self.move(start + share * (goal - start), self.control.yaw, CLOSED, "carry")

    def put_down(self, index: int, container: int) -> Script:
        """Lower a held object into a container, let go, and leave."""
        yield from self.move(self._drop_point(index, container), self.control.yaw, CLOSED, "lower", slow=True)
        yield from self.wait(3, self.half_open(index, 0.03), "release")
        yield from self.move(
            self.control.target + [0, 0, 0.14], self.control.yaw, self.half_open(index, 0.03), "retreat"
        )
        yield from self.wait(_HOLD_STEPS, OPEN, "done")

    def _hover(self, index: int, point: Float) -> float:
        """Metres over the grasp from which the fingers come down."""
        top = float(self.world.boxes()[index].top_along([0.0, 0.0, 1.0])[0])
        return max(0.08, top - point[2] + 0.05)

    def _drop_point(self, index: int, container: int) -> Float:
        """(3,) of the tool centre point so that the object hangs in the middle of the container, low."""
        boxes = self.world.boxes()
        tcp = self.world.tcp()
        hangs = tcp - boxes.centers[index]
        below = tcp[2] - float(boxes[index].bottom_along([0.0, 0.0, 1.0])[0])
        cavity = self.world.cavity_center(container)
        rim = float(boxes[container].top_along([0.0, 0.0, 1.0])[0])
        made = self.world.objects[container]
        depth = 0.0 if made.item.cavity is None else made.item.cavity.size[2] * made.scale[2]
        height = max(rim - depth + below + 0.012, rim - _PALM_OVER_RIM_M)
        return np.array([cavity[0] + hangs[0], cavity[1] + hangs[1], height])


# ---- success ----


def _reach(actor: Actor, index: int) -> Script:
    yield from actor.approach(index)
    yield from actor.wait(2, OPEN, "done")


def _pick(actor: Actor, index: int) -> Script:
    yield from actor.grasp(index)
    yield from actor.lift(LIFT_HEIGHT_M + float(actor.rng.uniform(0.03, 0.10)))
    yield from actor.wait(_HOLD_STEPS, CLOSED, "done")


def _place_in(actor: Actor, index: int) -> Script:
    container = _container(actor)
    yield from actor.grasp(index)
    yield from actor.lift(_clearance(actor, index, container))
    yield from actor.carry_over(index, container)
    yield from actor.put_down(index, container)


def _clearance(actor: Actor, index: int, container: int) -> float:
    """How far to lift so that the object passes over the container's rim."""
    rim = float(actor.world.boxes()[container].top_along([0.0, 0.0, 1.0])[0]) - TABLE_TOP_M
    return rim + float(actor.rng.uniform(0.05, 0.09))


def _container(actor: Actor) -> int:
    if actor.cast.container is None:
        raise SimulationError("the task has no container", remedy="Draw the cast for a task that needs one.")
    return actor.cast.container


_DO: dict[str, Callable[[Actor, int], Script]] = {"reach": _reach, "pick": _pick, "place_in": _place_in}


# ---- failures ----


def _success(actor: Actor, task: str) -> Script:
    return _DO[task](actor, actor.cast.target)


def _wrong_object(actor: Actor, task: str) -> Script:
    others = actor.cast.distractors
    return _DO[task](actor, others[int(actor.rng.integers(len(others)))])


def _miss(actor: Actor, task: str) -> Script:
    """Go down beside the object; close there and come up empty."""
    index = actor.cast.target
    yield from actor.approach(index, offset=_beside(actor, index))
    if task == "reach":
        yield from actor.wait(_HOLD_STEPS, OPEN, "done")
        return
    yield from actor.wait(_GRASP_STEPS, CLOSED, "grasp")
    yield from actor.lift(LIFT_HEIGHT_M + float(actor.rng.uniform(0.0, 0.08)))
    if task == "place_in":
        yield from actor.carry_over(index, _container(actor), share=float(actor.rng.uniform(0.5, 1.0)))
    yield from actor.wait(_HOLD_STEPS, CLOSED, "done")


def _beside(actor: Actor, index: int) -> Float:
    """(3,) a level offset that brings the fingers past the object, across the way they open."""
    made = actor.world.objects[index]
    _, yaw = actor.grasp_pose(index)
    across = np.array([np.cos(yaw), np.sin(yaw), 0.0])  # the hand's x axis
    points = actor.world.posed(index).to_world(made.corners) - actor.grasp_pose(index)[0]
    side = 1.0 if actor.rng.random() < 0.5 else -1.0
    extent = float((side * (points @ across)).max())
    return side * across * (extent + float(actor.rng.uniform(0.022, 0.05)))


def _drop(actor: Actor, task: str) -> Script:
    """Take the object, and lose it on the way: the hand opens, or the object slips and the hand goes on without it."""
    index = actor.cast.target
    yield from actor.grasp(index)
    if task == "pick":
        yield from actor.lift(float(actor.rng.uniform(0.08, 0.16)))
    else:
        container = _container(actor)
        yield from actor.lift(_clearance(actor, index, container))
        yield from actor.carry_over(index, container, share=float(actor.rng.uniform(0.0, 0.5)))
    if actor.rng.random() < 0.5:
        yield from actor.wait(4, OPEN, "drop")
    else:
        yield from actor.wait(2, actor.half_open(index, 0.02), "drop")
        yield from actor.lift(0.05)
    yield from actor.wait(_HOLD_STEPS, OPEN, "done")


def _stops_short(actor: Actor, task: str) -> Script:
    """Come nearer and halt before anything is touched."""
    point, yaw = actor.grasp_pose(actor.cast.target)
    way = actor.control.target - point
    distance = float(np.linalg.norm(way))
    rest = actor.world.objects[actor.cast.target].radius + float(actor.rng.uniform(0.05, 0.14))
    halt = point + way * min(rest / distance, _HALT_SHARE)
    yield from actor.move(halt, yaw, OPEN, "approach")
    yield from actor.wait(int(actor.rng.integers(4, 9)), OPEN, "halt")


_OUTCOMES: dict[str, Callable[[Actor, str], Script]] = {
    "success": _success,
    "miss": _miss,
    "drop": _drop,
    "wrong_object": _wrong_object,
    "stops_short": _stops_short,
}

# Nothing is held when reaching, so nothing can be dropped.
OUTCOMES: dict[str, tuple[str, ...]] = {
    "reach": ("success", "miss", "wrong_object", "stops_short"),
    "pick": tuple(_OUTCOMES),
    "place_in": tuple(_OUTCOMES),
}


def check_outcome(task: str, outcome: str) -> None:
    """Raises `ConfigError` for a task that is unknown or an outcome that it cannot have."""
    if task not in OUTCOMES:
        raise ConfigError("there is no such robot task", task, f"Known: {', '.join(OUTCOMES)}.")
    if outcome not in OUTCOMES[task]:
        raise ConfigError(
            f"a {task} episode cannot have that outcome", outcome, f"Possible: {', '.join(OUTCOMES[task])}."
        )


def script(actor: Actor, task: str, outcome: str) -> Script:
    """The commands that play ``outcome`` of ``task``; raises `ConfigError` for a combination that does not exist."""
    check_outcome(task, outcome)
    return _OUTCOMES[outcome](actor, task)
