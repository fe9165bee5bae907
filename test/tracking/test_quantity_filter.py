"""Filtered quantities: coverage over whole episodes, what shrinks and what does not, jumps, drop-outs, time."""

from functools import lru_cache

import numpy as np
import pytest
from filter_coverage import ERRORS, NAIVE, TIMES, drop_outs, naive, own_error, run, truths
from hypothesis import given, settings
from hypothesis import strategies as st
from tracked_episodes import Errors, simulate

from spatialvlm_ros.errors import ConfigError, QueryError
from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.scenes.relations import RELATIONS, Relation
from spatialvlm_ros.tracking.quantity_filter import FilterBank
from spatialvlm_ros.tracking.settings import FilterSettings

N = 320  # episodes
FRAME = 100_000_000
LOST = Estimate.invalid(Relation.DISTANCE, "mug", "bowl", Reason.NOT_VISIBLE)


def length(value, std=0.05, shared=0.03, relation=Relation.DISTANCE, subject="mug", **changes) -> Estimate:
    half = 1.645 * std
    known = dict(unit=RELATIONS[relation].unit, sources=frozenset({Source.MONOCULAR}), valid=True, reason=Reason.OK)
    known |= dict(value=value, std=std, interval=(value - half, value + half), shared_std=shared) | changes
    return Estimate(relation, subject, "bowl", **known)


def says(p, relation=Relation.LEFT) -> Estimate:
    return length(p, np.sqrt(p * (1 - p)), 0.0, relation, interval=(p, p), unit="probability")


@lru_cache
def played(kind, name, lost=False, simple=False):
    """Simulated episodes and what a filter makes of them."""
    relation, truth = truths(N, 1)[name]
    episodes = simulate(truth, TIMES, relation, ERRORS[kind], 2)
    episodes = episodes.seen(drop_outs(N, 3)) if lost else episodes
    return episodes, run(episodes, NAIVE, naive) if simple else run(episodes)


def feed(bank, estimates, start=0, step=FRAME):
    """The last result of frames with one query each."""
    for k, estimate in enumerate(estimates):
        (result,) = bank.update(start + k * step, [estimate])
    return result


# ---- intervals over whole episodes ----


@pytest.mark.parametrize("kind", ["monocular", "depth"])
@pytest.mark.parametrize("name", ["static", "moving", "swinging", "to contact", "through zero"])
def test_the_interval_holds_the_truth_in_85_to_95_percent_of_whole_episodes(kind, name):
    episodes, filtered = played(kind, name)
    assert filtered.valid.all()
    assert 0.85 <= filtered.covered(episodes.truth) <= 0.95


@pytest.mark.parametrize("name", ["static", "moving"])
def test_so_it_does_with_drop_outs(name):
    episodes, filtered = played("monocular", name, lost=True)
    assert np.isnan(episodes.measured).mean() > 0.3 and filtered.valid.mean() > 0.98  # predicted frames are judged too
    assert 0.85 <= filtered.covered(episodes.truth) <= 0.95


def test_and_with_irregular_frames():
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.exponential(0.15, 60))
    truth = np.repeat(np.exp(rng.uniform(np.log(0.2), np.log(3), (N, 1))), 60, axis=1)
    filtered = run(simulate(truth, times, Relation.DISTANCE, ERRORS["monocular"], 2))
    assert 0.85 <= filtered.covered(truth) <= 0.95


@pytest.mark.parametrize("name", ["static", "moving"])
def test_a_filter_that_takes_all_error_for_noise_fails_there(name):
    episodes, filtered = played("monocular", name, simple=True)
    assert filtered.covered(episodes.truth) < 0.78


