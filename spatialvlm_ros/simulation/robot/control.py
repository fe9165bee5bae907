"""Moving the tool centre point by small steps, hand pointing down: what an action does."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot import kinematics
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M, TIMESTEP_S
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

MAX_STEP_M = 0.05  # per control step and axis
MAX_TURN_RAD = 0.4  # per control step
_CHUNKS = 10  # joint targets are interpolated in this many pieces per control step
_LEAD_M = 0.03  # the commanded point may run ahead of the real one by this (a table or a wall may hold it back)
_UNREACHABLE_M = 0.01

# Where the tool centre point may be commanded to, world frame.
WORKSPACE_LOW = np.array([0.25, -0.45, TABLE_TOP_M + 0.011])
WORKSPACE_HIGH = np.array([0.72, 0.45, TABLE_TOP_M + 0.55])


class ArmControl:
    """Position control of the hand at a fixed rate.

    Args:
        world: the world to act in.
        control_hz: control steps per second; a whole number of physics steps must fit.

    Attributes:
        target: (3,) commanded tool centre point, world frame.
        yaw: commanded turn of the hand about the vertical, radians.
    """

    def __init__(self, world: World, control_hz: float = 5.0) -> None:
        substeps = 1.0 / (control_hz * TIMESTEP_S) if control_hz > 0 else 0.0
        if substeps < 1 or abs(substeps - round(substeps)) > 1e-6:
            raise SimulationError(
                "a control step must be a whole number of physics steps",
                control_hz,
                f"Choose a rate so that 1 / (rate * {TIMESTEP_S}) is whole, e.g. 5.",
            )
        self._world = world
        self._substeps = round(substeps)
        self._scratch = require_mujoco().MjData(world.model)
        self._actuators = world.panda.actuator_ids(world.model)
        self._joints = kinematics.READY.copy()
        self.target = np.zeros(3)
        self.yaw = 0.0

    @property
    def period_s(self) -> float:
        """Seconds of one control step."""
        return self._substeps * TIMESTEP_S

    def reset(self, position: ArrayLike, yaw: float = 0.0, opening: float = 0.08) -> None:
        """Pose the arm, at rest, with its tool centre point at ``position`` (3,) and the pads ``opening`` apart.

        Raises:
            SimulationError: the arm cannot reach there.
        """
        position = np.asarray(position, dtype=np.float64)
        found = self._world.panda.inverse_kinematics(self._world.model, position, yaw, scratch=self._scratch)
        if not found.reached:
            raise SimulationError("the arm cannot reach that point", position.tolist(), "Stay in the workspace.")
        self._world.panda.set_configuration(self._world.model, self._world.data, found.q, opening)
        self._joints, self.target, self.yaw = found.q, position.copy(), float(yaw)

    def step(self, move: ArrayLike, grip: float, turn: float = 0.0) -> None:
        """Advance the physics by one control step.

        Args:
            move: (3,) metres along world x, y, z, clipped to `MAX_STEP_M` and to the workspace.
            grip: -1 closed ... 1 open.
            turn: radians about the vertical, clipped to `MAX_TURN_RAD`.
        """
        move = np.clip(np.asarray(move, dtype=np.float64), -MAX_STEP_M, MAX_STEP_M)
        tcp = self._world.tcp()
        wanted = np.clip(self.target + move, tcp - MAX_STEP_M - _LEAD_M, tcp + MAX_STEP_M + _LEAD_M)
        wanted = np.clip(wanted, WORKSPACE_LOW, WORKSPACE_HIGH)
        yaw = self.yaw + float(np.clip(turn, -MAX_TURN_RAD, MAX_TURN_RAD))
        start = self._joints
        found = self._world.panda.inverse_kinematics(self._world.model, wanted, yaw, start, self._scratch)
        if found.position_error < _UNREACHABLE_M:
            self._joints, self.target, self.yaw = found.q, wanted, yaw
        self._drive(start, self._joints, (float(np.clip(grip, -1, 1)) + 1) / 2 * kinematics.FINGER_TRAVEL)

    def _drive(self, start: Float, end: Float, finger: float) -> None:
        control = self._world.data.ctrl
        control[self._actuators[7]] = finger
        done = 0
        for chunk in range(1, _CHUNKS + 1):
            control[self._actuators[:7]] = start + (end - start) * (chunk / _CHUNKS)
            until = round(self._substeps * chunk / _CHUNKS)
            if until > done:
                self._world.step(until - done)
                done = until
        # Positions are those after the last step, derived quantities those before it: bring them together.
        self._world.forward()
