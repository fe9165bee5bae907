"""Objects whose size is known: their picture tells how far away they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import ObjectRef, Region

Float = NDArray[np.float64]

_RANGE_STD = 0.1  # log: yaw, a box that is a little off, a part that is hidden
_UP_STD = 0.03  # log
_LEVEL_STD = 0.08
_ROUNDS = 3
_BORDER_PX = 1.5


def known_size_table(sizes: Mapping[str, Sequence[float]] | None, objects: Sequence[ObjectRef]) -> Float:
    """(K, 3) width, depth, height in metres of the objects whose size is given by name; NaN for the others.

    Raises:
        QueryError: a size is not three positive numbers.
    """
    table = np.full((len(objects), 3), np.nan)
    if not sizes:
        return table
    by_name = {name.strip().lower(): checked_size(name, size) for name, size in sizes.items()}
    for k, given in enumerate(objects):
        name = given.name if isinstance(given, Region) else given
        table[k] = by_name.get(name.lower(), np.nan)
    return table


def checked_size(name: str, size: object) -> Float:
    """(3,) metres; `QueryError` for anything but three positive finite numbers."""
    try:
        values = np.asarray(size, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if values.shape != (3,) or not np.isfinite(values).all() or (values <= 0).any():
        raise QueryError(f"the known size of {name!r} is not width, depth and height", size, "Pass positive metres.")
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

    A hidden part makes a box too small, never too large: the larger of the two extents tells the range. A box that
    reaches to the picture's border tells nothing.

    Args:
        known: (K, 3) width, depth, height in metres, NaN where not known.
        boxes, box_stds: (K, 4) pixels.
        pixels: (K, 2) of the centres.
        rays: (K, 3) unit, to the centres.
        camera: of the picture.
        axes: (3, 3) columns forward, left, up.
    """
    logs, _ = log_sizes_of(known)
    limits = [camera.width - 1 - _BORDER_PX, camera.height - 1 - _BORDER_PX]
    inside = (boxes[:, :2] > _BORDER_PX - 0.5).all(axis=1) & (boxes[:, 2:] < limits).all(axis=1)
    use = np.flatnonzero(inside & np.isfinite(logs).all(axis=1) & np.isfinite(rays).all(axis=1))
    log_range, std = np.full(len(known), np.nan), np.full(len(known), np.nan)
    if len(use) == 0:
        return log_range, std
    seen = np.maximum(boxes[use, 2:] - boxes[use, :2], 1.0)
    sizes = np.exp(logs[use])[:, [1, 0, 2]]
    rotation = np.broadcast_to(axes, (len(use), 3, 3))
    ranges = camera.fy * sizes[:, 2] / seen[:, 1]
    for _ in range(_ROUNDS):
        corners = Boxes(rays[use] * ranges[:, None], sizes, rotation).corners().reshape(-1, 3)
        corners[:, 2] = np.maximum(corners[:, 2], 1e-3)
        projected = camera.project(corners).reshape(len(use), 8, 2)
        ranges = ranges * ((projected.max(axis=1) - projected.min(axis=1)) / seen).min(axis=1)
    log_range[use] = np.log(ranges)
    relative = np.nan_to_num(box_stds[use]).max(axis=1) * np.sqrt(2) / seen.max(axis=1)
    std[use] = np.hypot(_RANGE_STD, relative)
    bad = ~np.isfinite(log_range)
    log_range[bad], std[bad] = np.nan, np.nan
    return log_range, std
