"""The Gymnasium environments: contract, reproducibility, rewards, vectorisation."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

from spatialvlm_ros.errors import ConfigError, SimulationError
from spatialvlm_ros.simulation.robot.environments import STATE_SIZE, PandaPick, PandaPlaceIn, PandaReach
from spatialvlm_ros.simulation.robot.registration import environment_ids, register
from spatialvlm_ros.simulation.robot.scripts import Actor, script

pytest.importorskip("mujoco")

register()
ROOT = Path(__file__).resolve().parents[2]
SMALL = {"width": 64, "height": 48}


def play(env, actions, seed):
    """All that an agent and a data set get to see of a run."""
    observation, info = env.reset(seed=seed)
    rows = [(observation, 0.0, False, False, info["poses"])]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        rows.append((observation, reward, terminated, truncated, info["poses"]))
    return rows


@pytest.mark.parametrize(
    ("environment_id", "obs"), list(zip(environment_ids(), ["state_rgb", "state", "rgb"], strict=True))
)
def test_gymnasiums_checker_has_nothing_to_say(environment_id, obs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of files that other tests left, at whatever time
        env = gymnasium.make(environment_id, obs=obs, render_mode="rgb_array", **SMALL)
        check_env(env.unwrapped)
        env.close()


def test_the_same_seed_and_actions_give_the_same_bits():
    actions = np.random.default_rng(0).uniform(-1, 1, (12, 4)).astype(np.float32) * [0.05, 0.05, 0.05, 1]
    env = PandaPlaceIn()
    one, two = play(env, actions, 3), play(env, actions, 3)  # in the same environment, after other states
    three = play(PandaPlaceIn(), actions, 3)
    other = play(env, actions, 4)
    for a, b, c in zip(one, two, three, strict=True):
        for k in (0, 4):
            assert a[k].tobytes() == b[k].tobytes() == c[k].tobytes()
        assert a[1:4] == b[1:4] == c[1:4]
    assert one[0][0].tobytes() != other[0][0].tobytes()
    assert PandaPlaceIn(world_seed=1).instruction != PandaPlaceIn(world_seed=2).instruction


def test_reaching_straight_gets_better_with_every_step_and_ends():
    env = PandaReach(max_steps=60)
    _, info = env.reset(seed=1)
    rewards = []
    for _ in range(60):
        goal = info["poses"][0][:3] + [0, 0, 0.025]
        way = goal - info["tcp"]
        step = way * min(1.0, 0.03 / np.linalg.norm(way))
        _, reward, terminated, truncated, info = env.step(np.array([*step, 1.0], dtype=np.float32))
        rewards.append(reward)
        assert reward == pytest.approx(-info["gaps"][0])
        if terminated:
            break
    assert terminated and not truncated and info["is_success"]
    assert (np.diff(rewards) > 0).all() and rewards[-1] > -0.015


@pytest.mark.parametrize("kind", [PandaPick, PandaPlaceIn])
def test_the_scripted_way_succeeds_within_the_action_space(kind):
    env = kind(rotate=True, max_steps=120)
    for seed in range(3):
        env.reset(seed=seed)
        actor = Actor(env.world, env._control, env.cast, np.random.default_rng(seed), speed=0.04)
        rewards = []
        for command in script(actor, kind.task.name, "success"):
            action = np.array([*command.move, command.grip, command.turn], dtype=np.float32)
            assert env.action_space.contains(action)
            _, reward, terminated, truncated, info = env.step(action)
            rewards.append(reward)
            assert not truncated
            if terminated:
                break
        assert terminated and info["is_success"]
        assert rewards[-1] == pytest.approx(0.0, abs=1e-9) and rewards[0] < -0.2


def test_an_episode_is_truncated_at_its_length_and_not_terminated():
    env = PandaPick(max_steps=4, reward="sparse")
    env.reset(seed=0)
    ends = [env.step(np.array([0, 0, 0, 1], dtype=np.float32))[1:4] for _ in range(4)]
    assert [e[2] for e in ends] == [False, False, False, True]
    assert all(reward == -1.0 and not terminated for reward, terminated, _ in ends)


def test_the_state_holds_what_its_layout_says():
    env = PandaPick()
    state, info = env.reset(seed=5)
    assert state.shape == (STATE_SIZE,) and env.observation_space.contains(state)
    np.testing.assert_allclose(state[:3], info["tcp"])
    assert state[6] == pytest.approx(info["opening"]) == pytest.approx(0.08, abs=1e-3)
    np.testing.assert_allclose(state[14:17], state[11:14] - state[:3])
    assert state[24] == pytest.approx(info["gaps"][0])


def test_the_state_shows_the_speed_of_the_hand():
    env = PandaReach()
    env.reset(seed=5)
    for _ in range(3):
        state, *_ = env.step(np.array([0.03, -0.02, 0.01, 1], dtype=np.float32))
    np.testing.assert_allclose(state[3:6], np.array([0.03, -0.02, 0.01]) * 5, atol=0.02)  # five steps a second


def test_truth_comes_with_the_picture():
    env = PandaPlaceIn(camera="random", render_mode="rgb_array", **SMALL)
    _, first = env.reset(seed=2)
    observation, scene = env.observation(), env.scene()
    np.testing.assert_array_equal(observation.rgb, env.render())
    assert observation.camera == first["camera"] and observation.depth is not None
    assert [o.label for o in scene.objects[: len(first["labels"])]] == list(first["labels"])
    assert {"robot arm", "gripper", "table"} <= {o.label for o in scene.objects}
    assert len({o.label for o in scene.objects}) == len(scene.objects)
    box = first["camera_pose"].to_optical(first["tcp"][None])
    gripper = next(o for o in scene.objects if o.label == "gripper")
    np.testing.assert_allclose(gripper.box3d.centers, box, atol=1e-9)
    _, second = env.reset(seed=3)
    assert not np.allclose(first["camera_pose"].position, second["camera_pose"].position)
    env.close()


@pytest.mark.parametrize("vector", [SyncVectorEnv, AsyncVectorEnv])
def test_several_run_side_by_side(vector):
    makers = [lambda: gymnasium.make("spatialvlm_ros/PandaReach-v0", max_steps=3)] * 2
    envs = vector(makers)
    try:
        states, info = envs.reset(seed=[7, 8])
        assert states.shape == (2, STATE_SIZE) and not np.array_equal(states[0], states[1])
        alone = PandaReach(max_steps=3)
        state, _ = alone.reset(seed=8)
        np.testing.assert_array_equal(states[1], state)
        for k in range(3):
            states, rewards, terminated, truncated, info = envs.step(np.zeros((2, 4), dtype=np.float32))
            assert truncated.tolist() == [k == 2] * 2 and not terminated.any()
        assert info["tcp"].shape == (2, 3) and info["is_success"].shape == (2,)
    finally:
        envs.close()


def in_a_fresh_process(code: str) -> str:
    """What a program prints whose process knows nothing of this one's imports."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("before", "prefix"),
    [
        ("from spatialvlm_ros.simulation.robot.registration import register; register()", ""),
        ("", "spatialvlm_ros.simulation.robot.environments:"),
    ],
    ids=["registered", "module named"],
)
def test_gymnasium_makes_them_in_a_fresh_process(before, prefix):
    ids = [prefix + name for name in environment_ids()]
    code = f"import gymnasium\n{before}\nfor name in {ids}: print(gymnasium.make(name).spec.id)"
    assert in_a_fresh_process(code).splitlines() == list(environment_ids())


