"""What of a recording is believed: the same as the node with its parameters would have, picture by picture."""

import json
import shutil

import h5py
import numpy as np
import pytest
from ruler import episode, picture
from samples import CAMERA, write_lerobot_v21, write_robomimic
from scipy.spatial.transform import Rotation

from spatialvlm_ros.bags import messages
from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import ConfigError, DatasetError, SourceError
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.plan import Plan, tasks_of
from spatialvlm_ros.rewards.recordings.registry import open_recording
from spatialvlm_ros.ros.bag_annotation import AnnotationOrder, recording_of
from spatialvlm_ros.ros.observations import CameraMessages, ObservationBuilder
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.synchroniser import Slot, Synchroniser, SyncLimits
from spatialvlm_ros.ros.transform_store import TransformStore

MS = 1_000_000
START = 1_700_000_000_000 * MS
COLOR, INFO = "/camera/image_rect/compressed", "/camera/camera_info"
DEPTH, DEPTH_INFO, IMU = "/camera/depth/image_raw", "/camera/depth/camera_info", "/imu"
TOPICS = {"image": COLOR, "camera_info": INFO, "depth": DEPTH, "depth_camera_info": DEPTH_INFO, "imu": IMU}
PICTURES = 8
WITH_IMU = range(4)  # the IMU falls silent after these
# An optical frame that looks along the level x axis of its parent: x right, y down, z forward.
LEVEL = Rotation.from_matrix(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]))
IMU_TURN = Rotation.from_euler("zx", [90, 30], degrees=True)


def stamp_of(number):
    return START + number * 100 * MS


def nod(number):
    """How the camera is turned in the map."""
    return LEVEL * Rotation.from_euler("x", -3.0 * number, degrees=True)