@pytest.mark.parametrize("shared,own", [(0.12, 0.10), (0.01, 0.03)])
def test_the_own_error_shrinks_and_the_shared_one_does_not(shared, own):
    believed = FilterSettings(correlated_share=0.5, correlation_time_s=1.0)
    relation, truth = truths(N, 1)["static"]
    episodes = simulate(truth, TIMES, relation, Errors(shared, own, lasting=0.5, lasting_s=1.0), 2)
    filtered = run(episodes, believed)
    assert own_error(filtered.value, episodes) < 0.88 * own_error(episodes.measured, episodes)
    late = slice(30, None)
    stated = np.sqrt(episodes.std**2 - episodes.shared_std**2)[:, late].mean()
    assert np.sqrt(filtered.std**2 - filtered.shared_std**2)[:, late].mean() < 0.93 * stated
    np.testing.assert_allclose(filtered.shared_std[:, late].mean(), episodes.shared_std[:, late].mean(), rtol=0.05)
    assert 0.85 <= filtered.covered(truth) <= 0.95


@pytest.mark.parametrize("kind", ["monocular", "depth", "less lasting than believed", "white"])
def test_as_shipped_it_also_makes_the_own_error_smaller(kind):
    episodes, filtered = played(kind, "static")
    assert own_error(filtered.value, episodes) < 0.99 * own_error(episodes.measured, episodes)
    assert 0.85 <= filtered.covered(episodes.truth) <= 0.95


def test_filtering_a_moving_quantity_is_not_worse_than_not_filtering():
    for name in ("moving", "swinging", "to contact"):
        episodes, filtered = played("monocular", name)
        truth = episodes.truth
        assert np.abs(filtered.value - truth).mean() < np.abs(episodes.measured - truth).mean()


def test_the_rate_is_right_within_its_interval():
    episodes, filtered = played("depth", "moving")
    true_rate = np.gradient(episodes.truth, TIMES, axis=1)
    inside = np.abs(filtered.rate - true_rate) <= 1.645 * filtered.rate_std
    assert inside.mean() > 0.85
    fast = true_rate < -0.2
    assert fast.sum() > 500
    assert np.median(filtered.rate[fast]) == pytest.approx(np.median(true_rate[fast]), rel=0.2)


