"""The real surface of an object: its triangles with what placing and measuring need of them.

Everything here is derived from the very triangles that are rendered (scaled as they are rendered), so that the truth
cannot differ from the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.assets.items import AssetItem

Float = NDArray[np.float64]

# Longest edge of the fine triangles: this share of the object's diagonal, within these limits in metres.
_FINE_SHARE, _FINE_MIN_M, _FINE_MAX_M = 0.06, 0.006, 0.06
LEAF = 16  # fine triangles that are looked at together
_HEIGHT_CELLS = 96  # along the longer side of a height map


@dataclass(frozen=True, eq=False)
class Solid:
    """Triangles in the object's own frame: metres, z up, resting on z = 0 for things that stand.

    Attributes:
        triangles: (T, 3, 3) corner points as rendered.
    """

    triangles: Float

    def __post_init__(self) -> None:
        triangles = np.asarray(self.triangles, dtype=np.float64)
        if triangles.ndim != 3 or triangles.shape[1:] != (3, 3) or len(triangles) == 0:
            raise SimulationError("an object has no triangles", triangles.shape, "Leave it out of the scene.")
        object.__setattr__(self, "triangles", triangles)

    @staticmethod
    def of_item(item: AssetItem, scale: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Solid:
        """The surface of an item of an asset pack, scaled along its axes."""
        return Solid(_item_triangles(item) * np.asarray(scale, dtype=np.float64))

    @staticmethod
    def of_boxes(centers: Float, sizes: Float) -> Solid:
        """The surface of N axis-aligned boxes: centres (N, 3), full sizes (N, 3)."""
        corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        faces = np.array([f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))])
        points = np.asarray(centers)[:, None] + corners * np.asarray(sizes)[:, None]  # (N, 8, 3)
        return Solid(points[:, faces].reshape(-1, 3, 3))

    @cached_property
    def lower(self) -> Float:
        """(3,) least coordinates."""
        return self.triangles.min(axis=(0, 1))

    @cached_property
    def upper(self) -> Float:
        """(3,) greatest coordinates."""
        return self.triangles.max(axis=(0, 1))

    @property
    def size(self) -> Float:
        """(3,) metres along x, y, z."""
        return self.upper - self.lower

    @property
    def center(self) -> Float:
        """(3,) middle of the box around it."""
        return (self.upper + self.lower) / 2

    @cached_property
    def fine(self) -> Float:
        """(T, 3, 3) the same surface in small triangles, neighbours close together in the order."""
        diagonal = float(np.linalg.norm(self.size))
        small = subdivided(self.triangles, float(np.clip(_FINE_SHARE * diagonal, _FINE_MIN_M, _FINE_MAX_M)))
        return small[spatial_order(small.mean(axis=1), LEAF)]

    @cached_property
    def leaves(self) -> NDArray[np.intp]:
        """(L + 1,) where each group of at most `LEAF` neighbouring fine triangles starts; the last is T."""
        return np.append(np.arange(0, len(self.fine), LEAF), len(self.fine))

    @cached_property
    def centers(self) -> Float:
        """(T, 3) centres of the fine triangles."""
        return self.fine.mean(axis=1)

    @cached_property
    def radii(self) -> Float:
        """(T,) distance from the centre of a fine triangle to its farthest corner."""
        return np.linalg.norm(self.fine - self.centers[:, None], axis=2).max(axis=1)

    @cached_property
    def tree(self) -> Any:
        """KD-tree over `centers`."""
        from scipy.spatial import cKDTree

        return cKDTree(self.centers)

    @cached_property
    def footprint(self) -> Float:
        """(K, 2) convex outline seen from above, counter-clockwise."""
        return convex_outline(self.triangles[..., :2].reshape(-1, 2))

    @cached_property
    def outer_points(self) -> Float:
        """(P, 3) corners of the convex hull (all corners where it is flat)."""
        from scipy.spatial import ConvexHull, QhullError

        corners = np.unique(self.triangles.reshape(-1, 3), axis=0)
        try:
            return corners[ConvexHull(corners).vertices]
        except QhullError:
            return corners

    @cached_property
    def points(self) -> Float:
        """(P, 3) points all over the surface: corners and centres of the fine triangles."""
        return np.concatenate([self.fine.reshape(-1, 3), self.centers])

    @cached_property
    def underside(self) -> Float:
        """(P, 3) the lowest of `points` over each cell of a grid: all that can hit something when it comes down."""
        cell = max(float(self.size[:2].max()) / _HEIGHT_CELLS, 1e-4)
        index = np.floor((self.points[:, :2] - self.lower[:2]) / cell).astype(np.int64)
        order = np.lexsort((self.points[:, 2], index[:, 0] * 100_000 + index[:, 1]))
        keys = (index[:, 0] * 100_000 + index[:, 1])[order]
        return self.points[order[np.flatnonzero(np.diff(keys, prepend=-1))]]

    @cached_property
    def height_map(self) -> HeightMap:
        """Height of the upper side."""
        return HeightMap.of(self)

    def samples(self, count: int, rng: np.random.Generator) -> Float:
        """(count, 3) points spread evenly over the surface."""
        edge_1 = self.triangles[:, 1] - self.triangles[:, 0]
        edge_2 = self.triangles[:, 2] - self.triangles[:, 0]
        areas = np.linalg.norm(np.cross(edge_1, edge_2), axis=1)
        chosen = rng.choice(len(areas), size=count, p=areas / areas.sum())
        a, b = rng.random((2, count, 1))
        folded = a + b > 1
        a, b = np.where(folded, 1 - a, a), np.where(folded, 1 - b, b)
        return self.triangles[chosen, 0] + a * edge_1[chosen] + b * edge_2[chosen]


@dataclass(frozen=True)
class HeightMap:
    """How high the upper side of an object reaches above each cell of a grid.

    Attributes:
        heights: (NX, NY) metres in the object's frame, -inf where there is no surface.
        origin: (2,) x, y of the grid's corner.
        cell: edge of a cell in metres.
    """

    heights: Float
    origin: Float
    cell: float

    @staticmethod
    def of(solid: Solid) -> HeightMap:
        """Rasterise the triangles of ``solid``, keeping the highest point of each cell."""
        cell = max(float(solid.size[:2].max()) / _HEIGHT_CELLS, 1e-4)
        origin = solid.lower[:2] - cell / 2
        shape = np.floor((solid.upper[:2] - origin) / cell).astype(int) + 1
        small = subdivided(solid.triangles, 1.2 * cell, most=200_000)
        points = np.concatenate([small.reshape(-1, 3), small.mean(axis=1)])
        index = np.floor((points[:, :2] - origin) / cell).astype(int)
        heights = np.full(shape, -np.inf)
        np.maximum.at(heights, (index[:, 0], index[:, 1]), points[:, 2])
        return HeightMap(heights, origin, cell)

    def at(self, xy: Float) -> Float:
        """(N,) heights below points (N, 2); -inf beside the object."""
        index = np.floor((xy - self.origin) / self.cell).astype(int)
        inside = ((index >= 0) & (index < self.heights.shape)).all(axis=1)
        values = np.full(len(xy), -np.inf)
        values[inside] = self.heights[index[inside, 0], index[inside, 1]]
        return values

    def level_cells(self, height: float, tolerance: float) -> Float:
        """(N, 2) centres of the cells whose height is within ``tolerance`` of ``height``."""
        index = np.argwhere(np.abs(self.heights - height) <= tolerance)
        return self.origin + (index + 0.5) * self.cell


@lru_cache(maxsize=64)
def _item_triangles(item: AssetItem) -> Float:
    return np.concatenate([part.vertices.astype(np.float64)[part.faces] for part in item.parts()])


def subdivided(triangles: Float, longest: float, most: int = 60_000) -> Float:
    """Halve triangles (T, 3, 3) at the longest edge until none is above ``longest`` metres (or ``most`` are made)."""
    done: list[Float] = []
    count = 0
    while len(triangles):
        edges = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=2)  # corner k to k + 1
        large = edges.max(axis=1) > longest
        done.append(triangles[~large])
        count += len(done[-1])
        triangles = triangles[large]
        if count + 2 * len(triangles) > most:
            done.append(triangles)
            break
        first = edges[large].argmax(axis=1)
        row = np.arange(len(triangles))
        a, b, c = (triangles[row, (first + k) % 3] for k in range(3))
        middle = (a + b) / 2
        triangles = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(done)


def spatial_order(points: Float, leaf: int) -> NDArray[np.intp]:
    """(N,) an order in which each run of ``leaf`` points is compact: halved again and again along the longer side."""
    order = np.arange(len(points))
    stack = [(0, len(points))]
    while stack:
        start, end = stack.pop()
        if end - start <= leaf:
            continue
        part = order[start:end]
        cut = points[part]
        axis = int(np.argmax(cut.max(axis=0) - cut.min(axis=0)))
        leaves = -(-(end - start) // leaf)
        half = leaves // 2 * leaf  # whole leaves on the first side, so that runs stay aligned
        order[start:end] = part[np.argpartition(cut[:, axis], half)]
        stack += [(start, start + half), (start + half, end)]
    return order


def convex_outline(points: Float) -> Float:
    """(K, 2) convex hull of points (N, 2), counter-clockwise."""
    from scipy.spatial import ConvexHull

    return points[ConvexHull(points).vertices]


def yaw_matrix(yaw: float) -> Float:
    """(3, 3) rotation by ``yaw`` radians about z."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
