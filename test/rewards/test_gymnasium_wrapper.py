"""Rewards of environments: Gymnasium's checker, the sum of shaping under drop-outs, autoreset, and many at once."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium import spaces  # noqa: E402
from gymnasium.utils.env_checker import check_env  # noqa: E402
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv  # noqa: E402
from gymnasium.wrappers import Autoreset  # noqa: E402
from rewarding import REACH, said, unsaid  # noqa: E402

from spatialvlm_ros.errors import ConfigError, ModelError  # noqa: E402
from spatialvlm_ros.geometry.cameras import Camera  # noqa: E402
from spatialvlm_ros.models.estimate import Reason  # noqa: E402
from spatialvlm_ros.rewards.check import check_reward  # noqa: E402
from spatialvlm_ros.rewards.gymnasium_wrapper import SpatialReward, SpatialRewardVector  # noqa: E402
from spatialvlm_ros.rewards.shaping import DROPPED  # noqa: E402
from spatialvlm_ros.scenes.observation import Observation  # noqa: E402
from spatialvlm_ros.tracking.settings import FilterSettings  # noqa: E402

CAMERA = Camera.from_hfov(8, 6, 1.0)
GAMMA = 0.9


class Slide(gymnasium.Env):
    """A hand on a rail: the red level of its picture says how many centimetres the apple is away, black hides it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}

    def __init__(self, lost: float = 0.0, limit: int = 12, render_mode: str | None = "rgb_array") -> None:
        self.observation_space = spaces.Box(0.0, 60.0, (1,), dtype=np.float32)
        self.action_space = spaces.Box(-9.0, 9.0, (1,), dtype=np.float32)
        self.render_mode, self._lost, self._limit = render_mode, lost, limit
        self.away, self.hidden, self._steps = 0, False, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.away, self._steps = int(self.np_random.integers(15, 40)), 0
        return self._seen(), {}

    def step(self, action):
        self.away, self._steps = max(0, min(60, self.away + round(float(action[0])))), self._steps + 1
        return self._seen(), -1.0, self.away <= 2, self._steps >= self._limit, {}

    def render(self):
        return np.full((6, 8, 3), 0 if self.hidden else self.away + 1, dtype=np.uint8)

    def _seen(self):
        self.hidden = bool(self.np_random.random() < self._lost)
        return np.array([self.away], dtype=np.float32)


class RedView:
    """What `View` is for the rewards."""

    def __init__(self, observation, std: float) -> None:
        self._level, self._std = int(observation.rgb[0, 0, 0]), std

    def measure_many(self, queries):
        return [said(q, (self._level - 1) / 100, self._std) if self._level else unsaid(q) for q in queries]


class RedReader:
    """What `SpatialVLM` is for the rewards; keeps the sizes of the batches it looked at."""

    name = "red reader"

    def __init__(self, fails: bool = False, std: float = 0.0) -> None:
        self.batches: list[int] = []
        self._fails, self._std = fails, std

    def look(self, observation, known_sizes=None, gripper=None):
        return self.look_many([observation])[0]

    def look_many(self, observations, known_sizes=None):
        self.batches.append(len(observations))
        if self._fails:
            raise ModelError("the reader is blind", None, "Open its eyes.")
        return [RedView(observation, self._std) for observation in observations]


def wrapped(env=None, model=None, **options) -> SpatialReward:
    return SpatialReward(env or Slide(), REACH, model or RedReader(), GAMMA, camera=CAMERA, **options)


def potential(away: float) -> float:
    return 0.1 / (0.1 + away / 100)


# ---- one environment ----


def test_gymnasium_accepts_the_wrapped_environment():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(wrapped(), skip_render_check=True)


def test_a_step_pays_the_discounted_new_potential_minus_the_old():
    env = wrapped()
    _, info = env.reset(seed=3)
    before = env.unwrapped.away
    assert info["spatial_reward"].steps == 0 and info["potential"] == pytest.approx(potential(before))
    _, reward, terminated, _, info = env.step(np.array([-4.0], dtype=np.float32))
    assert env.unwrapped.away == before - 4 and not terminated
    assert reward == pytest.approx(GAMMA * potential(before - 4) - potential(before))
    assert info["env_reward"] == -1.0 and info["spatial_reward"].terms[0].value == pytest.approx((before - 4) / 100)


