"""Scenes given in the world (x forward, y left, z up from the floor, metres), seen by a camera anywhere."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene, SceneObject

# World axes of an untilted camera: optical x is -y, optical y is -z, optical z is x.
LEVEL_CAMERA = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def camera_rotation(pitch: float = 0.0, roll: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    """(3, 3) world -> optical for a camera yawed left, then pitched down, then rolled about its axis, radians."""
    heading = Rotation.from_euler("z", -yaw).as_matrix()
    tilt = Rotation.from_euler("x", -pitch).as_matrix()  # about optical x: pitching down lifts what is ahead
    return Rotation.from_euler("z", roll).as_matrix() @ tilt @ LEVEL_CAMERA @ heading


def world_boxes(objects: list[tuple[list[float], list[float], float]]) -> Boxes:
    """Boxes from (centre, size along x y z, yaw in radians), world frame."""
    centers, sizes, yaws = zip(*objects, strict=True)
    return Boxes(np.array(centers), np.array(sizes), Rotation.from_euler("z", np.array(yaws)[:, None]).as_matrix())


def scene_of(
    boxes: Boxes,
    position: tuple[float, float, float] = (0.0, 0.0, 1.5),
    rotation: np.ndarray | None = None,
    level: int = 2,
    gaps: np.ndarray | None = None,
    contacts: frozenset[tuple[int, int]] | None = None,
) -> Scene:
    """The scene that a camera at ``position`` (world, metres) with ``rotation`` (world -> optical) sees."""
    rotation = camera_rotation() if rotation is None else rotation
    optical = boxes.transformed(rotation, -rotation @ np.asarray(position))
    up = rotation @ [0.0, 0.0, 1.0]
    frame = CanonicalFrame.from_up(up if level else None, position[2] if level == 2 else None)
    objects = tuple(
        SceneObject(label=f"object {i}", box2d=np.array([0, 0, 10, 10]), box3d=optical[i]) for i in range(len(boxes))
    )
    return Scene(None, objects, frame, gaps=gaps, contacts=contacts)
