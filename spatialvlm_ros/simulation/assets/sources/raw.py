"""What every reader gives: triangles by material, before they are made small."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.items import Rgba

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RawPart:
    """Triangles of one material.

    Attributes:
        vertices: (V, 3); metres once the object is placed.
        faces: (F, 3) vertex indices, counter-clockwise seen from outside.
        uv: (V, 2) or None; (0, 0) is the top-left of the texture.
        rgba: colour 0..1.
        texture: (H, W, 3) uint8 or None.
        cut_out: share of the texture that is see-through (leaves, lace); such parts look like cards in MuJoCo.
    """

    vertices: Float
    faces: NDArray[np.int64]
    uv: Float | None = None
    rgba: Rgba = (0.7, 0.7, 0.7, 1.0)
    texture: NDArray[np.uint8] | None = None
    cut_out: float = 0.0

    def moved(self, vertices: Float) -> RawPart:
        """The same part with other vertex positions."""
        return replace(self, vertices=vertices)


def bounds(parts: list[RawPart]) -> tuple[Float, Float]:
    """(3,) least and (3,) greatest coordinates over all triangles; raises `AssetError` when there are none."""
    used = [part.vertices[np.unique(part.faces)] for part in parts if len(part.faces)]
    if not used:
        raise AssetError("a mesh has no triangles", len(parts), "Drop it from nouns.yaml.")
    points = np.concatenate(used)
    return points.min(axis=0), points.max(axis=0)


def fitted(parts: list[RawPart], size: tuple[float, float, float] | None) -> list[RawPart]:
    """Put parts that are already in item axes (x front, y left, z up) on the origin, scaled to ``size``.

    Args:
        parts: in item axes, any unit.
        size: (x, y, z) metres that the box gets, each axis scaled by itself; None keeps the scale.

    Returns:
        Parts whose common box has its bottom centre at the origin.
    """
    low, high = bounds(parts)
    extent = high - low
    target = extent if size is None else np.asarray(size, dtype=np.float64)
    scale = np.divide(target, extent, out=np.ones(3), where=extent > 1e-9)
    bottom_centre = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return [part.moved((part.vertices - bottom_centre) * scale) for part in parts]