def test_an_hour_of_frames_does_not_make_it_certain():
    bank = FilterBank()
    result = feed(bank, [length(1.0, std=0.11, shared=0.1)] * 400, step=9_000_000_000 // 10)
    assert result.updates == 400
    assert result.estimate.std >= 0.1
    assert result.estimate.shared_std == pytest.approx(0.1, rel=0.03)


def test_frames_that_repeat_the_same_error_count_as_fewer():
    lasting = feed(FilterBank(FilterSettings(correlated_share=0.9)), [length(1.0, shared=0.0)] * 10)
    white = feed(FilterBank(FilterSettings(correlated_share=0.0)), [length(1.0, shared=0.0)] * 10)
    assert white.estimate.std < 0.8 * lasting.estimate.std
    assert lasting.estimate.std <= 0.0501


@pytest.mark.parametrize(
    "relation,value,interval",
    [
        ("left_diff", 0.1, (-0.25, 0.25)),
        ("distance", 1.0, (0.9, 1.6)),
        ("gap", 0.03, (0.0, 0.08)),
        ("gap", 0.0, (0.0, 0.02)),
    ],
)
def test_a_lopsided_interval_stays_lopsided(relation, value, interval):
    """The first frame's interval is the model's own, also where it is cut off at 0."""
    estimate = length(value, std=0.05, shared=0.0, relation=Relation(relation), interval=interval)
    (first,) = FilterBank().update(0, [estimate])
    np.testing.assert_allclose(first.estimate.interval, interval, rtol=0.02, atol=1e-9)
    later = feed(FilterBank(), [estimate] * 20)
    low, high = later.estimate.interval
    assert interval[0] - 0.002 <= low <= value <= high <= interval[1] + 0.002
    if interval[0] < value:
        assert (high - value) / (value - low) == pytest.approx((interval[1] - value) / (value - interval[0]), rel=0.2)


def test_depth_that_comes_in_counts_at_once():
    bank = FilterBank()
    feed(bank, [length(1.2, std=0.2, shared=0.15)] * 20)
    (result,) = bank.update(20 * FRAME, [length(1.0, std=0.01, shared=0.0, sources=frozenset({Source.DEPTH_SENSOR}))])
    assert result.estimate.value == pytest.approx(1.0, abs=0.01)
    assert result.estimate.std < 0.015
    assert result.estimate.sources == {Source.DEPTH_SENSOR}


def test_one_frame_that_states_a_small_error_is_not_believed_alone():
    values = {}
    for seconds in (1.0, 1e-6):
        bank = FilterBank(FilterSettings(claim_time_s=seconds))
        feed(bank, [length(1.0, std=0.1, shared=0.0)] * 10)
        (result,) = bank.update(10 * FRAME, [length(1.3, std=0.08, shared=0.0)])  # in proportion 40% less
        values[seconds] = result.estimate.value
    assert 1.0 < values[1.0] < 1.15 < values[1e-6]


# ---- jumps, outliers, drop-outs ----


@pytest.mark.parametrize(
    "relation,before,after", [("distance", 0.5, 0.9), ("gap", 0.3, 0.02), ("left_diff", 0.2, -0.3)]
)
def test_a_thing_moved_by_hand_is_followed_within_three_frames(relation, before, after):
    truth = np.full((N, 40), before)
    truth[:, 20:] = after
    episodes = simulate(truth, TIMES[:40], Relation(relation), Errors(shared=0.0, own=0.03), 4)
    filtered = run(episodes)
    off = np.median(np.abs(filtered.value - truth), axis=0) / abs(after - before)
    assert off[19] < 0.1
    assert off[20] > 0.5  # not believed at once
    assert (off[22:] < 0.12).all()
    covered = (filtered.low <= truth) & (truth <= filtered.high)
    assert covered[:, 24:].mean() >= 0.85


def test_a_single_wild_frame_moves_little():
    bank = FilterBank()
    before = feed(bank, [length(1.0, std=0.05)] * 10)
    (wild,) = bank.update(10 * FRAME, [length(3.0, std=0.15)])
    (after,) = bank.update(11 * FRAME, [length(1.0, std=0.05)])
    assert abs(wild.estimate.value - before.estimate.value) < 0.1
    assert abs(after.estimate.value - 1.0) < 0.1
    assert after.updates == 12  # it did not start anew


def test_wild_frames_on_both_sides_are_no_jump():
    bank = FilterBank()
    feed(bank, [length(1.0, std=0.05)] * 10)
    for k, value in enumerate((3.0, 0.3, 3.0, 0.3)):
        (result,) = bank.update((10 + k) * FRAME, [length(value, std=0.05)])
    assert result.updates == 14
    assert abs(result.estimate.value - 1.0) < 0.25


def test_unseen_it_grows_unsure_then_stale_and_starts_anew():
    bank = FilterBank(FilterSettings(max_age_s=1.0))
    seen = feed(bank, [length(1.0)] * 10)
    stds = [seen.estimate.std]
    for k in range(10, 20):
        (result,) = bank.update(k * FRAME, [LOST])
        assert result.estimate.valid and result.updates == 10
        assert result.age_s == pytest.approx((k - 9) / 10)
        stds.append(result.estimate.std)
    assert (np.diff(stds) > 0).all()
    (result,) = bank.update(20 * FRAME, [LOST])
    assert not result.estimate.valid and result.estimate.reason is Reason.STALE
    assert np.isnan(result.estimate.value) and np.isnan(result.rate)
    assert "not_visible" in result.estimate.detail
    (back,) = bank.update(21 * FRAME, [length(2.0)])
    assert back.estimate.value == pytest.approx(2.0) and back.updates == 1


def test_what_was_never_seen_keeps_its_reason():
    (result,) = FilterBank().update(0, [LOST])
    assert not result.estimate.valid and result.estimate.reason is Reason.NOT_VISIBLE
    assert result.age_s == np.inf and result.updates == 0


def test_a_length_that_shrinks_unseen_does_not_become_negative():
    bank = FilterBank()
    falling = [length(v, std=0.005, shared=0.0, relation=Relation.GAP) for v in np.linspace(0.4, 0.1, 15)]
    feed(bank, falling)
    for k in range(15, 34):
        (result,) = bank.update(k * FRAME, [Estimate.invalid(Relation.GAP, "mug", "bowl", Reason.NOT_VISIBLE)])
        assert result.estimate.value >= 0 and result.estimate.interval[0] >= 0
    assert result.estimate.value < 0.1


# ---- time ----


def test_a_jump_back_of_time_forgets_everything():
    used, new = FilterBank(), FilterBank()
    feed(used, [length(1.0)] * 20, start=50 * FRAME)
    for k, value in enumerate((2.0, 2.1, 1.9)):
        assert used.update(k * FRAME, [length(value)]) == new.update(k * FRAME, [length(value)])


def test_a_frame_counts_once():
    once, twice = FilterBank(), FilterBank()
    for k, value in enumerate((1.0, 1.1, 0.95)):
        expected = once.update(k * FRAME, [length(value)])
        for _ in range(3):
            assert twice.update(k * FRAME, [length(value)]) == expected


def test_a_second_answer_to_the_same_frame_counts_where_the_first_was_none():
    bank = FilterBank()
    bank.update(7, [LOST])
    (result,) = bank.update(7, [length(1.0)])
    assert result.estimate.value == pytest.approx(1.0)


def test_seconds_are_not_taken_for_nanoseconds():
    with pytest.raises(QueryError, match="nanoseconds"):
        FilterBank().update(12.5, [length(1.0)])


def test_stamps_of_today_lose_no_precision():
    now = 1_790_000_000_123_456_789
    late, early = FilterBank(), FilterBank()
    for k in range(5):
        a = late.update(now + k * FRAME, [length(1.0 + 0.01 * k)])[0]
        b = early.update(k * FRAME, [length(1.0 + 0.01 * k)])[0]
    assert a.estimate.value == pytest.approx(b.estimate.value, abs=1e-9)
    assert a.rate == pytest.approx(b.rate, abs=1e-9)


# ---- queries ----


def test_queries_may_come_and_go_and_change_places():
    bank, alone = FilterBank(), FilterBank()
    mug, cup = length(1.0), length(2.0, subject="cup")
    bank.update(0, [mug])
    bank.update(FRAME, [cup, mug])
    results = bank.update(2 * FRAME, [mug, cup])
    expected = feed(alone, [mug] * 3)
    assert results[0] == expected
    assert [r.updates for r in results] == [3, 2]
    assert [r.estimate.subject for r in results] == ["mug", "cup"]
    assert bank.update(3 * FRAME, []) == []


def test_the_same_question_twice_is_two_filters():
    bank = FilterBank()
    for k in range(3):
        results = bank.update(k * FRAME, [length(1.0), length(2.0)])
    assert [round(r.estimate.value, 3) for r in results] == [1.0, 2.0]


def test_an_object_can_be_forgotten():
    bank = FilterBank()
    both = [length(1.0), length(1.0, subject="cup")]
    bank.update(0, both)
    bank.forget(["mug"])
    results = bank.update(FRAME, [length(5.0), both[1]])
    assert [r.updates for r in results] == [1, 2]
    assert results[0].estimate.value == pytest.approx(5.0)


def test_volumes_keep_their_unit():
    estimate = length(0.002, std=0.0004, shared=0.0003, relation=Relation.VOLUME)
    result = feed(FilterBank(), [estimate] * 10)
    assert result.estimate.unit == "m3"
    assert result.estimate.value == pytest.approx(0.002, rel=0.01)
    assert 0.0003 <= result.estimate.std <= 0.00042


# ---- predicates ----


def test_many_unsure_frames_do_not_make_a_predicate_certain():
    result = feed(FilterBank(), [says(0.7)] * 100)
    assert result.estimate.value == pytest.approx(0.7)
    assert np.isnan(result.rate) and np.isnan(result.rate_std)
    assert result.estimate.unit == "probability"


def test_a_predicate_is_steadier_than_its_frames_and_follows_a_change():
    rng = np.random.default_rng(0)
    odds = np.concatenate([np.full(40, 1.5), np.full(20, -1.5)]) + rng.standard_normal(60)
    bank = FilterBank()
    out = np.array([bank.update(k * FRAME, [says(1 / (1 + np.exp(-o)))])[0].estimate.value for k, o in enumerate(odds)])
    assert (odds[:40] < 0).any() and (out[5:40] > 0.5).all()
    assert (out[47:] < 0.5).all()


def test_a_predicate_out_of_sight_falls_to_one_half_then_is_stale():
    bank = FilterBank()
    before = feed(bank, [says(0.95)] * 5)
    lost = Estimate.invalid(Relation.LEFT, "mug", "bowl", Reason.NOT_VISIBLE, "probability")
    (later,) = bank.update(20 * FRAME, [lost])
    assert 0.5 < later.estimate.value < before.estimate.value - 0.1
    (gone,) = bank.update(60 * FRAME, [lost])
    assert gone.estimate.reason is Reason.STALE


# ---- anything may come in ----

numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-5, 5), st.just(0.0))
relations = st.sampled_from([Relation.DISTANCE, Relation.GAP, Relation.LEFT_DIFF, Relation.VOLUME, Relation.ON])