@pytest.mark.parametrize("page", ["rewards.md", "robot_simulation.md"])
def test_the_documented_lines_make_them(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^ {4}.*\n|^\n)+", text, flags=re.M)
    block = next(block for block in blocks if "gymnasium.make(" in block)
    before, _, call = block.partition("gymnasium.make(")
    lines = [line[4:] for line in before.splitlines()]
    in_a_fresh_process("\n".join([*lines[:-1], f"gymnasium.make({call.split(',')[0]}).reset(seed=1)"]))


def test_objects_can_be_named():
    env = PandaPlaceIn(target="red cube", container="blue bowl", distractors=("green ball", "yellow cylinder"))
    assert env.instruction == "Put the red cube into the blue bowl."
    _, info = env.reset(seed=0)
    assert info["labels"] == ("red cube", "blue bowl", "green ball", "yellow cylinder")


def test_wrong_settings_are_named():
    with pytest.raises(ConfigError, match="reward"):
        PandaReach(reward="shaped")
    with pytest.raises(ConfigError, match="obs"):
        PandaReach(obs="video")
    with pytest.raises(ConfigError, match="step"):
        PandaReach(max_steps=0)
    with pytest.raises(SimulationError, match="no such objects"):
        PandaPick(target="unicorn")
    with pytest.raises(SimulationError, match="container"):
        PandaPlaceIn(target="red cube")
    with pytest.raises(SimulationError, match="cannot take"):
        PandaPick(target="red box")  # 12 cm wide
