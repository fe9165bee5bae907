"""Objects whose size is known: their picture tells how far away they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import ObjectRef, Region, plain_name

Float = NDArray[np.float64]

MOST_M = 50.0  # of a known size; more is hardly in metres
_RANGE_STD = 0.08  # log: a box that is a little off, a part that is hidden
_YAWS = np.radians(np.arange(0.0, 180.0, 22.5))
_ALIKE = 0.1  # log ratios of the two extents of a box that agree
_UP_STD = 0.03  # log
_LEVEL_STD = 0.08
_ROUNDS = 4
_BORDER_PX = 1.5


def known_size_table(sizes: Mapping[str, Float] | None, objects: Sequence[ObjectRef]) -> Float:
    """(K, 3) width, depth, height in metres of the objects whose size is given by name; NaN for the others.

    Args:
        sizes: as `checked_sizes` makes them.
        objects: K.
    """
    table = np.full((len(objects), 3), np.nan)
    if not sizes:
        return table
    for k, given in enumerate(objects):
        table[k] = sizes.get(plain_name(given.name if isinstance(given, Region) else given), np.nan)
    return table


def checked_sizes(sizes: object) -> dict[str, Float] | None:
    """Plain name -> (3,) width, depth, height in metres; a copy.

    Raises:
        QueryError: not a mapping of names to three positive numbers of metres.
    """
    if sizes is None:
        return None
    if not isinstance(sizes, Mapping):
        raise QueryError("known sizes are not a mapping", type(sizes).__name__, "Pass {name: (width, depth, height)}.")
    return {_checked_name(name): checked_size(name, size) for name, size in sizes.items()}


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise QueryError("a known size is of an object with a name", name, "Pass {name: (width, depth, height)}.")
    return plain_name(name)


def checked_size(name: str, size: object) -> Float:
    """(3,) metres; `QueryError` for anything but three positive numbers that may be metres."""
    try:
        values = np.asarray(size, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any():
        raise QueryError(f"the known size of {name!r} is not width, depth and height", size, "Pass positive metres.")
    if values.max() > MOST_M:
        raise QueryError(f"the known size of {name!r} is beyond {MOST_M:g} m", size, "Is it in metres?")
    return values


def log_sizes_of(known: Float) -> tuple[Float, Float]:
    """(K, 3) log extents along left, forward, up and their deviations, of known sizes (K, 3); NaN where not known.

    How an object is turned is not known, so its horizontal extents lie anywhere between its width and its depth.
    """
    logs = np.log(known)
    turned = np.abs(logs[:, 0] - logs[:, 1]) / 2
    level = np.maximum(_LEVEL_STD, turned)
    middle = (logs[:, 0] + logs[:, 1]) / 2
    stds = np.stack([level, level, np.where(np.isfinite(level), _UP_STD, np.nan)], axis=1)
    return np.stack([middle, middle, logs[:, 2]], axis=1), stds


def ranges_from_sizes(
    known: Float, boxes: Float, box_stds: Float, pixels: Float, rays: Float, camera: Camera, axes: Float
) -> tuple[Float, Float]:
    """(K,) log range and its deviation of the objects with a known size and a 2D box; NaN for the others.

    How an object is turned is found from the proportions of its box. A box that reaches to the picture's border tells
    nothing.

    Args:
        known: (K, 3) width, depth, height in metres, NaN where not known.
        boxes, box_stds: (K, 4) pixels.
        pixels: (K, 2) of the centres.
        rays: (K, 3) unit, to the centres.
        camera: of the picture.
        axes: (3, 3) columns forward, left, up.
    """
    limits = [camera.width - 1 - _BORDER_PX, camera.height - 1 - _BORDER_PX]
    inside = (boxes[:, :2] > _BORDER_PX - 0.5).all(axis=1) & (boxes[:, 2:] < limits).all(axis=1)
    use = np.flatnonzero(inside & np.isfinite(known).all(axis=1) & np.isfinite(rays).all(axis=1))
    log_range, std = np.full(len(known), np.nan), np.full(len(known), np.nan)
    if len(use) == 0:
        return log_range, std
    seen = np.maximum(boxes[use, 2:] - boxes[use, :2], 1.0)
    n, m = len(use), len(_YAWS)
    sizes = np.repeat(known[use][:, [1, 0, 2]], m, axis=0)  # every object at every yaw
    rotations = np.tile(_turned(axes), (n, 1, 1))
    directions, boxes_seen = np.repeat(rays[use], m, axis=0), np.repeat(seen, m, axis=0)
    ranges = camera.fy * sizes[:, 2] / boxes_seen[:, 1]
    for _ in range(_ROUNDS):
        corners = Boxes(directions * ranges[:, None], sizes, rotations).corners().reshape(-1, 3)
        corners[:, 2] = np.maximum(corners[:, 2], 1e-3)
        projected = camera.project(corners).reshape(n * m, 8, 2)
        ratios = np.log((projected.max(axis=1) - projected.min(axis=1)) / boxes_seen)
        ranges = ranges * np.exp(_agreed(ratios))
    unlike = np.abs(ratios[:, 0] - ratios[:, 1]).reshape(n, m)
    chances = np.exp(-0.5 * np.minimum(((unlike - unlike.min(axis=1, keepdims=True)) / _ALIKE) ** 2, 50.0))
    chances /= chances.sum(axis=1, keepdims=True)
    logs = np.log(ranges).reshape(n, m)
    log_range[use] = (chances * logs).sum(axis=1)
    spread2 = (chances * (logs - log_range[use, None]) ** 2).sum(axis=1)
    relative = np.nan_to_num(box_stds[use]).max(axis=1) * np.sqrt(2) / seen.max(axis=1)
    std[use] = np.sqrt(_RANGE_STD**2 + relative**2 + spread2)
    bad = ~np.isfinite(log_range)
    log_range[bad], std[bad] = np.nan, np.nan
    return log_range, std


def _agreed(ratios: Float) -> Float:
    """(N,) of the log ratios (N, 2) of both extents: their mean where they are alike, else the smaller one, which is
    that of the extent of which less is hidden."""
    apart = np.clip(np.abs(ratios[:, 0] - ratios[:, 1]) / _ALIKE - 1.0, 0.0, 1.0)
    return (1 - apart) * ratios.mean(axis=1) + apart * ratios.min(axis=1)


def _turned(axes: Float) -> Float:
    """(Y, 3, 3) the axes forward, left, up turned about up."""
    cosine, sine = np.cos(_YAWS), np.sin(_YAWS)
    forward = cosine[:, None] * axes[:, 0] + sine[:, None] * axes[:, 1]
    left = -sine[:, None] * axes[:, 0] + cosine[:, None] * axes[:, 1]
    return np.stack([forward, left, np.broadcast_to(axes[:, 2], forward.shape)], axis=2)
