"""From messages to results without ROS: what is said when something goes wrong on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.bags.images import image_fields
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason
from spatialvlm_ros.ros.camera_unit import CameraUnit, FrameResult
from spatialvlm_ros.ros.observations import CameraMessages
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.refusals import NoPictureError, refusal_of
from spatialvlm_ros.ros.reward_work import RewardRequest
from spatialvlm_ros.ros.standing import Standing
from spatialvlm_ros.ros.transform_store import TransformStore
from spatialvlm_ros.ros.worker import ModelWorker

CAMERA = Camera(64, 48, 60.0, 58.0, 30.0, 25.0)
S = 1_000_000_000


def messages(stamp_s: int) -> CameraMessages:
    header = SimpleNamespace(frame_id="cam", stamp=SimpleNamespace(sec=stamp_s, nanosec=0))
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0)
    info = SimpleNamespace(header=header, roi=roi, **camera_info_fields(CAMERA))
    pixels = np.zeros((48, 64, 3), np.uint8)
    return CameraMessages(SimpleNamespace(header=header, **image_fields(pixels, "rgb8")), info)


class Results:
    """What a unit publishes."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self.results: list[FrameResult] = []
        self.fails = False

    def __call__(self, result: FrameResult) -> None:
        with self._arrived:
            self.results.append(result)
            self._arrived.notify_all()
        if self.fails:
            raise RuntimeError("the middleware refuses")

    def wait_for(self, number: int) -> FrameResult:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.results) >= number, 5.0)
            return self.results[number - 1]


class FailingModel:
    """Raises as a model does that ran out of memory."""

    def look(self, *_: Any) -> Any:
        raise MemoryError("out of memory")


@pytest.fixture
def published() -> Results:
    return Results()


@pytest.fixture
def unit(published: Results) -> Iterator[CameraUnit]:
    worker = ModelWorker(FailingModel)
    settings = Settings.of({"queries": ["distance: mug | bowl", "height: mug"]})
    yield CameraUnit("", settings, worker, TransformStore(), lambda: 0, published, lambda: False)
    worker.close()


def test_of_two_who_change_what_is_asked_neither_is_lost(unit: CameraUnit) -> None:
    slow, other = threading.Event(), threading.Thread(target=lambda: unit.ask(lambda s: s.with_target("bowl")))

    def slowly(standing: Standing) -> Standing:
        other.start()
        slow.wait(0.2)  # the other one has all the time to come between
        return standing.with_queries([], append=False)

    unit.ask(slowly)
    other.join(5.0)
    assert (unit.standing.queries, unit.standing.target) == ((), "bowl")


def test_a_model_that_raises_is_counted_and_every_query_says_so(unit: CameraUnit, published: Results) -> None:
    for number in (1, 2):
        unit.offer(messages(number))
        result = published.wait_for(number)
        assert [e.reason for e in result.estimates] == [Reason.MODEL_ERROR] * 2
        assert [f.estimate.reason for f in result.filtered] == [Reason.MODEL_ERROR] * 2
        assert "out of memory" in result.estimates[0].detail
    unit.close()
    summary = unit.statistics.summary(0.0)
    assert summary.counts["model_error"] == 2 and "out of memory" in summary.faults["model_error"]


def test_what_is_amiss_with_a_picture_that_was_sent_is_no_fault_of_the_camera(published: Results) -> None:
    worker = ModelWorker(lambda: SimpleNamespace(look=lambda *_: CountingView([])))
    made = CameraUnit(
        "", Settings.of({"gripper_frame": "tool"}), worker, TransformStore(), lambda: 0, published, lambda: False
    )

    def asked(looked: Any) -> Iterator[None]:
        yield
        return looked.seen.faults

    assert "tool" in made.steps_with(messages(1), asked, 5.0)["gripper_frame"]
    with pytest.raises(NoPictureError) as refused:
        made.steps_with(replace(messages(1), info=None), asked, 5.0)
    assert refused.value.reason is Reason.NO_CAMERA_INFO
    assert not made.statistics.summary(0.0).counts
    worker.close()


