"""Random poses of the Panda at a table: where its base stands and where it holds its hand."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.layouts import ArmPose, Built
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.solids import convex_outline, yaw_matrix

Float = NDArray[np.float64]

_BASE_INSET_M = 0.13  # of the base's axis from the table's edge
_BODY_ABOVE_M = 0.28  # what the arm has below this height over the table keeps objects away
_MARGIN_M = 0.035


@lru_cache(maxsize=1)
def _scratch() -> tuple[Any, Any, Any]:
    """A model that holds nothing but the arm, at the origin, for inverse kinematics."""
    from spatialvlm_ros.simulation.robot.panda import add_panda

    mujoco = require_mujoco()
    spec = mujoco.MjSpec()
    handle = add_panda(spec)
    model = spec.compile()
    return handle, model, mujoco.MjData(model)


def draw_arm_pose(table: Built, rng: np.random.Generator) -> tuple[ArmPose, list[Float]] | None:
    """An arm on the table with its hand over it, pointing down, or None where no reachable place is found.

    Returns:
        The pose, and the outlines (K, 2), world frame, of what it takes up near the table.
    """
    handle, model, data = _scratch()
    half = table.sizes[0, :2] / 2
    side = int(rng.integers(2))  # one of the long sides
    sign = 1 if side else -1
    base = np.array([sign * (half[0] - _BASE_INSET_M), rng.uniform(-0.5, 0.5) * half[1]])
    yaw = float(np.pi if side else 0.0)
    for _ in range(8):
        target = rng.uniform(-0.85, 0.85, 2) * half
        local = (target - base) @ yaw_matrix(yaw)[:2, :2]
        reach = float(np.linalg.norm(local))
        if not 0.3 < reach < 0.68 or local[0] < 0.1:
            continue
        height = float(rng.uniform(0.03, 0.18) if rng.random() < 0.5 else rng.uniform(0.18, 0.5))
        solution = handle.inverse_kinematics(
            model, np.array([*local, height]), float(rng.uniform(-1.2, 1.2)), handle.home, data
        )
        if solution.position_error > 0.005:
            continue
        position = np.array([*base, table.top])
        opening = float(rng.uniform(0.0, 0.08))
        outlines = _outlines(handle, model, data, solution.q, opening, yaw, position)
        return ArmPose(position, yaw, solution.q, opening), outlines
    return None


def _outlines(handle: Any, model: Any, data: Any, q: Float, opening: float, yaw: float, position: Float) -> list[Float]:
    """Outlines of the low parts of the arm, a little enlarged, one for each geom."""
    mujoco = require_mujoco()
    handle.set_configuration(model, data, q, opening)
    mujoco.mj_kinematics(model, data)
    outlines = []
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    for geom in handle.geom_ids(model):
        center, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
        corners = (center + signs * (half + _MARGIN_M)) @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
        if corners[:, 2].min() < _BODY_ABOVE_M:
            outlines.append(convex_outline(corners[:, :2]) @ yaw_matrix(yaw)[:2, :2].T + position[:2])
    return outlines
