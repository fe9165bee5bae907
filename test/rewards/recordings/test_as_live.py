"""A recording is judged as the node would have judged its pictures live, with the same parameters."""

import numpy as np
import pytest
from table_recording import COLOR, COURSE, DEPTH, DEPTH_INFO, INFO, model_of, write_table_bag

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.rewards.looking import not_measured
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


def live(path, settings):
    """What the node makes of each picture; None where it says nothing."""
    work, store = RewardWork(RewardRequest.of(TASK, settings)), TransformStore()
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
                view = model.look(seen.observation, read_known_sizes(settings.known_sizes), seen.gripper)
                answers = dict(zip(work.queries(), view.measure_many(work.queries()), strict=True))
                estimates = work.measured(Sight(view, seen.gripper, seen.camera_pose), answers)
            except ModelError as error:
                estimates = not_measured(work.queries(), Reason.MODEL_ERROR, str(error))
            frames.append(work.step(stamp, estimates))
    return frames


def annotated(path, settings, folder):
    """What is written of each picture."""
    order = AnnotationOrder.of(str(path), "", TASK, settings, TOPICS)
    recording = recording_of(order)
    plan, tasks = plan_of(order), tasks_of(recording, order.task)
    provenance = plan.provenance(recording, tasks, "table")
    writer = RecordingWriter(recording, folder / "report", folder / "out", "copy", provenance)
    plan.carry_out(recording, writer, tasks, model_of([COURSE]))
    return writer.read(recording.episodes()[0])


@pytest.mark.parametrize(
    "parameters",
    [
        {"gripper_frame": "tool", "reward_step_s": 0.2, "known_sizes": SIZES},
        {"gripper_frame": "tool", "filter": False, "reward_follow": False},
        {"gripper_frame": "tool", "support_frame": "map", "reward_mode": "absolute"},
        {"gripper_frame": "tool", "support_frame": "map", "use_depth": False},
        {"gripper_frame": "hand", "support_frame": "floor"},
        {"gripper_frame": "tool", "use_tf": False},
    ],
    ids=[
        "tool frame, control steps, filter, known size",
        "tool frame, nothing over time",
        "support frame, absolute",
        "without depth",
        "frames that are not there",
        "without frames",
    ],
)
def test_rewards_are_those_of_the_node(tmp_path, parameters):
    path = write_table_bag(tmp_path / "bag", COURSE)
    settings = Settings.of({"reward_gamma": 0.9, **parameters})
    frames, kept = live(path, settings), annotated(path, settings, tmp_path)
    assert len(frames) == len(kept) == 14
    assert [f is None for f in frames] == [detail == BETWEEN for detail in kept.detail]
    spoken = [k for k, frame in enumerate(frames) if frame is not None]
    assert [frames[k].valid for k in spoken] == kept.valid[spoken].tolist()
    assert np.allclose([frames[k].reward for k in spoken], kept.reward[spoken], atol=1e-12)
    potentials = np.array([frames[k].progress for k in spoken])
    assert np.allclose(potentials, kept.potential[spoken], atol=1e-12, equal_nan=True)
    assert kept.valid.sum() >= 5
