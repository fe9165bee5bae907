"""The rewards that are compared: each makes the same task with another reward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
from numpy.typing import NDArray

from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.rewards.examples.reaching import THRESHOLD_M, ReachObject
from spatialvlm_ros.rewards.examples.remembering import RememberingModel
from spatialvlm_ros.rewards.gymnasium_wrapper import SpatialReward
from spatialvlm_ros.rewards.looking import Sight
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.simulation.assets.pack import AssetPack

GAMMA = 0.98
Env = gymnasium.Env[Any, Any]
Pack = AssetPack | str | None


def reach_task(target: str) -> dict[str, Any]:
    """To the target; within 5 cm, of which an estimate has to be 90% sure, it pays 1 and ends."""
    near = {"gap": "gripper | target", "at_most": THRESHOLD_M}
    return {
        "name": "reach",
        "instruction": f"Move the gripper to the {target}.",
        "objects": {"target": target},
        "phases": [{"name": "reach", "terms": [{"gap": "gripper | target", "at_most": 0.0}]}],
        "success": {"when": [near], "enter": 0.9, "hold": 1},
    }


class FirstSight(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Takes one picture an episode; after that it says only where the hand is (TF)."""

    def __init__(self, env: Env, model: RememberingModel) -> None:
        super().__init__(env)
        self._model = model
        self._seen: Observation | None = None

    def reset(self, **options: Any) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin an episode: what the model remembers is no longer there."""
        self._model.forget()
        self._seen = None
        return self.env.reset(**options)

    def sight(self) -> Sight:
        """The first picture of the episode, and the tool centre point as it is."""
        inner: Any = self.env.unwrapped
        if self._seen is None:
            self._seen = inner.observation()
        return Sight(self._seen, inner.view.pose.to_optical(inner.world.tcp()[None])[0])


def sparse(target: str, pack: Pack, model: str) -> Env:
    """1 when it is truly there, which ends the episode; else 0."""
    return ReachObject(target, pack, ends=True)


def true_reward(target: str, pack: Pack, model: str) -> Env:
    """Shaped and judged with the simulation's exact gap."""
    return SpatialReward(ReachObject(target, pack), reach_task(target), None, GAMMA, truth=True, ends_on_success=True)


def remembered(target: str, pack: Pack, model: str) -> Env:
    """Shaped, judged and ended by what the model says of the first picture and the hand's place; no truth in it."""
    remembering = RememberingModel(SpatialVLM.from_pretrained(model))
    env = FirstSight(ReachObject(target, pack), remembering)
    return SpatialReward(
        env, reach_task(target), remembering, GAMMA, observe=lambda _: env.sight(), ends_on_success=True
    )


def each_picture(target: str, pack: Pack, model: str) -> Env:
    """The wrapper as it comes: shaped, judged and ended by what the model says of every picture with depth and TF."""
    return SpatialReward(ReachObject(target, pack), reach_task(target), model, GAMMA, ends_on_success=True)


REWARDS: dict[str, Callable[[str, Pack, str], Env]] = {
    "sparse": sparse,
    "true": true_reward,
    "remembered": remembered,
    "each_picture": each_picture,
}
