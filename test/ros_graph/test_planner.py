"""The example planner: with the simulation and a known answer, with answers that do not agree, and with the model."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

from geometry_msgs.msg import PoseStamped, TransformStamped  # noqa: E402
from rclpy.time import Time  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from std_msgs.msg import Header, String  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from spatialvlm_ros.ros.interfaces import interfaces  # noqa: E402
from spatialvlm_ros.ros.target_text import target_of  # noqa: E402
from spatialvlm_ros.ros.transform_store import TransformStore  # noqa: E402
from spatialvlm_ros.simulation.assets.pack import MANIFEST_NAME, default_pack_path  # noqa: E402

Wait = Callable[..., None]

CAMERA_REMAPS = {
    "image": "/camera/color/image_raw",
    "camera_info": "/camera/color/camera_info",
    "depth": "/camera/aligned_depth_to_color/image_raw",
    "depth_camera_info": "/camera/aligned_depth_to_color/camera_info",
}


class Robot:
    """Where the tool and the objects truly are."""

    def __init__(self, node: Any) -> None:
        from rclpy.qos import QoSDurabilityPolicy, QoSProfile

        self._frames = TransformStore()
        self.objects: dict[str, Any] = {}
        self.goals: list[PoseStamped] = []
        self.stamp: Any = None
        latched = QoSProfile(depth=10, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(TFMessage, "/tf", self._frames.take, 100)
        node.create_subscription(TFMessage, "/tf_static", lambda m: self._frames.take(m, True), latched)
        node.create_subscription(interfaces().msg.LocatedObjectArray, "/sim/truth", self._take, 10)
        node.create_subscription(PoseStamped, "/sim/pose_target", self.goals.append, 10)

    def _take(self, message: Any) -> None:
        self.stamp = message.header.stamp
        self.objects = {thing.label: thing for thing in message.objects}

    @property
    def ready(self) -> bool:
        return bool(self.objects) and {"world", "tool"} <= set(self._frames.frames())

    def tool(self) -> np.ndarray:
        return self._frames.lookup("world", "tool", 0).translation

    def place(self, label: str) -> np.ndarray:
        point = self.objects[label].position
        return np.array([point.x, point.y, point.z])


class Oracle:
    """Stands in for the model: knows where things are, and errs as much as the test wants."""

    def __init__(self, node: Any, robot: Robot, spread_m: float) -> None:
        self._robot, self._spread, self._rng = robot, spread_m, np.random.default_rng(0)
        self.sentences: list[str] = []
        self._poses = node.create_publisher(PoseStamped, "/spatialvlm/target_pose", 10)
        node.create_service(interfaces().srv.SetTarget, "/spatialvlm/set_target", self._set_target)
        node.create_timer(0.1, self._publish)

    def _set_target(self, request: Any, response: Any) -> Any:
        self.sentences.append(request.target)
        # The first time it is "not active yet": planners start before models are loaded.
        response.success, response.message = len(self.sentences) > 1, "the node is not active"
        response.name = target_of(request.target)
        return response

    def _publish(self) -> None:
        if len(self.sentences) < 2:
            return
        pose = PoseStamped()
        pose.header.stamp, pose.header.frame_id = self._robot.stamp, "world"
        label = target_of(self.sentences[-1])
        place = self._robot.place(label) + self._rng.normal(0, self._spread, 3)
        pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = place.tolist()
        self._poses.publish(pose)


@pytest.fixture
def robot(spawn: Any, node: Any, tmp_path: Path, wait_until: Wait) -> Robot:
    """The simulation with plain shapes, running."""
    made = Robot(node)
    environment = {"SPATIALVLM_ASSETS": str(tmp_path / "no_pack"), "MUJOCO_GL": "egl"}
    given = ("-p", "width:=160", "-p", "height:=120", "-p", "seed:=3", "-p", "realtime_factor:=4.0")
    spawn("spatialvlm_ros.ros.sim_main", *given, environment=environment)
    wait_until(lambda: made.ready, 120, "the simulation")
    return made


def test_it_goes_above_the_object_of_the_sentence_and_says_so(
    robot: Robot, spawn: Any, node: Any, wait_until: Wait
) -> None:
    oracle = Oracle(node, robot, spread_m=0.005)
    first, second = list(robot.objects)[:2]
    planner = spawn("spatialvlm_ros.ros.planner_main", "-p", f"sentence:=please go to the {first}")
    planner.wait_for_output("arrived", 90)
    assert oracle.sentences == [f"please go to the {first}"] * 2  # asked again until it was accepted
    np.testing.assert_allclose(robot.tool()[:2], robot.place(first)[:2], atol=0.03)
    assert 0.1 < robot.tool()[2] - robot.place(first)[2] < 0.2
    assert len(robot.goals) == 1

    sentences = node.create_publisher(String, "/spatialvlm_planner/sentence", 10)
    wait_until(lambda: sentences.get_subscription_count(), what="the planner's topic")
    sentences.publish(String(data=f"now fetch the {second}"))
    wait_until(lambda: planner.output.count("arrived") == 2, 90, "the second arrival")
    np.testing.assert_allclose(robot.tool()[:2], robot.place(second)[:2], atol=0.03)

    sentences.publish(String(data="go to it"))
    planner.wait_for_output("does not say which object to go to")
    assert len(robot.goals) == 2


def test_it_goes_nowhere_while_the_poses_do_not_agree(robot: Robot, spawn: Any, node: Any) -> None:
    Oracle(node, robot, spread_m=0.2)
    start, label = robot.tool(), next(iter(robot.objects))
    planner = spawn(
        "spatialvlm_ros.ros.planner_main", "-p", f"sentence:={label}", "-p", "patience_s:=8.0", "-p", "scatter_m:=0.03"
    )
    planner.wait_for_output("the poses scatter", 60)
    planner.wait_for_output("giving up", 60)
    assert "poses came, and no 5 of them agree" in planner.output
    assert robot.goals == []
    np.testing.assert_allclose(robot.tool(), start, atol=0.003)


class Rehearsal:
    """A clock, the frames, and a model that always sees the object 1 m above the origin: no simulation."""

    def __init__(self, node: Any) -> None:
        self.clock_s, self.asked, self.goals = 100.0, [], []
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._tf = node.create_publisher(TFMessage, "/tf", 10)
        self._poses = node.create_publisher(PoseStamped, "/spatialvlm/target_pose", 10)
        self.seen = False
        node.create_service(interfaces().srv.SetTarget, "/spatialvlm/set_target", self._set_target)
        node.create_subscription(PoseStamped, "/sim/pose_target", self.goals.append, 10)
        node.create_timer(0.05, self._tick)

    def _set_target(self, request: Any, response: Any) -> Any:
        self.asked.append(self.clock_s)
        response.success = True
        return response

    def _tick(self) -> None:
        self.clock_s += 0.05
        now = Time(nanoseconds=round(self.clock_s * 1e9)).to_msg()
        self._clock.publish(Clock(clock=now))
        tool = TransformStamped(header=Header(stamp=now, frame_id="world"), child_frame_id="tool")
        tool.transform.rotation.w = 1.0
        self._tf.publish(TFMessage(transforms=[tool]))
        if self.seen:
            pose = PoseStamped(header=Header(stamp=now, frame_id="world"))
            pose.pose.position.z = 1.0
            self._poses.publish(pose)


def test_a_clock_that_jumps_back_begins_the_sentence_anew(spawn: Any, node: Any, wait_until: Wait) -> None:
    stage = Rehearsal(node)
    planner = spawn("spatialvlm_ros.ros.planner_main", "-p", "sentence:=red mug", "-p", "use_sim_time:=true")
    wait_until(lambda: stage.asked, what="the planner to ask")
    stage.clock_s = 10.0
    planner.wait_for_output("time has jumped back", 60)
    stage.seen = True
    wait_until(lambda: stage.goals, what="a goal of poses after the jump")
    assert len(stage.asked) == 2 and stage.asked[1] < 100.0
    assert stage.goals[0].header.stamp.sec < 100
    # With a goal, too: who restarts a simulation restarts the robot that was on its way.
    stage.clock_s = 5.0
    wait_until(lambda: len(stage.goals) > 1, what="a second goal")


def test_a_parameter_that_it_does_not_have_is_named(spawn: Any) -> None:
    planner = spawn(
        "spatialvlm_ros.ros.planner_main", "-p", "sentense:=mug", "-p", "zzz:=1", "-p", "use_sim_time:=true"
    )
    planner.wait_for_output("there is no parameter 'sentense', its value is not used: did you mean 'sentence'?", 60)
    planner.wait_for_output("there is no parameter 'zzz', its value is not used: see docs/interfaces.md", 60)
    assert planner.output.count("there is no parameter") == 2


def test_without_a_model_it_says_what_is_missing(spawn: Any) -> None:
    planner = spawn("spatialvlm_ros.ros.planner_main", "-p", "sentence:=red mug", "-p", "patience_s:=2.0")
    planner.wait_for_output("giving up: the service of spatialvlm has not accepted the target", 60)


@pytest.mark.slow
@pytest.mark.skipif(not (default_pack_path() / MANIFEST_NAME).exists(), reason="needs the asset pack")
@pytest.mark.parametrize("noise", ["none", "realsense"])
def test_camera_model_planner_robot(spawn: Any, node: Any, wait_until: Wait, noise: str) -> None:
    """The whole loop: the tool ends above the object that the sentence names, found in the picture."""
    pytest.importorskip("torch")
    robot = Robot(node)
    environment = {"MUJOCO_GL": "egl", "SPATIALVLM_ASSETS": os.fspath(default_pack_path())}
    given = ("-p", "rate_hz:=4.0", "-p", f"depth_noise:={noise}")
    spawn("spatialvlm_ros.ros.sim_main", *given, environment=environment)
    wait_until(lambda: robot.ready, 240, "the simulation")
    remaps = [word for name, topic in CAMERA_REMAPS.items() for word in ("-r", f"{name}:={topic}")]
    spawn("spatialvlm_ros.ros.node_main", *remaps)
    planner = spawn(
        "spatialvlm_ros.ros.planner_main", "-p", "sentence:=could you go to the apple?", "-p", "patience_s:=240.0"
    )
    planner.wait_for_output("arrived", 260)
    miss = robot.tool() - robot.place("apple")
    assert np.linalg.norm(miss[:2]) < 0.04
    assert 0.08 < miss[2] < 0.22


@pytest.mark.parametrize(
    ("parameter", "says"),
    [("stand_off_m:=1", "With a point: 1.0"), ("stand_off_m:=9.0", "outside 0.0 to 2.0"), ("poses:=0", "outside 1")],
)
def test_a_wrong_parameter_ends_the_planner_with_a_sentence(spawn: Any, parameter: str, says: str) -> None:
    process = spawn("spatialvlm_ros.ros.planner_main", "-p", parameter)
    assert process.popen.wait(60) == 1
    assert process.stop() == 1
    assert says in process.output and "Traceback" not in process.output
