"""Inverse kinematics by damped least squares on the MuJoCo model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.robot import kinematics

if TYPE_CHECKING:
    from spatialvlm_ros.simulation.robot.panda import PandaHandle

Float = NDArray[np.float64]

_DAMPING = 0.02  # metres/radian scale below which singular directions are given up, far from the target
_REST_GAIN = 0.02  # pull of the null space towards the start pose, per iteration
_MAX_JOINT_STEP = 0.3  # radians per iteration: keeps the linearisation honest
_MAX_ITERATIONS = 100
_PATIENCE = 6  # iterations without progress: the target is out of reach
_POSITION_TOLERANCE = 1e-4  # metres
_ROTATION_TOLERANCE = 1e-3  # radians


@dataclass(frozen=True)
class Solution:
    """Result of a search.

    Attributes:
        q: (7,) joint angles within the limits, the nearest that was found.
        position_error: metres left between the tool centre point and its target.
        rotation_error: radians left.
    """

    q: Float
    position_error: float
    rotation_error: float

    @property
    def reached(self) -> bool:
        """True when both errors are negligible (0.1 mm, 1 mrad)."""
        return self.position_error <= _POSITION_TOLERANCE and self.rotation_error <= _ROTATION_TOLERANCE


def solve(
    panda: PandaHandle,
    model: Any,
    position: Float,
    rotation: Float,
    q0: ArrayLike | None = None,
    scratch: Any = None,
) -> Solution:
    """Joint angles that bring the tool centre point to ``position`` (3,) with orientation ``rotation`` (3, 3), world.

    Each iteration steps by J^T (J J^T + damping^2 I)^-1 error, plus a pull towards ``q0`` in the null space, and clips
    to the joint limits.
    """
    mujoco = require_mujoco()

    data = mujoco.MjData(model) if scratch is None else scratch
    start = np.asarray(panda.home if q0 is None else q0, dtype=np.float64)
    addresses, site = panda.qpos_addresses(model), model.site(panda.tcp_site).id
    columns = np.array([model.joint(name).dofadr[0] for name in panda.joints])
    jacobian = np.zeros((6, model.nv))
    q = start.copy()
    best, last_progress = Solution(q, np.inf, np.inf), 0
    for iteration in range(_MAX_ITERATIONS):
        data.qpos[addresses] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        error = _pose_error(data, site, position, rotation)
        moved, turned = float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))
        if moved + 0.1 * turned < best.position_error + 0.1 * best.rotation_error:
            best, last_progress = Solution(q.copy(), moved, turned), iteration
        if best.reached or iteration - last_progress >= _PATIENCE:
            break
        mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], site)
        q = np.clip(q + _step(jacobian[:, columns], error, start - q), kinematics.JOINT_LOWER, kinematics.JOINT_UPPER)
    return best


def _pose_error(data: Any, site: int, position: Float, rotation: Float) -> Float:
    """(6,) translation in metres and rotation vector in radians that are still missing, world frame."""
    mujoco = require_mujoco()

    current, target = np.zeros(4), np.zeros(4)
    mujoco.mju_mat2Quat(current, data.site_xmat[site])
    mujoco.mju_mat2Quat(target, rotation.ravel())
    local = np.zeros(3)
    mujoco.mju_subQuat(local, target, current)  # rotation vector in the current frame
    return np.concatenate([position - data.site_xpos[site], data.site_xmat[site].reshape(3, 3) @ local])


def _step(jacobian: Float, error: Float, to_rest: Float) -> Float:
    # Near the target the damping fades, so that the pull to the rest pose leaves no error behind.
    damping = _DAMPING * min(1.0, float(np.linalg.norm(error)) / 0.05) + 1e-3
    gram = jacobian @ jacobian.T + damping**2 * np.eye(6)
    inverse = np.linalg.solve(gram, np.column_stack([error, jacobian @ to_rest]))
    step = jacobian.T @ inverse[:, 0] + _REST_GAIN * (to_rest - jacobian.T @ inverse[:, 1])
    largest = np.abs(step).max()
    return step if largest <= _MAX_JOINT_STEP else step * (_MAX_JOINT_STEP / largest)
