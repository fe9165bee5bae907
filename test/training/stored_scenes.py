"""A small scene with known truth, stored as the trainer reads it: unequal sizes, off-centre, one object hidden."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.training.view_store import DEPTH_STEP, INSTANCE_STEP, StoredView

CAMERA = Camera(320, 240, 300.0, 300.0, 150.0, 110.0)
UP = np.array([0.1, -0.9, -0.3]) / np.linalg.norm([0.1, -0.9, -0.3])
FRAME = CanonicalFrame.from_up(UP, 0.8, "table")
ROTATION = np.stack([FRAME.forward, FRAME.left, FRAME.up], axis=1)
COLOURS = ((220, 40, 30), (30, 60, 210), (40, 200, 70))


def _object(label: str, noun: str, box: tuple[int, int, int, int], depth: float, size: float, k: int) -> SceneObject:
    u, v = (box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2
    center = CAMERA.unproject(np.array([[u, v]]), np.array([depth]))
    sizes = np.array([[1.5 * size, size, 0.5 * size]])
    return SceneObject(
        label=label,
        box2d=np.array(box, float),
        box3d=Boxes(center, sizes, ROTATION[None]),
        noun=noun,
        attributes=tuple(label.split()[:-1]),
        instance_id=k + 1,
        camera_height=0.8,
        support_id="table",
        visible_fraction=(0.9, 1.0, 0.8)[k],
    )


def _arrays(nouns: tuple[str, str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, Scene]:
    boxes = ((20, 120, 80, 200), (230, 40, 300, 80), (140, 90, 170, 150))
    colours = ("red", "blue", "green")
    depths = (0.7, 1.9, 1.2)
    rgb = np.full((240, 320, 3), 128, np.uint8)
    instances = np.zeros((240, 320), np.uint16)
    depth = np.full((240, 320), 2.5, np.float32)
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        rgb[y0:y1, x0:x1] = COLOURS[k]
        instances[y0:y1, x0:x1] = k + 1
        depth[y0:y1, x0:x1] = depths[k]
    objects = tuple(
        _object(f"{c} {n}", n, b, d, 0.1 * (k + 1), k)
        for k, (c, n, b, d) in enumerate(zip(colours, nouns, boxes, depths, strict=True))
    )
    gaps = np.array([[0, 1.1, 0.4], [1.1, 0, 0.6], [0.4, 0.6, 0]])
    return rgb, instances, depth, Scene(None, objects, FRAME, gaps, frozenset())


def stored_view(nouns: tuple[str, str, str] = ("mug", "plate", "bottle")) -> StoredView:
    """Three objects: a red one left and near, a blue one right and far, a green one in the middle."""
    rgb, instances, depth, scene = _arrays(nouns)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG")
    return StoredView(
        "test/0",
        buffer.getvalue(),
        CAMERA,
        depth[2::DEPTH_STEP, 2::DEPTH_STEP].astype(np.float16),
        instances[1::INSTANCE_STEP, 1::INSTANCE_STEP].astype(np.uint8),
        scene,
    )


def scene_view(nouns: tuple[str, str, str]) -> SceneView:
    """The same as a source yields it."""
    rgb, instances, depth, scene = _arrays(nouns)
    observation = Observation(rgb, CAMERA, depth, UP, 0.8)
    return SceneView("test/0", "train", "test", "CC0-1.0", 0, replace(scene, observation=observation), instances)
