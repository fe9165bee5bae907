"""True rewards of scripted robot episodes: the potential rises where the task is done, and not where it is not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

pytest.importorskip("mujoco")

from spatialvlm_ros.rewards.check import check_reward
from spatialvlm_ros.rewards.from_truth import estimates_of_scene
from spatialvlm_ros.rewards.reward import RewardEngine
from spatialvlm_ros.rewards.robot_scene import true_estimates, world_scene
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.simulation.robot.environments import PandaPlaceIn
from spatialvlm_ros.simulation.robot.episodes import simulate_episode
from spatialvlm_ros.simulation.robot.scripts import OUTCOMES
from spatialvlm_ros.simulation.robot.tasks import TASKS

ALL = [(task, outcome) for task, outcomes in OUTCOMES.items() for outcome in outcomes]
SEED = 3


@cache
def rewarded(task, outcome, seed=SEED):
    """The frames of an episode with the task's own success at each."""
    recording = simulate_episode(task, outcome, seed)
    objects = {"target": recording.info.target}
    if recording.info.container:
        objects["container"] = recording.info.container
    engine = RewardEngine(template(task, **objects), gamma=0.98)
    frames = []
    for moment in recording.moments:
        recording.restore(moment)
        frames.append(engine.step(true_estimates(recording.world, engine.queries())))
    return frames, [TASKS[task].success(moment.state) for moment in recording.moments]


@pytest.mark.parametrize("task", OUTCOMES)
@pytest.mark.parametrize("seed", [SEED, 1])
def test_the_potential_rises_to_one_along_a_success(task, seed):
    frames, truth = rewarded(task, "success", seed)
    values = np.array([f.progress for f in frames])
    assert values[0] < 0.3 and values[-1] > 0.97
    assert np.diff(values).min() > -0.03 and np.median(np.diff(values[: np.argmax(values > 0.97)])) > 0
    assert frames[-1].success and truth[-1]
    first = next(k for k, f in enumerate(frames) if f.success)
    assert truth.index(True) - 2 <= first <= truth.index(True) + 8  # the hand goes 3 cm away first


@pytest.mark.parametrize("task,outcome", [pair for pair in ALL if pair[1] != "success"])
def test_failures_end_low_and_are_no_success(task, outcome):
    frames, truth = rewarded(task, outcome)
    assert not frames[-1].success and not truth[-1]
    limit = 0.85 if task == "reach" else 0.3
    assert frames[-1].progress < limit
    assert all(f.valid for f in frames)


def test_a_drop_costs_what_was_gained():
    frames, _ = rewarded("place_in", "drop")
    values = [f.progress for f in frames]
    top = int(np.argmax(values))
    assert values[top] > 0.5 and values[-1] < 0.15 and frames[top].phase == "carry" and frames[-1].phase == "reach"


def test_success_beats_every_failure_in_what_is_earned():
    for task, outcomes in OUTCOMES.items():
        earned = {o: sum(f.shaping for f in rewarded(task, o)[0]) for o in outcomes}
        assert max(earned, key=earned.__getitem__) == "success", (task, earned)


def test_the_rewards_of_whole_episodes_telescope():
    for task, outcome in (("pick", "success"), ("place_in", "drop")):
        report = check_reward(rewarded(task, outcome)[0], 0.98)
        assert report.ok, str(report)


def test_the_scene_of_an_environment_agrees_with_its_own_numbers():
    env = PandaPlaceIn(world_seed=1)
    try:
        env.reset(seed=0)
        for _ in range(4):
            _, _, _, _, info = env.step(env.action_space.sample())
        scene = world_scene(env.world, env.view)
        target = info["target"]
        bin_ = env.world.objects[env.cast.container].label
        engine = RewardEngine(template("place_in", target=target, container=bin_), gamma=0.99)
        said = {e.relation.value: e.value for e in estimates_of_scene(scene, engine.queries())}
        assert said["gap"] == pytest.approx(info["gaps"][0], abs=1e-6)
        assert said["elevation"] == pytest.approx(info["elevation"], abs=1e-6)
        assert said["inside"] == float(info["inside"] > 0) and said["lifted"] == float(info["lifted"] > 0)
        assert said["touching"] == float(info["touched"][0])
        centers = env.world.boxes().centers
        level = np.linalg.norm((centers[0] - centers[env.cast.container])[:2])
        assert said["horizontal_distance"] == pytest.approx(level, abs=1e-6)
        assert scene.frame.level == 2 and {o.label for o in scene.objects} >= {target, bin_, "gripper", "table"}
    finally:
        env.close()
