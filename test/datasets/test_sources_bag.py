"""Recordings as a source: pairing in time, units, the vertical, foreign depth, and damage."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialvlm_ros.bags.reader import IndexedBag, mcap_files
from spatialvlm_ros.bags.writer import BagWriter
from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.bag import BagCaptures, BagTopics
from spatialvlm_ros.datasets.sources.bag_index import discover_topics, named_topics
from spatialvlm_ros.datasets.sources.imu_track import ImuTrack
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture

COLOUR = Camera(96, 72, 90.0, 91.0, 50.0, 33.0)
DEPTH = Camera(48, 36, 40.0, 41.0, 24.0, 19.0)
MS = 1_000_000
START = 1_700_000_000_000_000_000
IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
# An optical frame that looks along the level x axis: x right, y down, z forward.
LEVEL = Rotation.from_matrix(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]))


def rgb(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (72, 96, 3), dtype=np.uint8)


def millimetres(index: int) -> np.ndarray:
    v, u = np.mgrid[0:72, 0:96]
    return (1000 + 100 * index + 5 * u + 2 * v).astype(np.uint16)


def write_aligned(path: Path, frames: int = 6, info: bool = True, depth_delay_ns: int = 0) -> Path:
    """Colour and aligned depth at 10 Hz; the camera turns about the vertical and is tilted down by 20 degrees."""
    with BagWriter(path) as bag:
        for index in range(frames):
            stamp = START + index * 100 * MS
            yaw = Rotation.from_euler("z", 5.0 * index, degrees=True)
            tilted = yaw * LEVEL * Rotation.from_euler("x", -20, degrees=True)
            bag.transform("map", "camera_optical", tilted.as_quat(), (0, 0, 1.5), stamp)
            bag.image("/camera/color/image_raw", rgb(index), "rgb8", stamp, "camera_optical")
            bag.image(
                "/camera/aligned_depth_to_color/image_raw",
                millimetres(index),
                "16UC1",
                stamp + depth_delay_ns,
                "camera_optical",
            )
            if info:
                bag.camera_info("/camera/color/camera_info", COLOUR, stamp, "camera_optical")
                bag.camera_info("/camera/aligned_depth_to_color/camera_info", COLOUR, stamp, "camera_optical")
    return path


def test_frames_come_with_depth_camera_and_up(tmp_path: Path) -> None:
    source = pickle.loads(pickle.dumps(BagCaptures(write_aligned(tmp_path / "bag"))))
    assert len(source) == 6 and not source.problems
    for index in (4, 0):
        capture = source.capture(index)
        assert isinstance(capture, Capture)
        np.testing.assert_array_equal(capture.rgb, rgb(index))
        np.testing.assert_allclose(capture.depth, millimetres(index) / 1000, rtol=1e-6)
        assert capture.camera == COLOUR
        assert (capture.stamp_ns, capture.frame_id) == (START + index * 100 * MS, "camera_optical")
        tilt = np.radians(20)
        # Looking down, up tips away from the picture's upper edge towards the camera: -z.
        np.testing.assert_allclose(capture.up, [0, -np.cos(tilt), -np.sin(tilt)], atol=1e-6)
    copied = pickle.loads(pickle.dumps(source)).capture(4)
    np.testing.assert_array_equal(copied.rgb, rgb(4))


def test_depth_that_is_too_late_is_not_taken(tmp_path: Path) -> None:
    path = write_aligned(tmp_path / "bag", depth_delay_ns=40 * MS)
    assert BagCaptures(path).capture(2).reason == reasons.NO_DEPTH
    np.testing.assert_allclose(
        BagCaptures(path, max_time_difference=0.045).capture(2).depth, millimetres(2) / 1000, rtol=1e-6
    )
    without = BagCaptures(path, need_depth=False).capture(2)
    assert isinstance(without, Capture) and without.depth is None


def test_pictures_without_camera_info_or_calibration(tmp_path: Path) -> None:
    source = BagCaptures(write_aligned(tmp_path / "bag", info=False))
    assert source.capture(0).reason == reasons.NO_CAMERA
    from spatialvlm_ros.bags import messages
    from spatialvlm_ros.bags.camera_info import camera_info_fields

    with BagWriter(tmp_path / "zero") as bag:
        roi = messages.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        fields = {**camera_info_fields(COLOUR), "k": np.zeros(9)}
        info = messages.make(messages.CAMERA_INFO, header=messages.header(START, "c"), roi=roi, **fields)
        bag.write("/color/camera_info", info, START)
        bag.image("/color/image_raw", rgb(0), "rgb8", START, "c")
        bag.image("/depth/image_raw", millimetres(0), "16UC1", START, "c")
    assert BagCaptures(tmp_path / "zero").capture(0).reason == reasons.NO_CAMERA


def write_foreign_depth(
    path: Path, with_transform: bool, with_info: bool = True, at: tuple[float, float, float] = (0.05, 0, 0)
) -> Path:
    """Depth of a smaller camera 5 cm to the right, looking at a wall 2 m away with a step in it."""
    depth = np.full((36, 48), 2000, np.uint16)
    depth[:, 24:] = 1500
    with BagWriter(path) as bag:
        if with_transform:
            bag.transform("color", "depth", (0, 0, 0, 1), at, START, static=True)
        bag.image("/color/image_raw", rgb(0), "rgb8", START, "color")
        bag.camera_info("/color/camera_info", COLOUR, START, "color")
        bag.image("/depth/image_rect_raw", depth, "16UC1", START, "depth")
        if with_info:
            bag.camera_info("/depth/camera_info", DEPTH, START, "depth")
    return path


def test_depth_of_another_camera_is_reprojected(tmp_path: Path) -> None:
    capture = BagCaptures(write_foreign_depth(tmp_path / "bag", with_transform=True)).capture(0)
    row = capture.depth[36]
    # The step lies at the edge between depth columns 23 and 24: x = (23.5 - 24) / 40 * z.
    near_from = 90 * ((23.5 - 24) / 40 * 1.5 + 0.05) / 1.5 + 50
    assert row[int(near_from) + 3] == pytest.approx(1.5, abs=1e-3)
    assert row[int(near_from) - 6] == pytest.approx(2.0, abs=1e-3) or np.isnan(row[int(near_from) - 6])
    assert row[20] == pytest.approx(2.0, abs=1e-3)
    # Stretching the picture instead would put the step at 2 * 23.5 = 47.


def test_foreign_depth_without_transform_or_info_is_skipped(tmp_path: Path) -> None:
    for name, options in (("a", {"with_transform": False}), ("b", {"with_transform": True, "with_info": False})):
        topics = BagTopics(
            "/color/image_raw",
            "/depth/image_rect_raw",
            "/color/camera_info",
            "/depth/camera_info" if options.get("with_info", True) else None,
        )
        capture = BagCaptures(write_foreign_depth(tmp_path / name, **options), topics).capture(0)
        assert capture == SkippedView(f"{START:019d}", reasons.DEPTH_NOT_REGISTERED)


def test_foreign_depth_that_a_wrong_transform_puts_behind_the_camera_is_skipped(tmp_path: Path) -> None:
    path = write_foreign_depth(tmp_path / "bag", with_transform=True, at=(0, 0, -5.0))
    assert BagCaptures(path).capture(0) == SkippedView(f"{START:019d}", reasons.DEPTH_NOT_REGISTERED)


def test_up_from_an_imu_and_height_over_the_ground(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.transform("base_footprint", "imu", (0, 0, 0, 1), (0, 0, 0.3), START, static=True)
        bag.transform("imu", "color", LEVEL.as_quat(), (0, 0, 0.9), START, static=True)
        bag.image("/color/image_raw", rgb(0), "rgb8", START, "color")
        bag.image("/depth/image_raw", millimetres(0), "16UC1", START, "color")
        bag.camera_info("/color/camera_info", COLOUR, START, "color")
        for offset, acceleration in ((-50, (9.8, 0, 0)), (5, (0, 9.8 * 0.6, 9.8 * 0.8)), (80, (9.8, 0, 0))):
            bag.imu("/imu", acceleration, START + offset * MS, "imu")
    capture = BagCaptures(tmp_path / "bag", ground_frame="base_footprint").capture(0)
    # IMU y (left) is the camera's -x, IMU z its -y.
    np.testing.assert_allclose(capture.up, [-0.6, -0.8, 0], atol=1e-9)
    assert capture.camera_height == pytest.approx(1.2)


def test_an_imu_far_away_in_time_says_nothing(tmp_path: Path) -> None:
    """A quarter of a second on either side, and no nanosecond more."""
    reach = 250 * MS
    with BagWriter(tmp_path / "bag") as bag:
        bag.transform("color", "imu", (0, 0, 0, 1), (0, 0, 0), START, static=True)
        bag.camera_info("/color/camera_info", COLOUR, START, "color")
        for index, offset in enumerate((-reach - 1, -reach, 0, reach, reach + 1)):
            bag.image("/color/image_raw", rgb(index), "rgb8", START + offset, "color")
        bag.imu("/imu", (0, 0, 9.8), START, "imu")
    source = BagCaptures(tmp_path / "bag", need_depth=False)
    ups = [source.capture(index).up for index in range(5)]
    assert [up is not None for up in ups] == [False, True, True, True, False]
    np.testing.assert_allclose(ups[2], [0, 0, 1])


def test_stamps_that_jump_back_and_doubles(tmp_path: Path) -> None:
    stamps = [START + s * MS for s in (0, 300, 100, 100, 200)]
    with BagWriter(tmp_path / "bag") as bag:
        bag.camera_info("/color/camera_info", COLOUR, START, "c")
        for index, stamp in enumerate(stamps):
            log = START + index * 50 * MS
            bag.image("/color/image_raw", rgb(index), "rgb8", stamp, "c", log_ns=log)
            bag.image("/depth/image_raw", millimetres(index), "16UC1", stamp + MS, "c", log_ns=log)
    source = BagCaptures(tmp_path / "bag")
    captures = [source.capture(i) for i in range(len(source))]
    assert [c.stamp_ns for c in captures] == [START + s * MS for s in (0, 100, 200, 300)]
    for capture, index in zip(captures, (0, 2, 4, 1), strict=True):
        np.testing.assert_array_equal(capture.rgb, rgb(index))
        expected = [2, 3] if index == 2 else [index]  # two depth pictures have that stamp
        assert any(np.allclose(capture.depth, millimetres(i) / 1000) for i in expected)


def test_compressed_topics(tmp_path: Path) -> None:
    smooth = np.stack([np.linspace(0, 250, 96)[None].repeat(72, 0)] * 3, axis=2).astype(np.uint8)
    smooth[..., 1] = 40
    with BagWriter(tmp_path / "bag") as bag:
        bag.camera_info("/color/camera_info", COLOUR, START, "c")
        bag.compressed_image("/color/image_raw/compressed", smooth, START, "c")
        bag.compressed_image("/depth/image_raw/compressedDepth", millimetres(1), START, "c", "compressedDepth")
    capture = BagCaptures(tmp_path / "bag").capture(0)
    assert np.abs(capture.rgb.astype(int) - smooth).mean() < 4
    np.testing.assert_allclose(capture.depth, millimetres(1) / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/color/image_rect_color/compressed", True),
        ("/left_rect/image/compressed", True),
        ("/color/image_raw/compressed", False),
    ],
)
def test_rectified_pictures_are_known_by_the_whole_name_of_their_topic(
    tmp_path: Path, topic: str, rectified: bool
) -> None:
    """The last part of a compressed topic's name is that of its transport."""
    from spatialvlm_ros.bags import messages
    from spatialvlm_ros.bags.camera_info import camera_info_fields

    bent = Camera(96, 72, 90.0, 91.0, 50.0, 33.0, "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
    roi = messages.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    p = np.array([[80.0, 0, 47, 0], [0, 81, 35, 0], [0, 0, 1, 0]])
    fields = {**camera_info_fields(bent), "p": p.ravel()}
    with BagWriter(tmp_path / "bag") as bag:
        bag.compressed_image(topic, rgb(0), START, "c")
        info = messages.make(messages.CAMERA_INFO, header=messages.header(START, "c"), roi=roi, **fields)
        bag.write(f"{topic.split('/image')[0]}/camera_info", info, START)
    capture = BagCaptures(tmp_path / "bag", need_depth=False).capture(0)
    assert isinstance(capture, Capture)
    assert capture.camera == (Camera(96, 72, 80.0, 81.0, 47.0, 35.0) if rectified else bent)


def test_wrong_sizes_are_skipped(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.camera_info("/color/camera_info", COLOUR, START, "c")
        bag.image("/color/image_raw", rgb(0)[:40], "rgb8", START, "c")
        bag.image("/depth/image_raw", millimetres(0), "16UC1", START, "c")
    assert BagCaptures(tmp_path / "bag").capture(0).reason == reasons.WRONG_CAMERA_SIZE


def test_topics_are_found_or_asked_for() -> None:
    realsense = {
        "/camera/color/image_raw": IMAGE,
        "/camera/color/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
        "/camera/color/camera_info": INFO,
        "/camera/depth/image_rect_raw": IMAGE,
        "/camera/depth/camera_info": INFO,
        "/camera/aligned_depth_to_color/image_raw": IMAGE,
        "/camera/aligned_depth_to_color/camera_info": INFO,
        "/camera/infra1/image_rect_raw": IMAGE,
        "/imu": "sensor_msgs/msg/Imu",
        "/spatialvlm/annotated": IMAGE,  # what the node draws, in a recording of everything
        "/spatialvlm/annotated/compressed": "sensor_msgs/msg/CompressedImage",
    }
    assert discover_topics(realsense) == BagTopics(
        "/camera/color/image_raw",
        "/camera/aligned_depth_to_color/image_raw",
        "/camera/color/camera_info",
        "/camera/aligned_depth_to_color/camera_info",
        "/imu",
    )
    with pytest.raises(SourceError, match="not clear"):
        discover_topics({"/front/image_raw": IMAGE, "/back/image_raw": IMAGE})
    with pytest.raises(SourceError, match="no colour"):
        discover_topics({"/tf": "tf2_msgs/msg/TFMessage"})


def test_who_names_one_topic_gets_the_others_that_are_clear() -> None:
    recorded = {
        "/front/color/image_raw": IMAGE,
        "/front/color/camera_info": INFO,
        "/back/color/image_raw": IMAGE,
        "/back/color/camera_info": INFO,
        "/front/depth/image_raw": IMAGE,
        "/front/depth/camera_info": INFO,
        "/imu": "sensor_msgs/msg/Imu",
    }
    front = BagTopics(
        "/front/color/image_raw",
        "/front/depth/image_raw",
        "/front/color/camera_info",
        "/front/depth/camera_info",
        "/imu",
    )
    assert named_topics(recorded, {"color": "/front/color/image_raw"}) == front
    without = named_topics(recorded, {"color": "/front/color/image_raw", "depth": None, "imu": None, "rectified": True})
    assert without == BagTopics(front.color, None, front.color_info, rectified=True)
    with pytest.raises(SourceError, match="colour pictures is not clear"):
        named_topics(recorded, {"depth": "/front/depth/image_raw"})
    second = {**recorded, "/back/depth/image_raw": IMAGE}
    with pytest.raises(SourceError, match="depth is not clear"):
        named_topics(second, {"color": "/front/color/image_raw"})
    both = {"color": "/front/color/image_raw", "depth": "/front/depth/image_raw"}
    assert named_topics(second, both) == front


def test_the_command_line_names_topics_and_level_frames(tmp_path: Path) -> None:
    from spatialvlm_ros.datasets.source_registry import SourceRequest
    from spatialvlm_ros.datasets.sources.factories import bag
    from spatialvlm_ros.errors import ConfigError

    path = write_aligned(tmp_path / "bag", frames=1)
    options = {"topics": {"color": "/camera/color/image_raw"}, "level_frames": "map"}
    captures = bag(SourceRequest("train", 0, 5, (path,), options)).source.captures
    capture = pickle.loads(pickle.dumps(captures)).capture(0)
    assert isinstance(capture, Capture) and capture.camera == COLOUR and capture.depth is not None
    np.testing.assert_allclose(np.linalg.norm(capture.up), 1)  # by the one frame, not by its letters
    for wrong in ("/camera/color/image_raw", {"colour": "/x"}, {"color": 3}):
        with pytest.raises(ConfigError):
            bag(SourceRequest("train", 0, 5, (path,), {"topics": wrong}))


def test_topics_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = write_aligned(tmp_path / "bag", frames=1)
    with pytest.raises(SourceError, match="/nope"):
        len(BagCaptures(path, BagTopics("/nope")))


_WHOLE: dict[str, Path] = {}


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.02, 1))
@example(share=0.02576546749424043)  # behind the first picture, before its CameraInfo
def test_a_recording_cut_anywhere_gives_its_first_frames(
    share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if "path" not in _WHOLE:
        _WHOLE["path"] = write_aligned(tmp_path_factory.mktemp("whole") / "bag", frames=40)
    data = mcap_files(_WHOLE["path"])[0].read_bytes()
    cut = tmp_path_factory.mktemp("cut") / "cut.mcap"
    cut.write_bytes(data[: int(share * (len(data) - 1))])
    source = BagCaptures(cut)
    # 96 x 72 x (3 + 2) bytes a frame; anything cut after the first whole frame gives what lies before it.
    assert len(source) >= int(share * len(data) / 36_000) - 1
    assert sum(source.problems.values()) >= 1
    for index in {0, len(source) // 2, len(source) - 1}:
        item = source.capture(index)
        if isinstance(item, Capture):
            np.testing.assert_array_equal(item.rgb, rgb(index))
            np.testing.assert_allclose(item.depth, millimetres(index) / 1000, rtol=1e-6)
        else:
            assert index == len(source) - 1
            assert item.reason == reasons.NO_DEPTH or (index == 0 and item.reason == reasons.NO_CAMERA)
    if len(source) > 3:
        assert isinstance(source.capture(1), Capture)


def test_a_recording_without_pictures_is_an_error(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.imu("/imu", (0, 0, 9.8), START, "imu")
    with pytest.raises(SourceError, match="no colour pictures"):
        len(BagCaptures(tmp_path / "bag"))


def opened_files(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one whenever a recording is opened by way of its index."""
    opened: list[Path] = []
    reader = IndexedBag._reader
    monkeypatch.setattr(IndexedBag, "_reader", lambda bag: (opened.append(bag.path), reader(bag))[1])
    return opened


@pytest.mark.parametrize("frames", [4, 16])
def test_a_longer_recording_is_not_opened_more_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    opened = opened_files(monkeypatch)
    source = BagCaptures(write_aligned(tmp_path / "bag", frames=frames))
    for index in range(len(source)):
        np.testing.assert_array_equal(source.capture(index).rgb, rgb(index))
    assert len(opened) == 4  # its topics, its index, colour and depth


def test_pictures_are_found_in_any_order(tmp_path: Path) -> None:
    source = BagCaptures(write_aligned(tmp_path / "bag", frames=7))
    for index in (5, 5, 0, 1, 6, 2, 4):
        capture = source.capture(index)
        np.testing.assert_array_equal(capture.rgb, rgb(index))
        np.testing.assert_allclose(capture.depth, millimetres(index) / 1000, rtol=1e-6)


def test_pictures_recorded_at_one_time_and_out_of_order_are_told_apart(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for index, late in ((0, 0), (2, 0), (1, 0), (4, 1), (3, 2)):  # a burst out of order, and two that overtook
            stamp, logged = START + index * MS, START + 20 * MS * (late + 1)
            bag.image("/color/image_raw", rgb(index), "rgb8", stamp, "color", log_ns=logged)
    source = BagCaptures(tmp_path / "bag", need_depth=False)
    for index in range(5):
        np.testing.assert_array_equal(source.capture(index).rgb, rgb(index))


def test_an_imu_of_an_hour_keeps_no_bytes_of_the_recording() -> None:
    track, data = ImuTrack(), bytearray(1 << 20)
    covariance = np.frombuffer(data, np.float64, 9)  # as the reader's messages: a view of a chunk of the file
    for index in range(50):
        message = SimpleNamespace(
            header=SimpleNamespace(frame_id="imu"),
            orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=covariance,
            linear_acceleration=SimpleNamespace(x=0.0, y=9.8 if index else 0.0, z=0.0),
            linear_acceleration_covariance=covariance,
        )
        track.add(START + (49 - index) * 10 * MS, message)
    del message, covariance
    data.clear()  # BufferError where something still looks at it
    frame, up = track.nearest(START + 104 * MS)
    assert frame == "imu"
    np.testing.assert_allclose(up, [0, 1, 0])
    assert track.nearest(START + 10_000 * MS) is None
    assert track.nearest(START + 490 * MS) == ("imu", None)  # in free fall


def test_a_program_that_ends_with_a_recording_open_ends_in_silence(tmp_path: Path) -> None:
    path = write_aligned(tmp_path / "bag", frames=2)
    program = (
        "import sys; import spatialvlm_ros.datasets.sources.bag as bag; "
        f"bag.kept = bag.BagCaptures({str(path)!r}); print(bag.kept.capture(0).stamp_ns)"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(START)
    assert "Exception" not in done.stderr and "unclosed" not in done.stderr
