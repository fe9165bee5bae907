"""The parts of the node that decide something and know no ROS."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError, SpatialVLMError
from spatialvlm_ros.ros.autostart import RETRY_S, Autostart, Step
from spatialvlm_ros.ros.diagnostics import Before, InputState, Level, camera_status, model_status
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.reliability import Reliability, unheard, wanted_reliability
from spatialvlm_ros.ros.standing import Standing, target_named
from spatialvlm_ros.ros.statistics import FrameTimes, Statistics
from spatialvlm_ros.ros.synchroniser import SlotCounts
from spatialvlm_ros.ros.topics import INTERFACES, Kind
from spatialvlm_ros.ros.worker import ModelState

R, B = Reliability.RELIABLE, Reliability.BEST_EFFORT


@pytest.mark.parametrize(
    ("parameter", "offered", "wanted", "lost"),
    [
        ("auto", [], B, 0),
        ("auto", [R, R], R, 0),
        ("auto", [R, B], B, 0),
        ("reliable", [R, B], R, 1),
        ("best_effort", [R], B, 0),
    ],
)
def test_reliability_follows_the_publishers(parameter, offered, wanted, lost):
    found = wanted_reliability(parameter, offered)
    assert found is wanted and unheard(found, offered) == lost


def test_autostart_configures_waits_and_activates_once():
    start = Autostart(wait_s=100)
    assert start.next("unconfigured", None, 0.0) is Step.CONFIGURE
    start.configured()
    assert start.next("inactive", ModelState.LOADING, 1.0) is Step.WAIT
    assert start.next("inactive", ModelState.READY, 2.0) is Step.ACTIVATE
    assert start.next("active", ModelState.READY, 2.1) is Step.DONE
    assert start.next("inactive", ModelState.READY, 60.0) is Step.DONE  # somebody deactivated it


def test_autostart_tries_again_after_a_failure_and_says_that_it_waits():
    start = Autostart(wait_s=10)
    assert start.next("unconfigured", None, 0.0) is Step.CONFIGURE  # and it fails: configured() is not called
    assert start.next("unconfigured", None, RETRY_S / 2) is Step.WAIT
    assert start.next("unconfigured", None, RETRY_S + 0.1) is Step.CONFIGURE
    start.configured()
    assert start.next("inactive", ModelState.LOADING, 30.0) is Step.WARN
    assert start.next("inactive", ModelState.LOADING, 30.1) is Step.WAIT
    assert start.next("inactive", ModelState.FAILED, 31.0) is Step.CLEAN_UP
    assert start.next("unconfigured", None, 31.1) is Step.WAIT
    assert start.next("unconfigured", None, 31.1 + RETRY_S) is Step.CONFIGURE


def times(end: float, received: float = 0.0, model: float = 0.0, latency: float = 0.0) -> FrameTimes:
    return FrameTimes(received, received, end, model, latency)


def test_statistics_count_and_give_medians():
    statistics = Statistics()
    for k in range(10):
        statistics.frame(times(100 + 0.1 * k, 100 + 0.1 * k - 0.05, 0.04, 0.06 if k < 8 else 0.2))
    statistics.count("stale", "3.0 s old")
    found = statistics.summary(101.0)
    assert found.counts == {"published": 10, "stale": 1} and found.faults == {"stale": "3.0 s old"}
    assert found.rate_hz == pytest.approx(2.0) and found.latency_s == pytest.approx(0.06)
    assert found.overhead_s == pytest.approx(0.01) and found.latency_p95_s == pytest.approx(0.2)
    assert statistics.summary(200.0).rate_hz == 0
    assert np.isnan(Statistics().summary(0.0).latency_s)


def test_waiting_for_a_busy_model_is_not_the_overhead_of_the_node():
    assert FrameTimes(10.0, 10.5, 10.75, 0.125, 1.0, waited=0.25).overhead == 0.375


def inputs(**changes):
    return InputState(**{"quiet_s": 0.0, "unheard": {}, "reliabilities": {}, "dropped": 0, "messages": {}, **changes})


def test_diagnostics_say_the_worst_that_holds_now():
    statistics = Statistics()
    statistics.count("received")
    summary = statistics.summary(1.0)
    assert camera_status("c", summary, inputs(), 2.0, Before({})).level is Level.OK
    statistics.count("depth_unreadable", "encoding 8UC1")
    summary = statistics.summary(1.0)
    fresh = camera_status("c", summary, inputs(), 2.0, Before({}))
    assert fresh.level is Level.WARN and "8UC1" in fresh.message and fresh.values["depth_unreadable"] == "1"
    assert camera_status("c", summary, inputs(), 2.0, Before(summary.counts)).level is Level.OK  # it is over
    deaf = camera_status("c", summary, inputs(unheard={"/image": 1}), 2.0, Before(summary.counts))
    assert deaf.level is Level.WARN and "/image" in deaf.message
    quiet = camera_status("c", summary, inputs(quiet_s=7.5), 2.0, Before({}))
    assert quiet.level is Level.ERROR and quiet.message == "no frames for 7.5 s"
    told = camera_status("c", summary, inputs(quiet_s=7.5, silences={"image": "nobody publishes it"}), 2.0, Before({}))
    assert told.message == "no frames for 7.5 s; nobody publishes it"
    both = camera_status("c", summary, inputs(quiet_s=7.5, unheard={"/image": 1}), 2.0, Before({}))
    assert both.level is Level.ERROR and both.message.startswith("no frames") and "/image are not heard" in both.message


def test_messages_that_no_picture_is_made_of_are_a_warning_while_they_come():
    summary = Statistics().summary(1.0)
    first = inputs(messages={"image": SlotCounts(received=9, delivered=2, duplicate=7)})
    stuck = camera_status("c", summary, first, 2.0, Before({}))
    assert stuck.level is Level.WARN and stuck.message == "duplicate image: its stamp had come before"
    assert stuck.values["messages of image"] == "received 9, delivered 2, duplicate 7"
    assert camera_status("c", summary, first, 2.0, Before.of(summary, first)).level is Level.OK
    fine = inputs(messages={"image": SlotCounts(received=9, delivered=7, superseded=2, out_of_order=1)})
    assert camera_status("c", summary, fine, 2.0, Before({})).level is Level.OK


def test_depth_that_most_pictures_go_without_is_a_warning():
    summary = Statistics().summary(1.0)
    before = Before.of(summary, inputs(messages={"depth": SlotCounts(delivered=30, unpaired=2)}))
    apart = inputs(messages={"depth": SlotCounts(delivered=30, unpaired=12)})
    status = camera_status("c", summary, apart, 2.0, before)
    assert status.level is Level.WARN and status.message.startswith("unpaired depth") and "slop_s" in status.message
    late = inputs(messages={"depth": SlotCounts(delivered=30, unpaired=12, late=9)})
    assert "depth_wait_s" in camera_status("c", summary, late, 2.0, before).message
    for fine in (SlotCounts(delivered=59, unpaired=3), SlotCounts(delivered=45, unpaired=17)):  # a loss; half the rate
        assert camera_status("c", summary, inputs(messages={"depth": fine}), 2.0, before).level is Level.OK


def test_late_and_old_stamps_and_resets_are_a_warning():
    for fate in ("late", "far_back"):
        broken = inputs(messages={"image": SlotCounts(**{fate: 1})})
        status = camera_status("c", Statistics().summary(1.0), broken, 2.0, Before({}))
        assert status.level is Level.WARN and status.message.startswith(f"{fate} image")
    statistics = Statistics()
    statistics.count("resets", "time has jumped back")
    status = camera_status("c", statistics.summary(1.0), inputs(), 2.0, Before({}))
    assert status.level is Level.WARN and "jumped back" in status.message


def test_the_model_says_why_it_is_not_there():
    assert model_status("n", ModelState.READY, "", "embedded").level is Level.OK
    assert model_status("n", ModelState.LOADING, "", "embedded").level is Level.WARN
    failed = model_status("n", ModelState.FAILED, "no such folder", "x")
    assert failed.level is Level.ERROR and failed.message == "no such folder"


def test_standing_queries_are_read_once_and_changed_as_a_whole():
    settings = Settings.of(
        {"queries": ["distance: mug | camera", "gap: gripper | [1, 2, 30, 40]"], "target": "go to the red mug, please"}
    )
    standing = Standing.of(settings)
    assert standing.target == "red mug" and len(standing.queries) == 2
    assert [str(o) for o in standing.objects()][0] == "mug" and "red mug" in standing.objects()
    assert len(standing.objects()) == 3  # neither the camera nor the gripper is looked for
    more = standing.with_queries(standing.queries[:1], append=True)
    assert more.queries == standing.queries and standing.with_queries((), append=False).queries == ()
    with pytest.raises(ConfigError):
        Standing.of(Settings.of({"target": "go home"}))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1000,
        "go to the " + "x" * 1000,
        "[10, 20, 60, 80] red mug",
        "[10, 20]",
        "it",
        "go to the camera",
        "gripper",
    ],
)
def test_what_cannot_be_looked_for_is_no_target(text):
    """It would be a fault of every picture."""
    with pytest.raises(SpatialVLMError):
        target_named(text)
    with pytest.raises(SpatialVLMError):
        Standing.of(Settings.of({"target": text}))


def test_a_target_is_named_or_none():
    assert [target_named(t) for t in ("", "  ", "red mug", "go to the red mug")] == ["", "", "red mug", "red mug"]


def test_topics_of_several_cameras_do_not_collide():
    names = [e.topic(camera) for camera in ("front", "rear") for e in INTERFACES.values() if e.name[0] != "/"]
    assert len(set(names)) == len(names)
    assert INTERFACES["image"].topic("front") == "front/image"
    assert INTERFACES["distances"].topic("front") == "~/front/distances"
    assert all(e.topic() == e.name for e in INTERFACES.values() if e.kind is Kind.INPUT)
    for bad in (["two words"], ["1st"], ["a", "a"]):
        with pytest.raises(ConfigError):
            Settings.of({"cameras": bad})
