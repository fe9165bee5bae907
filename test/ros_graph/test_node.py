"""The node as a process: pictures in, estimates, objects, poses and answers out."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")

from action_msgs.msg import GoalStatus  # noqa: E402
from geometry_msgs.msg import PoseStamped, TransformStamped  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, QoSReliabilityPolicy  # noqa: E402
from ros_processes import GraphProcess, command_of  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_msgs.msg import Float64  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from spatialvlm_ros.action import AnnotateBag, Reason  # noqa: E402
from spatialvlm_ros.bags.images import image_fields  # noqa: E402
from spatialvlm_ros.bags.reader import open_bag  # noqa: E402
from spatialvlm_ros.msg import EstimateArray, LocatedObjectArray, Query, Reward  # noqa: E402
from spatialvlm_ros.srv import Ask, EndEpisode, Locate, Measure, SetQueries, SetTarget, SetTask  # noqa: E402

# Regions are measured in any picture, whatever the model makes of it; the wall is 1.5 m away.
LEFT_BOX, RIGHT_BOX = "[100, 180, 180, 300]", "[460, 180, 540, 300]"
QUERIES = [f"distance: camera | {LEFT_BOX}", f"left_diff: {LEFT_BOX} | {RIGHT_BOX}", "height: unicorn"]
FOCAL, DEPTH_M = 525.0, 1.5


class FakeDriver:
    """Publishes one picture with depth, 10 times a second, from a thread of its own."""

    def __init__(self, node: Any) -> None:
        rng = np.random.default_rng(0)
        rgb = np.kron(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8), np.ones((10, 10, 1), np.uint8))
        self._image = self._message(rgb, "rgb8")
        self._depth = self._message(np.full((480, 640), int(1000 * DEPTH_M), np.uint16), "16UC1")
        self._info = CameraInfo(width=640, height=480, k=[FOCAL, 0.0, 319.5, 0.0, FOCAL, 239.5, 0.0, 0.0, 1.0])
        self._node = node
        self._topics = {
            "image": node.create_publisher(Image, "image", 2),
            "camera_info": node.create_publisher(CameraInfo, "camera_info", 2),
            "depth": node.create_publisher(Image, "depth", 2),
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @staticmethod
    def _message(pixels: Any, encoding: str) -> Any:
        fields = image_fields(pixels, encoding)
        data = array.array("B", memoryview(fields.pop("data")).tobytes())
        message = Image(**fields)
        message.data = data
        return message

    @property
    def image(self) -> Any:
        return self._image

    @property
    def info(self) -> Any:
        return self._info

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            stamp = self._node.get_clock().now().to_msg()
            for message in (self._info, self._depth, self._image):
                message.header.stamp, message.header.frame_id = stamp, "cam"
            for name, message in (("camera_info", self._info), ("depth", self._depth), ("image", self._image)):
                self._topics[name].publish(message)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def vlm(ros_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphProcess]:
    """The node, once for all tests here: loading torch and the weights takes a while."""
    parameters = tmp_path_factory.mktemp("node") / "parameters.yaml"
    lines = "".join(f"      - '{query}'\n" for query in QUERIES)
    parameters.write_text(f"spatialvlm:\n  ros__parameters:\n    max_age_s: 10.0\n    queries:\n{lines}")
    command = [*command_of("spatialvlm_node"), "--ros-args", "--params-file", str(parameters)]
    process = GraphProcess(command, Path(parameters).with_name("node.log"), {"OMP_NUM_THREADS": "1"})
    process.wait_for_output("active with the model", 120)
    yield process
    fault = process.end()
    assert not fault, fault


@pytest.fixture
def driver(node: Any) -> Iterator[FakeDriver]:
    made = FakeDriver(node)
    yield made
    made.close()


class Heard:
    """The messages of a topic."""

    def __init__(self, node: Any, kind: Any, topic: str) -> None:
        self.messages: list[Any] = []
        self._subscription = node.create_subscription(kind, topic, self.messages.append, 10)


@pytest.fixture
def call(node: Any) -> Callable[..., Any]:
    def called(kind: Any, name: str, seconds: float = 30.0, **fields: Any) -> Any:
        client = node.create_client(kind, name)
        assert client.wait_for_service(20), name
        future = client.call_async(kind.Request(**fields))
        end = time.monotonic() + seconds
        while not future.done():
            assert time.monotonic() < end, f"{name} did not answer within {seconds} s"
            time.sleep(0.01)
        node.destroy_client(client)
        return future.result()

    return called


def with_depth(ask: Callable[[], Any]) -> Any:
    """An answer about a picture whose depth came in time; on a busy machine not all do."""
    for _ in range(20):
        answer = ask()
        first = (getattr(answer, "estimates", None) or answer.objects)[0]
        if "depth_sensor" in first.sources:
            return answer
    pytest.fail(f"none of 20 pictures came with its depth: {answer}")


def test_standing_queries_are_answered_with_the_stamp_of_the_picture(vlm, node, driver, wait_until):
    raw, filtered = (Heard(node, EstimateArray, f"/spatialvlm/{t}") for t in ("distances", "distances_filtered"))

    def newest_with_depth() -> Any:
        return next((m for m in raw.messages[::-1] if "depth_sensor" in m.estimates[0].sources), None)

    wait_until(lambda: len(filtered.messages) > 4 and newest_with_depth(), 60, "five answers, one with depth")
    message = newest_with_depth()
    distance, left, unicorn = message.estimates
    assert message.header.frame_id == "cam" and message.header.stamp.sec > 1_600_000_000
    # A flat box 1.5 m before the camera: its middle is a little further away, and off the axis.
    straight = DEPTH_M * np.hypot(1, (140 - 319.5) / FOCAL)
    assert distance.valid and distance.value == pytest.approx(straight, rel=0.15)
    assert distance.interval_low < distance.value < distance.interval_high and distance.unit == "m"
    assert distance.header.frame_id == "cam"
    assert left.valid and left.header.frame_id == "cam_spatial"
    assert left.value == pytest.approx(360 / FOCAL * DEPTH_M, rel=0.2)  # the left box is left: positive
    assert not unicorn.valid and unicorn.reason == "unknown_name" and np.isnan(unicorn.value) and unicorn.detail
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in raw.messages]
    assert stamps == sorted(set(stamps))
    still = filtered.messages[-1].estimates[0]
    assert still.valid and still.rate_std > 0 and abs(still.rate) < 3 * still.rate_std


def test_services_answer_about_the_newest_picture(vlm, node, driver, call):
    asked = [Query(subject=LEFT_BOX, reference=RIGHT_BOX, relation="distance"), Query(subject="unicorn")]
    answer = with_depth(lambda: call(Measure, "/spatialvlm/measure", queries=asked, deadline_s=20.0))
    first, second = answer.estimates
    assert answer.success and first.valid and first.value == pytest.approx(360 / FOCAL * DEPTH_M, rel=0.2)
    assert (second.relation, second.reason) == ("height", "unknown_name") and first.header.frame_id == "cam"
    bad = call(Measure, "/spatialvlm/measure", queries=[Query(subject="mug", relation="colour")])
    assert not bad.success and "colour" in bad.message and not bad.estimates
    found = with_depth(lambda: call(Locate, "/spatialvlm/locate", names=[LEFT_BOX, "unicorn"], deadline_s=20.0))
    box, unicorn = found.objects
    assert box.valid and box.position.z == pytest.approx(DEPTH_M, rel=0.15) and box.position.x < 0
    assert not unicorn.valid and unicorn.reason == "unknown_name"
    answer = call(Ask, "/spatialvlm/ask", question="How far is the mug from the plate?", deadline_s=25.0).answer
    assert answer.question and answer.header.frame_id == "cam" and answer.reason
    assert call(Ask, "/spatialvlm/ask", question=" ").answer.reason == "model_error"


def test_a_picture_that_is_sent_along_needs_its_camera_for_metres(vlm, driver, call):
    question = "How far is the mug from the plate?"
    without = call(Ask, "/spatialvlm/ask", question=question, image=driver.image, deadline_s=20.0).answer
    assert not without.valid and without.reason == "no_camera_info"
    sent = {"image": driver.image, "camera_info": driver.info, "deadline_s": 20.0}
    whole = call(Ask, "/spatialvlm/ask", question=question, **sent).answer
    assert whole.estimates[0].relation == "distance" and whole.reason == whole.estimates[0].reason != "no_camera_info"
    assert bool(whole.text) == whole.valid
    # What is not there is refused, not made up; what is no measurement is answered in the model's own words.
    refused = call(Ask, "/spatialvlm/ask", question="How far is the unicorn from the plate?", **sent).answer
    assert not refused.valid and not refused.text and refused.reason == "unknown_name"
    own = call(Ask, "/spatialvlm/ask", question="What colour is the mug?", **sent).answer
    assert own.valid and own.text and not own.estimates


def test_a_deadline_that_cannot_be_kept_says_timeout(vlm, call, driver):
    short = call(Measure, "/spatialvlm/measure", queries=[Query(subject=LEFT_BOX)], deadline_s=1e-6)
    assert short.success and short.estimates[0].reason in ("timeout", "stale") and not short.estimates[0].valid


def test_queries_target_and_task_are_set_while_it_runs(vlm, node, driver, call, wait_until):
    heard = Heard(node, EstimateArray, "/spatialvlm/distances")
    poses = Heard(node, PoseStamped, "/spatialvlm/target_pose")
    objects = Heard(node, LocatedObjectArray, "/spatialvlm/objects")
    markers = Heard(node, MarkerArray, "/spatialvlm/markers")
    rewards, values = Heard(node, Reward, "/spatialvlm/reward"), Heard(node, Float64, "/spatialvlm/reward_value")
    bad = call(SetQueries, "/spatialvlm/set_queries", queries=[Query(subject="a", relation="nearness")])
    assert not bad.success and "nearness" in bad.message
    new = [Query(subject=RIGHT_BOX, relation="height")]
    assert call(SetQueries, "/spatialvlm/set_queries", queries=new, append=True).success
    wait_until(lambda: heard.messages and len(heard.messages[-1].estimates) == 4, 30, "the fourth query")
    assert not call(SetTarget, "/spatialvlm/set_target", target="do it").success
    target = call(SetTarget, "/spatialvlm/set_target", target="drive to the unicorn")
    assert target.success and target.name == "unicorn"
    wait_until(lambda: any(o.label == "unicorn" for m in objects.messages for o in m.objects), 30, "the target")
    assert not poses.messages  # never a pose of what is not seen
    shown = {o.label: o for o in objects.messages[-1].objects}
    assert shown["unicorn"].id == -1 and not shown["unicorn"].valid
    assert any(o.valid and o.id > 0 for o in shown.values())
    wait_until(lambda: markers.messages and rewards.messages and values.messages, 30, "markers and rewards")
    assert not rewards.messages[-1].valid and rewards.messages[-1].reason == "not_configured"
    assert np.isnan(values.messages[-1].data)
    without_gamma = call(SetTask, "/spatialvlm/set_task", task="pick up the apple")
    assert not without_gamma.success and "reward_gamma" in without_gamma.message
    assert call(SetQueries, "/spatialvlm/set_queries", queries=[Query(subject=LEFT_BOX)]).success


def test_a_reward_task_is_set_and_rewarded_picture_by_picture(vlm, node, driver, call, wait_until):
    rewards, values = Heard(node, Reward, "/spatialvlm/reward"), Heard(node, Float64, "/spatialvlm/reward_value")
    gamma = [Parameter("reward_gamma", value=0.9).to_parameter_msg()]
    assert call(SetParameters, "/spatialvlm/set_parameters", parameters=gamma).results[0].successful
    nonsense = call(SetTask, "/spatialvlm/set_task", task="sing a song")
    assert not nonsense.success and nonsense.message
    done = call(SetTask, "/spatialvlm/set_task", task="pick up the apple")
    assert done.success and "apple" in done.task
    wait_until(lambda: rewards.messages and rewards.messages[-1].task, 30, "the reward of a task")
    last = rewards.messages[-1]
    assert not last.valid and np.isnan(last.reward) and last.reason != "ok" and last.terms and last.phase
    wait_until(lambda: values.messages and np.isnan(values.messages[-1].data), 10, "NaN")
    again = call(SetTask, "/spatialvlm/set_task", task="")
    assert again.success and not again.task
    wait_until(lambda: rewards.messages[-1].reason == "not_configured", 30, "the end of the task")


def test_an_episode_is_ended_by_whoever_knows(vlm, node, driver, call, wait_until):
    rewards = Heard(node, Reward, "/spatialvlm/reward")
    gamma = [Parameter("reward_gamma", value=0.9).to_parameter_msg()]
    assert call(SetParameters, "/spatialvlm/set_parameters", parameters=gamma).results[0].successful
    assert call(SetTask, "/spatialvlm/set_task", task="").success
    without = call(EndEpisode, "/spatialvlm/end_episode")
    assert not without.success and "no reward task" in without.message
    assert call(SetTask, "/spatialvlm/set_task", task="pick up the apple").success
    for flag, truncated in (("terminated", False), ("truncated", True)):
        wait_until(lambda: rewards.messages and rewards.messages[-1].task, 30, "the reward of a task")
        assert call(EndEpisode, "/spatialvlm/end_episode", truncated=truncated).success
        wait_until(lambda f=flag: any(getattr(m, f) for m in rewards.messages), 30, flag)
        (number,) = [k for k, m in enumerate(rewards.messages) if getattr(m, flag)]
        last = rewards.messages[number]
        # Nobody sees an apple: where the episode is terminated its potential is known all the same.
        assert last.valid is not truncated and (truncated or (last.potential, last.reward) == (0.0, 0.0))
        wait_until(lambda n=number: len(rewards.messages) > n + 2, 30, "the next episode")
        later = rewards.messages[number + 1 :]
        assert not any(m.terminated or m.truncated or m.valid for m in later)
        rewards.messages.clear()
    assert call(SetTask, "/spatialvlm/set_task", task="").success


def test_a_chain_of_thought_tells_its_steps_and_can_be_cancelled(vlm, node, driver):
    from spatialvlm_ros.ros.client import SpatialClient

    told = []
    with SpatialClient(timeout_s=30) as client:
        question = "Which is nearer to the camera, the mug or the plate?"
        found = client.reason(question, on_step=told.append, timeout_s=30)
        # The picture shows neither: the answer is a refusal with a reason, after the measurements that failed.
        assert not found.valid and found.detail and str(found.reason) != "not_configured"
        assert [s.index for s in told] == list(range(len(told))) and told
        goal = client.start_reason(question, timeout_s=30)
        goal.cancel()
        assert not goal.result().valid
        assert str(client.reason(" ", timeout_s=10).reason) == "model_error"


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, float("nan"), -1.0])
def test_a_chain_of_thought_may_have_any_deadline(vlm, node, driver, wait_until, seconds):
    client = ActionClient(node, Reason, "/spatialvlm/reason")
    assert client.wait_for_server(20)
    question = "Which is nearer to the camera, the mug or the plate?"
    sent = client.send_goal_async(Reason.Goal(question=question, deadline_s=seconds))
    wait_until(sent.done, 30, "the goal to be accepted")
    ended = sent.result().get_result_async()
    wait_until(ended.done, 60, "an answer")
    answer = ended.result().result.answer
    assert answer.reason not in ("model_error", "timeout"), answer.detail
    assert "Traceback" not in vlm.output
    client.destroy()


@pytest.fixture
def annotated(vlm, node, call) -> Iterator[Callable[..., tuple[Any, list[Any]]]]:
    """The result and the feedback of a goal of the action annotate_bag."""
    gamma = [Parameter("reward_gamma", value=0.9).to_parameter_msg()]
    assert call(SetParameters, "/spatialvlm/set_parameters", parameters=gamma).results[0].successful
    client = ActionClient(node, AnnotateBag, "/spatialvlm/annotate_bag")
    assert client.wait_for_server(20)

    def annotate(seconds: float = 120.0, **fields: Any) -> tuple[Any, list[Any]]:
        told: list[Any] = []
        future = client.send_goal_async(AnnotateBag.Goal(**fields), lambda message: told.append(message.feedback))
        end = time.monotonic() + seconds
        for following in (lambda handle: handle.get_result_async(), lambda result: result):
            while not future.done():
                assert time.monotonic() < end, f"no result within {seconds} s"
                time.sleep(0.02)
            future = following(future.result())
        return future, told

    yield annotate
    client.destroy()


def test_a_recording_that_is_not_there_ends_the_goal_with_its_reason(annotated):
    ended, _ = annotated(bag="/nowhere/at_all", task="pick up the apple")
    assert ended.status == GoalStatus.STATUS_ABORTED
    assert not ended.result.success and "nowhere" in ended.result.message


@pytest.mark.slow
def test_a_recording_in_which_nothing_is_seen_says_how_far_it_is_and_why_there_is_nothing(
    annotated, small_bag, tmp_path
):
    ended, told = annotated(bag=str(small_bag.path), out=str(tmp_path / "annotated"), task="pick up the apple")
    assert ended.status == GoalStatus.STATUS_ABORTED and not ended.result.success, ended.result.message
    assert f"{small_bag.pictures} pictures without a valid reward" in ended.result.message
    assert ended.result.frames == small_bag.pictures and ended.result.valid_frames == 0
    assert ended.result.out in ended.result.message
    assert "spatialvlm_ros/msg/Reward" in open_bag(ended.result.out).topics.values()
    parts = [(f.frames_done, f.frames_total, f.progress) for f in told]
    assert parts and all(total == small_bag.pictures for _, total, _ in parts)
    assert all(progress == pytest.approx(number / total) for number, total, progress in parts)
    assert [number for number, _, _ in parts] == sorted({number for number, _, _ in parts})


def test_a_picture_with_the_answers_in_it_is_drawn_while_somebody_looks(vlm, node, driver, wait_until):
    wanted: list[Any] = []
    looking = node.create_subscription(
        Image, "/spatialvlm/annotated", wanted.append, QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    )
    wait_until(lambda: len(wanted) > 1, 60, "two annotated pictures")
    picture = wanted[-1]
    assert (picture.width, picture.height, picture.encoding) == (640, 480, "rgb8") and picture.header.frame_id == "cam"
    drawn = np.frombuffer(picture.data, np.uint8).reshape(480, 640, 3)
    plain = np.frombuffer(driver.image.data, np.uint8).reshape(480, 640, 3)
    changed = (drawn != plain).any(2)
    # The camera's own picture, with boxes and words on it.
    assert 0.001 < changed.mean() < 0.6
    node.destroy_subscription(looking)


def test_parameters_are_described_and_checked(vlm, call):
    described = call(DescribeParameters, "/spatialvlm/describe_parameters", names=["max_age_s", "reliability"])
    assert all(d.description for d in described.descriptors)
    assert described.descriptors[0].floating_point_range[0].from_value == pytest.approx(0.01)

    def set_to(name: str, value: Any) -> Any:
        parameters = [Parameter(name, value=value).to_parameter_msg()]
        return call(SetParameters, "/spatialvlm/set_parameters", parameters=parameters).results[0]

    assert set_to("max_rate_hz", 5.0).successful and set_to("max_rate_hz", 0.0).successful
    assert "model" in set_to("model", "other").reason  # needs a new configure
    assert not set_to("deadline_s", -1.0).successful
    assert "nonsense" in set_to("queries", ["nonsense: a | b"]).reason
    assert "cannot be deleted" in set_to("queries", None).reason  # ROS has no type for lists that may be empty
    assert set_to("queries", QUERIES).successful


def test_frames_level_the_camera_and_carry_the_target_frame(vlm, node, driver, wait_until, spawn, tmp_path):
    messages = pytest.importorskip("tf2_msgs.msg")
    link = TransformStamped()
    link.header.frame_id, link.child_frame_id = "map", "cam"
    link.transform.translation.z = 1.25
    # Level, looking along the map's x axis.
    q = link.transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    from rclpy.qos import QoSDurabilityPolicy, QoSProfile

    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(messages.TFMessage, "/tf_static", latched).publish(messages.TFMessage(transforms=[link]))
    frames = Heard(node, messages.TFMessage, "/tf")
    second = spawn(
        "spatialvlm_node", "-r", "__node:=second", "-p", "target_frame:=map", "-p", "max_age_s:=10.0",
        "-p", f"queries:=['height: {LEFT_BOX}']",
        environment={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    second.wait_for_output("active with the model", 120)
    objects = Heard(node, LocatedObjectArray, "/second/objects")

    def measured() -> list[Any]:
        return [o for m in objects.messages for o in m.objects if o.valid and "depth_sensor" in o.sources]

    wait_until(lambda: len(measured()) > 2, 60, "an object in the map")
    thing = measured()[-1]
    assert objects.messages[-1].header.frame_id == thing.header.frame_id == "map"
    assert thing.position.x == pytest.approx(DEPTH_M, rel=0.15) and thing.position.y > 0.3  # ahead, to the left
    assert thing.position.z == pytest.approx(1.25, abs=0.25)
    spatial = [t for m in frames.messages for t in m.transforms if t.child_frame_id == "cam_spatial"]
    wait_until(lambda: spatial or any(t.child_frame_id == "cam_spatial" for m in frames.messages for t in m.transforms))
    turn = [t for m in frames.messages for t in m.transforms if t.child_frame_id == "cam_spatial"][
        -1
    ].transform.rotation
    # Optical to spatial: x forward is the optical z axis, z up is minus the optical y axis.
    assert (abs(turn.x), abs(turn.y), abs(turn.z), abs(turn.w)) == pytest.approx((0.5,) * 4, abs=0.02)
