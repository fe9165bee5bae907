"""Depth that was recorded and cannot be used: the picture is looked at without it, as in the node, and that is said."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from ruler import picture
from table_recording import COLOR, COURSE, DEPTH_INFO, INFO, PERIOD_NS, model_of, pixels
from table_scenes import CAMERA

from spatialvlm_ros.bags import messages
from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.bags.images import image_fields
from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.bag import BagCaptures
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.geometry.named_frames import TOLERANCE_NS
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.gaps import with_gaps
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.rewards.looking import not_measured
from spatialvlm_ros.rewards.recordings.annotate import problems_of
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.plan import tasks_of
from spatialvlm_ros.rewards.recordings.registry import open_recording
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, plan_of, recording_of
from spatialvlm_ros.ros.observations import CameraMessages, ObservationBuilder
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.reward_work import RewardRequest, RewardWork, Sight
from spatialvlm_ros.ros.transform_store import TransformStore

TASK = "reach the mug"
RAW, PACKED = "/camera/aligned_depth_to_color/image_raw", "/camera/aligned_depth_to_color/image_raw/compressedDepth"
STEPS = COURSE[:10]
UNREADABLE, NOT_REGISTERED = "depth_unreadable", "depth_not_registered"


def packed(metres, stamp, frame="camera", cut=None):
    """A compressedDepth message; cut off after so many bytes of its PNG."""
    png = cv2.imencode(".png", np.nan_to_num(1000 * metres).astype(np.uint16))[1].ravel()
    data = np.concatenate([np.zeros(12, np.uint8), png[:cut]])
    return messages.make(
        messages.COMPRESSED_IMAGE,
        header=messages.header(stamp, frame),
        format="16UC1; compressedDepth png",
        data=data,
    )


def raw(metres, stamp, frame="camera", bytes_missing=0, encoding="32FC1"):
    fields = image_fields(np.ascontiguousarray(metres, np.float32), "32FC1")
    fields["data"] = fields["data"][: fields["data"].size - bytes_missing]
    return messages.make(messages.IMAGE, header=messages.header(stamp, frame), **{**fields, "encoding": encoding})


# Kind of damage -> (what the node calls it, the depth message).
DAMAGE = {
    "broken PNG": (UNREADABLE, lambda z, stamp: packed(z, stamp, cut=30)),
    "no PNG at all": (UNREADABLE, lambda z, stamp: packed(z, stamp, cut=0)),
    "cut off": (UNREADABLE, lambda z, stamp: raw(z, stamp, bytes_missing=7)),
    "no depth": (UNREADABLE, lambda z, stamp: raw(z, stamp, encoding="rgb8")),
    "wrong size": (NOT_REGISTERED, lambda z, stamp: raw(z[::2, ::2], stamp)),
    "wrong packed size": (NOT_REGISTERED, lambda z, stamp: packed(z[::2, ::2], stamp)),
    "no transform": (NOT_REGISTERED, lambda z, stamp: raw(z, stamp, "nowhere")),
    "wrong transform": (NOT_REGISTERED, lambda z, stamp: raw(z, stamp, "behind")),
}
OF_PNG = ("broken PNG", "no PNG at all", "wrong packed size")


def uncalibrated(stamp):
    fields = {**camera_info_fields(CAMERA), "k": np.zeros(9), "p": np.zeros(12)}
    region = messages.make(
        "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return messages.make(messages.CAMERA_INFO, header=messages.header(stamp, "camera"), roi=region, **fields)


def write(path, damaged, depth_info="whole"):
    """The course of a hand, with the tool in /tf; number of a picture -> damage of its depth."""
    topic, whole = (PACKED, packed) if any(kind in OF_PNG for kind in damaged.values()) else (RAW, raw)
    with BagWriter(path) as bag:
        bag.transform("camera", "behind", (0, 0, 0, 1), (0, 0, -9.0), 0, static=True)
        for k, step in enumerate(STEPS):
            (view, tcp), stamp = step.shown(), k * PERIOD_NS + PERIOD_NS
            bag.transform("camera", "tool", (0, 0, 0, 1), tcp, stamp)
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.image(COLOR, pixels(view, k), "rgb8", stamp, "camera")
            if depth_info == "whole":
                bag.camera_info(DEPTH_INFO, CAMERA, stamp, "camera")
            elif depth_info == "uncalibrated":
                bag.write(DEPTH_INFO, uncalibrated(stamp), stamp)
            make = DAMAGE[damaged[k]][1] if k in damaged else whole
            bag.write(topic, make(view.observation.depth, stamp), stamp)
    return path


def live(path, settings):
    """What the node has of each picture: (`Seen`, reward)."""
    work, store = RewardWork(RewardRequest.of(TASK, settings)), TransformStore()
    builder, model = ObservationBuilder(settings, store, COLOR, RAW), model_of([STEPS])
    found, now = [], {}
    for item in open_bag(path).messages(["/tf", "/tf_static", COLOR, INFO, RAW, PACKED, DEPTH_INFO]):
        if item.topic.startswith("/tf"):
            store.take(item.message, item.topic == "/tf_static")
            continue
        now[item.topic] = item.message
        if item.topic not in (RAW, PACKED):  # the last one of a picture
            continue
        seen = builder.build(CameraMessages(now[COLOR], now[INFO], item.message, now.get(DEPTH_INFO)))
        try:
            view = with_gaps(model.look(seen.observation, None, seen.gripper), seen.faults)
            answers = dict(zip(work.queries(), view.measure_many(work.queries()), strict=True))
            estimates = work.measured(Sight(view, seen.gripper, seen.camera_pose), answers)
        except ModelError as error:
            estimates = not_measured(work.queries(), Reason.MODEL_ERROR, str(error))
        found.append((seen, work.step(seen.observation.stamp_ns, estimates)))
    return found


def order_of(path, settings):
    return AnnotationOrder.of(str(path), "", TASK, settings, {"image": COLOR})


def annotated(path, settings, folder, progress=lambda pictures: None):
    """What is written of each picture, and the outcome."""
    order = order_of(path, settings)
    recording = recording_of(order)
    plan, tasks = plan_of(order), tasks_of(recording, order.task)
    provenance = plan.provenance(recording, tasks, "table")
    writer = RecordingWriter(recording, folder / "report", folder / "out", "copy", provenance)
    outcome = plan.carry_out(recording, writer, tasks, model_of([STEPS]), progress)
    return writer.read(recording.episodes()[0]), outcome


def frames(recording):
    return list(recording.frames(recording.episodes()[0]))


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_picture_goes_without_depth_that_cannot_be_used(tmp_path, kind):
    path, settings = write(tmp_path / "bag", {0: kind, 3: kind}), Settings.of({"reward_gamma": 0.9})
    read, expected = frames(recording_of(order_of(path, settings))), [seen for seen, _ in live(path, settings)]
    assert len(read) == len(expected) == len(STEPS)
    for k, (frame, seen) in enumerate(zip(read, expected, strict=True)):
        assert frame.reason is Reason.OK and np.array_equal(frame.observation.rgb, seen.observation.rgb)
        assert frame.observation.camera == seen.observation.camera
        assert (frame.observation.depth is None) == (seen.observation.depth is None) == (k in (0, 3))
        assert frame.faults == {name: text for name, text in seen.faults.items() if name.startswith("depth")}
        assert list(frame.faults) == ([DAMAGE[kind][0]] if k in (0, 3) else [])


@pytest.mark.parametrize("depth_info", ["uncalibrated", "none"])
def test_the_camera_of_the_depth_is_not_that_of_the_pictures(tmp_path, depth_info):
    """One that is not calibrated costs the depth; depth in the colour camera's pixels needs none."""
    path, settings = write(tmp_path / "bag", {}, depth_info), Settings.of({"reward_gamma": 0.9})
    read, expected = frames(recording_of(order_of(path, settings))), [seen for seen, _ in live(path, settings)]
    for frame, seen in zip(read, expected, strict=True):
        assert frame.observation.camera == seen.observation.camera == CAMERA
        lost = depth_info == "uncalibrated"
        assert list(frame.faults) == list(seen.faults) == [NOT_REGISTERED] * lost
        assert (frame.observation.depth is None) == (seen.observation.depth is None) == lost


