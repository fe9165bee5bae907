"""Which way is up for a camera: from the frame tree, or from an IMU at rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.transforms import TransformBuffer, quaternion_matrix

Float = NDArray[np.float64]

# Frames whose z axis points against gravity by convention (REP-105). base_link is not one: it tilts with the robot.
LEVEL_FRAMES = ("map", "odom", "world")

STANDARD_GRAVITY = 9.80665
# An IMU whose acceleration differs more from gravity (in m/s^2) is being shaken: it says nothing about up.
_REST_TOLERANCE = 0.5


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


def up_from_imu(message: Any, camera_from_imu: Float) -> Float | None:
    """(3,) up in the camera's optical frame by a sensor_msgs/Imu, None if it cannot tell.

    Args:
        camera_from_imu: (3, 3) rotation from the IMU's frame into the camera's.
    """
    if message.orientation_covariance[0] >= 0:  # -1 means: no orientation
        orientation = message.orientation
        try:
            matrix = quaternion_matrix([orientation.x, orientation.y, orientation.z, orientation.w])
        except TransformError:
            matrix = None  # drivers without orientation often leave zeros
        if matrix is not None:
            return camera_from_imu @ matrix[2]  # the world's z axis in the IMU's frame
    acceleration = message.linear_acceleration
    vector = np.array([acceleration.x, acceleration.y, acceleration.z], dtype=np.float64)
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or abs(norm - STANDARD_GRAVITY) > _REST_TOLERANCE:
        return None
    return camera_from_imu @ (vector / norm)