@pytest.mark.parametrize("use", ["replace", "add", "info"])
@pytest.mark.parametrize("unseen", ["kept", DROPPED])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_the_sum_of_the_shaping_is_right_under_random_policies_and_drop_outs(every, unseen, use):
    report = check_reward(wrapped(Slide(lost=0.4), every=every, unseen=unseen, use=use), GAMMA, unseen=unseen)
    assert report.ok, str(report)
    assert report.unseen > report.frames / 5


def test_the_check_finds_another_discount_of_the_learner():
    assert not check_reward(wrapped(), 0.8).ok


def test_absolute_rewards_pass_their_check():
    report = check_reward(wrapped(Slide(lost=0.3), mode="absolute"), GAMMA, mode="absolute")
    assert report.ok, str(report)


def test_only_steps_that_are_due_are_looked_at_and_the_end_always_is():
    model = RedReader()
    env = wrapped(Slide(limit=5), model, every=3)
    env.reset(seed=1)
    looked, valid = [len(model.batches)], []
    for _ in range(5):
        _, _, _, truncated, info = env.step(np.array([1.0], dtype=np.float32))
        looked.append(len(model.batches))
        valid.append(info["spatial_reward"].valid)
    assert truncated and valid == [False, False, True, False, True] and looked == [1, 1, 1, 2, 2, 3]


def test_what_is_not_due_is_said_to_be_stale_and_pays_nothing():
    env = wrapped(every=2)
    env.reset(seed=1)
    _, reward, _, _, info = env.step(np.array([1.0], dtype=np.float32))
    assert reward == 0.0 and info["spatial_reward"].reason is Reason.STALE and math.isnan(info["potential"])


def test_a_terminated_end_pays_the_kept_potential_back_and_a_truncated_one_does_not():
    env = wrapped()
    env.reset(seed=3)
    env.unwrapped.away = 4
    env.step(np.array([0.0], dtype=np.float32))
    _, reward, terminated, _, info = env.step(np.array([-4.0], dtype=np.float32))
    frame = info["spatial_reward"]
    assert terminated and frame.success and info["potential"] == 0.0 and frame.progress == pytest.approx(1.0)
    assert reward == pytest.approx(REACH.success.reward - potential(4))
    env = wrapped(Slide(limit=1))
    env.reset(seed=3)
    away = env.unwrapped.away
    _, reward, _, truncated, info = env.step(np.array([0.0], dtype=np.float32))
    assert truncated and reward == pytest.approx((GAMMA - 1) * potential(away)) and info["potential"] > 0


def test_success_by_the_pictures_can_end_the_episode():
    env = wrapped(SlideThatGoesOn(), ends_on_success=True)
    env.reset(seed=3)
    env.unwrapped.away = 4
    assert env.step(np.array([0.0], dtype=np.float32))[2] is False
    assert env.step(np.array([-4.0], dtype=np.float32))[2] is True


class SlideThatGoesOn(Slide):
    """Does not know when it is done."""

    def step(self, action):
        seen, reward, _, truncated, info = super().step(action)
        return seen, reward, False, truncated, info


def test_an_autoreset_inside_begins_a_new_episode_that_pays_nothing_at_first():
    env = wrapped(Autoreset(Slide(limit=2)))
    env.reset(seed=5)
    for _ in range(2):
        _, _, _, truncated, _ = env.step(np.array([1.0], dtype=np.float32))
    assert truncated
    _, reward, _, truncated, info = env.step(np.array([1.0], dtype=np.float32))
    frame = info["spatial_reward"]
    assert reward == 0.0 and frame.steps == 0 and frame.potential == pytest.approx(potential(env.unwrapped.away))
    away = env.unwrapped.away
    _, reward, *_ = env.step(np.array([1.0], dtype=np.float32))
    assert reward == pytest.approx(GAMMA * potential(away + 1) - potential(away))


def test_a_model_that_fails_is_a_picture_that_is_not_seen():
    env = wrapped(model=RedReader(fails=True))
    env.reset(seed=1)
    _, reward, _, _, info = env.step(np.array([1.0], dtype=np.float32))
    assert reward == 0.0 and info["spatial_reward"].reason is Reason.MODEL_ERROR


def test_the_reward_can_stay_the_environments():
    env = wrapped(use="info")
    env.reset(seed=1)
    _, reward, _, _, info = env.step(np.array([-2.0], dtype=np.float32))
    assert reward == info["base"] == -1.0 and info["shaping"] == info["spatial_reward"].shaping != 0