def test_depth_is_registered_as_long_as_live_after_the_last_transform(tmp_path):
    path, last, settings = tmp_path / "bag", 10**9, Settings.of({"reward_gamma": 0.9})
    with BagWriter(path) as bag:
        bag.transform("camera", "eye", (0, 0, 0, 1), (0.01, 0, 0), last)
        for k, late in enumerate((0, TOLERANCE_NS, TOLERANCE_NS + 1)):
            stamp, metres = last + late, STEPS[k].shown()[0].observation.depth
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.camera_info(DEPTH_INFO, CAMERA, stamp, "eye")
            bag.image(COLOR, picture(20 + k, CAMERA.width, CAMERA.height), "rgb8", stamp, "camera")
            bag.write(RAW, raw(metres, stamp, "eye"), stamp)
    read, expected = frames(recording_of(order_of(path, settings))), [seen for seen, _ in live(path, settings)]
    assert [frame.observation.depth is not None for frame in read] == [True, True, False]
    for frame, seen in zip(read, expected, strict=True):
        assert (frame.observation.depth is None) == (seen.observation.depth is None)
        assert list(frame.faults) == [name for name in seen.faults if name.startswith("depth")]


MIXED = {1: "broken PNG", 4: "wrong packed size", 7: "no PNG at all", 8: "wrong packed size"}


