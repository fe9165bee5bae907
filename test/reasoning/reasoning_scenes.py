"""Things on a floor before a level camera 1 m above it. All lengths can be read off the table."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene, SceneObject

# name: metres right of the camera, ahead of it; width, depth, height
THINGS = {
    "mug": ((-0.3, 2.0), (0.1, 0.1, 0.12)),
    "bowl": ((0.1, 2.0), (0.2, 0.2, 0.08)),
    "lamp": ((0.9, 2.0), (0.15, 0.15, 0.5)),
    "tray": ((0.1, 2.3), (0.4, 0.25, 0.03)),
    "gripper": ((0.5, 2.0), (0.1, 0.1, 0.1)),
    "can of beer": ((-0.3, 2.4), (0.07, 0.07, 0.13)),
}
CAMERA_HEIGHT = 1.0


def table_scene(*extra: str) -> Scene:
    """The table above; ``extra`` names stand in a row 3 m ahead."""
    rows = [*THINGS.items(), *((name, ((0.3 * k, 3.0), (0.1, 0.1, 0.1))) for k, name in enumerate(extra))]
    objects = []
    for name, ((right, ahead), (width, depth, height)) in rows:
        center = np.array([[right, CAMERA_HEIGHT - height / 2, ahead]])
        box = Boxes(center, np.array([[width, height, depth]]), np.eye(3)[None])
        objects.append(
            SceneObject(
                name,
                np.array([0, 0, 9, 9.0]),
                box,
                camera_height=CAMERA_HEIGHT,
                support_id="floor",
                noun=name.split()[-1],
            )
        )
    return Scene(None, tuple(objects), CanonicalFrame.from_up(np.array([0.0, -1.0, 0.0]), CAMERA_HEIGHT, "floor"))
