"""Where the camera of a ROS recording is, by its /tf: whether it moves, and from where each picture was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spatialvlm_ros.datasets.sources.bag_index import BagFrame
from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.transforms import Transform, TransformBuffer
from spatialvlm_ros.rewards.following.standing_still import moved_apart


@dataclass(frozen=True)
class CameraPath:
    """The poses of a camera.

    Attributes:
        poses: one of each picture, takes its optical frame into one that stands still; None where it is not known.
    """

    poses: tuple[Transform | None, ...]

    @cached_property
    def moves(self) -> bool:
        """Whether it is known to move; a camera of which nothing is known is taken to stand still."""
        known = [pose for pose in self.poses if pose is not None]
        return any(moved_apart(known[0], pose) for pose in known[1:])

    def pose(self, number: int) -> Transform | None:
        """That of a picture of a camera that moves; None of one that stands still, or where it is not known."""
        return self.poses[number] if self.moves else None

    def placed(self, number: int) -> bool:
        """Whether it is known from where a picture was taken, or does not matter, as the camera stands still."""
        return not self.moves or self.poses[number] is not None


def camera_path(transforms: TransformBuffer, pictures: Sequence[BagFrame], still_frames: Sequence[str]) -> CameraPath:
    """The poses in that of the frames that stand still which tells most of them, the first among equals.

    One frame for all pictures: those that localisation keeps (map, odom) move against each other. Where none of them
    is linked to the camera, its tree has another root, which an arm is bolted to: /tf knows nothing that moves it.
    """
    known = set(transforms.frames())
    best = _best([_path(transforms, pictures, frame) for frame in still_frames if frame in known])
    if pictures and not any(best):
        best = _best([_path(transforms, pictures, root) for root in _roots(transforms, pictures)])
    return CameraPath(tuple(best or [None] * len(pictures)))


def _best(paths: Sequence[list[Transform | None]]) -> list[Transform | None]:
    told = [sum(pose is not None for pose in path) for path in paths]
    return paths[int(np.argmax(told))] if paths else []


def _roots(transforms: TransformBuffer, pictures: Sequence[BagFrame]) -> list[str]:
    """Of the trees of the frames that the pictures have."""
    frames = dict.fromkeys(picture.frame_id for picture in pictures)
    try:
        roots = {frame: transforms.root(frame) for frame in frames}
    except TransformError:  # a loop
        return []
    return [root for frame, root in roots.items() if root != frame.lstrip("/")]


def _path(transforms: TransformBuffer, pictures: Sequence[BagFrame], frame: str) -> list[Transform | None]:
    return [_pose(transforms, frame, picture) for picture in pictures]


def _pose(transforms: TransformBuffer, frame: str, picture: BagFrame) -> Transform | None:
    try:
        return transforms.lookup(frame, picture.frame_id, picture.stamp_ns)
    except TransformError:
        return None
