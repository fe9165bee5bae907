"""Publishes what is said of one picture. Nothing is assembled that nobody listens to, but the estimates themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, TransformStamped
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Float64, Header
from visualization_msgs.msg import MarkerArray

from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.ros.camera_unit import FrameResult
from spatialvlm_ros.ros.drawing import annotated
from spatialvlm_ros.ros.image_messages import image_message
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.markers import marker_array
from spatialvlm_ros.ros.parameters import Settings
from spatialvlm_ros.ros.profiles import profile_of
from spatialvlm_ros.ros.qos_events import QUIET_PUBLISHER
from spatialvlm_ros.ros.rotations import quaternion_of
from spatialvlm_ros.ros.to_messages import (
    SPATIAL,
    estimate_message,
    estimates_message,
    located_message,
    reward_message,
)
from spatialvlm_ros.ros.topics import INTERFACES, Kind
from spatialvlm_ros.tracking.object_tracks import TrackedObject

_LISTENED = ("objects", "markers", "annotated", "target_pose")


def message_types() -> dict[str, Any]:
    """Type name -> class, of everything that is published."""
    own = interfaces().msg
    return {
        "spatialvlm_ros/msg/EstimateArray": own.EstimateArray,
        "spatialvlm_ros/msg/LocatedObjectArray": own.LocatedObjectArray,
        "spatialvlm_ros/msg/Reward": own.Reward,
        "geometry_msgs/msg/PoseStamped": PoseStamped,
        "std_msgs/msg/Float64": Float64,
        "visualization_msgs/msg/MarkerArray": MarkerArray,
        "sensor_msgs/msg/Image": Image,
        "diagnostic_msgs/msg/DiagnosticArray": DiagnosticArray,
    }


class CameraOutputs:
    """The publishers of one camera.

    Args:
        node: their owner.
        camera: prefix of the topics.
        settings: of the node; replaced when live parameters change.
        broadcast: publishes transforms on /tf, or None where there is no tf2_msgs.
        group: callback group, for nothing but the publishers' events.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        settings: Settings,
        broadcast: Callable[[Any], None] | None,
        group: CallbackGroup,
    ) -> None:
        self.settings = settings
        self._broadcast = broadcast
        types = message_types()
        self._node = node
        self._now_ns = lambda: int(node.get_clock().now().nanoseconds)
        self._publishers = {
            name: node.create_publisher(
                types[entry.type],
                entry.topic(camera),
                profile_of(entry),
                callback_group=group,
                **QUIET_PUBLISHER,
            )
            for name, entry in INTERFACES.items()
            if entry.kind is Kind.OUTPUT and not entry.name.startswith("/")
        }

    def close(self) -> None:
        """Ends the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()

    def wants_objects(self) -> bool:
        """Whether anybody listens to something that needs located objects."""
        return any(self._heard(name) for name in _LISTENED)

    def _heard(self, name: str) -> bool:
        publisher = self._publishers.get(name)
        return publisher is not None and publisher.get_subscription_count() > 0

    def publish(self, result: FrameResult) -> None:
        """All of one picture; the distances first. Nothing any more after `close`."""
        if not self._publishers:
            return
        optical = _header(result, result.frame_id)
        self._publish_estimates(result, optical)
        if result.seen is not None:
            if self.wants_objects():
                self._publish_places(result, optical)
            if self.settings.publish_spatial_frame and self._broadcast is not None and result.frame is not None:
                self._broadcast(_spatial_transform(result))
        self._publish_reward(result, optical)
        if self.settings.publish_image and result.seen is not None and self._heard("annotated"):
            self._publish_picture(result, optical)

    # ---- parts ----

    def _publish_estimates(self, result: FrameResult, optical: Any) -> None:
        messages = [estimate_message(e, optical) for e in result.estimates]
        self._publishers["distances"].publish(estimates_message(messages, optical))
        if self.settings.filter:
            filtered = [estimate_message(f.estimate, optical, f.rate, f.rate_std) for f in result.filtered]
            self._publishers["distances_filtered"].publish(estimates_message(filtered, optical))

    def _publish_places(self, result: FrameResult, optical: Any) -> None:
        """Objects, markers and the target's pose, in the frame that is asked for."""
        assert result.seen is not None
        wanted = self.settings.target_frame or result.frame_id
        header = _header(result, wanted)
        pose = result.to_target
        if pose is None:
            self._publish_unplaced(result, optical)
            return
        upright = pose.rotation @ result.frame.rotation().T if result.frame is not None else pose.rotation
        placed = [placed_object(o, result, pose) for o in result.objects]
        if self._heard("objects"):
            self._publish_objects(header, [(p, o.track_id) for p, o in zip(placed, result.objects, strict=True)])
        if self.settings.publish_markers and self._heard("markers"):
            ids = [o.track_id for o in result.objects]
            self._publishers["markers"].publish(marker_array(header, placed, ids, result.estimates, upright))
        target = result.target
        if target is not None and target.valid and target.located.valid:
            place = placed_object(target, result, pose)
            if np.isfinite(place.position).all():
                self._publishers["target_pose"].publish(_pose(header, place.position, upright))

    def _publish_unplaced(self, result: FrameResult, header: Any) -> None:
        """The target frame is not linked to the camera: nothing has a place in it, and says so."""
        if self._heard("objects"):
            refused = [
                (LocatedObject(o.name, reason=Reason.NO_FRAME, box2d=o.box2d, detail=result.unplaced), o.track_id)
                for o in result.objects
            ]
            self._publish_objects(header, refused)

    def _publish_objects(self, header: Any, objects: list[tuple[LocatedObject, int]]) -> None:
        message = interfaces().msg.LocatedObjectArray()
        message.header = header
        message.objects = [located_message(thing, header, number) for thing, number in objects]
        self._publishers["objects"].publish(message)

    def _publish_reward(self, result: FrameResult, header: Any) -> None:
        """Without a task those who listen hear so instead of nothing; within a control step there is nothing to say."""
        reward = result.reward
        if reward is None and result.has_task:
            return
        if self._heard("reward"):
            now, stamp = self._now_ns(), result.messages.stamp_ns
            latency = (now - stamp) * 1e-9 if now > 0 and stamp > 0 else float("nan")
            self._publishers["reward"].publish(reward_message(reward, header, latency))
        if self._heard("reward_value"):
            value = reward.reward if reward is not None and reward.valid else float("nan")
            self._publishers["reward_value"].publish(Float64(data=value))

    def _publish_picture(self, result: FrameResult, header: Any) -> None:
        assert result.seen is not None
        located = [o.located for o in result.objects]
        picture = annotated(
            result.seen.observation.rgb, located, result.estimates, ids=[o.track_id for o in result.objects]
        )
        self._publishers["annotated"].publish(image_message(picture, "rgb8", header))


