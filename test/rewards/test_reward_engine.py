"""The engine: the rules of the reward, phases, success, abstention, live changes, and many environments at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rewarding import REACH, answers, gaps, said, unsaid

from spatialvlm_ros.errors import ConfigError, QueryError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.measured import Measured
from spatialvlm_ros.rewards.reward import BatchRewardEngine, RewardEngine
from spatialvlm_ros.rewards.templates import parse_task, task_of, template
from spatialvlm_ros.tracking.settings import FilterSettings

PICK = template("pick", target="apple")
FAR = dict(gap=0.1, touching=0.0, elevation=0.0, lifted=0.0)
HELD = dict(gap=0.0, touching=1.0, elevation=0.02, lifted=1.0)
UP = dict(gap=0.0, touching=1.0, elevation=0.12, lifted=1.0)


def run(values, **options):
    engine = RewardEngine(REACH, gamma=options.pop("gamma", 0.9), **options)
    return [engine.step(row) for row in gaps(values)]


# ---- the reward ----


def test_the_reward_is_base_plus_the_discounted_gain_of_the_potential():
    first, second, third = run([0.3, 0.1, 0.0])
    assert (first.reward, first.shaping, first.steps) == (0.0, 0.0, 0)
    assert second.potential == pytest.approx(0.5) and first.potential == pytest.approx(0.25)
    assert second.reward == pytest.approx(0.9 * 0.5 - 0.25) and second.base == 0.0
    assert third.success and third.base == 1.0 and third.reward == pytest.approx(1.0 + 0.9 * 1.0 - 0.5)


def test_gamma_is_required_and_checked():
    with pytest.raises(TypeError):
        RewardEngine(REACH)
    for gamma in (0.0, -1, 1.5, float("nan"), None):
        with pytest.raises(ConfigError, match="gamma"):
            RewardEngine(REACH, gamma=gamma)


def test_a_frame_every_k_steps_discounts_by_gamma_to_the_k():
    assert run([0.3, 0.1], every=4)[1].reward == pytest.approx(0.9**4 * 0.5 - 0.25)
    engine = RewardEngine(REACH, gamma=0.9)
    first, second = gaps([0.3, 0.1])
    engine.step(first)
    frame = engine.step(second, steps=3)
    assert frame.steps == 3 and frame.reward == pytest.approx(0.9**3 * 0.5 - 0.25)


def test_the_absolute_mode_pays_the_potential_itself():
    assert [f.reward for f in run([0.3, 0.1, None, 0.0], mode="absolute")] == pytest.approx([0.25, 0.5, 0.0, 2.0])


def test_the_end_of_an_episode():
    for kind, expected in (("terminated", -0.25), ("truncated", 0.9 * 0.5 - 0.25)):
        engine = RewardEngine(REACH, gamma=0.9)
        first, second = gaps([0.3, 0.1])
        engine.step(first)
        frame = engine.step(second, **{kind: True})
        assert frame.reward == pytest.approx(expected) and getattr(frame, kind)
        assert frame.potential == pytest.approx(0.0 if kind == "terminated" else 0.5)
        assert frame.progress == pytest.approx(0.5)
        assert engine.step(first).steps == 0  # a new episode


def test_a_success_may_be_the_end():
    engine = RewardEngine(REACH, gamma=0.9, ends_on_success=True)
    far, near = gaps([0.3, 0.0])
    engine.step(far)
    frame = engine.step(near)
    assert frame.terminated and frame.potential == 0.0 and frame.progress == 1.0
    assert frame.reward == pytest.approx(1.0 - 0.25)
    assert not engine.step(far).success


# ---- abstention ----


def test_an_unseen_frame_pays_the_base_alone_says_why_and_the_next_closes_the_gap():
    frames = run([0.3, None, None, 0.1])
    for frame in frames[1:3]:
        assert (frame.reward, frame.shaping, frame.valid) == (0.0, 0.0, False)
        assert frame.reason is Reason.NOT_VISIBLE and "gap: gripper | apple" in frame.detail
        assert math.isnan(frame.potential) and math.isnan(frame.potential_std) and frame.reward_std == 0.0
        assert math.isnan(frame.terms[0].value) and frame.terms[0].reason is Reason.NOT_VISIBLE
    assert sum(0.9**k * f.shaping for k, f in enumerate(frames[1:])) == pytest.approx(0.9**3 * 0.5 - 0.25)


@pytest.mark.parametrize(
    "reason", [Reason.AMBIGUOUS, Reason.UNKNOWN_NAME, Reason.NO_CAMERA_INFO, Reason.NO_FRAME, Reason.OUT_OF_VIEW]
)
def test_the_reason_is_that_of_the_estimate(reason):
    engine = RewardEngine(REACH, gamma=0.9)
    frame = engine.step([unsaid(REACH.queries[0], reason, "There are two apples.")])
    assert (frame.valid, frame.reason, frame.reward) == (False, reason, 0.0)
    assert frame.detail == "gap: gripper | apple: There are two apples."


def test_a_success_is_not_claimed_while_it_is_not_seen_and_is_still_one_afterwards():
    frames = run([0.3, 0.0, None, 0.0])
    assert [f.success for f in frames] == [False, True, False, True]
    assert [f.base for f in frames] == [0.0, 1.0, 0.0, 1.0]
    assert math.isnan(frames[2].success_probability)


def test_a_terminated_frame_settles_the_account_also_when_it_is_not_seen():
    engine = RewardEngine(REACH, gamma=0.9)
    first, lost = gaps([0.3, None])
    engine.step(first)
    frame = engine.step(lost, terminated=True)
    assert frame.valid and frame.potential == 0.0 and frame.reward == pytest.approx(-0.25)
    assert "not seen" in frame.detail and math.isnan(frame.progress)


def test_a_very_long_drop_out_is_paid_back_with_a_word_about_it():
    frames = run([0.1, *[None] * 60, 0.1], gamma=0.9)
    settled = [f for f in frames if not f.valid and f.shaping]
    assert len(settled) == 1 and "paid back" in settled[0].detail and settled[0].shaping < 0
    assert frames[-1].shaping == pytest.approx(0.9 * 0.5)


# ---- phases and success ----


def phases_of(*frames, task=PICK):
    engine = RewardEngine(task, gamma=0.99)
    return [engine.step(answers(task, f)).phase for f in frames]


def test_phases_follow_their_conditions_forwards_and_back():
    near = dict(FAR, gap=0.01)
    assert phases_of(FAR, near, HELD, UP) == ["reach", "grasp", "lift", "lift"]
    assert phases_of(near, HELD, FAR) == ["grasp", "lift", "reach"]  # it fell
    assert phases_of(UP) == ["lift"]  # a later phase implies the earlier ones


def test_the_potential_rises_across_phases_and_is_kept_at_their_change():
    engine = RewardEngine(PICK, gamma=0.99)
    frames = [engine.step(answers(PICK, f)) for f in (FAR, dict(FAR, gap=0.01), HELD, UP)]
    values = [f.potential for f in frames]
    assert values == sorted(values) and values[-1] == pytest.approx(1.0)
    for before, after in zip(frames, frames[1:], strict=False):
        assert after.shaping == pytest.approx(0.99 * after.potential - before.potential)


def test_a_phase_does_not_flicker_at_its_threshold():
    half = dict(FAR, gap=0.01)
    lifts = [dict(half, lifted=p) for p in (0.1, 0.55, 0.65, 0.55, 0.45, 0.35, 0.55)]
    assert phases_of(*lifts) == ["grasp", "grasp", "lift", "lift", "lift", "grasp", "grasp"]


def test_an_unseen_condition_changes_no_phase_but_its_frame_is_not_valid():
    engine = RewardEngine(PICK, gamma=0.99)
    engine.step(answers(PICK, HELD))
    frame = engine.step(answers(PICK, dict(gap=0.3, elevation=0.0, touching=0.0)))  # lifted is not known
    assert (frame.phase, frame.valid, frame.reason) == ("lift", False, Reason.NOT_VISIBLE)
    assert "lifted" in frame.detail


def test_what_the_phase_does_not_need_need_not_be_seen():
    task = template("place_in", target="apple", container="bowl")
    engine = RewardEngine(task, gamma=0.99)
    frame = engine.step(answers(task, dict(gap=0.1, lifted=0.0, touching=0.0, elevation=0.0)))  # no bowl in sight
    assert frame.valid and frame.phase == "reach" and math.isnan(frame.success_probability)


HOLD = parse_task(
    """
