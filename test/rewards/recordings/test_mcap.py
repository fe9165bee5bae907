"""ROS recordings: every message of the copy is the one that was recorded, and each picture has its reward."""

import gc
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore
from ruler import BROKEN, TASK, Ruler, episode, picture, potential
from samples import CAMERA, COLOR, FPS, INFO, write_bag, write_robomimic

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.errors import CameraModelError, ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.rewards.recordings.annotate import annotate
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.episode import Provenance
from spatialvlm_ros.rewards.recordings.plan import Plan
from spatialvlm_ros.rewards.recordings.registry import format_of, open_recording
from spatialvlm_ros.rewards.reward import RewardEngine

GAMMA = 0.95
DISTANCES = np.arange(40, 17, -1.0)
REWARD, VALUE = "/spatialvlm/reward", "/spatialvlm/reward_value"


@pytest.fixture()
def bag(tmp_path):
    return write_bag(tmp_path / "bag", episode(DISTANCES))


def raw(path):
    """(topic, time of recording, bytes) of everything, as `ros2 bag` would find it."""
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        return [(c.topic, log, bytes(data)) for c, log, data in reader.messages()]


def read(path, topic):
    return [item for item in open_bag(path).messages([topic])]


def stamp_and_frame(item):
    header = item.message.header
    return header.stamp.sec, header.stamp.nanosec, header.frame_id


def test_a_bag_is_one_episode(bag):
    recording = open_recording(bag)
    (only,) = recording.episodes()
    assert format_of(bag) == "mcap" and (only.frames, only.steps, only.name) == (23, 22, "bag")
    assert recording.camera_name == COLOR and recording.cameras == (COLOR,)
    frame = list(recording.frames(only, 21))[0]
    assert frame.index == 21 and np.allclose(frame.observation.rgb, picture(DISTANCES[21]))
    assert frame.observation.camera.fx == pytest.approx(CAMERA.fx)


def test_the_files_of_a_recording_that_nobody_needs_are_closed(bag, recwarn):
    def open_files():
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if os.path.lexists(link)]

    (path,) = bag.glob("*.mcap")
    recording = open_recording(bag)
    next(recording.frames(recording.episodes()[0]))
    assert str(Path(path).resolve()) in open_files()
    del recording
    gc.collect()
    assert str(Path(path).resolve()) not in open_files()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning) and path.name in str(w.message)]


def test_a_single_mcap_file_is_read_too(bag, annotated):
    (path,) = bag.glob("*.mcap")
    done = annotated(path)
    assert done.target.is_dir() and len(read(done.target, REWARD)) == 23


def test_the_copy_holds_every_message_unchanged(bag, annotated):
    done = annotated(bag)
    before, after = raw(bag), raw(done.target)
    assert [m for m in after if m[0] not in (REWARD, VALUE)] == before
    assert len(after) == len(before) + 2 * 23
    with AnyReader([bag]) as one, AnyReader([done.target]) as two:
        kept = {c.topic: (c.msgtype, c.digest, c.msgdef.data) for c in two.connections}
        assert {c.topic: (c.msgtype, c.digest, c.msgdef.data) for c in one.connections}.items() <= kept.items()


def test_rewards_carry_the_stamp_and_frame_of_their_picture(bag, annotated, rewards_between):
    done = annotated(bag)
    pictures, rewards = read(done.target, COLOR), read(done.target, REWARD)
    assert [m.log_ns for m in rewards] == [m.log_ns for m in pictures]
    assert [stamp_and_frame(m) for m in rewards] == [stamp_and_frame(m) for m in pictures]
    values = [m.message.reward for m in rewards]
    assert values[0] == 0 and np.allclose(values[1:], rewards_between(DISTANCES), atol=1e-12)
    assert np.allclose([m.message.potential for m in rewards], [potential(d) for d in DISTANCES])
    assert [m.message.truncated for m in rewards] == [False] * (len(rewards) - 1) + [True]
    assert not any(m.message.terminated for m in rewards)
    assert [m.message.data for m in read(done.target, VALUE)] == values
    first = rewards[0].message
    assert (first.valid, first.reason, first.phase) == (True, "ok", "reach")
    (term,) = first.terms
    assert (term.name, term.unit, term.valid) == ("gap: gripper | target", "m", True)
    assert term.value == pytest.approx(0.4) and term.weight == 1 and np.isnan(first.latency)


