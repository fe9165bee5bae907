"""Which topics of a recording are read for a node: its own ones, or what can be told by names."""

import numpy as np
import pytest
from ruler import picture
from samples import CAMERA

from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs, LiveTopics
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.plan import Plan, tasks_of
from spatialvlm_ros.rewards.recordings.registry import open_recording
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, plan_of, recording_of
from spatialvlm_ros.ros.parameters import Settings

START = 1_700_000_000_000_000_000
OTHER = Camera(64, 48, 80.0, 80.0, 31.5, 23.5)
SMALL = Camera(32, 24, 30.0, 30.0, 15.5, 11.5)
UP, DOWN = (0.0, -9.8, 0.0), (0.0, 9.8, 0.0)  # what an IMU feels that is held upright, or on its head

# What the node is remapped to; by their names one would take others.
NODE = {
    "image": "/robot/eye",
    "camera_info": "/calibration/eye",
    "depth": "/robot/range",
    "depth_camera_info": "/calibration/range",
    "imu": "/robot/imu",
}
BESIDE = {
    "image": "/robot/eye",
    "camera_info": "/robot/camera_info",
    "depth": "/robot/depth/image_raw",
    "depth_camera_info": "/robot/depth/camera_info",
    "imu": "/a_imu",
}


class Written:
    """A recording with one picture, written topic by topic."""

    def __init__(self, path):
        self.path, self._bag = path, BagWriter(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bag.close()

    def image(self, topic, centimetres=20):
        if topic.endswith("/compressed"):
            self._bag.compressed_image(topic, picture(centimetres), START, "camera", "png")
        else:
            self._bag.image(topic, picture(centimetres), "rgb8", START, "camera")

    def depth(self, topic, millimetres, camera=CAMERA):
        values = np.full((camera.height, camera.width), millimetres, np.uint16)
        if topic.endswith("/compressedDepth"):
            self._bag.compressed_image(topic, values, START, "camera", "compressedDepth")
        else:
            self._bag.image(topic, values, "16UC1", START, "camera")

    def info(self, topic, camera):
        self._bag.camera_info(topic, camera, START, "camera")

    def imu(self, topic, acceleration):
        self._bag.imu(topic, acceleration, START, "camera")

    def node(self, *inputs, **renamed):
        """What the node is remapped to: pictures of 20 cm, camera OTHER, depth of 700 mm, an IMU held upright."""
        names = {**NODE, **renamed}
        write = {
            "image": lambda topic: self.image(topic),
            "camera_info": lambda topic: self.info(topic, OTHER),
            "depth": lambda topic: self.depth(topic, 700),
            "depth_camera_info": lambda topic: self.info(topic, OTHER),
            "imu": lambda topic: self.imu(topic, UP),
        }
        for name in inputs or NODE:
            write[name](names[name])

    def beside(self, *inputs):
        """What is found by its name instead: camera CAMERA, depth of 900 mm, an IMU on its head."""
        write = {
            "camera_info": lambda topic: self.info(topic, CAMERA),
            "depth": lambda topic: self.depth(topic, 900),
            "depth_camera_info": lambda topic: self.info(topic, CAMERA),
            "imu": lambda topic: self.imu(topic, DOWN),
        }
        for name in inputs or write:
            write[name](BESIDE[name])


def order(path, topics=None, **parameters):
    settings = Settings.of({"reward_gamma": 0.9, "use_imu": True, "use_tf": False, **parameters})
    return AnnotationOrder.of(str(path), "", "reach the mug", settings, NODE if topics is None else topics)


def only_frame(path, topics=None, **parameters):
    recording = recording_of(order(path, topics, **parameters))
    (frame,) = recording.frames(recording.episodes()[0])
    return frame


def depth_mm(frame):
    """Of the whole picture; None without depth."""
    depth = frame.observation.depth
    return None if depth is None else round(1000 * float(np.nanmean(depth)))


def upright(frame):
    """Whether the IMU says so; None where there is none."""
    return None if frame.observation.up is None else bool(frame.observation.up[1] < 0)


def test_all_inputs_are_those_of_the_node(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.node()
        bag.beside()
        bag.image("/camera/image_raw", 50)
    frame = only_frame(bag.path)
    assert np.array_equal(frame.observation.rgb, picture(20)) and frame.observation.camera == OTHER
    assert depth_mm(frame) == 700 and upright(frame) is True and not frame.faults
    assert not recording_of(order(bag.path)).notes
    by_name = only_frame(bag.path, {"image": NODE["image"]})
    assert by_name.observation.camera == CAMERA


def test_what_is_not_believed_is_not_read(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.node()
    frame = only_frame(bag.path, use_depth=False, use_imu=False)
    assert depth_mm(frame) is None and upright(frame) is None and frame.observation.camera == OTHER


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        (("", ""), ("/compressed", "/compressedDepth")),
        (("/compressed", "/compressedDepth"), ("", "")),
        (("", ""), ("", "/compressedDepth")),
    ],
    ids=["recorded compressed", "recorded raw", "mixed"],
)
def test_another_transport_is_the_same_topic(tmp_path, asked, recorded):
    with Written(tmp_path / "bag") as bag:
        bag.node(image=NODE["image"] + recorded[0], depth=NODE["depth"] + recorded[1])
        bag.beside("depth", "camera_info")
    topics = {**NODE, "image": NODE["image"] + asked[0], "depth": NODE["depth"] + asked[1]}
    frame = only_frame(bag.path, topics)
    assert depth_mm(frame) == 700 and frame.observation.camera == OTHER


@pytest.mark.parametrize("missing", ["depth", "imu"])
def test_what_the_node_would_not_have_got_is_not_there(tmp_path, missing):
    """The pictures are the node's: then so is the rest, and what has a likely name is of something else."""
    with Written(tmp_path / "bag") as bag:
        bag.node(*(name for name in NODE if name != missing))
        bag.beside(missing)
    frame, notes = only_frame(bag.path), recording_of(order(bag.path)).notes
    assert [BESIDE[missing] in note and NODE[missing] in note for note in notes] == [True]
    assert not recording_of(order(bag.path, use_depth=False, use_imu=False)).notes
    assert depth_mm(frame) == (None if missing == "depth" else 700)
    assert upright(frame) is (None if missing == "imu" else True)
    assert not frame.faults


def test_a_camera_info_is_looked_for_beside_the_pictures(tmp_path):
    """Without it there would be no metres at all."""
    with Written(tmp_path / "bag") as bag:
        bag.node("image", "imu")
        bag.beside("camera_info")
    assert only_frame(bag.path).observation.camera == CAMERA


@pytest.mark.parametrize(("camera", "faults"), [(CAMERA, []), (SMALL, ["depth_not_registered"])], ids=["same", "other"])
def test_depth_without_its_camera_info_is_taken_in_the_pixels_of_the_picture(tmp_path, camera, faults):
    """As live: what lies beside it by its name does not count."""
    with Written(tmp_path / "bag") as bag:
        bag.node("image", "camera_info")
        bag.depth(NODE["depth"], 700, camera)
        bag.info("/robot/range/camera_info", camera)
        bag.info("/robot/camera_info", camera)
    frame = only_frame(bag.path)
    assert depth_mm(frame) == (None if faults else 700) and list(frame.faults) == faults


def test_of_another_robot_everything_is_found_by_its_name(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.image("/camera/image_raw", 30)
        bag.info("/camera/camera_info", CAMERA)
        bag.depth("/camera/depth/image_raw", 900)
        bag.info("/camera/depth/camera_info", CAMERA)
        bag.imu("/a_imu", DOWN)
    frame = only_frame(bag.path)
    assert np.array_equal(frame.observation.rgb, picture(30)) and frame.observation.camera == CAMERA
    assert depth_mm(frame) == 900 and upright(frame) is False


def test_of_other_pictures_the_nodes_depth_and_imu_are_taken(tmp_path):
    """The pictures were recorded smaller, say. Of two depths and IMUs the node knows which; its CameraInfo is of its
    own pictures only."""
    with Written(tmp_path / "bag") as bag:
        bag.image("/robot/small_eye")
        bag.node("camera_info", "depth", "depth_camera_info", "imu")
        bag.beside()
        bag.depth("/third/depth/image_raw", 1100)
    frame = only_frame(bag.path)
    assert frame.observation.camera == CAMERA and upright(frame) is True
    assert depth_mm(frame) == 700 and not frame.faults
    with pytest.raises(SourceError, match="not clear"):
        only_frame(bag.path, {})


def test_a_name_with_another_type_is_not_the_nodes(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.imu(NODE["image"], UP)
        bag.imu(NODE["depth"], UP)
        bag.image("/camera/image_raw", 30)
        bag.info("/camera/camera_info", CAMERA)
        bag.depth("/camera/depth/image_raw", 900)
    frame = only_frame(bag.path, use_imu=False)
    assert np.array_equal(frame.observation.rgb, picture(30)) and depth_mm(frame) == 900


def test_a_run_goes_on_only_with_the_same_topics(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.node()

    def begin(topics):
        wanted = order(bag.path, topics)
        recording, plan = recording_of(wanted), plan_of(wanted)
        provenance = plan.provenance(recording, tasks_of(recording, wanted.task), "weights")
        writer = RecordingWriter(recording, tmp_path / "report", tmp_path / "out", "copy", provenance)
        writer.journal(recording.episodes()[0], ()).append([])  # settings bind what is measured

    begin(NODE)
    begin(dict(NODE))
    with pytest.raises(DatasetError, match="other settings: topics"):
        begin({**NODE, "depth": "/elsewhere"})


def test_who_names_no_topics_finds_them_by_name(tmp_path):
    with Written(tmp_path / "bag") as bag:
        bag.node("image", "imu")
        bag.beside("camera_info", "depth", "depth_camera_info")
    recording = open_recording(bag.path)
    (frame,) = recording.frames(recording.episodes()[0])
    assert depth_mm(frame) == 900
    settings = Plan(gamma=0.9, beliefs=Beliefs()).provenance(recording, {}, "").settings
    assert settings["topics"] is None
    known = Plan(gamma=0.9, beliefs=Beliefs(topics=LiveTopics(**NODE))).provenance(recording, {}, "").settings
    assert known["topics"] == NODE