name: hold
objects: {apple: apple}
phases: [{name: p, terms: [{gap: gripper | apple, at_most: 0}]}]
success: {when: [{lifted: apple}], hold: 3, enter: 0.7, leave: 0.4}
"""
)


def test_success_needs_its_frames_in_a_row_and_is_lost_only_far_below():
    engine = RewardEngine(HOLD, gamma=0.99)
    chances = (0.9, 0.9, 0.1, 0.9, 0.9, 0.9, 0.5, 0.3, 0.9)
    frames = [engine.step(answers(HOLD, dict(gap=0.1, lifted=p))) for p in chances]
    assert [f.success for f in frames] == [False] * 5 + [True, True, False, False]
    assert [f.success_probability for f in frames] == pytest.approx(chances)


def test_unseen_frames_neither_count_nor_break_the_row():
    engine = RewardEngine(HOLD, gamma=0.99)
    rows = [dict(gap=0.1, lifted=0.9), dict(gap=0.1, lifted=0.9), dict(gap=0.1), dict(gap=0.1, lifted=0.9)]
    assert [engine.step(answers(HOLD, r)).success for r in rows] == [False, False, False, True]


def test_an_uncertain_length_is_a_probability():
    engine = RewardEngine(REACH, gamma=0.99)
    (query,) = REACH.queries
    for value, expected in ((0.02, 0.5), (0.02 + 0.01645, 0.05), (0.02 - 0.01645, 0.95), (0.5, 0.0)):
        estimate = said(query, value, std=0.01)
        assert engine.step([estimate]).success_probability == pytest.approx(expected, abs=1e-3)


def test_terms_show_what_was_measured():
    engine = RewardEngine(PICK, gamma=0.99)
    frame = engine.step(answers(PICK, HELD, std=0.01))
    assert [t.name for t in frame.terms] == ["elevation: target", "gap: gripper | target"]
    lift, gap = frame.terms
    assert (lift.value, lift.unit, lift.weight, lift.valid) == (0.02, "m", 0.75, True)
    assert lift.score == pytest.approx(0.2) and gap.score == pytest.approx(1.0)
    assert lift.std == pytest.approx(0.01) and frame.task == "pick_apple"


# ---- errors of the reward ----


def test_the_shared_error_of_two_frames_cancels_and_the_own_does_not():
    (query,) = REACH.queries
    stds = {}
    for name, shared in (("own", 0.0), ("shared", 0.02)):
        engine = RewardEngine(REACH, gamma=1.0)
        engine.step([said(query, 0.10, std=0.02, shared=shared)])
        stds[name] = engine.step([said(query, 0.10, std=0.02, shared=shared)]).reward_std
    frame = RewardEngine(REACH, gamma=1.0).step([said(query, 0.10, std=0.02)])
    assert stds["own"] == pytest.approx(np.sqrt(2) * frame.potential_std)
    assert stds["shared"] == pytest.approx(0.0, abs=1e-9)


def test_frames_that_follow_closely_share_most_of_their_own_error():
    (query,) = REACH.queries

    def second(seconds):
        engine = RewardEngine(REACH, gamma=1.0)
        engine.step([said(query, 0.10, std=0.02)], stamp_ns=0)
        return engine.step([said(query, 0.10, std=0.02)], stamp_ns=int(seconds * 1e9)).reward_std

    assert second(0.1) < 0.4 * second(60.0)


# ---- what goes in ----


def test_the_queries_are_those_of_the_task_with_the_gripper_as_an_object():
    engine = RewardEngine("put the apple into the bowl", gamma=0.99)
    assert engine.queries() == engine.task.queries
    assert Query("gripper", "apple", "gap") in engine.queries()
    assert Query("apple", "bowl", "inside") in engine.queries()


def test_estimates_may_come_in_any_order_among_others():
    engine, other = RewardEngine(PICK, gamma=0.99), RewardEngine(PICK, gamma=0.99)
    rows = answers(PICK, FAR)
    extra = said(Query("lamp", None, "height"), 0.3)
    assert engine.step(rows) == other.step([extra, *reversed(rows)])


def test_a_quantity_that_nobody_measured_is_an_error_and_not_a_zero():
    with pytest.raises(QueryError, match="were not measured .*elevation"):
        RewardEngine(PICK, gamma=0.99).step(answers(PICK, FAR)[:2])
    with pytest.raises(QueryError, match="were not measured"):
        RewardEngine(REACH, gamma=0.99).step([])


def test_the_task_changes_live():
    engine = RewardEngine(PICK, gamma=0.99)
    engine.step(answers(PICK, HELD))
    engine.set_task("reach for the apple")
    assert engine.task.name == "reach_apple" and [q.kind.value for q in engine.queries()] == ["gap"]
    frame = engine.step(answers(engine.task, dict(gap=0.1)))
    assert (frame.phase, frame.shaping, frame.steps) == ("reach", 0.0, 0)
    with pytest.raises(ConfigError):
        engine.set_task("sing a song")
    assert engine.task.name == "reach_apple"  # it goes on


def test_a_reset_forgets_everything():
    engine, fresh = RewardEngine(PICK, gamma=0.99), RewardEngine(PICK, gamma=0.99)
    for values in (FAR, HELD, UP, UP):
        engine.step(answers(PICK, values))
    engine.reset()
    for values in (FAR, UP, UP):
        assert engine.step(answers(PICK, values)) == fresh.step(answers(PICK, values))


# ---- filtered ----


def test_filtered_estimates_scatter_less_and_need_stamps():
    (query,) = REACH.queries
    rng = np.random.default_rng(0)
    noisy = [said(query, float(v), std=0.03) for v in 0.2 + 0.03 * rng.standard_normal(60)]
    at_rest = FilterSettings(correlated_share=0.0, acceleration=0.01, speed=0.01)
    engines = {
        "raw": RewardEngine(REACH, gamma=0.99),
        "filtered": RewardEngine(REACH, gamma=0.99, filtered=at_rest),
    }
    spread = {}
    for name, engine in engines.items():
        frames = [engine.step([e], stamp_ns=k * 100_000_000) for k, e in enumerate(noisy)]
        spread[name] = np.std([f.potential for f in frames[10:]])
    assert spread["filtered"] < 0.6 * spread["raw"]
    with pytest.raises(ConfigError, match="stamps"):
        engines["filtered"].step([noisy[0]])


def test_a_prediction_of_the_filter_is_no_measurement():
    engine = RewardEngine(REACH, gamma=0.99, filtered=FilterSettings())
    frames = [engine.step(row, stamp_ns=k * 100_000_000) for k, row in enumerate(gaps([0.2, 0.2, None, 0.2]))]
    assert [f.valid for f in frames] == [True, True, False, True]


def test_the_filter_begins_anew_with_each_episode():
    engine = RewardEngine(REACH, gamma=0.99, filtered=FilterSettings())
    (query,) = REACH.queries
    for k in range(5):
        engine.step([said(query, 0.5, std=0.02)], terminated=k == 4, stamp_ns=k * 100_000_000)
    frame = engine.step([said(query, 0.1, std=0.02)], stamp_ns=500_000_000)
    assert frame.potential == pytest.approx(0.5, abs=0.01)


# ---- many at once ----


def random_rows(rng, n):
    rows = []
    for _ in range(n):
        values = dict(
            gap=rng.uniform(0, 0.05), touching=rng.random(), elevation=rng.uniform(0, 0.2), lifted=rng.random()
        )
        kept = {k: v for k, v in values.items() if rng.random() > 0.1}
        rows.append(answers(PICK, kept, std=0.01))
    return rows


@pytest.mark.parametrize("options", [{}, {"every": 3}, {"mode": "absolute"}, {"unseen": "dropped"}])
def test_a_batch_is_as_good_as_engines_one_by_one(options):
    rng, n = np.random.default_rng(1), 5
    batch = BatchRewardEngine(PICK, n, gamma=0.95, **options)
    alone = [RewardEngine(PICK, gamma=0.95, **options) for _ in range(n)]
    for _ in range(40):
        rows, over, cut = random_rows(rng, n), rng.random(n) < 0.05, rng.random(n) < 0.05
        frames = batch.step(rows, over, cut)
        for k, engine in enumerate(alone):
            single = engine.step(rows[k], bool(over[k]), bool(cut[k]))
            assert repr(frames.frame(k)) == repr(single)
            assert frames.reward[k] == single.reward and bool(frames.valid[k]) == single.valid


def test_arrays_of_a_simulator_go_in_directly():
    values = np.array([[0.1, 0.0, 0.0, 0.0], [0.0, 1.0, 0.12, 1.0], [np.nan, 0.0, 0.0, 0.0]])
    order = [q.kind.value for q in PICK.queries]
    assert order == ["gap", "touching", "lifted", "elevation"]
    batch = BatchRewardEngine(PICK, 3, gamma=0.99)
    frames = batch.step_measured(Measured.exact(values[:, [0, 1, 3, 2]], batch.queries()))
    assert frames.valid.tolist() == [True, True, False]
    np.testing.assert_allclose(frames.potential[:2], [0.4 * 0.5, 1.0])
    assert frames.frame(2).reason is Reason.MODEL_ERROR


def test_some_environments_are_reset_alone():
    batch = BatchRewardEngine(REACH, 2, gamma=0.9)
    far, near = gaps([0.3, 0.1])
    batch.step([far, far])
    batch.reset([True, False])
    np.testing.assert_allclose(batch.step([near, near]).shaping, [0.0, 0.9 * 0.5 - 0.25])


def test_shapes_that_do_not_fit_are_refused():
    batch = BatchRewardEngine(REACH, 2, gamma=0.9)
    with pytest.raises(QueryError, match="one row per environment"):
        batch.step(gaps([0.1]))
    with pytest.raises(QueryError, match="one row per environment"):
        batch.step_measured(Measured.exact([[0.1]], batch.queries()))
    with pytest.raises(QueryError, match="one flag per environment"):
        batch.reset([True])
    with pytest.raises(ConfigError, match="steps are not whole numbers"):
        batch.step(gaps([0.1, 0.2]), steps=0)
    with pytest.raises(ConfigError, match="at least one environment"):
        BatchRewardEngine(REACH, 0, gamma=0.9)
    with pytest.raises(ConfigError, match="unknown mode"):
        RewardEngine(REACH, gamma=0.9, mode="dense")
    assert len(task_of("pick_apple").phases) == 3