def test_what_cannot_be_published_is_counted(unit: CameraUnit, published: Results) -> None:
    published.fails = True
    unit.offer(messages(1))
    published.wait_for(1)
    unit.close()
    summary = unit.statistics.summary(0.0)
    assert summary.counts["unpublished"] == 1 and "the middleware refuses" in summary.faults["unpublished"]


class CountingView:
    """A view that notes what it is asked to locate."""

    def __init__(self, located: list[list[str]]) -> None:
        self._located = located

    def measure_many(self, queries: Any) -> list[Estimate]:
        return [refusal_of(query, Reason.NOT_VISIBLE, "") for query in queries]

    def locate_many(self, names: Any) -> list[LocatedObject]:
        self._located.append([str(name) for name in names])
        return [LocatedObject(str(name), reason=Reason.NOT_VISIBLE) for name in names]

    def frame(self) -> None:
        return None


def test_objects_are_looked_for_only_while_somebody_listens(published: Results) -> None:
    located: list[list[str]] = []
    listening = [False]
    model = SimpleNamespace(look=lambda *_: CountingView(located))
    worker = ModelWorker(lambda: model)
    settings = Settings.of({"queries": ["distance: mug | bowl"]})
    made = CameraUnit("", settings, worker, TransformStore(), lambda: 0, published, lambda: listening[0])
    made.offer(messages(1))
    assert published.wait_for(1).objects == () and located == []
    listening[0] = True
    made.offer(messages(2))
    assert [o.name for o in published.wait_for(2).objects] == ["mug", "bowl"] and located == [["mug", "bowl"]]
    worker.close()


def test_who_asks_before_the_first_camera_info_gets_the_picture_that_has_one(published: Results) -> None:
    worker = ModelWorker(lambda: SimpleNamespace(look=lambda *_: CountingView([])))
    made = CameraUnit("", Settings(), worker, TransformStore(), lambda: 0, published, lambda: False)
    made.offer(replace(messages(1), info=None))
    later = threading.Timer(0.2, made.offer, [messages(2)])
    later.start()
    assert made.with_view(lambda looked: looked.messages.stamp_ns, 5.0) == 2 * S
    later.join()
    worker.close()


def test_a_target_frame_that_is_not_linked_is_counted_also_while_nobody_listens(published: Results) -> None:
    worker = ModelWorker(lambda: SimpleNamespace(look=lambda *_: CountingView([])))
    settings = Settings.of({"queries": ["distance: mug | bowl"], "target_frame": "mapp"})
    made = CameraUnit("", settings, worker, TransformStore(), lambda: 0, published, lambda: False)
    made.offer(messages(1))
    result = published.wait_for(1)
    assert result.to_target is None and "mapp" in result.unplaced
    summary = made.statistics.summary(0.0)
    assert summary.counts["target_frame"] == 1 and "mapp" in summary.faults["target_frame"]
    worker.close()


class OneMugView(CountingView):
    """A mug that stays where it is."""

    def measure_many(self, queries: Any) -> list[Estimate]:
        return [
            Estimate(q.kind, str(q.subject), str(q.reference or ""), 1.0, 0.1, (0.8, 1.2), valid=True, reason=Reason.OK)
            for q in queries
        ]

    def locate_many(self, names: Any) -> list[LocatedObject]:
        place = {"box2d": np.array([10.0, 10, 20, 20]), "position": np.array([0.0, 0, 1]), "covariance": np.eye(3) / 99}
        return [LocatedObject(str(name), valid=True, reason=Reason.OK, score=0.9, **place) for name in names]


def seeing_a_mug(published: Results, worker: ModelWorker, **settings: Any) -> CameraUnit:
    given = Settings.of({"queries": ["height: mug"], **settings})
    return CameraUnit("", given, worker, TransformStore(), lambda: 0, published, lambda: True)


@pytest.fixture
def mug_worker() -> Iterator[ModelWorker]:
    worker = ModelWorker(lambda: SimpleNamespace(look=lambda *_: OneMugView([])))
    yield worker
    worker.close()


def shown_one_by_one(unit: CameraUnit, published: Results, stamps: range) -> list[FrameResult]:
    before = len(published.results)
    found = []
    for number, stamp in enumerate(stamps, 1):
        unit.offer(messages(stamp))
        found.append(published.wait_for(before + number))
    return found


