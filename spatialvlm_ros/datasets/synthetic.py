"""An inexpensive source with exact truth: coloured boxes on a floor, ray-cast with NumPy.

Needs no asset pack, no renderer and no weights: for trying the data engine, its tests and its benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.seeds import scene_seed
from spatialvlm_ros.datasets.views import SceneView, SkippedView
from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.gaps import box_gap
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject

Float = NDArray[np.float64]

_COLOURS = {
    "red": (200, 45, 45),
    "green": (60, 160, 70),
    "blue": (50, 90, 200),
    "yellow": (225, 195, 60),
    "orange": (230, 130, 40),
    "purple": (130, 70, 170),
    "white": (235, 235, 230),
    "black": (45, 45, 50),
}
# Noun -> range of (depth, width, height) in metres: unequal, so that swapped axes show.
_NOUNS = {
    "brick": ((0.09, 0.19, 0.05), (0.13, 0.28, 0.09)),
    "carton": ((0.15, 0.22, 0.18), (0.30, 0.40, 0.34)),
    "pillar": ((0.07, 0.08, 0.35), (0.12, 0.14, 0.70)),
    "board": ((0.03, 0.30, 0.20), (0.06, 0.55, 0.45)),
    "plate": ((0.25, 0.20, 0.02), (0.40, 0.32, 0.04)),
}
_LEAST_PIXELS = 20
_TRIES = 40  # to place an object where it stands free
_FLOOR = (150, 140, 128)
_SKY = (205, 222, 235)


@dataclass(frozen=True)
class SyntheticViews:
    """Coloured boxes standing free on a floor; scene i has its own boxes, its views their own cameras.

    Attributes:
        scenes: number of scenes.
        views_per_scene: cameras of each.
        width, height: pixels of a picture.
        objects: boxes put into a scene.
        seed: data seed.
        split: name of the split that the views belong to.
    """

    scenes: int = 100
    views_per_scene: int = 4
    width: int = 160
    height: int = 120
    objects: int = 6
    seed: int = 0
    split: str = "train"
    name: str = "synthetic"

    def __post_init__(self) -> None:
        for field in ("scenes", "views_per_scene", "width", "height", "objects"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field} of the synthetic source must be positive", getattr(self, field))
        if self.objects > len(_COLOURS):
            raise ConfigError("too many objects for their colours", self.objects, f"At most {len(_COLOURS)}.")

    def __len__(self) -> int:
        return self.scenes

    def views(self, scene_index: int) -> Iterator[SceneView | SkippedView]:
        """The views of one scene."""
        seed = scene_seed(self.seed, scene_index)
        rng = np.random.default_rng(seed)
        names, boxes = _standing_boxes(rng, self.objects)
        gaps = _gaps(boxes)
        for number in range(self.views_per_scene):
            view_id = f"{self.name}/{self.split}/{scene_index:06d}/{number:02d}"
            camera, rotation, position = _camera(rng, self.width, self.height)
            # World to optical frame; the rows of `rotation` are the optical axes in the world.
            seen = boxes.transformed(rotation, -rotation @ position)
            scene, instances = _view(camera, names, boxes, seen, rotation, position, gaps)
            if len(scene.objects) < 2:
                yield SkippedView(view_id, "fewer than two objects in view")
                continue
            yield SceneView(view_id, self.split, self.name, "CC0-1.0", seed, scene, instances)


def _standing_boxes(rng: np.random.Generator, count: int) -> tuple[list[tuple[str, str]], Boxes]:
    """(colour, noun) and world-frame `Boxes` (z up, floor at 0) that do not touch each other."""
    colours = rng.permutation(list(_COLOURS))[:count]
    names, centers, sizes, rotations = [], [], [], []
    places: list[tuple[Float, float]] = []  # middle and radius of the footprints
    for colour in colours:
        noun = str(rng.choice(list(_NOUNS)))
        size = rng.uniform(*_NOUNS[noun])
        radius = float(np.hypot(size[0], size[1])) / 2
        for _ in range(_TRIES):
            place = rng.uniform(-0.8, 0.8, size=2)
            if all(np.hypot(*(place - other)) > radius + r + 0.02 for other, r in places):
                break
        else:
            continue
        yaw = rng.uniform(0, 2 * np.pi)
        names.append((str(colour), noun))
        places.append((place, radius))
        centers.append([*place, size[2] / 2])
        sizes.append(size)
        rotations.append([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return names, Boxes(np.array(centers), np.array(sizes), np.array(rotations))


def _camera(rng: np.random.Generator, width: int, height: int) -> tuple[Camera, Float, Float]:
    """Camera, (3, 3) world-to-optical rotation and (3,) position of a camera that looks at the boxes."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(15, 65))
    distance = rng.uniform(1.6, 2.6)
    aside = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    position = distance * (np.cos(elevation) * aside + np.sin(elevation) * np.array([0, 0, 1.0]))
    forward = np.array([*rng.uniform(-0.15, 0.15, size=2), 0.15]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    roll = np.deg2rad(rng.uniform(-4, 4))
    down = np.cross(forward, right)
    right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    hfov = np.deg2rad(rng.uniform(50, 75))
    return Camera.from_hfov(width, height, hfov), np.stack([right, down, forward]), position


def _view(
    camera: Camera,
    names: list[tuple[str, str]],
    world: Boxes,
    seen: Boxes,
    rotation: Float,
    position: Float,
    gaps: Float,
) -> tuple[Scene, NDArray[np.uint16]]:
    rgb, depth, instances = _render(camera, names, world, rotation, position)
    up, height = rotation @ [0, 0, 1.0], float(position[2])
    kept, objects = [], []
    for index, (colour, noun) in enumerate(names):
        mask = instances == index + 1
        if mask.sum() < _LEAST_PIXELS:
            instances[mask] = 0  # too little to be asked about
            continue
        ys, xs = np.nonzero(mask)
        kept.append(index)
        objects.append(
            SceneObject(
                label=f"{colour} {noun}",
                box2d=np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]),
                box3d=seen[index],
                noun=noun,
                attributes=(colour,),
                mask=mask,
                visible_fraction=_visible_fraction(camera, seen[index], int(mask.sum())),
                instance_id=index + 1,
                asset=f"synthetic/{noun}",
                camera_height=height,
                support_id="floor",
            )
        )
    observation = Observation(rgb, camera, depth, up, height)
    frame = CanonicalFrame.from_up(up, height, "floor")
    return Scene(observation, tuple(objects), frame, gaps[np.ix_(kept, kept)], frozenset()), instances


