"""3D shapes as lines in the picture, cut where they leave the half space before the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.scenes.scene import Scene

Float = NDArray[np.float64]

NEAR = 0.05  # metres
_STEPS = 12  # pieces of a line: lenses bend it

# Corner k of `Boxes.corners` has the signs of k's binary digits; an edge flips one of them.
_EDGES = tuple((k, k | bit) for bit in (1, 2, 4) for k in range(8) if not k & bit)


def line(camera: Camera, start: Float, end: Float) -> Float | None:
    """(N, 2) pixels of the segment between two optical points, or None if nothing of it can be seen."""
    start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    if start[2] < NEAR and end[2] < NEAR:
        return None
    if start[2] < NEAR or end[2] < NEAR:
        cut = start + (end - start) * (NEAR - start[2]) / (end[2] - start[2])
        start, end = (cut, end) if start[2] < NEAR else (start, cut)
    steps = 2 if camera.distortion_model == "none" else _STEPS
    pixels = camera.project(start + (end - start) * np.linspace(0, 1, steps)[:, None])
    size = np.array([camera.width, camera.height])
    if not np.isfinite(pixels).all() or (np.abs(pixels) > 20 * size.max()).any():
        return None
    outside = (pixels.max(axis=0) < 0) | (pixels.min(axis=0) > size)
    return None if outside.any() else pixels


def box_edges(camera: Camera, box: Boxes) -> list[Float]:
    """The visible ones of the 12 edges of a box, as lines."""
    corners = box.corners()[0]
    lines = [line(camera, corners[a], corners[b]) for a, b in _EDGES]
    return [pixels for pixels in lines if pixels is not None]


def anchor(scene: Scene) -> Float | None:
    """(3,) where to draw the frame's axes: a place of the support plane, in the picture, far from all objects.

    Without a plane it is a place as far away as the objects. None if there is no object or no such place.
    """
    assert scene.observation is not None
    camera, frame = scene.observation.camera, scene.frame
    centers = np.array([o.box3d.centers[0] for o in scene.objects if o.box3d is not None]).reshape(-1, 3)
    if len(centers) == 0:
        return None
    u, v = np.meshgrid(np.linspace(0.15, 0.85, 15) * camera.width, np.linspace(0.25, 0.88, 14) * camera.height)
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    rays = camera.rays(pixels)
    range_of_objects = float(np.median(centers[:, 2]))
    if frame.camera_height is None:
        depth = np.full(len(rays), range_of_objects)
    else:
        with np.errstate(divide="ignore"):
            depth = -frame.camera_height / (rays @ frame.up)
    good = np.isfinite(depth) & (depth > 0.3 * range_of_objects) & (depth < 2 * range_of_objects)
    if not good.any():
        return None
    clearance = np.min([_outside(pixels, o.box2d) for o in scene.objects], axis=0)
    away = np.abs(pixels / [camera.width, camera.height] - 0.5).max(axis=1)
    # Beyond a sixth of the picture more room is no gain; then the place nearer to the middle is better.
    score = np.minimum(clearance / camera.width, 1 / 6) - 0.1 * away
    best = int(np.argmax(np.where(good, score, -np.inf)))
    return rays[best] * depth[best]


def _outside(pixels: Float, box2d: Float) -> Float:
    """(N,) pixels from points (N, 2) to a 2D box; 0 inside."""
    return np.linalg.norm(np.maximum(0, np.maximum(box2d[:2] - pixels, pixels - box2d[2:])), axis=1)


def plane_grid(camera: Camera, frame: CanonicalFrame, middle: Float, spacing: float, cells: int) -> list[Float]:
    """Lines of a square grid on the support plane around ``middle``, ``spacing`` metres apart."""
    reach = spacing * cells
    lines = []
    for along, across in ((frame.forward, frame.left), (frame.left, frame.forward)):
        for offset in np.arange(-cells, cells + 1) * spacing:
            foot = middle + offset * across
            # Short pieces, so that one end behind the camera does not lose the whole line.
            stops = np.linspace(-reach, reach, 2 * cells + 1)
            for a, b in zip(stops[:-1], stops[1:], strict=True):
                lines.append(line(camera, foot + a * along, foot + b * along))
    return [pixels for pixels in lines if pixels is not None]


def nice_length(metres: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten at or below a length."""
    power = 10.0 ** np.floor(np.log10(max(metres, 1e-3)))
    return float(max(step * power for step in (1, 2, 5) if step * power <= max(metres, 1e-3) * 1.0001))