def test_a_reset_begins_everything_anew(published: Results, mug_worker: ModelWorker) -> None:
    made = seeing_a_mug(published, mug_worker, reward_task="pick up the mug", reward_gamma=0.9, reward_follow=False)
    first = shown_one_by_one(made, published, range(1, 4))
    assert len({r.objects[0].track_id for r in first}) == 1 and first[0].objects[0].valid
    stds = [r.filtered[0].estimate.std for r in first]
    work = made._reward
    made.reset()
    # Time goes on later than before, so nothing but the reset can be the reason.
    again = shown_one_by_one(made, published, range(4, 5))[0]
    assert again.objects[0].track_id > first[0].objects[0].track_id
    assert again.filtered[0].estimate.std == stds[0] > stds[-1]
    assert work is not None and made._reward is not None and made._reward is not work
    assert made.statistics.summary(0.0).counts["resets"] == 1


def test_no_episode_can_be_ended_between_a_reset_and_the_next_picture(
    published: Results, mug_worker: ModelWorker
) -> None:
    made = seeing_a_mug(published, mug_worker, reward_task="pick up the mug", reward_gamma=0.9, reward_follow=False)
    shown_one_by_one(made, published, range(1, 3))
    made.reset()
    with pytest.raises(NoPictureError, match="no picture has begun an episode") as refused:
        made.end_episode(truncated=False)
    assert refused.value.reason is Reason.TIMEOUT
    (begun,) = shown_one_by_one(made, published, range(4, 5))
    made.end_episode(truncated=False)
    (ended,) = shown_one_by_one(made, published, range(5, 6))
    assert begun.reward is not None and not begun.reward.terminated
    assert ended.reward is not None and ended.reward.terminated


def test_ids_are_never_given_twice(published: Results, mug_worker: ModelWorker) -> None:
    made = seeing_a_mug(published, mug_worker)
    first = shown_one_by_one(made, published, range(1, 2))[0].objects[0].track_id
    before = shown_one_by_one(made, published, range(4, 5))[0].objects[0].track_id
    assert before > first  # three seconds are more than the gap
    made.apply(made.settings.with_live({"track_gap_s": 5.0}))
    assert shown_one_by_one(made, published, range(7, 8))[0].objects[0].track_id == before
    made.close()
    other = seeing_a_mug(published, mug_worker)  # deactivated, and activated again
    assert shown_one_by_one(other, published, range(8, 9))[0].objects[0].track_id > before


def test_a_picture_within_a_control_step_has_a_task_and_no_reward(published: Results, mug_worker: ModelWorker) -> None:
    task = {"reward_task": "pick up the mug", "reward_gamma": 0.9, "reward_follow": False}
    made = seeing_a_mug(published, mug_worker, reward_step_s=3.0, **task)
    found = shown_one_by_one(made, published, range(1, 6))
    assert [r.reward is not None for r in found] == [True, False, False, True, False]
    assert all(r.has_task for r in found)
    without = seeing_a_mug(published, mug_worker)
    assert not shown_one_by_one(without, published, range(1, 2))[0].has_task


def test_a_picture_that_waits_when_time_jumps_back_begins_no_episode(
    published: Results, mug_worker: ModelWorker
) -> None:
    task = {"reward_task": "pick up the mug", "reward_gamma": 0.9, "reward_follow": False}
    made = seeing_a_mug(published, mug_worker, reward_step_s=1.0, **task)
    shown_one_by_one(made, published, range(98, 100))
    busy = threading.Event()
    held = mug_worker.call(lambda _: busy.wait(5.0), 5.0)
    made.offer(messages(100))
    made.reset()
    busy.set()
    assert held.result(5.0)
    found = shown_one_by_one(made, published, range(10, 13))
    assert [r.messages.stamp_ns for r in found] == [10 * S, 11 * S, 12 * S]
    assert all(r.reward is not None for r in found)


