"""What one picture is published as: real publishers and subscribers, a result that is made by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from std_msgs.msg import Float64, Header

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.msg import LocatedObjectArray, Reward
from spatialvlm_ros.ros.camera_unit import FrameResult
from spatialvlm_ros.ros.observations import CameraMessages, Seen
from spatialvlm_ros.ros.outputs import CameraOutputs
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.tracking.object_tracks import ObjectTracks

STAMP = Time(sec=1_700_000_000, nanosec=250_000_000)
PLACE = np.array([0.3, -0.1, 1.5])  # in the optical frame: to the right, above the axis, ahead
UP = np.array([0.0, -1.0, 0.0])  # the camera is held level
# Looking along the map's x axis, 1.25 m high and 2 m along: optical z is map x, optical x is -map y.
TO_MAP = Transform(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([2.0, 0.0, 1.25]))


def result(to_target: Transform | None, seen: bool = True, unplaced: str = "") -> FrameResult:
    """A mug that is the target."""
    picture = np.zeros((48, 64, 3), np.uint8)
    observation = Observation(picture, Camera(64, 48, 60.0, 60.0, 31.5, 23.5), None, UP, None, 0, "cam")
    messages = CameraMessages(SimpleNamespace(header=Header(stamp=STAMP, frame_id="cam")))
    place = {"position": PLACE, "covariance": np.diag([1e-4, 1e-4, 1e-2]), "box2d": np.array([30.0, 20, 40, 30])}
    mug = LocatedObject("mug", valid=True, reason=Reason.OK, score=0.9, **place)  # type: ignore[arg-type]
    if not seen:
        mug = LocatedObject("mug", reason=Reason.NOT_VISIBLE)
    tracked = ObjectTracks().update(messages.stamp_ns, [mug])[0]
    return FrameResult(
        messages,
        "cam",
        Seen(observation),
        objects=(tracked,),
        target=tracked,
        frame=CanonicalFrame.from_up(UP, None),
        to_target=to_target,
        unplaced=unplaced,
    )


class Listeners:
    """Poses and objects that came."""

    def __init__(self, node: Any) -> None:
        self.poses: list[Any] = []
        self.objects: list[Any] = []
        node.create_subscription(PoseStamped, f"/{node.get_name()}/target_pose", self.poses.append, 10)
        node.create_subscription(LocatedObjectArray, f"/{node.get_name()}/objects", self.objects.append, 10)


@pytest.fixture
def publish(node: Any, wait_until: Callable[..., None]) -> Iterator[Callable[..., Listeners]]:
    opened: list[CameraOutputs] = []

    def published(what: FrameResult, **settings: Any) -> Listeners:
        heard = Listeners(node)
        outputs = CameraOutputs(node, "", Settings.of(settings), None, MutuallyExclusiveCallbackGroup())
        opened.append(outputs)
        wait_until(outputs.wants_objects, what="the subscribers to be matched")
        wait_until(lambda: outputs._heard("target_pose") and outputs._heard("objects"), what="both of them")
        outputs.publish(what)
        wait_until(lambda: heard.objects, what="the objects")
        return heard

    yield published
    for outputs in opened:
        outputs.close()


def vector(point: Any) -> list[float]:
    return [point.x, point.y, point.z]


def test_the_pose_of_the_target_is_in_the_optical_frame_with_z_up(
    publish: Callable[..., Listeners], wait_until: Callable[..., None]
) -> None:
    heard = publish(result(Transform.identity()))
    wait_until(lambda: heard.poses, what="the pose")
    pose = heard.poses[0]
    assert pose.header == Header(stamp=STAMP, frame_id="cam")
    np.testing.assert_allclose(vector(pose.pose.position), PLACE, atol=1e-6)
    q = pose.pose.orientation
    turn = Transform.from_quaternion((q.x, q.y, q.z, q.w), (0.0, 0.0, 0.0)).rotation
    np.testing.assert_allclose(turn[:, 2], UP, atol=1e-6)  # the pose's z axis
    np.testing.assert_allclose(turn[:, 0], [0, 0, 1], atol=1e-6)  # its x axis looks ahead


def test_the_pose_of_the_target_is_in_the_target_frame(
    publish: Callable[..., Listeners], wait_until: Callable[..., None]
) -> None:
    heard = publish(result(TO_MAP), target_frame="map")
    wait_until(lambda: heard.poses, what="the pose")
    pose = heard.poses[0]
    assert pose.header == Header(stamp=STAMP, frame_id="map")
    np.testing.assert_allclose(vector(pose.pose.position), [3.5, -0.3, 1.35], atol=1e-6)
    q = pose.pose.orientation
    np.testing.assert_allclose([q.x, q.y, q.z, abs(q.w)], [0, 0, 0, 1], atol=1e-6)  # z up, x ahead: as the map
    thing = heard.objects[0].objects[0]
    assert thing.header.frame_id == "map" and thing.valid and thing.id > 0
    np.testing.assert_allclose(vector(thing.position), [3.5, -0.3, 1.35], atol=1e-6)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (result(None, unplaced="'map' is not linked to the camera"), "no_frame"),
        (result(TO_MAP, seen=False), "not_visible"),
    ],
    ids=["not linked", "not seen"],
)
def test_there_is_no_pose_of_what_has_no_place(publish: Callable[..., Listeners], what: Any, reason: str) -> None:
    heard = publish(what, target_frame="map")
    thing = heard.objects[0].objects[0]
    assert not thing.valid and thing.reason == reason
    time.sleep(0.3)  # objects are published first; a pose would have come by now
    assert not heard.poses


def test_a_picture_within_a_control_step_has_no_reward_message(node: Any, wait_until: Callable[..., None]) -> None:
    heard: dict[str, list[Any]] = {"reward": [], "reward_value": []}
    for (name, messages), kind in zip(heard.items(), (Reward, Float64), strict=True):
        node.create_subscription(kind, f"/{node.get_name()}/{name}", messages.append, 10)
    outputs = CameraOutputs(node, "", Settings(), None, MutuallyExclusiveCallbackGroup())
    wait_until(
        lambda: outputs._heard("reward") and outputs._heard("reward_value"), what="the subscribers to be matched"
    )
    within = replace(result(None), has_task=True)
    for what in (within, within, result(None)):
        outputs.publish(what)
    wait_until(lambda: heard["reward"] and heard["reward_value"], what="the rewards")
    assert [m.reason for m in heard["reward"]] == ["not_configured"]  # of the picture without a task
    assert len(heard["reward_value"]) == 1
    assert heard["reward"][0].latency > 0
    outputs.publish(replace(result(None), messages=CameraMessages(SimpleNamespace(header=Header(frame_id="cam")))))
    wait_until(lambda: len(heard["reward"]) == 2, what="the reward of a picture that has no stamp")
    assert np.isnan(heard["reward"][1].latency)
    outputs.close()