def _render(
    camera: Camera, names: list[tuple[str, str]], boxes: Boxes, rotation: Float, position: Float
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint16]]:
    """Colour, depth and instance pictures: the first hit of each pixel's ray, world frame."""
    rays = camera.pixel_rays() @ rotation  # (H, W, 3), z = 1 along the optical axis, so t is the depth
    with np.errstate(divide="ignore"):
        to_floor = np.where(rays[..., 2] < 0, -position[2] / rays[..., 2], np.inf)
    depth, instances = to_floor.copy(), np.zeros(rays.shape[:2], dtype=np.uint16)
    ground = position[:2] + rays[..., :2] * np.where(np.isfinite(to_floor), to_floor, 0)[..., None]
    tiles = (np.floor(ground / 0.25).sum(axis=2) % 2) * 18.0
    rgb = np.where(np.isfinite(to_floor)[..., None], np.array(_FLOOR) + tiles[..., None], np.array(_SKY, dtype=float))
    for index, (colour, _) in enumerate(names):
        entry, axis = _entry(rays, position, boxes, index)
        hit = entry < depth
        depth[hit], instances[hit] = entry[hit], index + 1
        shade = np.array([0.72, 0.86, 1.0])[axis[hit]]
        rgb[hit] = np.array(_COLOURS[colour]) * shade[:, None]
    depth[~np.isfinite(depth) | (depth > 60)] = np.nan
    return np.clip(rgb, 0, 255).astype(np.uint8), depth.astype(np.float32), instances


def _entry(rays: Float, position: Float, boxes: Boxes, index: int) -> tuple[Float, NDArray[np.int64]]:
    """(H, W) ray parameter where a ray enters a box (inf if it misses) and (H, W) axis of the entered face."""
    axes = boxes.rotations[index]
    origin = (position - boxes.centers[index]) @ axes
    directions = rays @ axes
    half = boxes.sizes[index] / 2
    with np.errstate(divide="ignore"):
        inverse = 1.0 / directions
    first, second = (-half - origin) * inverse, (half - origin) * inverse
    near, far = np.minimum(first, second), np.maximum(first, second)
    entry = near.max(axis=2)
    hit = (entry <= far.min(axis=2)) & (entry > 0)
    return np.where(hit, entry, np.inf), near.argmax(axis=2)


def _visible_fraction(camera: Camera, box: Boxes, pixels: int) -> float:
    """Visible pixels over the area of the whole box's outline, also outside the picture."""
    outline = cv2.convexHull(camera.project(box.corners()[0]).astype(np.float32))
    return float(np.clip(pixels / max(cv2.contourArea(outline), 1e-9), 0, 1))


def _gaps(boxes: Boxes) -> Float:
    """(n, n) metres between the surfaces of boxes."""
    n = len(boxes)
    first, second = np.triu_indices(n, k=1)
    gaps = np.zeros((n, n))
    gaps[first, second] = gaps[second, first] = box_gap(boxes[first], boxes[second])
    return gaps