def test_a_task_that_a_service_set_stays_when_the_learner_changes(published: Results, mug_worker: ModelWorker) -> None:
    made = seeing_a_mug(published, mug_worker, reward_gamma=0.9)
    made.standing = made.standing.with_reward(RewardRequest.of("pick up the mug", made.settings))
    task = made.standing.reward.task
    for change in ({"filter": False}, {"reward_gamma": 0.5}, {"reward_step_s": 0.2}, {"reward_mode": "absolute"}):
        made.apply(made.settings.with_live(change))
    reward = made.standing.reward
    assert reward is not None and reward.task is task
    assert (reward.filtered, reward.gamma, reward.step_s, reward.mode) == (False, 0.5, 0.2, "absolute")
    made.standing = made.standing.with_reward(None)
    made.apply(made.settings.with_live({"reward_gamma": 0.6}))
    assert made.standing.reward is None  # a service has ended it
    made.apply(made.settings.with_live({"reward_task": "reach the mug"}))
    assert made.standing.reward is not None and made.standing.reward.gamma == 0.6


def test_a_change_that_the_task_of_a_service_cannot_have_changes_nothing(
    published: Results, mug_worker: ModelWorker
) -> None:
    made = seeing_a_mug(published, mug_worker, reward_gamma=0.9)
    made.standing = before = made.standing.with_reward(RewardRequest.of("pick up the mug", made.settings))
    without = made.settings.with_live({"reward_gamma": 0.0, "target": "mug"})
    with pytest.raises(ConfigError, match="discount"):
        made.standing_under(without)
    with pytest.raises(ConfigError, match="discount"):
        made.apply(without)
    assert made.standing is before and made.settings.reward_gamma == 0.9


def odometry(stamp_s: int) -> Any:
    """The camera drives along x."""
    stamp = SimpleNamespace(sec=stamp_s, nanosec=0)
    place = SimpleNamespace(
        translation=SimpleNamespace(x=0.01 * stamp_s, y=0.0, z=0.0),
        rotation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    link = SimpleNamespace(header=SimpleNamespace(frame_id="odom", stamp=stamp), child_frame_id="cam", transform=place)
    return SimpleNamespace(transforms=[link])


def test_a_picture_whose_pose_is_not_known_ends_no_track(published: Results, mug_worker: ModelWorker) -> None:
    frames = TransformStore()
    settings = Settings.of({"queries": ["height: mug"]})
    made = CameraUnit("", settings, mug_worker, frames, lambda: 0, published, lambda: True)
    shown = []
    for stamp in range(1, 8):
        if stamp in (1, 2, 4, 6, 7):
            frames.take(odometry(stamp))
        shown += [r.objects[0] for r in shown_one_by_one(made, published, range(stamp, stamp + 1))]
    assert len({o.track_id for o in shown}) == 1 and all(o.valid for o in shown)
    # What has no pose has no place in the frame of the track.
    assert [bool(np.isfinite(o.position).all()) for o in shown] == [True, True, False, True, False, True, True]
    assert [o.located.position.tolist() for o in shown] == [[0.0, 0.0, 1.0]] * 7


def test_where_poses_do_not_come_any_more_tracks_begin_anew(published: Results, mug_worker: ModelWorker) -> None:
    frames = TransformStore()
    settings = Settings.of({"queries": ["height: mug"], "track_gap_s": 3.0})
    made = CameraUnit("", settings, mug_worker, frames, lambda: 0, published, lambda: True)
    frames.take(odometry(1))
    shown = [r.objects[0] for r in shown_one_by_one(made, published, range(1, 8))]
    assert [o.track_id == shown[0].track_id for o in shown] == [True] * 4 + [False] * 3
    assert np.isfinite(shown[-1].position).all() and shown[-1].track_id == shown[-2].track_id


def test_who_waits_for_a_picture_is_refused_when_the_node_is_deactivated(published: Results) -> None:
    worker = ModelWorker(lambda: SimpleNamespace(look=lambda *_: CountingView([])))
    made = CameraUnit("", Settings(), worker, TransformStore(), lambda: 0, published, lambda: False)
    refused: list[NoPictureError] = []

    def ask() -> None:
        try:
            made.with_view(lambda looked: looked, 600.0)
        except NoPictureError as error:
            refused.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    made.close()
    asking.join(5.0)
    assert not asking.is_alive() and [e.reason for e in refused] == [Reason.NOT_CONFIGURED]
    ask()  # one that comes just afterwards
    assert [e.reason for e in refused] == [Reason.NOT_CONFIGURED] * 2
    worker.close()