@pytest.mark.parametrize(
    "show",
    [
        lambda env: Observation(env.unwrapped.render(), CAMERA),
        lambda env: (Observation(env.unwrapped.render(), CAMERA), (0.0, 0.1, 0.5)),
    ],
)
def test_pictures_come_from_a_function_of_the_user(show):
    env = SpatialReward(Slide(render_mode=None), REACH, RedReader(), GAMMA, observe=show)
    _, info = env.reset(seed=2)
    assert info["potential"] == pytest.approx(potential(env.unwrapped.away))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"use": "twice"}, "unknown use"),
        ({"every": 0}, "every"),
        ({"gamma": 0.0}, "gamma"),
        ({"model": None}, "needs a model"),
        ({"truth": True}, "no model and no pictures"),
        ({"camera": None, "render": lambda env: None}, "no camera model"),
        ({"observe": lambda env: None}, "observe gives"),
    ],
)
def test_arguments_that_make_no_reward_are_refused(options, fault):
    given = {"model": RedReader(), "gamma": GAMMA, "camera": CAMERA, **options}
    with pytest.raises(ConfigError, match=fault):
        SpatialReward(Slide(), REACH, **given)


def test_an_environment_without_pictures_says_what_it_lacks():
    env = SpatialReward(Slide(), REACH, RedReader(), GAMMA)
    with pytest.raises(ConfigError, match="has no observation"):
        env.reset(seed=1)
    silent = wrapped(Slide(render_mode=None), render=lambda env: None)
    with pytest.raises(ConfigError, match="renders no picture"):
        silent.reset(seed=1)


# ---- many environments ----


def vector(n: int = 3, model=None, make=SyncVectorEnv, lost: float = 0.0, limit: int = 12, mode=None, **options):
    envs = make(
        [lambda: Slide(lost, limit) for _ in range(n)],
        **({"autoreset_mode": mode} if mode else {}),
    )
    return SpatialRewardVector(envs, REACH, model or RedReader(), GAMMA, camera=CAMERA, **options)


@pytest.mark.parametrize("make", [SyncVectorEnv, AsyncVectorEnv])
@pytest.mark.parametrize("every", [1, 3])
def test_many_environments_pay_what_each_pays_alone(make, every):
    envs = vector(make=make, lost=0.3, limit=7, every=every)
    rng = np.random.default_rng(0)
    script = rng.uniform(-9, 9, (25, 3, 1)).astype(np.float32)
    _, info = envs.reset(seed=[11, 12, 13])
    together, ends = [], 0
    for actions in script:
        _, rewards, terminated, truncated, info = envs.step(actions)
        together.append(rewards)
        ends += int((terminated | truncated).sum())
        assert set(info) >= {"potential", "base", "steps", "env_reward"}
    envs.close()
    assert ends > 6
    for row in range(3):
        env = wrapped(Autoreset(Slide(0.3, 7)), every=every)
        env.reset(seed=11 + row)
        alone = [env.step(actions[row])[1] for actions in script]
        np.testing.assert_allclose(np.array(together)[:, row], alone, atol=1e-12)


def test_all_pictures_are_looked_at_in_one_pass():
    model = RedReader()
    envs = vector(5, model, limit=3)
    envs.reset(seed=1)
    for _ in range(6):
        envs.step(np.ones((5, 1), dtype=np.float32))
    assert model.batches == [5] * 7


def test_frames_of_one_environment_are_found_in_those_of_all():
    envs = vector()
    envs.reset(seed=4)
    _, rewards, _, _, info = envs.step(np.full((3, 1), -3.0, dtype=np.float32))
    frames = info["spatial_reward"]
    assert len(frames) == 3 and [frames.frame(k).reward for k in range(3)] == pytest.approx(rewards.tolist())
    assert frames.frame(1).terms[0].value == pytest.approx(envs.unwrapped.envs[1].away / 100)


