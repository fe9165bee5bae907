"""`check_reward` lets right rewards pass and finds what is wrong with others: engines, environments, recordings."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from rewarding import REACH, gaps

from spatialvlm_ros.errors import ConfigError, DatasetError, SourceError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.rewards.check import check_reward
from spatialvlm_ros.rewards.reward import BatchRewardEngine, RewardEngine
from spatialvlm_ros.rewards.templates import task_names, task_of
from spatialvlm_ros.tracking.settings import FilterSettings

TASKS = [task_of(name) for name in task_names()]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(TASKS),
    st.floats(0.5, 1.0),
    st.integers(1, 5),
    st.sampled_from(["kept", "dropped"]),
    st.booleans(),
    st.floats(0.0, 0.8),
    st.integers(0, 10_000),
)
def test_every_engine_telescopes_with_random_drop_outs(task, gamma, every, unseen, ends, drop_rate, seed):
    engine = RewardEngine(task, gamma=gamma, every=every, unseen=unseen, ends_on_success=ends)
    report = check_reward(engine, gamma, unseen=unseen, drop_rate=drop_rate, episodes=3, seed=seed)
    assert report.ok, str(report)
    assert report.worst < 1e-9 and report.episodes == 3


@pytest.mark.parametrize("options", [{}, {"filtered": FilterSettings()}, {"most_growth": 1.5}])
def test_so_do_filtered_ones_and_those_that_pay_back(options):
    report = check_reward(RewardEngine("pick up the apple", gamma=0.9, **options), 0.9, drop_rate=0.6, episodes=30)
    assert report.ok and report.unseen > 100, str(report)


def test_so_do_those_with_very_many_control_steps_between_frames():
    report = check_reward(RewardEngine(REACH, gamma=0.9, every=8000), 0.9, drop_rate=0.5)
    assert report.ok and report.unseen > 20, report


def test_absolute_rewards_are_checked_as_what_they_are():
    engine = RewardEngine(REACH, gamma=0.9, mode="absolute")
    assert check_reward(engine, 0.9, mode="absolute").ok
    assert not check_reward(engine, 0.9).ok


@pytest.mark.parametrize(
    "options", [{}, {"filtered": FilterSettings()}, {"every": 3, "ends_on_success": True}, {"unseen": "dropped"}]
)
def test_so_do_those_of_many_environments_side_by_side(options):
    engine = BatchRewardEngine("pick up the apple", 3, gamma=0.9, **options)
    report = check_reward(engine, 0.9, unseen=options.get("unseen"), episodes=30)
    assert report.ok and report.episodes >= 30 and report.unseen > 100, str(report)
    assert {"gamma", "step"} <= {f.check for f in check_reward(engine, 0.8).findings}


def test_another_gamma_than_the_learners_is_found():
    report = check_reward(RewardEngine(REACH, gamma=0.95), 0.99)
    assert {"gamma", "step", "sum"} <= {f.check for f in report.findings} and not report.ok
    assert "gamma = 0.95" in str(report)
    with pytest.raises(ConfigError, match="this reward is wrong"):
        report.raise_if_wrong()


class Recomputing(RewardEngine):
    """Subtracts the potential of the frame before as if it had always been seen."""

    def step(self, *args, **options):
        frame = super().step(*args, **options)
        if frame.steps and frame.valid and not frame.terminated:
            before = getattr(self, "_before", 0.0)
            shaping = self.gamma * frame.potential - before
            frame = type(frame)(**{**vars(frame), "shaping": shaping, "reward": frame.base + shaping})
        self._before = frame.potential if frame.valid else 0.5
        return frame


class Guessing(RewardEngine):
    """Pays something for what it did not see."""

    def step(self, *args, **options):
        frame = super().step(*args, **options)
        return frame if frame.valid else type(frame)(**{**vars(frame), "reward": 0.25})


class Forgetful(RewardEngine):
    """Depends on what came before the reset."""

    def step(self, *args, **options):
        self._count = getattr(self, "_count", 0) + 1
        frame = super().step(*args, **options)
        return type(frame)(**{**vars(frame), "reward": frame.reward + 1e-3 * self._count})


@pytest.mark.parametrize("kind,expected", [(Recomputing, "sum"), (Guessing, "unseen"), (Forgetful, "repeat")])
def test_engines_that_break_a_rule_are_found(kind, expected):
    report = check_reward(kind(REACH, gamma=0.9), 0.9)
    assert expected in {f.check for f in report.findings}, str(report)


# ---- recordings ----

RIGHT = [0.3, 0.2, None, 0.1, 0.05, None, 0.0]


def test_an_engine_that_never_sees_anything_proves_nothing():
    class Blind(RewardEngine):
        """All of its frames are unseen, whatever it is shown."""

        def step(self, estimates, *args, **options):
            return super().step([e.with_(valid=False, reason=Reason.NOT_VISIBLE) for e in estimates], *args, **options)

    report = check_reward(Blind(REACH, gamma=0.9), 0.9)
    assert [f.check for f in report.findings] == ["missing"] and report.unseen > 0, str(report)


def recorded(gamma=0.9, values=RIGHT):
    engine = RewardEngine(REACH, gamma=gamma)
    rows = gaps(values)
    return [engine.step(row, terminated=k == len(rows) - 1) for k, row in enumerate(rows)]


def plain(frames):
    return [
        dict(reward=f.reward, potential=f.potential, base=f.base, valid=f.valid, terminated=f.terminated)
        for f in frames
    ]


def columns(frames):
    return {name: [row[name] for row in plain(frames)] for name in plain(frames)[0]}


@pytest.mark.parametrize("form", [lambda f: f, plain, columns, lambda f: iter(f)])
def test_a_right_recording_passes_in_each_form(form):
    report = check_reward(form(recorded()), 0.9)
    assert report.ok and report.frames == 7 and report.unseen == 2, str(report)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_a_potential_that_is_not_known_may_be_none(unknown):
    rows = [dict(reward=f.reward, potential=f.potential if f.valid else unknown, base=f.base) for f in recorded()[:-1]]
    report = check_reward(rows, 0.9)
    assert report.ok and report.unseen == 2, str(report)


@pytest.mark.parametrize("mode", ["potential", "absolute"])
@pytest.mark.parametrize("frames", [1, 50])
def test_a_recording_without_a_potential_proves_nothing(mode, frames):
    report = check_reward([dict(reward=0.0, potential=math.nan)] * frames, 0.9, mode=mode)
    assert [f.check for f in report.findings] == ["missing"] and "nothing can be proved" in str(report)
    with pytest.raises(ConfigError, match="this reward is wrong"):
        report.raise_if_wrong()


def in_rows(frames, keeps_valid):
    """As most data sets keep them: what an action earned stands beside the potential before it."""
    rows = [
        dict(potential=before.potential, reward=after.reward, base=after.base, terminated=after.terminated)
        for before, after in zip(frames, frames[1:], strict=False)
    ]
    for row, after in zip(rows, frames[1:], strict=True):
        row |= {"valid": after.valid} if keeps_valid else {}
    return rows


@pytest.mark.parametrize("keeps_valid", [True, False])
def test_rewards_of_a_row_may_be_judged_in_the_next_one(keeps_valid):
    rows = [*in_rows(recorded(), keeps_valid), *in_rows(recorded(values=[0.4, 0.1, 0.05]), keeps_valid)]
    report = check_reward(rows, 0.9, transitions=True)
    assert report.ok and report.episodes == 2 and report.frames == 10, str(report)
    assert not check_reward(rows, 0.9).ok
    rows[0]["reward"] += 1e-3
    assert {"step", "sum"} <= {f.check for f in check_reward(rows, 0.9, transitions=True).findings}


def test_episodes_of_a_data_set_that_could_not_be_read_are_left_out():
    def rows(number, reward):
        return [
            {
                "episode_index": number,
                "frame_index": k,
                "next.reward": reward,
                "next.reward_base": 0.0,
                "next.reward_valid": math.isfinite(reward),
                "spatialvlm.potential": 0.5 if math.isfinite(reward) else math.nan,
            }
            for k in range(4)
        ]

    paid = rows(0, 0.9 * 0.5 - 0.5)
    paid[-1]["next.reward"] = -0.5  # it is valid, so the episode is terminated
    report = check_reward([*rows(1, math.nan), *reversed(paid)], 0.9)
    assert report.ok and report.episodes == 1 and report.frames == 5, str(report)
    with pytest.raises(DatasetError, match="no frame to check"):
        check_reward(rows(1, math.nan), 0.9)


def test_the_last_reward_of_a_cut_episode_of_rows_is_left_out_where_its_potential_is_not_there():
    rows = in_rows(recorded(values=[0.4, 0.3, 0.2, 0.1]), keeps_valid=False)
    cut = [{**row, "terminated": False, "truncated": k == 2} for k, row in enumerate(rows)]
    cut[-1]["reward"] = 77.0
    report = check_reward(cut, 0.9, transitions=True)
    assert report.ok and report.frames == 3, str(report)


def test_several_episodes_one_after_another():
    report = check_reward([*recorded(), *recorded(values=[0.4, 0.1]), *recorded()], 0.9)
    assert report.ok and report.episodes == 3


@pytest.mark.parametrize(
    "change,expected",
    [
        (lambda rows: rows[3].update(reward=rows[3]["reward"] + 1e-3), "step"),
        (lambda rows: rows[1].update(reward=math.nan), "finite"),
        (lambda rows: rows[1].update(potential=math.nan), "finite"),
        (lambda rows: rows[1].update(potential=1.7), "bounds"),
        (lambda rows: rows[2].update(reward=0.2), "unseen"),
        (lambda rows: rows[6].update(potential=0.9), "terminal"),
        (lambda rows: rows[6].update(reward=0.0), "sum"),
    ],
)
def test_one_wrong_frame_is_found(change, expected):
    rows = plain(recorded())
    change(rows)
    report = check_reward(rows, 0.9)
    assert expected in {f.check for f in report.findings}, str(report)


def test_the_right_gamma_is_told():
    rewards = recorded(0.97, [0.3, 0.2, 0.1, 0.05, 0.03])
    report = check_reward(rewards, 0.9)
    assert next(f.value for f in report.findings if f.check == "gamma") == pytest.approx(0.97)


@pytest.mark.parametrize(
    "source,error,match",
    [
        ([], DatasetError, "no frame"),
        ({}, DatasetError, "no frame"),
        ([{"reward": 1.0}], DatasetError, "no reward and potential"),
        ({"reward": [1.0, 2.0], "potential": [1.0]}, DatasetError, "different lengths"),
        (3, ConfigError, "cannot be checked"),
        ("episode", SourceError, "no data set"),
        ({"reward": [0.0, "much"], "potential": [0.5, 0.5]}, DatasetError, "not made of numbers"),
    ],
)
def test_what_is_no_recording_is_refused(source, error, match):
    with pytest.raises(error, match=match):
        check_reward(source, 0.9)


@pytest.mark.parametrize("options", [dict(gamma=0.0), dict(mode="odd"), dict(drop_rate=1.0), dict(unseen="odd")])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError):
        check_reward(recorded(), **{"gamma": 0.9, **options})


# ---- environments ----


class Walk(gymnasium.Env):
    """A point on a line; the potential is how near it is to 0. It cannot be seen left of -1."""

    action_space = gymnasium.spaces.Box(-0.4, 0.4, (1,))
    observation_space = gymnasium.spaces.Box(-10, 10, (1,))

    def __init__(self, gamma=0.9, says=True, drifts=False):
        self._gamma, self._says, self._drifts, self._runs = gamma, says, drifts, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._runs += 1
        self._x = float(self.np_random.uniform(-2, 2))
        self._kept = self._seen() or 0.0
        return self._observed(), self._info(self._seen(), 0.0)

    def step(self, action):
        self._x += float(action[0])
        done = abs(self._x) < 0.05
        base, phi = float(done), 0.0 if done else self._seen()
        if phi is None:
            shaping, self._kept = 0.0, self._kept / 0.9
        else:
            shaping, self._kept = self._gamma * phi - self._kept, phi
        reward = base + shaping + (1e-3 * self._runs if self._drifts else 0.0)
        return self._observed(), reward, done, False, self._info(phi, base)

    def _seen(self):
        return None if self._x < -1 else 1 / (1 + abs(self._x))

    def _observed(self):
        return np.array([self._x], dtype=np.float32)

    def _info(self, phi, base):
        return {"potential": math.nan if phi is None else phi, "base": base} if self._says else {}


def test_an_environment_that_does_it_right_passes():
    report = check_reward(Walk(), 0.9, episodes=10)
    assert report.ok and report.unseen > 0, str(report)


def test_one_with_another_gamma_or_without_repeatable_rewards_does_not():
    assert "gamma" in {f.check for f in check_reward(Walk(gamma=0.8), 0.9).findings}
    assert "repeat" in {f.check for f in check_reward(Walk(drifts=True), 0.9).findings}


MODES = list(AutoresetMode)


@pytest.mark.parametrize("mode", MODES)
def test_each_of_many_environments_has_episodes_of_its_own(mode):
    def envs(**options):
        return SyncVectorEnv([lambda: Walk(**options)] * 3, autoreset_mode=mode)

    report = check_reward(envs(), 0.9, episodes=12)
    assert report.ok and report.episodes >= 12 and report.unseen > 0, str(report)
    ends = mode is AutoresetMode.DISABLED or report.episodes > 12
    assert ends  # of the others some are reset by themselves within a round
    assert "gamma" in {f.check for f in check_reward(envs(gamma=0.8), 0.9).findings}
    assert "repeat" in {f.check for f in check_reward(envs(drifts=True), 0.9).findings}
    assert [f.check for f in check_reward(envs(says=False), 0.9).findings] == ["missing"]


def test_vector_environments_of_other_libraries_are_refused():
    class Others:
        """As Stable-Baselines3 has them: `reset` takes no seed."""

        num_envs, action_space = 2, Walk.action_space

        def reset(self):
            return np.zeros((2, 1))

        def step(self, actions):
            return np.zeros((2, 1)), np.zeros(2), np.zeros(2, dtype=bool), [{}, {}]

    with pytest.raises(ConfigError, match="cannot be checked"):
        check_reward(Others(), 0.9)


def test_many_environments_that_do_not_say_when_they_are_reset_are_refused():
    envs = SyncVectorEnv([Walk])
    envs.metadata = {}
    with pytest.raises(ConfigError, match="do not say in which step"):
        check_reward(envs, 0.9)


def test_one_that_does_not_say_its_potential_cannot_be_proved():
    report = check_reward(Walk(says=False), 0.9)
    assert [f.check for f in report.findings] == ["missing"] and "info" in report.findings[0].message
