"""A recording is judged as the node would have judged its pictures live, with the same parameters."""

import numpy as np
import pytest
from table_recording import COLOR, COURSE, DEPTH, DEPTH_INFO, INFO, model_of, write_table_bag

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.gaps import with_gaps
from spatialvlm_ros.rewards.looking import not_measured
from spatialvlm_ros.rewards.recordings.annotate import problems_of
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.episode import BETWEEN
from spatialvlm_ros.rewards.recordings.plan import tasks_of
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, plan_of, recording_of
from spatialvlm_ros.ros.observations import CameraMessages, ObservationBuilder
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.query_text import read_known_sizes
from spatialvlm_ros.ros.reward_work import RewardRequest, RewardWork, Sight
from spatialvlm_ros.ros.transform_store import TransformStore

TASK = "reach the mug"
TOPICS = {"image": COLOR, "camera_info": INFO, "depth": DEPTH, "depth_camera_info": DEPTH_INFO, "imu": "/imu"}
SIZES = ("mug: 0.08 0.08 0.1",)


def live(path, settings, task=TASK):
    """What the node makes of each picture; None where it says nothing."""
    work, store = RewardWork(RewardRequest.of(task, settings)), TransformStore()
    builder, model = ObservationBuilder(settings, store), model_of([COURSE])
    frames, now = [], {}
    last = DEPTH if settings.use_depth else COLOR  # of the messages of a picture
    for item in open_bag(path).messages(["/tf", "/tf_static", COLOR, INFO, DEPTH, DEPTH_INFO]):
        if item.topic.startswith("/tf"):
            store.take(item.message, item.topic == "/tf_static")
            continue
        now[item.topic] = item.message
        if item.topic == last:
            depth = (now[DEPTH], now[DEPTH_INFO]) if settings.use_depth else ()
            seen = builder.build(CameraMessages(now[COLOR], now[INFO], *depth))
            stamp = seen.observation.stamp_ns
            try:
                looked = model.look(seen.observation, read_known_sizes(settings.known_sizes), seen.gripper)
                view = with_gaps(looked, seen.faults)
                answers = dict(zip(work.queries(), view.measure_many(work.queries()), strict=True))
                estimates = work.measured(Sight(view, seen.gripper, seen.fixed_frame, seen.camera_pose), answers)
            except ModelError as error:
                estimates = not_measured(work.queries(), Reason.MODEL_ERROR, str(error))
            frames.append(work.step(stamp, estimates))
    return frames


def opened(path, settings, task=TASK):
    """The pictures as the action reads them."""
    recording = recording_of(AnnotationOrder.of(str(path), "", task, settings, TOPICS))
    return list(recording.frames(recording.episodes()[0]))


def annotated(path, settings, folder, task=TASK):
    """What is written of each picture, and what is said of the whole."""
    order = AnnotationOrder.of(str(path), "", task, settings, TOPICS)
    recording = recording_of(order)
    plan, tasks = plan_of(order), tasks_of(recording, order.task)
    provenance = plan.provenance(recording, tasks, "table")
    writer = RecordingWriter(recording, folder / "report", folder / "out", "copy", provenance)
    outcome = plan.carry_out(recording, writer, tasks, model_of([COURSE]))
    return writer.read(recording.episodes()[0]), problems_of(outcome)


def check_same(frames, kept):
    """The rewards of the node are those that are kept, to the last word."""
    assert len(frames) == len(kept) == len(COURSE)
    assert [f is None for f in frames] == [detail == BETWEEN for detail in kept.detail]
    spoken = [k for k, frame in enumerate(frames) if frame is not None]
    assert [frames[k].valid for k in spoken] == kept.valid[spoken].tolist()
    assert [str(frames[k].reason) for k in spoken] == [kept.reason[k] for k in spoken]
    assert [frames[k].detail for k in spoken] == [kept.detail[k] for k in spoken]
    assert np.allclose([frames[k].reward for k in spoken], kept.reward[spoken], atol=1e-12)
    potentials = np.array([frames[k].progress for k in spoken])
    assert np.allclose(potentials, kept.potential[spoken], atol=1e-12, equal_nan=True)


ALONE = {"filter": False, "reward_follow": False}


