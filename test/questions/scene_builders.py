"""Analytic scenes for the question tests: a level camera, boxes given by their edges."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene, SceneObject

# Box axes (depth, width, height) along the optical axis, to the left and up.
LEVEL_AXES = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])


def thing(label, center, size=(0.1, 0.1, 0.1), visible=1.0, **more) -> SceneObject:
    """A box of size (depth, width, height) metres at an optical centre."""
    box = Boxes(np.array([center], float), np.array([size], float), LEVEL_AXES[None])
    return SceneObject(label, [0, 0, 9, 9], box, visible_fraction=visible, **more)


def level_scene(*objects, level=2, **more) -> Scene:
    """A camera 1 m over the floor that looks horizontally."""
    up = np.array([0.0, -1.0, 0.0])
    frame = CanonicalFrame.from_up(up if level else None, 1.0 if level == 2 else None)
    return Scene(None, tuple(objects), frame, **more)


def asymmetric_scene(level=2) -> Scene:
    """A crate and a shelf in which every quantity of the pair is different (see `CRATE_TO_SHELF`)."""
    crate = thing("wooden crate", (-0.40, 0.70, 2.0), (0.3, 0.2, 0.6))
    shelf = thing("white shelf", (0.35, 0.55, 3.1), (0.4, 0.5, 0.1))
    return level_scene(crate, shelf, level=level)


# relation -> metres for (crate, shelf), worked out by hand from the numbers above. Crate: x -0.5..-0.3, top 0.4,
# bottom 1.0 below the camera, z 1.85..2.15. Shelf: x 0.1..0.6, top 0.5, bottom 0.6 below the camera, z 2.9..3.3.
CRATE_TO_SHELF = {
    "distance": np.sqrt(0.75**2 + 0.15**2 + 1.1**2),
    "gap": 0.85,  # 0.4 sideways, 0.75 in depth, none in height
    "vertical_distance": 0.15,
    "horizontal_distance": np.sqrt(0.75**2 + 1.1**2),
    "above_diff": 0.1,
    "below_diff": 0.4,
    "behind_diff": -1.1,
    "front_diff": 1.1,
    "left_diff": 0.75,
    "right_diff": -0.75,
    "left": 0.75,
    "right": -0.75,
    "above": -0.15,
    "below": 0.15,
    "behind": -1.1,
    "front": 1.1,
    "tall": 0.5,
    "short": -0.5,
    "wide": -0.3,
    "thin": 0.3,
    "big": np.cbrt(0.036) - np.cbrt(0.02),
    "small": np.cbrt(0.02) - np.cbrt(0.036),
}
SHELF_TO_CRATE = {
    k: (v if k in ("distance", "gap", "vertical_distance", "horizontal_distance") else -v)
    for k, v in CRATE_TO_SHELF.items()
}
OF_ONE = {"height": (0.6, 0.1), "width": (0.2, 0.5), "elevation": (0.0, 0.4)}
