"""Pictures of lifted views: true boxes green, found boxes red, true up green and found up red."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.lifting.report import LiftedScene

TRUE_COLOUR = (0, 200, 0)
FOUND_COLOUR = (40, 40, 255)
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]


def draw(view: SceneView, lifted: LiftedScene, note: str = "") -> NDArray[np.uint8]:
    """(H, 2 W, 3) BGR: the picture with both sets of boxes, and its depth."""
    picture = np.ascontiguousarray(view.observation.rgb[..., ::-1])
    camera = view.observation.camera
    for thing in view.scene.objects:
        _box(picture, camera, thing.box3d, TRUE_COLOUR)
    for thing in lifted.scene.objects:
        _box(picture, camera, thing.box3d, FOUND_COLOUR)
    _arrow(picture, view.scene.frame.up, TRUE_COLOUR, 0)
    if lifted.scene.frame.level:
        _arrow(picture, lifted.scene.frame.up, FOUND_COLOUR, 6)
    cv2.putText(picture, note, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 2)
    cv2.putText(picture, note, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
    depth = np.nan_to_num(view.observation.depth, nan=0.0)
    scaled = np.clip(255 * depth / max(float(np.percentile(depth, 98)), 1e-3), 0, 255).astype(np.uint8)
    return np.concatenate([picture, cv2.applyColorMap(scaled, cv2.COLORMAP_TURBO)], axis=1)


def _box(picture: NDArray[np.uint8], camera: Camera, box: Boxes, colour: tuple[int, int, int]) -> None:
    corners = camera.project(box.corners()[0])
    for a, b in _EDGES:
        if np.isfinite(corners[[a, b]]).all() and np.abs(corners[[a, b]]).max() < 1e4:
            first, second = (tuple(int(v) for v in np.round(corners[k])) for k in (a, b))
            cv2.line(picture, first, second, colour, 1, cv2.LINE_AA)


def _arrow(picture: NDArray[np.uint8], up: NDArray[np.float64], colour: tuple[int, int, int], shift: int) -> None:
    foot = (60 + shift, picture.shape[0] - 70)
    tip = (int(foot[0] + 50 * up[0]), int(foot[1] + 50 * up[1]))
    cv2.arrowedLine(picture, foot, tip, colour, 2, cv2.LINE_AA)