@pytest.mark.parametrize(
    "parameters",
    [
        {"gripper_frame": "tool", "reward_step_s": 0.2, "known_sizes": SIZES},
        {"gripper_frame": "tool", **ALONE},
        {"gripper_frame": "tool", "support_frame": "map", "reward_mode": "absolute"},
        {"gripper_frame": "tool", "support_frame": "map", "use_depth": False},
        {"support_frame": "floor"},
        {"use_tf": False},
    ],
    ids=[
        "tool frame, control steps, filter, known size",
        "tool frame, nothing over time",
        "support frame, absolute",
        "without depth",
        "support frame that is not there",
        "without frames",
    ],
)
def test_rewards_are_those_of_the_node(tmp_path, parameters):
    path = write_table_bag(tmp_path / "bag", COURSE)
    settings = Settings.of({"reward_gamma": 0.9, **parameters})
    kept, _ = annotated(path, settings, tmp_path)
    check_same(live(path, settings), kept)
    assert kept.valid.sum() >= 5


NOT_KNOWN, SWITCHED_OFF = {"gripper_frame": "hand"}, {"gripper_frame": "tool", "use_tf": False}


@pytest.mark.parametrize("parameters", [NOT_KNOWN, SWITCHED_OFF], ids=["nobody links it", "use_tf is false"])
@pytest.mark.parametrize("task", [TASK, "pick up the mug"])
def test_who_names_a_gripper_frame_that_is_not_there_gets_no_frame(tmp_path, parameters, task):
    """Else this model would have been asked for a gripper, and would not have seen it."""
    path = write_table_bag(tmp_path / "bag", COURSE)
    settings = Settings.of({"reward_gamma": 0.9, **ALONE, **parameters})
    kept, problems = annotated(path, settings, tmp_path, task)
    check_same(live(path, settings, task), kept)
    assert not kept.valid.any() and set(kept.reason) == {"no_frame", "model_error"}
    (note,) = [line for line in problems if "gripper_frame" in line and "not used" in line]
    assert repr(parameters["gripper_frame"]) in note and "no_frame" in note
    assert not any("damaged" in line for line in problems)


@pytest.mark.parametrize("parameters", [NOT_KNOWN, SWITCHED_OFF], ids=["nobody links it", "use_tf is false"])
def test_the_tip_of_a_followed_hand_is_taken_where_the_node_takes_it(tmp_path, parameters):
    """In depth a hand that moves is no guess by a name; while it is not found, the view is asked, and refuses."""
    path = write_table_bag(tmp_path / "bag", COURSE)
    settings = Settings.of({"reward_gamma": 0.9, **parameters})
    kept, _ = annotated(path, settings, tmp_path)
    check_same(live(path, settings), kept)
    assert kept.reason[0] == "no_frame" and kept.valid.any()


@pytest.mark.parametrize("parameters", [ALONE, {"use_depth": False, "support_frame": "map"}, {}], ids=str)
def test_single_pictures_without_the_gripper_frame_get_no_frame(tmp_path, parameters):
    """/tf falls silent about the tool after the tenth picture, and is believed one picture longer (0.1 s)."""
    path = write_table_bag(tmp_path / "bag", COURSE, tool_told=range(10))
    settings = Settings.of({"reward_gamma": 0.9, "gripper_frame": "tool", **parameters})
    kept, problems = annotated(path, settings, tmp_path)
    check_same(live(path, settings), kept)
    assert "no_frame" not in kept.reason[:11] and kept.valid[:11].any()
    assert any("gripper_frame 'tool'" in line and "3 of 14 pictures" in line for line in problems)
    if parameters:
        assert kept.reason[11:] == ("no_frame",) * 3


LIFTING = """
name: raise
objects: {mug: mug}
phases:
  - name: lift
    terms:
      - {elevation: mug, at_least: 0.10, half: 0.05}
success:
  when:
    - {elevation: mug, at_least: 0.10}
    - {lifted: mug}
"""


@pytest.mark.parametrize("support", ["map", "floor"])
def test_a_support_frame_that_is_not_linked_refuses_nothing(tmp_path, support):
    """Neither here nor live: the model estimates the plane. /tf is believed one picture longer than it tells."""
    path = write_table_bag(tmp_path / "bag", COURSE, tracked=range(10))
    settings = Settings.of({"reward_gamma": 0.9, "support_frame": support, **ALONE})
    task = LIFTING
    heights = [frame.observation.camera_height for frame in opened(path, settings, task)]
    assert [height is not None for height in heights] == [support == "map" and k < 11 for k in range(len(COURSE))]
    kept, problems = annotated(path, settings, tmp_path, task)
    check_same(live(path, settings, task), kept)
    assert "no_frame" not in kept.reason and kept.valid[11:].any()
    said = "in 3 of 14 pictures" if support == "map" else "does not have it"
    assert [f"support_frame {support!r}" in line and said in line for line in problems].count(True) == 1