def test_the_copy_follows_rosbag2(bag, annotated):
    done = annotated(bag)
    metadata = yaml.safe_load((done.target / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    (name,) = metadata["relative_file_paths"]
    assert name == "bag_rewards.mcap" and (done.target / name).exists()
    assert metadata["message_count"] == len(raw(done.target)) and metadata["storage_identifier"] == "mcap"
    counts = {t["topic_metadata"]["name"]: t["message_count"] for t in metadata["topics_with_message_count"]}
    assert counts[REWARD] == counts[VALUE] == 23 and counts["/imu"] == 23
    assert json.loads(metadata["custom_data"]["spatialvlm_reward"])["gamma"] == 0.95


def test_beside_holds_the_rewards_alone(bag, annotated, rewards_between):
    done = annotated(bag, "beside")
    assert {m[0] for m in raw(done.target)} == {REWARD, VALUE}
    rewards = read(done.target, REWARD)
    assert np.allclose([m.message.reward for m in rewards][1:], rewards_between(DISTANCES), atol=1e-12)
    assert [m.log_ns for m in rewards] == [m.log_ns for m in read(bag, COLOR)]


def test_a_compressed_recording_stays_compressed(tmp_path, annotated):
    small = write_bag(tmp_path / "small", episode(DISTANCES), compressed=True)
    done = annotated(small)
    assert [m for m in raw(done.target) if m[0] not in (REWARD, VALUE)] == raw(small)
    raw_pixels = 23 * 48 * 64 * 3
    assert sum(p.stat().st_size for p in done.target.iterdir()) < raw_pixels / 3


def test_a_recording_that_was_cut_off_keeps_what_is_there(bag, annotated, rewards_between):
    (path,) = bag.glob("*.mcap")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    done = annotated(path)
    pictures, rewards = read(done.target, COLOR), read(done.target, REWARD)
    assert 5 < len(pictures) == len(rewards) < 23
    assert np.allclose([m.message.reward for m in rewards][1:], rewards_between(DISTANCES[: len(rewards)]), atol=1e-12)
    assert path.read_bytes() == content[: int(len(content) * 0.6)]


def test_a_picture_that_cannot_be_decoded_keeps_its_place(tmp_path, annotated, rewards_between):
    path = tmp_path / "bag"
    topic = f"{COLOR}/compressed"
    with BagWriter(path) as bag:
        for k, pixels in enumerate(episode(DISTANCES)):
            stamp = k * 10**9 // FPS
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            if k == 7:
                from spatialvlm_ros.bags import messages

                broken = messages.make(
                    messages.COMPRESSED_IMAGE,
                    header=messages.header(stamp, "camera"),
                    format="rgb8; jpeg compressed bgr8",
                    data=np.zeros(40, np.uint8),
                )
                bag.write(topic, broken, stamp)
            else:
                bag.compressed_image(topic, pixels, stamp, "camera", kind="png")
    done = annotated(path)
    assert done.outcome.unreadable == {"bag": 1}
    rewards = read(done.target, REWARD)
    assert len(rewards) == 23 and [m.message.valid for m in rewards] == [k != 7 for k in range(23)]
    assert np.isnan(rewards[7].message.reward) and rewards[7].message.reason == "model_error"
    assert "unreadable message" in rewards[7].message.detail
    valid = [m.message.reward for m in rewards if m.message.valid]
    assert np.allclose(np.delete(valid[1:], 6), np.delete(rewards_between(DISTANCES), [6, 7]), atol=1e-12)


def test_who_leaves_out_what_is_not_valid_adds_up_the_right_sum(tmp_path, annotated):
    """Messages without a valid reward hold no number: the next one has to pay for the whole gap."""
    centimetres, hidden = np.array([30, 20, 20, 20, 20, 10, 15.0]), (2, 3, 4)
    pictures = episode(centimetres)
    for k in hidden:
        pictures[k][0, 0, 0] = BROKEN
    messages = [m.message for m in read(annotated(write_bag(tmp_path / "bag", pictures)).target, REWARD)]
    assert [m.valid for m in messages] == [k not in hidden for k in range(7)]
    seen = [k for k in range(7) if messages[k].valid]
    learnt = sum(GAMMA**before * messages[after].reward for before, after in itertools.pairwise(seen))
    first, last = potential(30), potential(15)
    assert learnt == pytest.approx(GAMMA**6 * last - first, abs=1e-12)


@pytest.mark.parametrize("end", ["truncated", "terminated"])
def test_control_steps_are_counted_by_time(tmp_path, annotated, end):
    """Pictures at 10 Hz with a hole of 0.7 s, and a learner at 5 Hz."""
    tenths = [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17]
    path, centimetres = tmp_path / "bag", np.linspace(30, 12, len(tenths))
    with BagWriter(path) as bag:
        for tenth, distance in zip(tenths, centimetres, strict=True):
            stamp = 10**9 + tenth * 10**8
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.image(COLOR, picture(distance), "rgb8", stamp, "camera")
    done = annotated(path, end=end, step_s=0.2)
    messages = [m.message for m in read(done.target, REWARD)]
    ended = [round((m.header.stamp.sec - 1) * 10 + m.header.stamp.nanosec / 1e8) for m in messages]
    assert ended == [0, 2, 4, 11, 12, 14, 16] + [17] * (end == "terminated")
    assert [m.terminated for m in messages] == [False] * 7 + [True] * (end == "terminated")
    assert not any(m.truncated for m in messages)  # where it is cut no control step ends
    counted = [0, 1, 2, 5, 6, 7, 8, 9][: len(ended)]
    learnt = sum(GAMMA**before * m.reward for before, m in zip(counted, messages[1:], strict=False))
    last = 0.0 if end == "terminated" else GAMMA ** counted[-1] * messages[-1].potential
    assert learnt == pytest.approx(last - potential(30), abs=1e-12)
    assert done.outcome.between == 12 - len(ended) and not done.outcome.refused


def test_rows_are_steps_whatever_their_time(tmp_path):
    recording = open_recording(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES)]), hfov=60)
    with pytest.raises(ConfigError, match="row"):
        Plan(gamma=0.9, step_s=0.2).check(recording)
    with pytest.raises(ConfigError, match="by time, or by pictures"):
        Plan(gamma=0.9, step_s=0.2, every=2).check(open_recording(write_bag(tmp_path / "bag", episode(DISTANCES))))


