"""The Panda's published geometry: modified Denavit-Hartenberg parameters, joint limits, forward kinematics.

Source: Franka Emika, "Robot and interface specifications" (denavit-hartenberg parameters, limits for Panda) and the
default end effector of the Franka Hand. NumPy only: this is the truth that the MuJoCo model is tested against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]

# Rows: joint 1..7 and the flange. Columns: a (m), d (m), alpha (rad) of Craig's (modified) convention: each frame is
# Rot_x(alpha) Trans_x(a) Rot_z(theta) Trans_z(d) after the one before.
DH = np.array(
    [
        [0.0, 0.333, 0.0],
        [0.0, 0.0, -np.pi / 2],
        [0.0, 0.316, np.pi / 2],
        [0.0825, 0.0, np.pi / 2],
        [-0.0825, 0.384, -np.pi / 2],
        [0.0, 0.0, np.pi / 2],
        [0.088, 0.0, np.pi / 2],
        [0.0, 0.107, 0.0],
    ]
)

JOINT_LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
JOINT_UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
JOINT_TORQUE = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])  # N m

# The manufacturer's "ready" pose: the hand points straight down in front of the base.
READY = np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4])

HAND_YAW = -np.pi / 4  # the hand is screwed on turned about the flange axis
FINGER_BASE_Z = 0.0584  # hand frame to finger frame, metres
TCP_Z = 0.1034  # hand frame to the point between the finger pads, metres
FINGER_TRAVEL = 0.04  # each finger, metres; the opening between the pads is twice the joint value


def link_transform(index: int, theta: float) -> Float:
    """(4, 4) frame of joint ``index`` (0..6; 7 is the flange) in the frame before it, for joint angle ``theta``."""
    a, d, alpha = DH[index]
    ca, sa, ct, st = np.cos(alpha), np.sin(alpha), np.cos(theta), np.sin(theta)
    return np.array(
        [
            [ct, -st, 0.0, a],
            [st * ca, ct * ca, -sa, -d * sa],
            [st * sa, ct * sa, ca, d * ca],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def flange_pose(q: ArrayLike) -> Float:
    """(4, 4) flange in the base frame for joint angles ``q`` (7,) radians."""
    pose = np.eye(4)
    for index, theta in enumerate([*np.asarray(q, dtype=np.float64), 0.0]):
        pose = pose @ link_transform(index, float(theta))
    return pose


def tcp_pose(q: ArrayLike) -> Float:
    """(4, 4) tool centre point in the base frame; z leaves the hand, y is the way the fingers open."""
    c, s = np.cos(HAND_YAW), np.sin(HAND_YAW)
    hand = np.array([[c, -s, 0.0, 0.0], [s, c, 0.0, 0.0], [0.0, 0.0, 1.0, TCP_Z], [0.0, 0.0, 0.0, 1.0]])
    return flange_pose(q) @ hand