@pytest.mark.parametrize("use", ["replace", "add", "info"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_many_environments_are_checked_like_one(mode, use):
    report = check_reward(vector(4, lost=0.3, limit=9, every=2, mode=mode, use=use), GAMMA, episodes=30)
    assert report.ok and report.unseen > 50 and report.episodes >= 30, str(report)
    assert "gamma" in {f.check for f in check_reward(vector(), 0.8).findings}


@pytest.mark.parametrize("many", [False, True])
def test_lengths_can_be_filtered_over_time(many):
    def make(**options):
        model = RedReader(std=0.05)
        return vector(model=model, **options) if many else wrapped(model=model, **options)

    options = {"filtered": FilterSettings(), "step_s": 0.2}
    report = check_reward(make(**options), GAMMA, episodes=10)
    assert report.ok, str(report)
    paid = []
    for given in ({}, options):
        env = make(**given)
        env.reset(seed=2)
        action = np.full((3, 1) if many else 1, -3.0, dtype=np.float32)
        paid.append([np.ravel(env.step(action)[1])[0] for _ in range(4)])
    assert not np.allclose(*paid, atol=1e-3)
    with pytest.raises(ConfigError, match="length of a control step"):
        make(filtered=FilterSettings())


def test_episodes_of_each_environment_pass_the_check():
    envs = vector(4, lost=0.3, limit=9, every=2)
    envs.reset(seed=7)
    rng, episodes, current = np.random.default_rng(1), [], [[] for _ in range(4)]
    for _ in range(60):
        _, rewards, terminated, truncated, info = envs.step(rng.uniform(-9, 9, (4, 1)).astype(np.float32))
        for row in range(4):
            frame = info["spatial_reward"].frame(row)
            assert frame.reward == pytest.approx(rewards[row]) or frame.steps == 0
            current[row].append(frame)
            if terminated[row] or truncated[row]:
                episodes.append(current[row])
                current[row] = []
    whole = [e for e in episodes if e[0].steps == 0]  # those that were under way at the first step lack their start
    report = check_reward([frame for episode in whole for frame in episode], GAMMA)
    assert len(whole) > 8 and report.ok, str(report)


def test_modes_that_lose_pictures_are_refused():
    with pytest.raises(ConfigError, match="no last picture"):
        vector(mode=AutoresetMode.SAME_STEP)
    envs = vector(mode=AutoresetMode.DISABLED)
    envs.reset(seed=1)
    with pytest.raises(ConfigError, match="reset alone"):
        envs.reset(options={"reset_mask": np.array([True, False, False])})
    _, info = envs.reset(options={"reset_mask": np.ones(3, dtype=bool)})
    assert (info["steps"] == 0).all()


class ResetsItself(gymnasium.vector.VectorEnv):
    """Environments of somebody else, which are reset in the step of their end and do not say so."""

    num_envs = 1
    single_observation_space, single_action_space = Slide().observation_space, Slide().action_space
    observation_space = action_space = spaces.Box(-60.0, 60.0, (1, 1), dtype=np.float32)

    def __init__(self, metadata=None) -> None:
        self.metadata = metadata or {}


@pytest.mark.parametrize("metadata", [{}, {"autoreset_mode": None}, {"autoreset_mode": "sometimes"}])
def test_environments_that_do_not_say_when_they_are_reset_are_refused(metadata):
    with pytest.raises(ConfigError, match="do not say in which step they are reset"):
        SpatialRewardVector(ResetsItself(metadata), REACH, RedReader(), GAMMA, camera=CAMERA)
    said_so = ResetsItself({"autoreset_mode": AutoresetMode.DISABLED})
    assert SpatialRewardVector(said_so, REACH, RedReader(), GAMMA, camera=CAMERA).num_envs == 1


# ---- another task ----


def test_another_task_begins_with_the_next_episode():
    env, still = wrapped(), np.array([-1.0], dtype=np.float32)
    env.reset(seed=3)
    env.set_task("reach the bowl")
    before = env.unwrapped.away
    _, reward, _, _, info = env.step(still)
    assert (env.reward_task.name, info["steps"]) == ("reach", 1) and "apple" in env.reward_task.objects.values()
    assert reward == pytest.approx(GAMMA * potential(before - 1) - potential(before))
    env.reset(seed=3)
    assert list(env.reward_task.objects.values()) == ["bowl"]
    with pytest.raises(ConfigError):
        env.set_task("sing a song")
    assert list(env.reward_task.objects.values()) == ["bowl"]


def test_another_task_also_waits_for_the_end_where_an_environment_resets_itself():
    env = wrapped(gymnasium.wrappers.Autoreset(Slide(limit=3)))
    env.reset(seed=3)
    env.set_task("reach the bowl")
    named = []
    for _ in range(5):
        env.step(np.zeros(1, dtype=np.float32))
        named += env.reward_task.objects.values()
    assert named == ["apple"] * 3 + ["bowl"] * 2


# ---- the package's robots ----


@pytest.fixture(scope="module")
def registered():
    pytest.importorskip("mujoco")
    from spatialvlm_ros.simulation.robot.registration import register

    register()


@pytest.mark.slow
def test_the_truth_of_a_robot_passes_both_checks(registered):
    env = gymnasium.make("spatialvlm_ros/PandaReach-v0", max_steps=20)
    target = env.unwrapped.world.objects[env.unwrapped.cast.target].label
    rewarded = SpatialReward(env, f"move the gripper to the {target}", None, GAMMA, truth=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(rewarded, skip_render_check=True)
    report = check_reward(rewarded, GAMMA, episodes=3)
    assert report.ok, str(report)
    assert report.unseen == 0
    _, info = rewarded.reset(seed=8)
    gap = float(info["gaps"][env.unwrapped.cast.target])
    assert info["potential"] == pytest.approx(0.1 / (0.1 + gap))


@pytest.mark.slow
def test_the_truth_of_many_robots_is_that_of_each(registered):
    def make():
        return gymnasium.make("spatialvlm_ros/PandaReach-v0", max_steps=4)

    alone = make()
    task = f"move the gripper to the {alone.unwrapped.world.objects[alone.unwrapped.cast.target].label}"
    envs = SpatialRewardVector(SyncVectorEnv([make, make]), task, None, GAMMA, truth=True)
    single = SpatialReward(alone, task, None, GAMMA, truth=True)
    envs.reset(seed=[1, 2])
    single.reset(seed=2)
    for _ in range(4):
        action = envs.single_action_space.sample()
        _, rewards, *_ = envs.step(np.stack([action, action]))
        assert rewards[1] == pytest.approx(single.step(action)[1])
    envs.close()


@pytest.mark.slow
def test_a_robot_shows_its_picture_depth_and_tool(registered):
    from spatialvlm_ros.rewards.watching import ManyEnvs, OneEnv, robot_sights

    env = gymnasium.make("spatialvlm_ros/PandaReach-v0", width=64, height=48)
    _, info = env.reset(seed=1)
    (sight,) = robot_sights(OneEnv(env), [0], info)
    assert sight.observation.depth is not None
    pixel = sight.observation.camera.project(sight.gripper[None])[0]
    assert (pixel > 0).all() and (pixel < [64, 48]).all()
    pose = env.unwrapped.view.pose
    np.testing.assert_allclose(pose.to_optical(info["tcp"][None])[0], sight.gripper)
    envs = SyncVectorEnv([lambda: gymnasium.make("spatialvlm_ros/PandaReach-v0", width=64, height=48)] * 2)
    _, infos = envs.reset(seed=[3, 1])
    (same,) = robot_sights(ManyEnvs(envs), [1], infos)
    np.testing.assert_allclose(same.gripper, sight.gripper)
    np.testing.assert_array_equal(same.observation.rgb, sight.observation.rgb)
    envs.close()


@pytest.mark.slow
def test_the_model_sees_many_robots_as_it_sees_each(registered):
    pytest.importorskip("torch")
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    def make():
        return gymnasium.make("spatialvlm_ros/PandaPlaceIn-v0", width=320, height=240)

    model = SpatialVLM.from_pretrained("embedded")
    nouns = [item.noun for item in make().unwrapped.cast.items]
    task = f"move the gripper to the {next(noun for noun in nouns if model.backend.knows(noun))}"
    envs = SpatialRewardVector(SyncVectorEnv([make, make]), task, model, GAMMA)
    single = SpatialReward(make(), task, model, GAMMA)
    _, infos = envs.reset(seed=[5, 6])
    seen = []
    for row in range(2):
        _, info = single.reset(seed=5 + row)
        one, many = info["spatial_reward"], infos["spatial_reward"].frame(row)
        assert (many.valid, many.reason) == (one.valid, one.reason)
        assert many.potential == pytest.approx(one.potential, abs=1e-3, nan_ok=True)
        seen.append(one.valid)
    envs.close()
    assert any(seen)  # else nothing was compared
