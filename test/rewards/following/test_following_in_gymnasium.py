"""An environment whose reward follows its object: each episode begins without a memory of the one before."""

import numpy as np
import pytest
from table_scenes import MUG, box_distance, moved
from test_follower import Episode

from spatialvlm_ros.rewards.looking import Sight
from spatialvlm_ros.rewards.templates import template

gymnasium = pytest.importorskip("gymnasium")
from spatialvlm_ros.rewards.gymnasium_wrapper import SpatialReward  # noqa: E402


class Table(gymnasium.Env):
    """A hand that comes down; the mug stands elsewhere in every episode, and is shown to the model at first only."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def __init__(self):
        self.seen, self.episodes = Episode(), 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes, self.step_count = self.episodes + 1, 0
        self.mug = moved(MUG, dx=-0.06 * self.episodes, dy=-0.08 * self.episodes)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.step_count += 1
        return np.zeros(1, np.float32), 0.0, False, self.step_count == 3, {}

    @property
    def tcp(self):
        return (self.mug.center[0], self.mug.center[1], 0.4 - 0.08 * self.step_count)

    def show(self):
        view = self.seen.look(self.mug, self.tcp, hide=("mug",) if self.step_count else ())
        return Sight(view.observation, self.seen.tcp)


def test_an_episode_is_followed_and_then_forgotten():
    env = Table()
    task = template("reach", target="mug")
    wrapped = SpatialReward(env, task, env.seen.model, 0.99, observe=lambda inner: inner.unwrapped.show(), follow=True)
    for _ in range(2):
        _, info = wrapped.reset()
        over = False
        while not over:
            assert info["spatial_reward"].valid
            gap = info["spatial_reward"].terms[0].value
            assert gap == pytest.approx(box_distance(env.mug, env.tcp), abs=0.008)
            _, _, _, over, info = wrapped.step(np.zeros(1, np.float32))
    alone = SpatialReward(env, task, env.seen.model, 0.99, observe=lambda inner: inner.unwrapped.show())
    alone.reset()
    assert not alone.step(np.zeros(1, np.float32))[4]["spatial_reward"].valid