@st.composite
def anything(draw):
    relation = draw(relations)
    value, std, low, high, shared = (draw(numbers) for _ in range(5))
    valid = draw(st.booleans())
    reason = Reason.OK if valid else Reason.OUT_OF_VIEW
    return length(value, std, shared, relation, interval=(low, high), valid=valid, reason=reason)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**11), st.lists(anything(), max_size=4)), max_size=12))
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_nothing_that_is_not_finite_comes_out_as_valid(frames):
    bank, stamp = FilterBank(), 10**12
    for step, estimates in frames:
        stamp += step
        for estimate, result in zip(estimates, bank.update(stamp, estimates), strict=True):
            out = result.estimate
            assert (out.relation, out.unit) == (estimate.relation, estimate.unit)
            assert out.valid == (out.reason is Reason.OK)
            if not out.valid:
                assert np.isnan(out.value) and np.isnan(result.rate)
                continue
            assert np.isfinite([out.value, out.std, *out.interval, out.shared_std, result.age_s]).all()
            assert out.interval[0] <= out.value <= out.interval[1] and 0 <= out.shared_std <= out.std * (1 + 1e-9)
            assert (np.diff(out.quantiles) >= 0).all()
            if not RELATIONS[out.relation].signed:
                assert out.interval[0] >= 0
            if RELATIONS[out.relation].predicate:
                assert 0 <= out.value <= 1 and np.isnan(result.rate)
            else:
                assert np.isfinite([result.rate, result.rate_std]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.05, 20),
    st.floats(0.01, 0.2),
    st.floats(0, 1),
    st.sampled_from([Relation.DISTANCE, Relation.GAP, Relation.HEIGHT, Relation.LEFT_DIFF]),
    st.floats(0.01, 1.9),
)
def test_equal_frames_keep_their_value_and_make_it_no_less_sure(value, spread, share, relation, seconds):
    bank = FilterBank()
    estimate = length(value, spread * value, share * spread * value, relation)
    stds = []
    for k in range(4):
        (result,) = bank.update(int(k * seconds * 1e9), [estimate])
        stds.append(result.estimate.std)
        assert result.estimate.value == pytest.approx(value, rel=1e-6)
        assert result.estimate.shared_std == pytest.approx(share * spread * value, rel=0.1, abs=1e-6)
    assert max(stds) <= stds[0] * (1 + 1e-9)


@pytest.mark.parametrize(
    "change", [{"gate": 0.0}, {"acceleration": float("nan")}, {"correlated_share": 1.5}, {"confirm_frames": 0}]
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError):
        FilterSettings(**change)
