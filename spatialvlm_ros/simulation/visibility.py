"""How much of each thing a picture shows: visible pixels over the pixels of the whole, unoccluded, uncropped thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.simulation.rendering import CameraPose, Renderer
from spatialvlm_ros.simulation.truth import Thing

Float = NDArray[np.float64]

TILE = 96  # pixels along the longer side of a picture of one whole thing
_NEAR_M = 0.05  # what is nearer (or behind) is cut off
_WIDEST = 4.0  # |x / z| up to which the whole of a thing is looked for


def amodal_window(thing: Thing, pose: CameraPose) -> Float:
    """(4,) x0, y0, x1, y1 around the whole thing in normalised coordinates (x / z, y / z), NaN when behind."""
    points = pose.to_optical(thing.posed.to_world(thing.posed.solid.outer_points))
    before = points[:, 2] > _NEAR_M
    if not before.any():
        return np.full(4, np.nan)
    flat = points[before, :2] / points[before, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    if not before.all():  # it reaches behind the camera: its picture has no end on some side
        low, high = np.minimum(low, -_WIDEST), np.maximum(high, _WIDEST)
    return np.concatenate([np.maximum(low, -_WIDEST), np.minimum(high, _WIDEST)])


def visible_fractions(
    things: list[Thing],
    visible_pixels: NDArray[np.int64],
    all_windows: Float,
    ignored: NDArray[np.bool_],
    data: object,
    pose: CameraPose,
    camera: Camera,
    renderer: Renderer,
) -> Float:
    """Share of each thing that the picture shows, 0..1.

    A thing whose window lies inside the picture and overlaps no other one's is seen whole. The silhouette of each of
    the others is drawn alone, in a small picture of its own that just contains it.

    Args:
        things: (n).
        visible_pixels: (n,) their pixels in the picture.
        all_windows: (n, 4) their `amodal_window`.
        ignored: (n, n) pairs whose overlap cannot hide the first: a table under the thing that stands on it.
        data: ``mujoco.MjData`` of the scene.
        pose, camera: of the picture.
        renderer: of the scene.
    """
    fractions = (visible_pixels > 0).astype(np.float64)
    low, high = _in_pixels(all_windows, camera)
    inside = (low > 0).all(axis=1) & (high < [camera.width - 1, camera.height - 1]).all(axis=1)
    apart = ((high[:, None] + 1 < low[None]) | (high[None] + 1 < low[:, None])).any(axis=2)  # (n, n)
    apart |= ignored | np.isnan(all_windows[:, 0])[None]
    np.fill_diagonal(apart, True)
    needed = np.flatnonzero((visible_pixels > 0) & ~(inside & apart.all(axis=1)))
    tiles = [(things[k].geoms, _tile(all_windows[k])) for k in needed]
    for k, (_, tile), area in zip(needed, tiles, renderer.silhouette_areas(data, pose, tiles), strict=True):
        whole = area * (camera.fx / tile.fx) * (camera.fy / tile.fy)
        fractions[k] = min(1.0, visible_pixels[k] / max(whole, 1.0, float(visible_pixels[k]) * 1e-6))
    return fractions


def _in_pixels(windows: Float, camera: Camera) -> tuple[Float, Float]:
    focal, center = np.array([camera.fx, camera.fy]), np.array([camera.cx, camera.cy])
    return windows[:, :2] * focal + center, windows[:, 2:] * focal + center


def _tile(window: Float) -> Camera:
    """A small camera that sees just the window, with a pixel to spare on each side."""
    extent = np.maximum(window[2:] - window[:2], 1e-4)
    focal = (TILE - 2) / float(extent.max())
    width, height = (int(v) for v in np.ceil(extent * focal) + 2)
    middle = (window[:2] + window[2:]) / 2
    return Camera(
        width, height, focal, focal, (width - 1) / 2 - middle[0] * focal, (height - 1) / 2 - middle[1] * focal
    )
