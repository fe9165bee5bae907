"""Ray-cast pictures of a table top at z = 0: things on it, and a hand of two boxes over its tool centre point."""

from dataclasses import replace

import numpy as np
from analytic_scenes import Box, Flat, render

from spatialvlm_ros.geometry.cameras import Camera

TABLE = Flat((0, 0, 0), (0, 0, 1))
CAMERA = Camera(320, 240, 330.0, 330.0, 159.5, 119.5)
EYE, AIM = (1.0, 0.15, 0.6), (0.0, 0.0, 0.1)
MUG = Box((0.0, 0.0, 0.05), (0.06, 0.08, 0.10), 0.3)
BOOK = Box((-0.1, 0.22, 0.02), (0.12, 0.10, 0.04), -0.2)


def moved(thing, dx=0.0, dy=0.0, dz=0.0):
    x, y, z = thing.center
    return replace(thing, center=(x + dx, y + dy, z + dz))


def hand_over(tcp):
    """A palm 5 cm over the tool centre point and an arm over it."""
    x, y, z = tcp
    return (Box((x, y, z + 0.09), (0.06, 0.18, 0.08)), Box((x, y, z + 0.38), (0.08, 0.08, 0.5)))


def picture(things, tcp=None, eye=EYE, aim=AIM, noise=0.0, seed=0, up=True):
    """The view, and the tool centre point in its optical frame."""
    hand = () if tcp is None else hand_over(tcp)
    view = render((*things, *hand), eye, aim, CAMERA, background=(TABLE,), give_up=up)
    depth = view.observation.depth
    if noise:
        drawn = np.random.default_rng(seed).normal(0, noise, depth.shape)
        depth = (1 / (1 / depth + drawn)).astype(np.float32)
    observation = replace(view.observation, depth=depth, camera_height=eye[2] if up else None)
    return replace(view, observation=observation), None if tcp is None else view.optical(tcp)


def box_distance(box, point):
    """Exact distance from a point to a solid box, world frame."""
    c, s = np.cos(box.yaw), np.sin(box.yaw)
    local = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) @ (np.asarray(point) - np.array(box.center))
    return float(np.linalg.norm(np.maximum(np.abs(local) - np.array(box.size) / 2, 0)))
