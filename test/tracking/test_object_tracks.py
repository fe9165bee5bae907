"""Tracks of located objects: which id, and what smoothing does to a position and what it must not do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError, QueryError
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.tracking.object_tracks import ObjectTracks, TrackSettings

FRAME = 100_000_000
FOCAL = 300.0


def unit(vector):
    return vector / np.linalg.norm(vector)


def box_of(position, half=30.0):
    u, v = FOCAL * position[:2] / position[2] + (160, 120)
    return np.array([u - half, v - half, u + half, v + half])


def covariance_of(position, along=0.15, across=0.02):
    """Errors in proportion to the range: a scale error along the ray."""
    ray, metres = unit(position), np.linalg.norm(position)
    return metres**2 * (along**2 * np.outer(ray, ray) + across**2 * (np.eye(3) - np.outer(ray, ray)))


def seen(position, name="mug", box=True, place=True, score=0.9, **changes) -> LocatedObject:
    position = np.asarray(position, dtype=float)
    nothing = LocatedObject(name)
    known = dict(
        box2d=box_of(position) if box else nothing.box2d,
        position=position if place else nothing.position,
        covariance=covariance_of(position) if place else nothing.covariance,
    )
    return LocatedObject(name, True, Reason.OK, score=score, **(known | changes))


LOST = LocatedObject("mug", reason=Reason.NOT_VISIBLE)
HERE, THERE = np.array([0.2, 0.1, 1.0]), np.array([-0.6, 0.1, 1.4])


def feed(tracks, located, start=0):
    for k, one in enumerate(located):
        (result,) = tracks.update((start + k) * FRAME, [one])
    return result


# ---- ids ----


def test_the_same_name_at_the_same_place_keeps_its_id():
    rng = np.random.default_rng(0)
    tracks = ObjectTracks()
    for k in range(50):
        result = tracks.update(k * FRAME, [seen(HERE + 0.02 * rng.standard_normal(3)), seen(THERE, "cup")])
        assert [r.track_id for r in result] == [1, 2]
    assert [r.updates for r in result] == [50, 50]


def test_a_jump_too_large_for_its_time_gets_a_new_id_once_two_frames_agree():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 10)
    (first,) = tracks.update(10 * FRAME, [seen(THERE)])
    assert first.track_id == 1
    np.testing.assert_allclose(first.position, HERE, atol=0.02)
    assert np.isnan(first.box2d).all()  # it was not seen where it is
    (second,) = tracks.update(11 * FRAME, [seen(THERE)])
    assert second.track_id == 2 and second.updates == 1
    np.testing.assert_allclose(second.position, THERE, atol=1e-9)


def test_the_same_way_in_enough_time_keeps_its_id():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 10)
    (result,) = tracks.update(25 * FRAME, [seen(THERE)])  # 0.9 m in 1.6 s
    assert result.track_id == 1


def test_one_wrong_frame_changes_nothing():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 10)
    for k in range(10, 30):
        (result,) = tracks.update(k * FRAME, [seen(THERE if k % 2 else HERE)])
    assert result.track_id == 1
    np.testing.assert_allclose(result.position, HERE, atol=0.05)


def test_wrong_frames_at_different_places_do_not_confirm_each_other():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 10)
    for k in range(6):
        elsewhere = [(-0.8 + 0.4 * (k % 3)), -0.5, 2.0]
        (result,) = tracks.update((10 + k) * FRAME, [seen(elsewhere)])
    assert result.track_id == 1


def test_an_object_that_is_carried_keeps_its_id_and_is_followed():
    tracks = ObjectTracks()
    for k in range(30):
        place = HERE + [-0.03 * k, 0, 0.01 * k]  # 0.3 m/s
        (result,) = tracks.update(k * FRAME, [seen(place)])
    assert result.track_id == 1
    assert np.linalg.norm(result.position - place) < 0.03


def test_the_box_alone_keeps_the_id_when_the_range_jumps():
    """Depth comes in and halves the range: it is the same thing in the picture."""
    tracks = ObjectTracks()
    feed(tracks, [seen(2 * HERE)] * 5)
    sharp = dict(covariance=np.eye(3) * 1e-4)
    results = [tracks.update((5 + k) * FRAME, [seen(HERE, **sharp)])[0] for k in range(3)]
    assert {r.track_id for r in results} == {1}
    np.testing.assert_allclose(results[-1].position, HERE, atol=0.03)


def test_without_a_position_the_box_decides():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE, place=False)] * 3)
    (moved,) = tracks.update(3 * FRAME, [seen(HERE + [0.05, 0, 0], place=False)])
    assert moved.track_id == 1 and moved.valid and np.isnan(moved.position).all()
    results = [tracks.update((4 + k) * FRAME, [seen(THERE, place=False)])[0] for k in range(2)]
    assert [r.track_id for r in results] == [1, 2]


def test_without_a_box_the_position_decides():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE, box=False)] * 3)
    results = [tracks.update((3 + k) * FRAME, [seen(THERE, box=False)])[0] for k in range(2)]
    assert [r.track_id for r in results] == [1, 2]


def test_out_of_sight_it_is_kept_for_a_while():
    tracks = ObjectTracks(TrackSettings(max_gap_s=1.0))
    before = feed(tracks, [seen(HERE)] * 10)
    (short,) = tracks.update(15 * FRAME, [LOST])
    assert short.valid and short.track_id == 1 and short.age_s == pytest.approx(0.6)
    assert np.trace(short.covariance) > np.trace(before.covariance)
    (back,) = tracks.update(19 * FRAME, [seen(HERE)])
    assert back.track_id == 1
    (gone,) = tracks.update(30 * FRAME, [LOST])
    assert not gone.valid and gone.reason is Reason.STALE and gone.track_id == -1
    assert np.isnan(gone.position).all()
    (again,) = tracks.update(31 * FRAME, [seen(HERE)])
    assert again.track_id == 2


def test_what_was_never_seen_has_no_id_and_keeps_its_reason():
    (result,) = ObjectTracks().update(0, [LOST])
    assert (result.track_id, result.valid, result.reason) == (-1, False, Reason.NOT_VISIBLE)


def test_two_names_at_one_place_are_two_tracks_and_one_name_twice_is_one():
    tracks = ObjectTracks()
    both = tracks.update(0, [seen(HERE, "mug"), seen(HERE, "red mug")])
    assert [r.track_id for r in both] == [1, 2]
    twice = tracks.update(FRAME, [seen(THERE, "mug", score=0.2), seen(HERE, "mug", score=0.9)])
    assert [r.track_id for r in twice] == [1, 1]
    np.testing.assert_allclose(twice[0].position, HERE, atol=1e-9)


def test_a_jump_back_of_time_begins_again_with_new_ids():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 5, start=100)
    (result,) = tracks.update(0, [seen(HERE)])
    assert (result.track_id, result.updates) == (2, 1)


def test_a_frame_counts_once():
    once, twice = ObjectTracks(), ObjectTracks()
    for k in range(4):
        place = HERE + [0.01 * k, 0, 0]
        (expected,) = once.update(k * FRAME, [seen(place)])
        for _ in range(3):
            (result,) = twice.update(k * FRAME, [seen(place)])
    assert result.updates == expected.updates
    np.testing.assert_array_equal(result.position, expected.position)
    np.testing.assert_array_equal(result.covariance, expected.covariance)


def test_one_wrong_frame_that_is_given_twice_does_not_confirm_itself():
    tracks = ObjectTracks()
    feed(tracks, [seen(HERE)] * 5)
    for _ in range(3):
        (result,) = tracks.update(5 * FRAME, [seen(THERE)])
    assert result.track_id == 1


def test_seconds_are_not_taken_for_nanoseconds():
    with pytest.raises(QueryError, match="nanoseconds"):
        ObjectTracks().update(0.5, [])


@pytest.mark.parametrize("change", [{"max_gap_s": 0.0}, {"min_iou": 2.0}, {"max_speed": float("nan")}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError):
        TrackSettings(**change)


# ---- positions ----


def test_a_moving_camera_with_a_known_pose_sees_a_resting_object():
    tracks = ObjectTracks()
    fixed = np.array([0.3, 0.0, 2.0])
    for k in range(20):
        angle = 0.02 * k
        turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
        camera = Transform(turn, np.array([0.05 * k, 0, 0]))
        (result,) = tracks.update(k * FRAME, [seen(camera.inverse().apply([fixed])[0])], camera)
    assert result.track_id == 1
    np.testing.assert_allclose(result.position, fixed, atol=1e-6)
    ray = unit(fixed - camera.translation)
    assert ray @ result.covariance @ ray == pytest.approx(result.covariance.trace() * 0.96, rel=0.04)


def test_smoothing_shrinks_the_own_error_and_not_the_shared_range_error():
    believed = TrackSettings(correlated_share=0.3, correlation_time_s=0.5)
    result = feed(ObjectTracks(believed), [seen(HERE)] * 60)
    ray = unit(HERE)
    side = unit(np.cross(ray, [0, 1, 0]))
    given_along, given_across = (d @ covariance_of(HERE) @ d for d in (ray, side))
    along, across = (d @ result.covariance @ d for d in (ray, side))
    shared = TrackSettings().shared_range_share * given_along
    assert shared < along < 0.95 * given_along
    assert across < 0.8 * given_across


def simulate(tracks, n=80, frames=30, seed=0, speed=0.0, shared=0.8, lasting=0.9, lasting_s=5.0, dt=0.1):
    """Errors as stated: returns squared Mahalanobis distances (n, frames) and mean distances of the own error."""
    rng = np.random.default_rng(seed)
    far, raw, smooth = np.zeros((n, frames)), [], []
    for i in range(n):
        tracks.reset()
        start = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.3), rng.uniform(0.6, 3)])
        way = speed * unit(rng.standard_normal(3))
        bias, own = rng.standard_normal(), rng.standard_normal(3)
        keep = np.exp(-dt / lasting_s)
        for k in range(frames):
            truth = start + way * k * dt
            stated = covariance_of(truth)
            common = np.sqrt(shared) * 0.15 * truth * bias
            root = np.linalg.cholesky(stated - shared * 0.15**2 * np.outer(truth, truth))
            own = keep * own + np.sqrt(1 - keep**2) * rng.standard_normal(3) if k else own
            error = root @ (np.sqrt(lasting) * own + np.sqrt(1 - lasting) * rng.standard_normal(3))
            place = truth + common + error
            jitter = np.exp(0.2 * rng.standard_normal())
            one = seen(place, covariance=stated * jitter, box2d=box_of(truth))
            (result,) = tracks.update(k * int(dt * 1e9), [one])
            off = result.position - truth
            far[i, k] = off @ np.linalg.solve(result.covariance, off)
            raw.append(np.linalg.norm(error))
            smooth.append(np.linalg.norm(off - common))
    return far, np.mean(raw), np.mean(smooth)


WITHIN_90 = 6.251  # of a squared Mahalanobis distance in three dimensions


@pytest.mark.parametrize("speed", [0.0, 0.2])
def test_the_ellipsoid_holds_the_truth_in_85_to_95_percent(speed):
    far, raw, smooth = simulate(ObjectTracks(), speed=speed)
    assert 0.85 <= (far < WITHIN_90).mean() <= 0.95
    assert smooth < raw * 1.01


def test_a_filter_that_takes_all_error_for_noise_fails_there():
    simple = TrackSettings(shared_range_share=0.0, correlated_share=0.0)
    far, _, _ = simulate(ObjectTracks(simple), n=40)
    assert (far < WITHIN_90).mean() < 0.7


# ---- anything may come in ----

numbers = st.one_of(st.floats(), st.floats(-3, 3))


@st.composite
def anything(draw):
    name = draw(st.sampled_from(["mug", "cup"]))
    position = np.array([draw(numbers) for _ in range(3)])
    spread = np.diag([draw(numbers) for _ in range(3)])
    box = np.array([draw(st.one_of(numbers, st.floats(0, 300))) for _ in range(4)])
    valid = draw(st.booleans())
    reason = Reason.OK if valid else Reason.AMBIGUOUS
    return LocatedObject(name, valid, reason, box, draw(st.floats(0, 1)), position, spread)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**11), st.lists(anything(), max_size=3)), max_size=10))
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_valid_tracks_have_an_id_and_finite_or_unknown_numbers(frames):
    tracks, stamp, largest = ObjectTracks(), 10**12, 0
    for step, located in frames:
        stamp += step
        results = tracks.update(stamp, located)
        assert [r.name for r in results] == [one.name for one in located]
        for result in results:
            assert result.valid == (result.reason is Reason.OK) == (result.track_id > 0)
            largest = max(largest, result.track_id)
            if not result.valid:
                assert np.isnan(result.position).all()
                continue
            known = np.isfinite(result.position)
            assert known.all() or not known.any()
            if known.all():
                assert np.isfinite(result.covariance).all()
                assert (np.linalg.eigvalsh(result.covariance) > 0).all()
    assert largest <= sum(len(located) for _, located in frames)