def lens_info(stamp):
    """A lens whose P is half as narrow as its K, which is nowhere zero."""
    wide = np.array([[40.0, 0, 31, 0], [0, 40, 24, 0], [0, 0, 1, 0]])
    fields = {**camera_info_fields(CAMERA), "p": wide.ravel()}
    region = messages.make(
        "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return messages.make(messages.CAMERA_INFO, header=messages.header(stamp, "camera"), roi=region, **fields)


def write(path, depth=True):
    """A camera that drives and nods in the map of a hall that is not level; a tool, an IMU that does not nod, and depth
    that comes 25 ms late."""
    with BagWriter(path) as bag:
        bag.transform(
            "hall", "map", Rotation.from_euler("x", 40, degrees=True).as_quat(), (0, 0, 2), START, static=True
        )
        bag.transform("map", "imu", IMU_TURN.as_quat(), (0, 0, 0), START, static=True)
        bag.transform("elsewhere", "lonely", (0, 0, 0, 1), (0, 0, 0), START, static=True)
        for k in range(PICTURES):
            stamp = stamp_of(k)
            bag.transform("map", "camera", nod(k).as_quat(), (0.1 * k, 0, 1.2), stamp)
            bag.transform("map", "tool", (0, 0, 0, 1), (1.0, 0.02 * k, 0.9), stamp)
            if k in WITH_IMU:
                bag.imu(IMU, (0, 9.8 * 0.6, 9.8 * 0.8), stamp + 3 * MS, "imu")
            bag.write(INFO, lens_info(stamp), stamp)
            bag.compressed_image(COLOR, picture(20 + k), stamp, "camera", "png")
            if depth:
                late = stamp + 25 * MS
                bag.write(DEPTH_INFO, lens_info(late), late)
                bag.image(DEPTH, np.full((48, 64), 700 + k, np.uint16), "16UC1", late, "camera")
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write(tmp_path_factory.mktemp("beliefs") / "bag")


def frames(recording):
    return list(recording.frames(recording.episodes()[0]))


def live(path, settings):
    """What the node has of each picture: `Seen`, by stamp. Frames and the IMU are there in time."""
    store = TransformStore()
    builder = ObservationBuilder(settings, store, COLOR, DEPTH)
    for item in open_bag(path).messages(["/tf", "/tf_static", IMU]):
        if item.topic == IMU and settings.use_imu:
            builder.imu.take(item.message)
        elif item.topic != IMU:
            store.take(item.message, item.topic == "/tf_static")
    slots = [Slot("image", required=True), Slot("info", "image")]
    slots += [Slot("depth"), Slot("depth_info", "depth")] if settings.use_depth else []
    of_topic = {COLOR: "image", INFO: "info", DEPTH: "depth", DEPTH_INFO: "depth_info"}
    names, found = [slot.name for slot in slots], []
    synchroniser = Synchroniser(slots, SyncLimits(slop_ns=int(settings.slop_s * 1e9)))
    for item in open_bag(path).messages(list(of_topic)):
        if of_topic[item.topic] in names:
            found.append(synchroniser.add(of_topic[item.topic], messages.stamp_ns(item.message), item.message))
    found.append(synchroniser.flush())
    parts = [dict(zip(names, one, strict=True)) for one in found if one is not None]
    seen = [builder.build(CameraMessages(p["image"], p["info"], p.get("depth"), p.get("depth_info"))) for p in parts]
    return {one.observation.stamp_ns: one for one in seen}


def as_live(path, settings):
    """What `AnnotateBag` reads of a recording."""
    return recording_of(AnnotationOrder.of(str(path), "", "reach the mug", settings, TOPICS))


def same(a, b):
    return a is None and b is None or a is not None and b is not None and np.allclose(a, b, atol=1e-6, equal_nan=True)


NAMED = {"gripper_frame": "tool", "support_frame": "map"}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"slop_s": 0.03},
        {"use_depth": False, "slop_s": 0.03},
        {"use_imu": True},
        {"use_imu": True, "use_tf": False, **NAMED},
        {"use_tf": False, **NAMED},
        {"level_frames": ["nowhere", "hall"]},
        {"level_frames": ["hall"], **NAMED},
        {"level_frames": ["nowhere"]},
        {"gripper_frame": "/tool", "support_frame": "hall"},
        {"gripper_frame": "hand", "support_frame": "floor"},
        {"gripper_frame": "lonely", "support_frame": "lonely"},
        {"rectified": "false", "slop_s": 0.03},
        {"rectified": "true", "slop_s": 0.03},
    ],
    ids=str,
)
def test_a_recording_is_read_as_the_node_sees_it(bag, parameters):
    settings = Settings.of({"reward_gamma": 0.9, **parameters})
    seen, read = live(bag, settings), frames(as_live(bag, settings))
    assert [frame.stamp_ns for frame in read] == [stamp_of(k) for k in range(PICTURES)]
    # Live, the last picture but one is overtaken where it waits for a depth that does not come.
    assert {stamp_of(k) for k in range(PICTURES)} - set(seen) <= {stamp_of(PICTURES - 2)}
    for frame in read:
        now = seen.get(frame.stamp_ns)
        if now is None:
            continue
        assert frame.observation.camera == now.observation.camera
        assert np.array_equal(frame.observation.rgb, now.observation.rgb)
        assert same(frame.observation.depth, now.observation.depth)
        assert same(frame.observation.up, now.observation.up)
        assert same(frame.observation.camera_height, now.observation.camera_height)
        assert same(frame.gripper, now.gripper)
        assert frame.faults.get("gripper_frame") == now.faults.get("gripper_frame")
        assert (frame.camera_pose is None) == (now.camera_pose is None) and frame.placed
        if frame.camera_pose is not None:
            assert same(frame.camera_pose.rotation, now.camera_pose.rotation)
            assert same(frame.camera_pose.translation, now.camera_pose.translation)


def test_each_of_them_tells_something_here(bag):
    """Else the comparison above would compare nothing with nothing."""
    first = frames(open_recording(bag, gripper_frame="tool", support_frame="map"))[2]
    assert first.gripper is not None and first.camera_pose is not None
    assert first.observation.depth is not None and first.observation.camera_height == pytest.approx(1.2)
    tilt = np.radians(6)
    assert np.allclose(first.observation.up, [0, -np.cos(tilt), -np.sin(tilt)], atol=1e-6)
    by_imu = frames(open_recording(bag, beliefs=Beliefs(imu_first=True)))[2].observation.up
    assert np.allclose(by_imu, nod(2).inv().apply(IMU_TURN.apply([0, 0.6, 0.8])), atol=1e-6)


def test_without_depth_a_recording_is_as_one_that_has_none(bag, tmp_path):
    plain = frames(open_recording(write(tmp_path / "plain", depth=False)))
    for unbelieving in (
        frames(open_recording(bag, beliefs=Beliefs(use_depth=False))),
        frames(as_live(bag, Settings(reward_gamma=0.9, use_depth=False, slop_s=0.03))),
    ):
        assert len(unbelieving) == len(plain) == PICTURES
        for one, other in zip(unbelieving, plain, strict=True):
            assert one.observation.depth is None and other.observation.depth is None
            assert np.array_equal(one.observation.rgb, other.observation.rgb)
            assert one.observation.camera == other.observation.camera
            assert np.array_equal(one.observation.up, other.observation.up)