def test_rewards_that_would_not_add_up_in_messages_are_refused(bag, tmp_path):
    recording = open_recording(bag)
    writer = RecordingWriter(
        recording, tmp_path / "report", tmp_path / "out", "copy", Provenance(TASK, GAMMA, "r", COLOR)
    )
    with pytest.raises(ConfigError, match="dropped"):
        annotate(recording, writer, lambda _: RewardEngine(TASK, gamma=GAMMA, unseen="kept"), Ruler())


def test_pictures_that_were_never_stamped_are_those_of_the_time_of_recording(tmp_path, annotated, rewards_between):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k, distance in enumerate(DISTANCES):
            log = 1_700_000_000_000_000_000 + k * 10**8
            bag.camera_info(INFO, CAMERA, 0, "camera", log)
            bag.image(COLOR, picture(distance), "rgb8", 0, "camera", log)
            bag.transform("camera", "tool", (0, 0, 0, 1), (0, 0, 1 + k / 100), 0, log_ns=log)
    done = annotated(path, batch=1, gripper_frame="tool")
    rewards = read(done.target, REWARD)
    assert [m.log_ns for m in rewards] == [m.log_ns for m in read(path, COLOR)] and not done.outcome.lost
    assert np.allclose([m.message.reward for m in rewards][1:], rewards_between(DISTANCES), atol=1e-12)
    frames = list(done.recording.frames(done.recording.episodes()[0]))
    assert np.allclose([f.gripper[2] for f in frames], 1 + np.arange(23) / 100)
    assert np.diff([f.stamp_ns for f in frames]).tolist() == [10**8] * 22


