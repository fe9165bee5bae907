"""Reaching as in panda-gym's PandaReach, with a thing on a table as the goal, so that a picture shows it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.robot.control import MAX_STEP_M
from spatialvlm_ros.simulation.robot.environments import PandaReach
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M

THRESHOLD_M = 0.05
EPISODE_STEPS = 50
_ORIGIN = np.array([0.45, 0.0, TABLE_TOP_M + 0.2])  # world frame; what a policy sees is counted from here
_SEEN_AT = [0, 1, 2, 3, 4, 5, 11, 12, 13]  # tool centre point, its velocity, centre of the target in STATE_LAYOUT
_BOUND = 20.0
_CLOSED = -1.0


class ReachObject(gymnasium.Wrapper[NDArray[np.float32], NDArray[np.float32], Any, Any]):
    """A hand that moves to within 5 cm of an object's surface; the hand stays closed and points down.

    Observation (9,): tool centre point and target centre in metres from the middle of the workspace, between them
    the tool's velocity in m/s. Action (3,) in -1..1: the displacement along the world's axes, 1 is 5 cm. Five control
    steps a second, `truncated` after 50. The reward is 1 where the true gap is at most 5 cm, else 0;
    ``info["is_success"]`` says the same and "gap" the gap in metres.

    Args:
        target: label of the object in the pack.
        pack: as of `PandaEnv`; None for plain shapes.
        ends: whether success ends an episode.
        width, height: of pictures, in pixels.
    """

    def __init__(
        self,
        target: str = "apple",
        pack: AssetPack | str | None = "default",
        ends: bool = False,
        width: int = 320,
        height: int = 240,
    ) -> None:
        env = PandaReach(pack, target, max_steps=EPISODE_STEPS, width=width, height=height)
        super().__init__(env)
        self.observation_space = spaces.Box(-_BOUND, _BOUND, (len(_SEEN_AT),), dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (3,), dtype=np.float32)
        self._ends = ends

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Pose object and hand anew."""
        state, info = self.env.reset(seed=seed, options=options)
        return _seen(state), _told(info)

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One control step."""
        move = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0) * MAX_STEP_M
        state, _, _, truncated, info = self.env.step(np.array([*move, _CLOSED], dtype=np.float32))
        told = _told(info)
        success = told["is_success"]
        return _seen(state), float(success), success and self._ends, truncated, told


def _seen(state: NDArray[Any]) -> NDArray[np.float32]:
    chosen = state[_SEEN_AT]
    return np.concatenate([chosen[:3] - _ORIGIN, chosen[3:6], chosen[6:] - _ORIGIN]).astype(np.float32)


def _told(info: dict[str, Any]) -> dict[str, Any]:
    gap = float(info["gaps"][0])
    return {**info, "gap": gap, "is_success": gap <= THRESHOLD_M}