def test_where_nobody_asks_for_depth_it_need_not_be_clear_which(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        for name, pixels, encoding in (
            ("/color/image_raw", picture(20), "rgb8"),
            ("/left/depth", np.ones((48, 64), np.float32), "32FC1"),
            ("/right/depth", np.ones((48, 64), np.float32), "32FC1"),
        ):
            bag.image(name, pixels, encoding, START, "camera")
        bag.camera_info("/color/camera_info", CAMERA, START, "camera")
    with pytest.raises(SourceError, match="depth"):
        open_recording(path)
    (frame,) = frames(open_recording(path, beliefs=Beliefs(use_depth=False)))
    assert frame.observation.depth is None and frame.observation.camera == CAMERA


def test_an_imu_that_fell_silent_says_nothing(bag):
    """The last message is 3 ms after the fourth picture: 0.197 s before the sixth, and 0.297 s before the seventh."""
    for recording in (
        open_recording(bag, beliefs=Beliefs(use_tf=False)),
        as_live(bag, Settings(reward_gamma=0.9, use_imu=True, use_tf=False)),
    ):
        assert [frame.observation.up is not None for frame in frames(recording)] == [True] * 6 + [False] * 2


# ---- frames that are not there ----


@pytest.mark.parametrize("what", ["gripper_frame", "support_frame"])
def test_the_node_goes_on_without_a_frame_and_says_so(bag, what):
    recording = as_live(bag, Settings.of({"reward_gamma": 0.9, what: "hand"}))
    (note,) = recording.notes
    assert what in note and "'hand'" in note and "does not have it" in note
    assert len(frames(recording)) == PICTURES
    with pytest.raises(ConfigError, match="no frame .*hand.*tool"):
        open_recording(bag, **{what: "hand"})


def test_a_frame_that_is_never_linked_to_the_camera_is_noted(bag):
    for recording in (
        open_recording(bag, gripper_frame="lonely"),
        as_live(bag, Settings(reward_gamma=0.9, gripper_frame="lonely")),
    ):
        (note,) = recording.notes
        assert "'lonely'" in note and "no picture" in note
    for named in (NAMED, {"gripper_frame": "/tool", "support_frame": "/map"}):
        assert open_recording(bag, **named).notes == ()


def test_frames_that_are_named_and_not_used(bag):
    named = {"gripper_frame": "tool"}
    (note,) = as_live(bag, Settings(reward_gamma=0.9, use_tf=False, **named)).notes
    assert "'tool'" in note and "use_tf is false" in note
    with pytest.raises(ConfigError, match="--gripper-frame or --no-tf"):
        open_recording(bag, **named, beliefs=Beliefs(use_tf=False))


# ---- other formats ----


def test_standing_parameters_do_not_keep_other_formats_from_being_read(tmp_path):
    path = write_lerobot_v21(tmp_path / "set", [episode([30, 20])])
    (path / "camera.yaml").write_text("{width: 64, height: 48, fx: 60, fy: 60, cx: 31.5, cy: 23.5}")
    recording = as_live(path, Settings(reward_gamma=0.9, gripper_frame="tool", use_depth=False, slop_s=0.5))
    (note,) = recording.notes
    read = frames(recording)
    assert "'tool'" in note and "no frames" in note and "no_frame" in note and len(read) == 2
    assert all("'tool'" in frame.faults["gripper_frame"] for frame in read)


def test_a_hand_that_the_file_tells_is_not_refused_for_a_frame_that_it_does_not_have(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode([30, 20])], next_obs=False)
    parameters = Settings(reward_gamma=0.9, gripper_frame="tool")
    (tmp_path / "camera.yaml").write_text("{width: 64, height: 48, fx: 60, fy: 60, cx: 31.5, cy: 23.5}")
    blind = frames(as_live(path, parameters))
    assert all(frame.gripper is None and "'tool'" in frame.faults["gripper_frame"] for frame in blind)
    pose = np.eye(4)
    pose[2, 3] = -0.5  # the hand is at the origin, before the camera
    with h5py.File(path, "r+") as file:
        camera = {"intrinsics": [[60, 0, 32], [0, 60, 24], [0, 0, 1]], "extrinsics": pose.tolist()}
        file["data/demo_0"].attrs["camera_info"] = json.dumps({"agentview": camera})
    told = frames(as_live(path, parameters))
    assert all(frame.gripper is not None and not frame.faults for frame in told)