def test_pictures_with_one_stamp_are_counted(tmp_path, annotated):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k, distance in enumerate(DISTANCES):
            bag.camera_info(INFO, CAMERA, 10**9 + k // 2 * 10**8, "camera", 10**9 + k * 10**8)
            bag.image(COLOR, picture(distance), "rgb8", 10**9 + k // 2 * 10**8, "camera", 10**9 + k * 10**8)
    done = annotated(path)
    assert done.outcome.frames == 12 and done.outcome.lost == {"picture with the stamp of another one": 11}


def test_rewards_that_were_recorded_are_not_mixed_with_ours(bag, annotated):
    first = annotated(bag)
    with pytest.raises(SourceError, match="already has rewards"):
        annotated(first.target)
    assert len(read(annotated(first.target, "beside").target, REWARD)) == 23


def test_which_camera_is_meant_must_be_said(tmp_path, annotated):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k, distance in enumerate(DISTANCES):
            stamp = k * 10**9 // FPS
            for name, pixels in (("front", picture(distance)), ("wrist", picture(9)), ("wrist_right", picture(5))):
                bag.camera_info(f"/{name}/camera_info", CAMERA, stamp, name)
                bag.image(f"/{name}/image_raw", pixels, "rgb8", stamp, name)
    with pytest.raises(SourceError, match="--view"):
        open_recording(path)
    with pytest.raises(SourceError, match="no pictures on /side"):
        open_recording(path, "/side/image_raw")
    done = annotated(path, camera_name="/wrist_right/image_raw")
    rewards = read(done.target, REWARD)
    assert {m.message.header.frame_id for m in rewards} == {"wrist_right"}
    assert np.allclose([m.message.potential for m in rewards], potential(5))


def test_depth_of_the_same_camera_is_used(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k in range(3):
            stamp = k * 10**9 // FPS
            bag.camera_info(INFO, CAMERA, stamp, "camera")
            bag.image(COLOR, picture(20), "rgb8", stamp, "camera")
            bag.image("/camera/depth/image_raw", np.full((48, 64), 700, np.uint16), "16UC1", stamp, "camera")
            bag.camera_info("/camera/depth/camera_info", CAMERA, stamp, "camera")
    for name in (None, COLOR):
        recording = open_recording(path, name)
        frame = next(iter(recording.frames(recording.episodes()[0])))
        assert np.allclose(frame.observation.depth, 0.7)


def test_without_camera_info_metres_are_refused(tmp_path):
    path = write_bag(tmp_path / "bag", episode(DISTANCES), camera=None)
    with pytest.raises(CameraModelError) as refused:
        open_recording(path)
    assert all(way in str(refused.value) for way in ("--hfov", "--camera fx,fy,cx,cy", "camera.yaml"))


@pytest.mark.parametrize("focal, width", [(0.0, 64), (60.0, 640)], ids=["uncalibrated", "of another size"])
def test_a_camera_info_that_cannot_be_used_can_be_replaced(tmp_path, focal, width):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for k in range(3):
            stamp = k * 10**9 // FPS
            bag.image(COLOR, picture(20), "rgb8", stamp, "camera")
            message = _camera_info(focal, width, stamp)
            bag.write(INFO, message, stamp)
    with pytest.raises(CameraModelError, match="no camera model"):
        open_recording(path)
    recording = open_recording(path, hfov=70)
    frames = list(recording.frames(recording.episodes()[0]))
    assert len(frames) == 3 and np.degrees(frames[0].observation.camera.hfov()) == pytest.approx(70)


def _camera_info(focal, width, stamp):
    from spatialvlm_ros.bags import messages
    from spatialvlm_ros.bags.camera_info import camera_info_fields

    fields = camera_info_fields(Camera.from_hfov(width, 48 * width // 64, 1.0))
    if not focal:
        fields["k"] = np.zeros(9)
    roi = messages.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return messages.make(messages.CAMERA_INFO, header=messages.header(stamp, "camera"), roi=roi, **fields)


def test_an_empty_bag_is_named(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.imu("/imu", (0, 0, 9.8), 0, "imu")
    with pytest.raises(SourceError, match="no colour pictures"):
        open_recording(path)


@pytest.mark.parametrize("content", [b"", b"hello" * 100])
def test_a_file_that_is_no_recording_is_named(tmp_path, content):
    path = tmp_path / "broken.mcap"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="broken.mcap"):
        open_recording(path)


def test_a_recording_in_sqlite_becomes_one_in_mcap(bag, tmp_path, annotated, rewards_between):
    from rosbags.rosbag2 import StoragePlugin, Writer

    path = tmp_path / "sqlite"
    with AnyReader([bag]) as reader, Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        known = {
            c.id: writer.add_connection(c.topic, c.msgtype, typestore=reader.typestore) for c in reader.connections
        }
        for connection, log_ns, data in reader.messages():
            writer.write(known[connection.id], log_ns, data)
    done = annotated(path)
    assert list(done.target.glob("*.mcap")) and len(raw(done.target)) == len(raw(path)) + 46
    assert [m for m in raw(done.target) if m[0] not in (REWARD, VALUE)] == raw(path)
    rewards = [m.message.reward for m in read(done.target, REWARD)]
    assert np.allclose(rewards[1:], rewards_between(DISTANCES), atol=1e-12)


def test_a_ros_1_bag_gets_its_rewards_beside(bag, tmp_path, annotated, rewards_between):
    from rosbags.rosbag1 import Writer

    path, store = tmp_path / "old.bag", get_typestore(Stores.ROS1_NOETIC)
    with Writer(path) as writer:
        connections = {}
        for topic in (COLOR, INFO):
            for item in read(bag, topic):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, item.type_name, typestore=store)
                old = _ros1(store, item.message)
                writer.write(connections[topic], item.log_ns, store.serialize_ros1(old, item.type_name))
    with pytest.raises(SourceError, match="ROS 1 bag is not copied.*beside"):
        annotated(path)
    done = annotated(path, "beside")
    rewards = read(done.target, REWARD)
    assert [stamp_and_frame(m) for m in rewards] == [stamp_and_frame(m) for m in read(bag, COLOR)]
    assert np.allclose([m.message.reward for m in rewards][1:], rewards_between(DISTANCES), atol=1e-12)


def _ros1(store, message):
    """The same message of ROS 1: its header has a number, its camera matrices capital letters."""
    names = store.types[message.__msgtype__].__dataclass_fields__
    values = {}
    for name in names:
        if name in ("__msgtype__", "seq"):
            continue
        value = getattr(message, name, None) if hasattr(message, name) else getattr(message, name.lower())
        values[name] = _ros1(store, value) if hasattr(value, "__msgtype__") else value
    if "seq" in names:
        values["seq"] = 7
    return store.types[message.__msgtype__](**values)
