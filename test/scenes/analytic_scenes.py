"""Ray-cast depth pictures of analytic solids on planes, with exact truth; world z is up, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.observation import Observation


@dataclass(frozen=True)
class Box:
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0

    def hit(self, origin, rays):
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
        o, d = turn @ (origin - np.array(self.center)), rays @ turn.T
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (-np.array(self.size) / 2 - o) / d, (np.array(self.size) / 2 - o) / d
        near, far = np.nanmax(np.minimum(a, b), axis=1), np.nanmin(np.maximum(a, b), axis=1)
        return np.where((near < far) & (near > 1e-6), near, np.inf)


@dataclass(frozen=True)
class Cylinder:
    """Upright; ``size`` is (diameter, diameter, height)."""

    center: tuple[float, float, float]
    size: tuple[float, float, float]

    def hit(self, origin, rays):
        o = origin - np.array(self.center)
        r, h = self.size[0] / 2, self.size[2] / 2
        a = (rays[:, :2] ** 2).sum(1)
        b = rays[:, :2] @ o[:2]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(b * b - a * (o[:2] @ o[:2] - r * r))
            side = (-b - root) / a
            side = np.where((np.abs(o[2] + side * rays[:, 2]) <= h) & (side > 1e-6), side, np.inf)
            cap = (h - o[2]) / rays[:, 2]
            at = o[:2] + cap[:, None] * rays[:, :2]
            cap = np.where(((at**2).sum(1) <= r * r) & (cap > 1e-6), cap, np.inf)
        return np.fmin(side, cap)


@dataclass(frozen=True)
class Flat:
    """A plane patch: point, normal and half size around the point (inf = unbounded)."""

    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    reach: float = np.inf

    def hit(self, origin, rays):
        n = np.array(self.normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = ((np.array(self.point) - origin) @ n) / (rays @ n)
        at = origin + np.where(np.isfinite(t), t, 0)[:, None] * rays
        inside = (np.abs(at - np.array(self.point)) <= self.reach).all(axis=1)
        return np.where((t > 1e-6) & inside, t, np.inf)


@dataclass(frozen=True)
class View:
    """A ray-cast view and its truth."""

    observation: Observation
    detections: tuple[Detection, ...]
    up: np.ndarray
    rotation: np.ndarray  # world -> optical
    eye: np.ndarray

    def optical(self, world):
        return (np.asarray(world, dtype=float) - self.eye) @ self.rotation.T


def look(eye, target, roll=0.0):
    """World -> optical rotation of a camera at ``eye`` looking at ``target``, rolled about its optical axis."""
    forward = np.asarray(target, float) - np.asarray(eye, float)
    forward /= np.linalg.norm(forward)
    side = np.cross(forward, [0, 0, 1.0])
    side = side / np.linalg.norm(side) if np.linalg.norm(side) > 1e-9 else np.array([1.0, 0, 0])
    down = np.cross(forward, side)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * side + s * down, -s * side + c * down, forward])


def render(solids, eye, target, camera=None, background=(), roll=0.0, rotation=None, give_up=False, far=30.0):
    """Depth, masks and truth of ``solids`` (objects) before ``background`` flats."""
    camera = camera or Camera(320, 240, 300.0, 290.0, 170.0, 110.0)
    rotation = look(eye, target, roll) if rotation is None else rotation
    eye = np.asarray(eye, float)
    rays = camera.pixel_rays().reshape(-1, 3) @ rotation
    hits = np.stack([thing.hit(eye, rays) for thing in (*background, *solids)])
    nearest, depth = hits.argmin(0), hits.min(0)
    shape = (camera.height, camera.width)
    depth = np.where(depth < far, depth, np.nan).reshape(shape).astype(np.float32)
    nearest = np.where(np.isfinite(depth.ravel()), nearest, -1).reshape(shape)
    detections = tuple(Detection.from_mask(f"thing {k}", nearest == len(background) + k) for k in range(len(solids)))
    up = rotation @ [0, 0, 1.0]
    rgb = np.zeros((*shape, 3), np.uint8)
    observation = Observation(rgb, camera, depth, up=up if give_up else None)
    return View(observation, detections, up, rotation, eye)


FLOOR = Flat((0, 0, 0), (0, 0, 1))