@pytest.mark.parametrize(
    ("changed", "option"),
    [
        ({"use_tf": False}, "--no-tf"),
        ({"use_imu": False}, "--no-imu"),
        ({"level_frames": ("hall",)}, "--level-frame"),
        ({"slop_s": 0.1}, "--slop-s"),
        ({"use_depth": False}, "--no-depth"),
    ],
)
def test_what_means_nothing_in_a_format_is_refused(tmp_path, changed, option):
    with pytest.raises(ConfigError, match=f"Leave {option} out"):
        open_recording(write_lerobot_v21(tmp_path / "set", [episode([30, 20])]), hfov=60, beliefs=Beliefs(**changed))


def test_a_robomimic_file_is_read_without_its_depth(tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode([30, 20])], depth=0.8)
    assert np.allclose(frames(open_recording(path, hfov=60))[0].observation.depth, 0.8)
    for recording in (
        open_recording(path, hfov=60, beliefs=Beliefs(use_depth=False)),
        open_recording(path, hfov=60, beliefs=Beliefs(use_depth=False, use_imu=False, slop_s=0.02), strict=False),
    ):
        assert all(frame.observation.depth is None for frame in frames(recording))
    with pytest.raises(ConfigError, match="--no-tf"):
        open_recording(path, hfov=60, beliefs=Beliefs(use_tf=False))


@pytest.mark.parametrize("seconds", [-0.01, float("nan")])
def test_a_length_of_time_that_is_none(seconds):
    with pytest.raises(ConfigError, match="slop_s"):
        Beliefs(slop_s=seconds)


# ---- runs do not mix ----


@pytest.mark.parametrize(
    "changed",
    [
        {"use_depth": False},
        {"use_tf": False},
        {"use_imu": False},
        {"imu_first": True},
        {"level_frames": ("hall",)},
        {"slop_s": 0.02},
        {"rectified": True},
    ],
    ids=str,
)
def test_a_run_goes_on_only_with_the_same_beliefs(bag, tmp_path, changed):
    def begin(beliefs):
        recording = open_recording(bag, beliefs=beliefs)
        plan = Plan(gamma=0.9, beliefs=beliefs)
        provenance = plan.provenance(recording, tasks_of(recording, "reach the mug"), "weights")
        writer = RecordingWriter(recording, tmp_path / "report", tmp_path / "out", "copy", provenance)
        writer.journal(recording.episodes()[0], ()).append([])  # settings bind what is measured

    begin(Beliefs())
    begin(Beliefs())
    with pytest.raises(DatasetError, match=f"other settings: {next(iter(changed))}"):
        begin(Beliefs(**changed))


# ---- the command ----


def call(*arguments):
    return main(["reward", "annotate", *map(str, arguments), "--gamma", "0.9", "--pages", "0", "--no-progress"])


def test_the_command_believes_what_its_options_say(bag, tmp_path, capsys):
    pytest.importorskip("torch")
    copied = shutil.copytree(bag, tmp_path / "bag")
    options = ("--task", "reach the apple", "--into", "beside")
    level = ("--level-frame", "hall", "--level-frame", "map")
    call(copied, *options, "--no-depth", "--no-imu", *level, "--slop-s", 0.01, "--gripper-frame", "lonely")
    assert "'lonely' is not used" in capsys.readouterr().err
    kept = json.loads((tmp_path / "bag_rewards_report/run.json").read_text())
    assert (kept["use_depth"], kept["use_tf"], kept["use_imu"], kept["slop_s"]) == (False, True, False, 0.01)
    assert kept["level_frames"] == ["hall", "map"] and kept["imu_first"] is False and kept["rectified"] is None
    assert call(copied, *options) == 1
    assert "other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gripper-frame", "hand"), "no frame"),
        (("--no-tf", "--gripper-frame", "tool"), "--gripper-frame or --no-tf"),
        (("--slop-s", "-1"), "slop_s"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(bag, tmp_path, capsys, options, message):
    assert call(bag, "--task", "reach the apple", "--out", tmp_path / "out", *options) == 1
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())
