"""Rewards of a camera: as many control steps as there were, whatever its rate."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "rewards"))

from rewarding import REACH, gaps  # noqa: E402

from spatialvlm_ros.geometry.transforms import Transform  # noqa: E402
from spatialvlm_ros.ros.reward_work import RewardRequest, RewardWork, Sight  # noqa: E402

GAMMA = 0.9


def played(times_s, step_s, seen=lambda k: True):
    """The frames (None where a picture has no reward) while the gap shrinks from 50 to 10 cm."""
    work = RewardWork(RewardRequest(REACH, GAMMA, "potential", step_s, False))
    shrinking = np.linspace(0.5, 0.1, len(times_s))
    estimates = gaps([gap if seen(k) else None for k, gap in enumerate(shrinking)])
    return [work.step(int(t * 1e9), e) for t, e in zip(times_s, estimates, strict=True)]


def paid(frames):
    """What a learner that discounts per control step gets in all, and how many steps it counts."""
    total, steps = 0.0, 0
    for frame in frames:
        if frame is not None and frame.valid:
            total += GAMMA**steps * frame.reward
            steps += frame.steps
    return total, steps


@pytest.mark.parametrize("jitter_s", [0.0, 0.004])
@pytest.mark.parametrize(
    ("rate_hz", "step_s", "seconds"),
    [(30, 0.2, 1.0), (1 / 0.28, 0.2, 2.8), (5, 0.2, 4.0), (15, 0.1, 2.0), (2, 0.2, 3.0)],
)
def test_control_steps_are_counted_by_the_clock(rate_hz, step_s, seconds, jitter_s):
    times = 7.0 + np.arange(round(seconds * rate_hz) + 1) / rate_hz
    times += np.random.default_rng(1).uniform(-jitter_s, jitter_s, len(times))
    frames = played(times, step_s)
    total, steps = paid(frames)
    assert steps == round(seconds / step_s)
    last = next(f for f in frames[::-1] if f is not None)
    assert total == pytest.approx(GAMMA**steps * last.potential - frames[0].potential, abs=1e-9)


def test_pictures_within_a_control_step_have_no_reward():
    frames = played(np.arange(31) / 30, 0.2)
    assert [k for k, f in enumerate(frames) if f is not None] == [0, 5, 11, 17, 23, 29]
    assert [f.steps for f in frames if f is not None] == [0, 1, 1, 1, 1, 1]


def test_a_camera_at_the_rate_of_the_learner_has_a_reward_in_every_picture():
    times = np.arange(40) * 0.2 + np.random.default_rng(2).uniform(-0.02, 0.02, 40)
    assert all(f is not None and f.steps == (k > 0) for k, f in enumerate(played(times, 0.2)))


def test_without_a_control_step_every_picture_is_one():
    assert [f.steps for f in played([0.0, 0.01, 5.0, 5.1], 0.0)] == [0, 1, 1, 1]


def test_what_is_not_seen_is_discounted_over_the_gap():
    frames = played(np.arange(29) * 0.28, 0.2, seen=lambda k: k not in (3, 4, 5))
    total = counted = 0
    before = 0
    for frame in frames:
        counted += frame.steps
        if frame.valid:
            total, before = total + GAMMA**before * frame.reward, counted
    assert total == pytest.approx(GAMMA**before * frames[-1].potential - frames[0].potential, abs=1e-9)


def test_a_new_episode_counts_from_its_own_first_picture():
    work = RewardWork(RewardRequest(REACH, GAMMA, "potential", 0.2, False))
    (estimates,) = gaps([0.3])
    assert [work.step(int(t * 1e9), estimates) is not None for t in (0.0, 0.05, 0.2)] == [True, False, True]
    work.reset()
    again = [work.step(int(t * 1e9), estimates) for t in (0.11, 0.2, 0.31)]
    assert [f is not None and f.steps for f in again] == [0, False, 1]


# ---- the end of an episode ----


def work_of(step_s=0.0, **more):
    return RewardWork(RewardRequest(REACH, GAMMA, "potential", step_s, False, **more))


def stepped(work, gaps_m, first_s=0.0, every_s=0.1):
    estimates = gaps(gaps_m)
    return [work.step(int((first_s + k * every_s) * 1e9), e) for k, e in enumerate(estimates)]


def test_a_terminated_episode_pays_its_potential_back_and_the_next_picture_begins_another():
    work = work_of()
    frames = stepped(work, [0.5, 0.3, 0.2])
    assert work.end(truncated=False)
    (last,) = stepped(work, [0.15], 0.3)
    assert last.terminated and not last.truncated and last.potential == 0.0
    total, steps = paid([*frames, last])
    assert steps == 3 and total == pytest.approx(-frames[0].potential, abs=1e-9)  # it changes no optimal policy
    first, second = stepped(work, [0.2, 0.1], 0.4)
    assert (first.reward, first.steps, first.terminated, second.terminated) == (0.0, 0, False, False)
    assert second.reward == pytest.approx(GAMMA * second.potential - first.potential)


def test_a_truncated_episode_keeps_its_potential():
    work = work_of()
    frames = stepped(work, [0.5, 0.3])
    assert work.end(truncated=True)
    (last,) = stepped(work, [0.2], 0.2)
    assert last.truncated and not last.terminated and last.potential > frames[-1].potential
    total, _ = paid([*frames, last])
    assert total == pytest.approx(GAMMA**2 * last.potential - frames[0].potential, abs=1e-9)
    assert stepped(work, [0.2], 0.3)[0].steps == 0


def test_an_end_that_is_not_seen_is_an_end():
    work = work_of()
    frames = stepped(work, [0.5, 0.3])
    work.end(truncated=False)
    (last,) = stepped(work, [None], 0.2)
    assert last.valid and last.terminated and last.potential == 0.0
    assert paid([*frames, last])[0] == pytest.approx(-frames[0].potential, abs=1e-9)


def test_a_terminated_episode_ends_its_control_step_and_a_cut_one_waits_for_it():
    for truncated, ends_at in ((False, 2), (True, 3)):
        work = work_of(step_s=0.4)
        assert [f is not None for f in stepped(work, [0.5, 0.4])] == [True, False]
        work.end(truncated)
        later = stepped(work, [0.2, 0.2, 0.2], 0.2)
        ended = [2 + k for k, f in enumerate(later) if f is not None and (f.terminated or f.truncated)]
        assert ended == [ends_at]


class Followed:
    """A follower that notes from where it is shown pictures, and whether it remembers them."""

    def __init__(self):
        self.poses = []

    def measure(self, view, queries, gripper, pose):
        self.poses.append(pose)
        return list(queries)

    def reset(self):
        self.poses = []


def test_nothing_is_followed_into_a_picture_from_nowhere_or_into_another_frame():
    work = work_of(follow=True)
    work._follower = Followed()
    alone = SimpleNamespace(measure_many=lambda queries: ["alone"] * len(queries))

    def shown(fixed_frame, pose):
        return work.measured(Sight(alone, None, fixed_frame, pose), {})

    here, there = (Transform(np.eye(3), np.array([x, 0.0, 0.0])) for x in (0.0, 1.0))
    assert shown("odom", here) == shown("odom", there) == list(work.queries())
    assert shown("", None) == ["alone"] * len(work.queries())  # the camera has moved nobody knows where
    assert work._follower.poses == [here, there]
    shown("odom", there)
    assert work._follower.poses == [here, there, there]
    shown("map", here)  # what is remembered is placed in odom
    assert work._follower.poses == [here]


def test_an_episode_is_followed_in_what_frame_there_is_when_it_begins():
    work = work_of(follow=True)
    work._follower = Followed()
    work.measured(Sight(SimpleNamespace(), None, "odom", Transform.identity()), {})
    work.reset()  # and nobody publishes transforms any more
    for _ in range(2):
        assert work.measured(Sight(SimpleNamespace(), None), {}) == list(work.queries())
    assert work._follower.poses == [None] * 2


def test_a_camera_of_which_nobody_tells_the_place_is_taken_to_stand_still():
    work = work_of(follow=True)
    work._follower = Followed()
    for _ in range(3):
        work.measured(Sight(SimpleNamespace(), None), {})
    assert work._follower.poses == [None] * 3


def test_before_the_first_picture_there_is_no_episode_to_end():
    work = work_of()
    assert not work.end(truncated=False)
    stepped(work, [0.5])
    work.end(truncated=False)
    work.reset()  # time has jumped: what was asked for is of another episode
    assert not work.end(truncated=False)
    assert not any(f.terminated for f in stepped(work, [0.5, 0.4], 7.0))


@pytest.mark.parametrize("ends", [False, True])
def test_a_success_ends_the_episode_only_where_that_is_wanted(ends):
    frames = stepped(work_of(ends_on_success=ends), [0.5, *[0.0] * 40])
    assert any(f.success for f in frames)
    over = [f for f in frames if f.terminated]
    assert bool(over) is ends and all(f.success and f.potential == 0.0 for f in over)
