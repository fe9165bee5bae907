"""Where the camera of one view stands and what lens it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.simulation.layouts import Layout
from spatialvlm_ros.simulation.rendering import CameraPose
from spatialvlm_ros.simulation.splits import CameraRules, draw_from
from spatialvlm_ros.simulation.truth import Thing

Float = NDArray[np.float64]

_CLEARANCE_M = 0.12  # between the camera and the box of any thing
_WALL_CLEARANCE_M = 0.25
_TRIES = 40
_CANDIDATES = 2  # of so many good places the one that shows most is taken


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A camera and where it stands."""

    camera: Camera
    pose: CameraPose


def draw_viewpoint(
    layout: Layout,
    things: tuple[Thing, ...],
    rules: CameraRules,
    size: tuple[int, int],
    min_objects: int,
    rng: np.random.Generator,
) -> Viewpoint | None:
    """A random free place from which ``min_objects`` things are in the picture, or None where none is found.

    Args:
        layout: what stands where.
        things: its things.
        rules: cameras of the split.
        size: width and height of a usual picture; the height follows the split's aspect.
        min_objects: things whose middle must lie in the picture and that are near enough to be seen.
        rng: random numbers.
    """
    aspect = rules.aspects[int(rng.integers(len(rules.aspects)))]
    height = size[1] if abs(aspect - size[1] / size[0]) < 1e-3 or aspect == 0.75 else round(size[0] * aspect)
    camera = Camera.from_hfov(size[0], height, np.radians(draw_from(rules.hfov_deg, rng)))
    centers = np.array([t.world_center() for t in things if not t.carrier])
    lengths = np.array([np.linalg.norm(t.size) for t in things if not t.carrier])
    if len(centers) == 0:
        return None
    best: tuple[int, CameraPose] | None = None
    candidates = 0
    for _ in range(_TRIES):
        pose = _draw_pose(layout, rules, rng)
        if not _is_free(pose.position, layout, things):
            continue
        points = pose.to_optical(centers)
        pixels = camera.project(points)
        inside = (points[:, 2] > 0) & camera.contains(np.nan_to_num(pixels, nan=-1e6))
        large = lengths * camera.fx > 0.035 * camera.width * points[:, 2]
        shown = int((inside & large).sum()) - _n_hidden(pose.position, centers[inside & large], things)
        if shown >= min_objects:
            candidates += 1
            if best is None or shown > best[0]:
                best = (shown, pose)
            if candidates == _CANDIDATES:
                break
    return Viewpoint(camera, best[1]) if best else None


def _n_hidden(position: Float, centers: Float, things: tuple[Thing, ...]) -> int:
    """How many of the points ``centers`` (N, 3) lie behind the box of a large thing, as seen from ``position``."""
    hidden = np.zeros(len(centers), bool)
    for thing in things:
        half = thing.posed.solid.size / 2 * 0.9
        if thing.carrier or half.max() < 0.2:
            continue
        start = thing.posed.to_own(position) - thing.posed.solid.center
        ways = (thing.posed.to_own(centers) - thing.posed.solid.center) - start
        with np.errstate(divide="ignore"):
            enter, leave = (-half - start) / ways, (half - start) / ways
        first = np.minimum(enter, leave).max(axis=1)
        last = np.maximum(enter, leave).min(axis=1)
        hidden |= (first < last) & (first > 0) & (last < 1)  # through it, and out again before the point
    return int(hidden.sum())


def _draw_pose(layout: Layout, rules: CameraRules, rng: np.random.Generator) -> CameraPose:
    table = layout.kind == "table"
    near, far = rules.table_distance_m if table else rules.room_distance_m
    distance = float(np.exp(rng.uniform(np.log(near), np.log(far))))
    target = _draw_target(layout, distance, rng)
    overhead = rng.random() < rules.overhead
    ranges = rules.table_elevation_deg if table else rules.room_elevation_deg
    elevation = np.radians(rng.uniform(80, 90) if overhead else draw_from(ranges, rng))
    azimuth = rng.uniform(-np.pi, np.pi)
    direction = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    roll = rng.uniform(-np.pi, np.pi) if overhead else rng.normal(0, np.radians(rules.roll_deg))
    return CameraPose.look_at(target + distance * direction, target, float(roll))


def _draw_target(layout: Layout, distance: float, rng: np.random.Generator) -> Float:
    """Near an object, or between two; not always in the middle of the picture."""
    if not layout.targets:
        return np.array([0.0, 0.0, 0.3])
    chosen = rng.choice(layout.targets, size=2)
    points = [layout.placed[int(k)].position + [0, 0, layout.placed[int(k)].prop.solid.size[2] / 2] for k in chosen]
    share = rng.uniform(0, 0.5) if distance < 1.0 else rng.uniform(0, 1)
    return points[0] * (1 - share) + points[1] * share + rng.normal(0, 0.07 * distance, 3)


def _is_free(position: Float, layout: Layout, things: tuple[Thing, ...]) -> bool:
    if position[2] < 0.08 or (layout.ceiling is not None and position[2] > layout.ceiling - _WALL_CLEARANCE_M):
        return False
    if layout.kind == "room" and (np.abs(position[:2]) > layout.floor - _WALL_CLEARANCE_M).any():
        return False
    for wall in layout.walls:
        if (position[:2] - wall.middle) @ wall.normal < _WALL_CLEARANCE_M:
            return False
    for thing in things:
        solid = thing.posed.solid
        outside = np.abs(thing.posed.to_own(position) - solid.center) - solid.size / 2
        if float(np.linalg.norm(np.maximum(outside, 0))) < _CLEARANCE_M:
            return False
    return True
