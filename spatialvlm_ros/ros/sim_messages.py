"""The state of a simulated world as messages of a camera driver, a robot driver and a judge. Needs ROS messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.depth import metres_to_millimetres
from spatialvlm_ros.models.estimate import LocatedObject, Reason, Source
from spatialvlm_ros.ros.image_messages import image_message
from spatialvlm_ros.ros.interfaces import interfaces
from spatialvlm_ros.ros.sim_world import WORLD_FRAME, FrameTransform, TrueObject
from spatialvlm_ros.ros.to_messages import located_message


def colour_message(rgb: NDArray[np.uint8], encoding: str, header: Header) -> Image:
    """An Image of (H, W, 3) colours, as "rgb8" or "bgr8"."""
    return image_message(rgb if encoding == "rgb8" else rgb[..., ::-1], encoding, header)


def depth_message(depth: NDArray[np.float32], encoding: str, header: Header) -> Image:
    """An Image of (H, W) metres: "16UC1" in millimetres with 0 for none, or "32FC1" in metres with NaN for none."""
    return image_message(metres_to_millimetres(depth) if encoding == "16UC1" else depth, encoding, header)


def camera_info_message(camera: Camera, header: Header) -> CameraInfo:
    """The CameraInfo of a camera without distortion, as drivers send it for such."""
    info = CameraInfo(header=header, height=camera.height, width=camera.width, distortion_model="plumb_bob")
    info.d = [0.0] * 5
    info.k = camera.K.ravel()
    info.r = np.eye(3).ravel()
    info.p = np.column_stack([camera.K, np.zeros(3)]).ravel()
    return info


def joint_message(joints: dict[str, tuple[float, float]], header: Header) -> JointState:
    """Positions and velocities by joint name."""
    position, velocity = (list(values) for values in zip(*joints.values(), strict=True))
    return JointState(header=header, name=list(joints), position=position, velocity=velocity)


def transform_messages(links: Iterable[FrameTransform], stamp: Any) -> list[TransformStamped]:
    """Transforms with one stamp."""
    messages = []
    for link in links:
        message = TransformStamped(header=Header(stamp=stamp, frame_id=link.parent), child_frame_id=link.child)
        place, turn = message.transform.translation, message.transform.rotation
        place.x, place.y, place.z = link.transform.translation.tolist()
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(link.transform.rotation).as_quat().tolist()
        messages.append(message)
    return messages


def truth_message(objects: Iterable[TrueObject], stamp: Any) -> Any:
    """``spatialvlm_ros/msg/LocatedObjectArray`` in the world frame, without any variance."""
    message = interfaces().msg.LocatedObjectArray()
    message.header = Header(stamp=stamp, frame_id=WORLD_FRAME)
    message.objects = [located_message(_located(thing), message.header, k) for k, thing in enumerate(objects)]
    return message


def _located(thing: TrueObject) -> LocatedObject:
    hidden = "" if np.isfinite(thing.box).all() else "not visible in the picture"
    return LocatedObject(
        thing.label,
        valid=True,
        reason=Reason.OK,
        box2d=thing.box,
        score=1.0,
        position=thing.position,
        covariance=np.zeros((3, 3)),
        size=thing.size,
        size_std=np.zeros(3),
        sources=frozenset({Source.GROUND_TRUTH}),
        detail=hidden,
    )