@pytest.mark.parametrize("follow", [True, False], ids=["followed", "each alone"])
def test_the_rewards_are_those_of_the_node(tmp_path, follow):
    path = write(tmp_path / "bag", MIXED)
    settings = Settings.of({"reward_gamma": 0.9, "gripper_frame": "tool", "reward_follow": follow, "filter": False})
    expected, (kept, outcome) = [reward for _, reward in live(path, settings)], annotated(path, settings, tmp_path)
    assert [frame.valid for frame in expected] == kept.valid.tolist()
    assert np.allclose([frame.reward for frame in expected], kept.reward, atol=1e-12)
    assert np.allclose([frame.progress for frame in expected], kept.potential, atol=1e-12, equal_nan=True)
    assert tuple(frame.detail for frame in expected) == kept.detail
    assert {k for k in MIXED if kept.valid[k]}, "some of them are judged without depth"
    assert outcome.lost == {"depth unreadable": 2, "depth not registered": 2}


def test_who_gets_no_reward_hears_of_the_depth(tmp_path):
    """The model does not see the mug in picture 3, and without depth nobody follows it there."""
    path = write(tmp_path / "bag", {3: "no transform", 4: "no transform"})
    settings = Settings.of({"reward_gamma": 0.9, "gripper_frame": "tool", "filter": False})
    expected, (kept, _) = [reward for _, reward in live(path, settings)], annotated(path, settings, tmp_path)
    assert not kept.valid[3] and kept.valid[4]
    assert NOT_REGISTERED in kept.detail[3] and kept.detail[3] == expected[3].detail


def test_how_many_is_said_once_and_again(tmp_path):
    """The same of a run that was interrupted, and of one that has nothing left to do."""
    path = write(tmp_path / "bag", MIXED)
    settings = Settings.of({"reward_gamma": 0.9, "gripper_frame": "tool"})
    told = 0

    def stop(pictures):
        nonlocal told
        told += pictures
        if told >= 5:
            raise KeyboardInterrupt

    order = order_of(path, settings)
    recording = recording_of(order)
    plan, tasks = replace(plan_of(order), batch=2), tasks_of(recording, order.task)
    for progress in (stop, lambda pictures: None, lambda pictures: None):
        provenance = plan.provenance(recording, tasks, "table")
        writer = RecordingWriter(recording, tmp_path / "report", tmp_path / "out", "copy", provenance)
        try:
            outcome = plan.carry_out(recording, writer, tasks, model_of([STEPS]), progress)
        except KeyboardInterrupt:
            continue
        assert outcome.lost == {"depth unreadable": 2, "depth not registered": 2}
        assert "The recording is damaged: 2 x depth not registered." in problems_of(outcome)
    assert told >= 5


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_data_set_is_not_made_of_such_pictures(tmp_path, kind):
    path = write(tmp_path / "bag", {2: kind})
    source = BagCaptures(path)
    skipped = source.capture(2)
    assert isinstance(skipped, SkippedView) and isinstance(source.capture(1), Capture)
    wanted = {UNREADABLE: reasons.UNREADABLE_DEPTH, NOT_REGISTERED: reasons.DEPTH_NOT_REGISTERED}
    assert skipped.reason == wanted[DAMAGE[kind][0]]
    assert frames(open_recording(path))[2].observation.depth is None
