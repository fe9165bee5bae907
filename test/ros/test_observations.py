"""Messages of one camera to an observation: what fits is used, what does not is refused by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from spatialvlm_ros.bags.camera_info import camera_info_fields
from spatialvlm_ros.bags.images import image_fields
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.ros.observations import CameraMessages, FrameRefusedError, ObservationBuilder
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.transform_store import TransformStore

S = 1_000_000_000
CAMERA = Camera(64, 48, 60.0, 58.0, 30.0, 25.0)
NARROW = Camera(32, 24, 40.0, 40.0, 15.5, 11.5)


def header(frame: str = "cam", stamp_ns: int = 5 * S) -> Any:
    stamp = SimpleNamespace(sec=stamp_ns // S, nanosec=stamp_ns % S)
    return SimpleNamespace(frame_id=frame, stamp=stamp)


def picture(frame: str = "cam", **changes: Any) -> Any:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    return SimpleNamespace(header=header(frame), **{**image_fields(pixels, "rgb8"), **changes})


def depth(camera: Camera = CAMERA, metres: float = 2.0, frame: str = "cam", encoding: str = "16UC1") -> Any:
    kind = np.uint16 if encoding == "16UC1" else np.float32
    raw = np.full((camera.height, camera.width), 1000 * metres if encoding == "16UC1" else metres, kind)
    return SimpleNamespace(header=header(frame), **image_fields(raw, encoding))


def info(camera: Camera = CAMERA, frame: str = "cam", **changes: Any) -> Any:
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0)
    return SimpleNamespace(header=header(frame), roi=roi, **{**camera_info_fields(camera), **changes})


def builder(store: TransformStore | None = None, topic: str = "image", **settings: Any) -> ObservationBuilder:
    return ObservationBuilder(Settings.of(settings), store or TransformStore(), topic)


def link(parent: str, child: str, translation: Any, turn: Rotation | None = None, stamp_ns: int = 5 * S) -> Any:
    q = (turn or Rotation.identity()).as_quat()
    vector = SimpleNamespace(x=float(translation[0]), y=float(translation[1]), z=float(translation[2]))
    quaternion = SimpleNamespace(x=float(q[0]), y=float(q[1]), z=float(q[2]), w=float(q[3]))
    transform = SimpleNamespace(translation=vector, rotation=quaternion)
    return SimpleNamespace(header=header(parent, stamp_ns), child_frame_id=child, transform=transform)


def store(*links: Any, static: bool = True) -> TransformStore:
    made = TransformStore()
    made.take(SimpleNamespace(transforms=list(links)), static)
    return made


# Looking level along the map's x axis: optical z = map x, optical x = -map y, optical y = -map z.
LEVEL = Rotation.from_matrix(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]))


def test_picture_camera_and_registered_depth_come_through() -> None:
    seen = builder().build(CameraMessages(picture(), info(), depth(), info()))
    assert seen.observation.camera == CAMERA and seen.observation.stamp_ns == 5 * S
    assert seen.observation.frame_id == "cam" and not seen.faults
    assert seen.observation.depth is not None and np.allclose(seen.observation.depth, 2.0)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (None, "remapped"),
        (info(k=np.zeros(9)), "calibrate"),
        (info(NARROW), "another size"),
        (info(distortion_model="cubist"), "cubist"),
    ],
)
def test_a_camera_that_is_not_known_is_refused_with_no_camera_info(message: Any, word: str) -> None:
    with pytest.raises(FrameRefusedError, match=word) as caught:
        builder().build(CameraMessages(picture(), message))
    assert caught.value.reason is Reason.NO_CAMERA_INFO and caught.value.fault_name == "camera_info"


@pytest.mark.parametrize("changes", [{"encoding": "16UC1"}, {"encoding": "nonsense"}, {"data": b"short"}, {"step": 7}])
def test_a_picture_that_cannot_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FrameRefusedError) as caught:
        builder().build(CameraMessages(picture(**changes), info()))
    assert caught.value.fault_name == "picture_unreadable"


@pytest.mark.parametrize(
    ("message", "its_info", "fault"),
    [
        (depth(NARROW), None, "depth_not_registered"),  # another size, nothing known of it: never stretched
        (depth(frame="depth"), None, "depth_not_registered"),
        (depth(NARROW, frame="depth"), info(NARROW), "depth_not_registered"),  # no transform between the two
        (depth(NARROW), info(CAMERA), "depth_not_registered"),  # the info of another camera
        (picture(), info(), "depth_unreadable"),
    ],
)
def test_depth_that_does_not_fit_is_left_out_and_named(message: Any, its_info: Any, fault: str) -> None:
    seen = builder().build(CameraMessages(picture(), info(), message, its_info))
    assert seen.observation.depth is None and list(seen.faults) == [fault]


def test_depth_of_another_camera_is_reprojected_by_its_transform() -> None:
    # The depth camera sits 0.5 m behind the colour camera: a wall 2 m before it is 1.5 m before the colour camera.
    frames = store(link("cam", "depth", [0, 0, -0.5]))
    wide = Camera(80, 60, 40.0, 40.0, 39.5, 29.5)
    seen = builder(frames).build(CameraMessages(picture(), info(), depth(wide, 2.0, "depth", "32FC1"), info(wide)))
    assert not seen.faults and seen.observation.depth is not None
    assert seen.observation.depth.shape == (48, 64)
    assert np.nanmedian(seen.observation.depth) == pytest.approx(1.5, abs=1e-3)


def test_rectified_pictures_use_p_and_no_distortion() -> None:
    lens = Camera(64, 48, 60.0, 58.0, 30.0, 25.0, "plumb_bob", (0.1, -0.05, 0.0, 0.0, 0.0))
    flat = np.array([[50.0, 0, 31, 0], [0, 51, 24, 0], [0, 0, 1, 0]])
    message = info(lens, p=flat.ravel())
    for topic, setting, rectified in (
        ("/cam/image_raw", "auto", False),
        ("/cam/image_rect_color", "auto", True),
        ("/cam/image_raw", "true", True),
        ("/cam/image_rect_color", "false", False),
    ):
        camera = builder(topic=topic, rectified=setting).build(CameraMessages(picture(), message)).observation.camera
        assert (camera.fx, camera.distortion_model) == ((50.0, "none") if rectified else (60.0, "plumb_bob"))


@pytest.mark.parametrize("topic", ["cam/depth/image_rect_raw", "cam/depth/image_raw"])
def test_depth_is_rectified_if_its_own_topic_says_so(topic: str) -> None:
    """P of this camera is twice as narrow as K: what K calls the middle quarter of the picture is all that P sees."""
    wide, narrow = Camera(64, 48, 30.0, 30.0, 31.5, 23.5), Camera(64, 48, 60.0, 60.0, 31.5, 23.5)
    its_info = info(wide, p=np.asarray(info(narrow).p))
    made = ObservationBuilder(Settings(), TransformStore(), "cam/color/image_raw", topic)
    ramp = np.linspace(1000, 3000, 64, dtype=np.uint16)[None] + np.zeros((48, 1), np.uint16)
    message = SimpleNamespace(header=header(), **image_fields(ramp, "16UC1"))
    seen = made.build(CameraMessages(picture(), info(narrow), message, its_info))
    assert not seen.faults and seen.observation.depth is not None
    spread = float(np.nanmax(seen.observation.depth) - np.nanmin(seen.observation.depth))
    assert spread == pytest.approx(2.0 if "rect" in topic else 1.0, abs=0.05)


def test_frames_tell_the_vertical_the_height_and_the_gripper() -> None:
    tilted = LEVEL * Rotation.from_euler("x", -30, degrees=True)  # looks 30 degrees down
    frames = store(
        link("map", "cam", [1.0, 2.0, 1.4], tilted),
        link("map", "table", [0, 0, 0.7]),
        link("cam", "tool", [0.1, 0.2, 0.9]),
    )
    seen = builder(frames, support_frame="table", gripper_frame="tool").build(CameraMessages(picture(), info()))
    assert seen.observation.up is not None and seen.gripper is not None
    np.testing.assert_allclose(seen.observation.up, [0, -np.cos(np.radians(30)), -np.sin(np.radians(30))], atol=1e-9)
    assert seen.observation.camera_height == pytest.approx(0.7)
    np.testing.assert_allclose(seen.gripper, [0.1, 0.2, 0.9])
    assert seen.fixed_frame == "map" and not seen.faults
    without = builder(frames, support_frame="table", use_tf=False).build(CameraMessages(picture(), info()))
    assert without.observation.up is None and without.observation.camera_height is None and without.fixed_frame == ""
    assert "use_tf" in without.faults["support_frame"]


def test_a_support_plane_that_drives_along_is_not_where_tracks_are_kept() -> None:
    """base_footprint is under the robot, wherever that goes: it is believed to stand still only for want of others."""
    driving = store(link("odom", "base_footprint", [5.0, 0, 0]), link("base_footprint", "cam", [0, 0, 1.2], LEVEL))
    seen = builder(driving, support_frame="base_footprint").build(CameraMessages(picture(), info()))
    assert seen.fixed_frame == "odom" and seen.observation.camera_height == pytest.approx(1.2)
    assert seen.camera_pose is not None
    np.testing.assert_allclose(seen.camera_pose.translation, [5.0, 0, 1.2])
    alone = store(link("base_footprint", "cam", [0, 0, 1.2], LEVEL))
    assert builder(alone, support_frame="base_footprint").build(CameraMessages(picture(), info())).fixed_frame


def test_what_stands_still_stays_the_same_frame_while_it_is_linked() -> None:
    """Localisation comes late and then again: map and odom move against each other, so one of them it has to be."""
    frames = TransformStore()
    made = builder(frames)

    def stood(ms: int, *links: Any) -> str:
        stamp = 5 * S + ms * 1_000_000
        moving = [link("odom", "cam", [ms, 0, 1], LEVEL, stamp), *links]
        frames.take(SimpleNamespace(transforms=moving))
        shown = SimpleNamespace(**{**vars(picture()), "header": header("cam", stamp)})
        return made.build(CameraMessages(shown, info())).fixed_frame

    def localised(ms: int) -> Any:
        return link("map", "odom", [0.5, 0, 0], stamp_ns=5 * S + ms * 1_000_000)

    assert [stood(0, localised(0)), stood(90)] == ["map", "map"]
    assert [stood(300), stood(330, localised(330)), stood(400, localised(400))] == ["odom"] * 3


def test_without_a_map_the_root_of_the_frames_stands_still() -> None:
    """What an arm is bolted to: the camera on its hand has a pose there."""
    arm = store(link("base_link", "hand", [0.3, 0, 0.5]), link("hand", "cam", [0, 0, 0.1], LEVEL))
    seen = builder(arm).build(CameraMessages(picture(), info()))
    assert seen.fixed_frame == "base_link" and seen.camera_pose is not None
    np.testing.assert_allclose(seen.camera_pose.translation, [0.3, 0, 0.6])
    assert builder(store(link("cam", "tool", [0, 0, 1]))).build(CameraMessages(picture(), info())).camera_pose is None


def test_a_frame_that_is_not_there_leaves_things_unknown() -> None:
    frames = store(link("base", "arm", [0, 0, 1]))
    seen = builder(frames, support_frame="floor", gripper_frame="tool").build(CameraMessages(picture(), info()))
    assert seen.observation.up is None and seen.gripper is None and seen.camera_pose is None
    assert "floor" in seen.faults["support_frame"] and "tool" in seen.faults["gripper_frame"]


def imu(acceleration: Any, stamp_ns: int = 5 * S, frame: str = "imu") -> Any:
    x, y, z = map(float, acceleration)
    return SimpleNamespace(
        header=header(frame, stamp_ns),
        orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=[0.0] * 9,
        linear_acceleration=SimpleNamespace(x=x, y=y, z=z),
        linear_acceleration_covariance=[0.0] * 9,
    )


def with_imu(*messages: Any) -> ObservationBuilder:
    made = builder(store(link("cam", "imu", [0, 0, 0], LEVEL.inv())), use_imu=True)
    for message in messages:
        made.imu.take(message)
    return made


def test_an_imu_at_rest_tells_the_vertical_and_one_that_shakes_does_not() -> None:
    seen = with_imu(imu((0, 0, 9.81))).build(CameraMessages(picture(), info()))
    assert seen.observation.up is not None and not seen.faults
    np.testing.assert_allclose(seen.observation.up, [0, -1, 0], atol=1e-6)
    shaken = with_imu(imu((0, 0, 14.0))).build(CameraMessages(picture(), info()))
    assert shaken.observation.up is None and "rest" in shaken.faults["imu_not_at_rest"]


def test_a_picture_is_levelled_by_the_imu_of_its_own_time() -> None:
    later = [imu((9.81, 0, 0), 5 * S + ms * 1_000_000) for ms in range(10, 3000, 10)]  # the robot has fallen over
    seen = with_imu(imu((0, 0, 9.81), 5 * S - 30_000_000), imu((0, 0, 9.81)), *later).build(
        CameraMessages(picture(), info())
    )
    assert seen.observation.up is not None
    np.testing.assert_allclose(seen.observation.up, [0, -1, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        ([], "no message"),
        ([imu((0, 0, 9.81), 2 * S)], "3.0 s away"),
        ([imu((0, 0, 9.81), 5 * S, "elsewhere")], "elsewhere"),
    ],
)
def test_an_imu_that_is_not_there_old_or_not_linked_is_named(messages: list[Any], word: str) -> None:
    seen = with_imu(*messages).build(CameraMessages(picture(), info()))
    assert seen.observation.up is None and word in seen.faults["imu"]


def test_an_imu_whose_time_goes_back_is_believed_from_then_on() -> None:
    seen = with_imu(imu((9.81, 0, 0), 90 * S), imu((0, 0, 9.81), 5 * S)).build(CameraMessages(picture(), info()))
    assert seen.observation.up is not None and seen.observation.up[1] == pytest.approx(-1)
    without_stamps = with_imu(imu((0, 0, 9.81), 0)).build(CameraMessages(picture(), info()))
    assert without_stamps.observation.up is not None


def test_a_malformed_transform_is_counted_and_left_out() -> None:
    bad = link("map", "cam", [0, 0, 1])
    bad.transform.rotation.w = 0.0
    bad.transform.rotation.x = bad.transform.rotation.y = bad.transform.rotation.z = 0.0
    frames = store(bad, link("map", "other", [0, 0, 1]))
    assert frames.refused == 1 and frames.frames() == ("map", "other")
