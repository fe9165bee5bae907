"""The real simulation node in a process of its own: what a camera driver, a robot driver and a judge would publish."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")
TFMessage = pytest.importorskip("tf2_msgs.msg").TFMessage

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from spatialvlm_ros.geometry.transforms import Transform  # noqa: E402
from spatialvlm_ros.ros.interfaces import interfaces  # noqa: E402
from spatialvlm_ros.ros.sim_node import SimNode  # noqa: E402
from spatialvlm_ros.ros.sim_scene import SceneOptions  # noqa: E402
from spatialvlm_ros.ros.sim_settings import SIM_INTERFACES, SimSettings  # noqa: E402
from spatialvlm_ros.ros.sim_world import SimWorld  # noqa: E402
from spatialvlm_ros.ros.transform_store import TransformStore  # noqa: E402
from spatialvlm_ros.simulation.assets.pack import AssetPack  # noqa: E402

Wait = Callable[..., None]
OPTICAL = "camera_color_optical_frame"


class Listener:
    """Everything that the simulation publishes, in the order in which it came."""

    def __init__(self, node: Any) -> None:
        self.got: dict[str, list[Any]] = defaultdict(list)
        self.frames = TransformStore()
        self._node = node
        self.target = node.create_publisher(PoseStamped, "/sim/pose_target", 10)
        self._reset = node.create_client(Trigger, "/sim/reset")
        kinds = {
            "color": Image,
            "color_info": CameraInfo,
            "depth": Image,
            "depth_info": CameraInfo,
            "joint_states": JointState,
            "truth": interfaces().msg.LocatedObjectArray,
            "clock": Clock,
        }
        for name, kind in kinds.items():
            node.create_subscription(kind, SIM_INTERFACES[name].name, self.got[name].append, 100)
        latched = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(TFMessage, "/tf", self.frames.take, 100)
        node.create_subscription(TFMessage, "/tf_static", lambda m: self.frames.take(m, True), latched)

    def sets(self) -> list[dict[str, Any]]:
        """Messages of one stamp, for the stamps of which all have come."""
        names = [n for n in self.got if n != "clock"]
        by_stamp = {n: {nanoseconds(m.header.stamp): m for m in list(self.got[n])} for n in names}
        common = set.intersection(*(set(found) for found in by_stamp.values()))
        return [{n: by_stamp[n][stamp] for n in names} for stamp in sorted(common)]

    def tool(self, frame: str = "world") -> Transform:
        """The newest pose of the tool."""
        return self.frames.lookup(frame, "tool", 0)

    def send(self, position: np.ndarray, frame: str) -> None:
        """A goal for the tool."""
        goal = PoseStamped()
        goal.header.frame_id = frame
        goal.pose.position.x, goal.pose.position.y, goal.pose.position.z = (float(v) for v in position)
        self.target.publish(goal)

    def reset(self, wait_until: Wait) -> Trigger.Response:
        """The answer of the service."""
        wait_until(self._reset.service_is_ready, what="the service reset")
        answer = self._reset.call_async(Trigger.Request())
        wait_until(answer.done, what="the answer of reset")
        return answer.result()


def nanoseconds(stamp: Any) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def xyz(point: Any) -> np.ndarray:
    return np.array([point.x, point.y, point.z])


def pixels(message: Image, kind: Any, channels: int = 1) -> np.ndarray:
    return np.frombuffer(message.data, kind).reshape(message.height, message.width, channels).squeeze()


@pytest.fixture
def simulation(spawn: Any, node: Any, tmp_path: Path, wait_until: Wait) -> Callable[..., tuple[Any, Listener]]:
    """Starts the node with plain shapes and small pictures, and waits for the first of them."""

    def start(**parameters: object) -> tuple[Any, Listener]:
        given = {"seed": 3, "width": 320, "height": 200, "rate_hz": 10.0, **parameters}
        arguments = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        listener = Listener(node)
        empty = {"SPATIALVLM_ASSETS": str(tmp_path / "no_pack"), "MUJOCO_GL": "egl"}
        process = spawn("spatialvlm_ros.ros.sim_main", *arguments, environment=empty)
        process.wait_for_output("on the table", 120)
        wait_until(lambda: listener.got["truth"], 60, "the first truth")
        return process, listener

    return start


def test_it_publishes_as_a_registered_depth_camera_does(
    simulation: Callable[..., tuple[Any, Listener]], wait_until: Wait
) -> None:
    _, heard = simulation(publish_clock="true")
    wait_until(lambda: len(heard.sets()) >= 5, 60, "five sets of one stamp")
    sets = heard.sets()

    # Each picture has its depth, its cameras, joints and truth, with one stamp, and the clock is theirs.
    stamps = [nanoseconds(s["color"].header.stamp) for s in sets]
    assert stamps[-1] in {nanoseconds(c.clock) for c in list(heard.got["clock"])}
    steps = np.diff(stamps)
    assert (steps > 0).all() and (steps % 100_000_000 == 0).all()  # ten a second, of the simulation
    assert {s[n].header.frame_id for s in sets for n in ("color", "depth", "color_info", "depth_info")} == {OPTICAL}

    last = sets[-1]
    color, depth, info = last["color"], last["depth"], last["color_info"]
    assert (color.encoding, color.width, color.height, color.step) == ("rgb8", 320, 200, 960)
    assert (depth.encoding, depth.width, depth.height, depth.step) == ("16UC1", 320, 200, 640)
    assert (info.width, info.height, info.distortion_model) == (320, 200, "plumb_bob")
    assert last["depth_info"].k.tolist() == info.k.tolist() == info.p.reshape(3, 4)[:, :3].ravel().tolist()
    k = info.k.reshape(3, 3)
    assert (k[0, 2], k[1, 2]) == (159.5, 99.5)

    # The truth in the world, seen through TF and CameraInfo, lies in its box and just behind the depth there.
    to_optical = heard.frames.lookup(OPTICAL, "world", stamps[-1])
    picture, millimetres = pixels(color, np.uint8, 3), pixels(depth, "<u2")
    assert picture.std() > 10
    assert last["truth"].header.frame_id == "world"
    assert len(last["truth"].objects) == 4
    for thing in last["truth"].objects:
        assert thing.valid and thing.reason == "ok" and thing.sources == ["ground_truth"] and thing.label
        middle = to_optical.apply(xyz(thing.position)[None])[0]
        u, v = (k @ middle)[:2] / middle[2]
        x0, y0, x1, y1 = thing.box
        assert x0 < u < x1 and y0 < v < y1
        behind = middle[2] - millimetres[round(v), round(u)] / 1000
        assert 0 < behind < np.linalg.norm(xyz(thing.size))


def test_frames_are_told_before_the_pictures_that_need_them() -> None:
    """A camera of a few pictures a second: the frames of the picture before are too old for this one."""
    sent: list[str] = []

    def publisher(name: str) -> Any:
        return SimpleNamespace(publish=lambda _: sent.append(name))

    world = SimWorld(SceneOptions(seed=3, width=64, height=64), AssetPack.primitives())
    node = SimpleNamespace(
        settings=SimSettings(),
        _stamp=Time,
        _tf_message=TFMessage,
        _closing=threading.Event(),
        _out={name: publisher(name) for name in SIM_INTERFACES},
    )
    SimNode._publish(node, world)  # type: ignore[arg-type]
    world.close()
    assert sent.index("clock") < sent.index("tf") < min(sent.index("color"), sent.index("depth"))


def test_frames_and_joints_are_those_of_the_robot(
    simulation: Callable[..., tuple[Any, Listener]], wait_until: Wait
) -> None:
    from spatialvlm_ros.simulation.robot.kinematics import tcp_pose

    _, heard = simulation()
    wait_until(lambda: len(heard.sets()) >= 2, 60, "two sets")
    joints = heard.sets()[-1]["joint_states"]
    assert len(joints.name) == len(joints.position) == len(joints.velocity) == 9
    tool = tcp_pose(joints.position[:7])
    wait_until(lambda: heard.frames.frames(), what="transforms")
    np.testing.assert_allclose(heard.tool("panda_link0").translation, tool[:3, 3], atol=0.002)
    origin, below = heard.frames.lookup("world", OPTICAL, 0).apply([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert below[2] < origin[2] - 0.5  # down in the picture is down in the world
    assert heard.frames.lookup("camera_link", OPTICAL, 0).apply([[0.0, 0.0, 1.0]])[0] == pytest.approx([1.0, 0.0, 0.0])


def test_the_arm_goes_where_it_is_sent_and_reset_brings_it_back(
    simulation: Callable[..., tuple[Any, Listener]], wait_until: Wait
) -> None:
    process, heard = simulation(realtime_factor=5.0)
    wait_until(lambda: {"tool", "world", OPTICAL} <= set(heard.frames.frames()), what="transforms")
    start = heard.tool().translation
    first, second = heard.got["truth"][-1].objects[:2]

    # In the camera's frame: a planner may send a position as it was seen.
    seen = heard.frames.lookup(OPTICAL, "world", 0).apply(xyz(first.position)[None])[0]
    heard.send(seen, OPTICAL)
    above = xyz(first.position)
    wait_until(lambda: np.linalg.norm((heard.tool().translation - above)[:2]) < 0.01, 60, "the way to the first object")
    wait_until(lambda: heard.tool().translation[2] < above[2] + 0.2, 60, "coming down to it")
    assert heard.tool().translation[2] > above[2] + first.size.z / 2 + 0.02  # it does not touch it

    higher = xyz(second.position) + [0.0, 0.0, 0.25]
    heard.send(higher, "world")
    wait_until(lambda: np.linalg.norm(heard.tool().translation - higher) < 0.01, 60, "the way to the second object")
    for before, after in zip((first, second), heard.got["truth"][-1].objects, strict=False):
        np.testing.assert_allclose(xyz(after.position), xyz(before.position), atol=0.003)

    # What cannot be reached, or is in no known frame, is refused in words.
    heard.send(np.array([3.0, 0.0, 1.0]), "world")
    process.wait_for_output("the arm cannot reach that point")
    heard.send(higher, "odom")
    process.wait_for_output("there is no such frame in the simulation")
    assert np.linalg.norm(heard.tool().translation - higher) < 0.01

    answer = heard.reset(wait_until)
    assert answer.success, answer.message
    wait_until(lambda: np.linalg.norm(heard.tool().translation - start) < 0.003, what="the arm's first place")


def test_formats_follow_the_parameters(simulation: Callable[..., tuple[Any, Listener]], wait_until: Wait) -> None:
    _, heard = simulation(encoding="bgr8", depth_encoding="32FC1", depth_noise="realsense", task="place_in")
    wait_until(lambda: heard.sets(), 60, "a set")
    last = heard.sets()[-1]
    metres = pixels(last["depth"], "<f4")
    assert last["color"].encoding == "bgr8" and last["depth"].encoding == "32FC1"
    assert np.isnan(metres).any() and 0.5 < np.nanmedian(metres) < 3.0
    floor = pixels(last["color"], np.uint8, 3)[170:, 150:170].mean(axis=(0, 1))  # the table, which is brown
    assert floor[0] < floor[1] < floor[2]  # blue, green, red
    assert len(last["truth"].objects) == 5


def test_reliability_is_what_was_asked_for(
    simulation: Callable[..., tuple[Any, Listener]], node: Any, wait_until: Wait
) -> None:
    simulation(reliability="best_effort")
    wait_until(lambda: node.get_publishers_info_by_topic("/camera/color/image_raw"), what="the publisher")
    found = node.get_publishers_info_by_topic("/camera/color/image_raw")
    assert [p.qos_profile.reliability for p in found] == [QoSReliabilityPolicy.BEST_EFFORT]


def test_it_can_be_interrupted_while_it_draws_the_scene(spawn: Any) -> None:
    process = spawn("spatialvlm_ros.ros.sim_main", environment={"MUJOCO_GL": "egl"})
    process.wait_for_output("drawing the scene", 60)
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("parameter", "says"),
    [
        ("task:=dance", "One of reach"),
        ("width:=10", "outside 64"),
        ("rate_hz:=10", "With a point: 10.0"),
        ("seed:=3.5", "of type int"),
        ("assets:=/none", "asset pack"),
    ],
)
def test_a_wrong_parameter_ends_it_with_a_sentence(spawn: Any, parameter: str, says: str) -> None:
    process = spawn("spatialvlm_ros.ros.sim_main", "-p", parameter)
    assert process.popen.wait(60) == 1
    assert process.stop() == 1
    assert says in process.output and "Traceback" not in process.output
