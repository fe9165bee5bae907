"""Which way is up for a camera: from the frame tree, or from an IMU at rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.transforms import TransformBuffer, quaternion_matrix

Float = NDArray[np.float64]

# Frames whose z axis points against gravity by convention (REP-105). base_link is not one: it tilts with the robot.
LEVEL_FRAMES = ("map", "odom", "world")

STANDARD_GRAVITY = 9.80665
# Nanoseconds: further from a picture a message of an IMU says nothing about how the camera was held.
IMU_REACH_NS = 250_000_000
# An IMU whose acceleration differs more from gravity (in m/s^2) is being shaken: it says nothing about up.
_REST_TOLERANCE = 0.5
# Of roll and pitch, in rad^2 (0.2 rad): what is known worse than gravity at rest is no vertical.
_MOST_TILT_VARIANCE = 0.04
# Cosine of 25 degrees. Driving tilts what is felt by 18 degrees before it no longer looks like rest.
_AGREEMENT = 0.906


def up_from_frames(
    buffer: TransformBuffer,
    camera_frame: str,
    stamp_ns: int,
    level_frames: Sequence[str] = LEVEL_FRAMES,
    tolerance_ns: int = 0,
) -> Float | None:
    """(3,) up in the camera's optical frame by the first level frame that is linked to it, None if none is."""
    known = buffer.frames()
    for frame in level_frames:
        if frame in known:
            try:
                return buffer.lookup(camera_frame, frame, stamp_ns, tolerance_ns).rotation[:, 2].copy()
            except TransformError:
                continue
    return None


def height_over(
    buffer: TransformBuffer, camera_frame: str, ground_frame: str, stamp_ns: int, tolerance_ns: int = 0
) -> float | None:
    """Metres of the camera over the origin of a frame on the ground (e.g. base_footprint), None if unknown."""
    try:
        return float(buffer.lookup(ground_frame, camera_frame, stamp_ns, tolerance_ns).translation[2])
    except TransformError:
        return None


@dataclass(frozen=True)
class ImuReading:
    """What one message of an IMU says about the vertical.

    Attributes:
        up: (3,) unit vector in the IMU's frame, None if it cannot tell.
        fault: why it cannot.
    """

    up: Float | None = None
    fault: str = ""


NOT_AT_REST = "the IMU knows no orientation, and is not at rest"
_CONTRADICTS = ImuReading(fault="orientation and acceleration of the IMU contradict each other about where up is")


def read_imu(message: Any) -> ImuReading:
    """Where up is by a sensor_msgs/Imu: its orientation if that is known, else what it feels at rest."""
    turned, felt = _up_by_orientation(message), _up_by_acceleration(message)
    if turned is None:
        return ImuReading(fault=NOT_AT_REST) if felt is None else ImuReading(felt)
    if felt is not None and turned @ felt < _AGREEMENT:
        return _CONTRADICTS
    return ImuReading(turned)


def _up_by_orientation(message: Any) -> Float | None:
    """The world's z axis in the IMU's frame, None where the orientation is not known, or hardly."""
    covariance, q = message.orientation_covariance, message.orientation
    roll, pitch = covariance[0], covariance[4]
    if not (0 <= roll <= _MOST_TILT_VARIANCE and 0 <= pitch <= _MOST_TILT_VARIANCE):  # -1: none; also refuses NaN
        return None
    if q.w == 1.0 and q.x == q.y == q.z == 0.0 and not any(covariance):
        return None  # so is a message of ROS 2 that nobody has filled
    try:
        up: Float = quaternion_matrix([q.x, q.y, q.z, q.w])[2]
    except TransformError:  # drivers without orientation often leave zeros
        return None
    return up


def _up_by_acceleration(message: Any) -> Float | None:
    """Against gravity, while nothing else accelerates the IMU."""
    if message.linear_acceleration_covariance[0] < 0:  # -1 means: not measured
        return None
    acceleration = message.linear_acceleration
    vector = np.array([acceleration.x, acceleration.y, acceleration.z], dtype=np.float64)
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or abs(norm - STANDARD_GRAVITY) > _REST_TOLERANCE:
        return None
    return vector / norm