def placed_object(thing: TrackedObject, result: FrameResult, pose: Transform) -> LocatedObject:
    """A tracked object in the frame that ``pose`` takes the optical frame into, smoothed where there is a track."""
    assert result.seen is not None
    located, camera = thing.located, result.seen.camera_pose
    if not thing.valid or not np.isfinite(thing.position).all():
        position, covariance, to_frame = located.position, located.covariance, pose
    else:
        to_frame = pose if camera is None else pose @ camera.inverse()
        position, covariance = thing.position, thing.covariance
    turn = to_frame.rotation
    moved = to_frame.apply(np.asarray(position)[None])[0]
    return replace(located, position=moved, covariance=turn @ covariance @ turn.T)


def _header(result: FrameResult, frame_id: str) -> Any:
    return Header(stamp=result.messages.image.header.stamp, frame_id=frame_id)


def _pose(header: Any, position: np.ndarray, rotation: np.ndarray) -> Any:
    message = PoseStamped()
    message.header = header
    message.pose.position.x, message.pose.position.y, message.pose.position.z = map(float, position)
    q = message.pose.orientation
    q.x, q.y, q.z, q.w = map(float, quaternion_of(rotation))
    return message


def _spatial_transform(result: FrameResult) -> Any:
    """The canonical frame, at the camera: x forward, y left, z up."""
    assert result.frame is not None
    message = TransformStamped()
    message.header = _header(result, result.frame_id)
    message.child_frame_id = result.frame_id + SPATIAL
    q = message.transform.rotation
    q.x, q.y, q.z, q.w = map(float, quaternion_of(result.frame.rotation().T))
    return message
