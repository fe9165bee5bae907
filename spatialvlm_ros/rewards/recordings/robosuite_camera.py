"""What robosuite's episodes say of a camera: its matrix, and its pose in the world or on the hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

HAND = "robot0_eef_pos"  # observation: the point between the finger tips in the world, metres
_IN_HAND = "eye_in_hand"  # the pose of such a camera is stored relative to that point's frame


@dataclass(frozen=True)
class RecordedCamera:
    """A camera as ``camera_info`` of an episode describes it.

    Attributes:
        matrix: (3, 3) in pixels, counted from the centre of the first one.
        pose: (4, 4) takes optical coordinates into the world, or into the frame of the hand that holds it.
        in_hand: which of the two.
    """

    matrix: Float
    pose: Float
    in_hand: bool

    @property
    def up(self) -> Float | None:
        """(3,) up in the optical frame; None on a hand, which turns."""
        return None if self.in_hand else self.pose[2, :3].copy()  # the world's z axis points up

    def gripper(self, hand: Any) -> Float | None:
        """(3,) tool centre point in the optical frame, metres.

        Args:
            hand: (3,) its place in the world, or None.
        """
        if self.in_hand:
            place = np.zeros(3)
        elif hand is None:
            return None
        else:
            place = np.asarray(hand, dtype=np.float64)
        if place.shape != (3,) or not np.isfinite(place).all():
            return None
        seen: Float = self.pose[:3, :3].T @ (place - self.pose[:3, 3])
        return seen


def recorded_camera(demo: Any, name: str) -> RecordedCamera | None:
    """The camera called ``name`` of an episode (a group of the file), None where it is not described."""
    text = demo.attrs.get("camera_info")
    if text is None:
        return None
    try:
        entry = json.loads(text).get(name) or {}
        matrix = np.asarray(entry["intrinsics"], np.float64).reshape(3, 3)
        pose = np.asarray(entry["extrinsics"], np.float64).reshape(4, 4)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not (np.isfinite(matrix).all() and np.isfinite(pose).all()):
        return None
    matrix[:2, 2] -= 0.5  # robosuite counts pixels from the edge of the picture
    return RecordedCamera(matrix, pose, is_in_hand(name))


def is_in_hand(name: str) -> bool:
    """Whether the camera of this name moves with a hand."""
    return _IN_HAND in name
