"""Where things can stand on an object, the room inside it, and the colours that show: measured on its surface."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.items import Cavity, FlatTop
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, bounds

Float = NDArray[np.float64]
_CELLS = 72  # along the longer side


def height_map(parts: Sequence[RawPart]) -> tuple[Float, Float, float]:
    """Height of the topmost surface over a grid.

    Returns:
        (nx, ny) heights in metres, -inf where there is nothing; (2,) x, y of the grid's corner; side of a cell.
    """
    low, high = bounds(list(parts))
    cell = float((high - low)[:2].max()) / _CELLS or 1e-3
    shape = np.maximum(1, np.ceil((high - low)[:2] / cell).astype(int))
    heights = np.full(shape, -np.inf)
    for part in parts:
        corners = part.vertices[part.faces]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        steps = np.clip(np.ceil(edges / (0.5 * cell)).astype(int), 1, 2 * _CELLS)
        for k in np.unique(steps):
            grid = np.array([(i, j) for i in range(k + 1) for j in range(k + 1 - i)]) / k
            weights = np.column_stack([1 - grid.sum(axis=1), grid])  # (S, 3)
            rows = corners[steps == k]
            for block in np.array_split(rows, max(1, len(rows) * len(weights) // 500_000)):
                points = np.einsum("sk,fkd->fsd", weights, block).reshape(-1, 3)
                index = np.clip(((points[:, :2] - low[:2]) / cell).astype(int), 0, shape - 1)
                np.maximum.at(heights, (index[:, 0], index[:, 1]), points[:, 2])
    return heights, low[:2], cell


def find_flat_top(
    parts: Sequence[RawPart], least_side: float, least_share: float, least_height: float
) -> FlatTop | None:
    """The largest level rectangle with nothing above it.

    Args:
        parts: of an object in its item frame.
        least_side: metres that both sides must have.
        least_share: part of the object's footprint that it must cover.
        least_height: metres over the object's bottom.
    """
    heights, corner, cell = height_map(parts)
    solid = np.isfinite(heights)
    best: tuple[float, float, tuple[int, int, int, int]] | None = None
    tolerance = 0.006
    levels, counts = np.unique(np.round(heights[solid] / tolerance), return_counts=True)
    for level in levels[np.argsort(-counts)][:8] * tolerance:
        if level < least_height:
            continue
        rectangle = largest_rectangle(np.abs(heights - level) <= tolerance)
        area = (rectangle[1] - rectangle[0]) * (rectangle[3] - rectangle[2])
        if best is None or area > best[0]:
            best = (area, level, rectangle)
    if best is None or best[0] < least_share * heights.size:
        return None
    _, _, (x0, x1, y0, y1) = best
    middle, size = _in_metres(parts, rectangle_cells=(x0, x1, y0, y1), corner=corner, cell=cell)
    if min(size) < least_side:
        return None
    height = float(np.max(heights[x0:x1, y0:y1]))
    return FlatTop((*middle, height), size)


def find_cavity(parts: Sequence[RawPart], least_side: float = 0.02, least_depth: float = 0.006) -> Cavity | None:
    """The largest box that fits into an open-topped object from above, up to its rim.

    Water poured over the height map stays where there is a room with walls all around; the box is the one of
    largest volume under the water's surface.
    """
    heights, corner, cell = height_map(parts)
    ground = np.where(np.isfinite(heights), heights, 0.0)
    water = _water_level(ground)
    depth = water - ground
    if depth.max() < least_depth:
        return None
    best: tuple[float, float, float, tuple[int, int, int, int]] | None = None
    wet = depth >= least_depth
    for floor in np.unique(np.quantile(ground[wet], np.linspace(0, 0.9, 19))) + 0.002:
        mask = (ground <= floor) & (water >= floor + least_depth)
        x0, x1, y0, y1 = largest_rectangle(mask)
        if x1 <= x0:
            continue
        rim = float(water[x0:x1, y0:y1].min())
        volume = (x1 - x0) * (y1 - y0) * (rim - floor)
        if best is None or volume > best[0]:
            best = (volume, float(floor), rim, (x0, x1, y0, y1))
    if best is None:
        return None
    _, floor, rim, (x0, x1, y0, y1) = best
    middle, size = _in_metres(parts, rectangle_cells=(x0, x1, y0, y1), corner=corner, cell=cell)
    if min(size) < least_side:
        return None
    return Cavity((*middle, (floor + rim) / 2), (*size, rim - floor))


def _in_metres(
    parts: Sequence[RawPart], rectangle_cells: tuple[int, int, int, int], corner: Float, cell: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middle and size of a rectangle of cells; the last cell of the grid ends where the object does."""
    x0, x1, y0, y1 = rectangle_cells
    end = bounds(list(parts))[1]
    low_x, low_y = float(corner[0] + x0 * cell), float(corner[1] + y0 * cell)
    high_x, high_y = min(float(corner[0] + x1 * cell), float(end[0])), min(float(corner[1] + y1 * cell), float(end[1]))
    return ((low_x + high_x) / 2, (low_y + high_y) / 2), (high_x - low_x, high_y - low_y)


def _water_level(ground: Float) -> Float:
    """Level of water over each cell once it has run off over the border of the grid (priority flood)."""
    level = np.full(ground.shape, np.inf)
    queue: list[tuple[float, int, int]] = []
    rows, columns = ground.shape
    for i in range(rows):
        for j in range(columns):
            if i in (0, rows - 1) or j in (0, columns - 1):
                level[i, j] = ground[i, j]
                heapq.heappush(queue, (float(ground[i, j]), i, j))
    while queue:
        height, i, j = heapq.heappop(queue)
        for a, b in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
            if 0 <= a < rows and 0 <= b < columns and not np.isfinite(level[a, b]):
                level[a, b] = max(height, float(ground[a, b]))
                heapq.heappush(queue, (float(level[a, b]), a, b))
    return level


def largest_rectangle(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Largest all-true rectangle: row start, row end, column start, column end (ends exclusive); zeros if none."""
    best, best_area = (0, 0, 0, 0), 0
    run = np.zeros(mask.shape[1], dtype=int)
    for row, values in enumerate(mask):
        run = np.where(values, run + 1, 0)
        stack: list[tuple[int, int]] = []  # (column start, height), heights increasing
        for column, height in enumerate([*run.tolist(), 0]):
            start = column
            while stack and stack[-1][1] >= height:
                start, tall = stack.pop()
                area = tall * (column - start)
                if area > best_area:
                    best_area, best = area, (row + 1 - tall, row + 1, start, column)
            stack.append((start, height))
    return best


def visible_colors(parts: Sequence[RawPart], count: int = 12_000, cells: int = 32) -> Float:
    """(N, 3) colours 0..1 of surface points that are seen from above, front, back, left or right.

    Points are spread over the surface; from each side, of those in one cell of a grid the nearest one counts.
    """
    points, colors = _colored_points(parts, count)
    if len(points) == 0:
        return np.zeros((0, 3))
    seen = []
    unit = (points - points.min(axis=0)) / max(float(np.ptp(points, axis=0).max()), 1e-9)
    for axis, sign in ((2, 1), (0, 1), (0, -1), (1, 1), (1, -1)):
        across = np.delete(unit, axis, axis=1)
        index = np.minimum((across * cells).astype(int), cells - 1)
        cell = index[:, 0] * cells + index[:, 1]
        order = np.lexsort((-sign * unit[:, axis], cell))
        _, first = np.unique(cell[order], return_index=True)
        seen.append(order[first])
    return colors[np.concatenate(seen)]


def _colored_points(parts: Sequence[RawPart], count: int) -> tuple[Float, Float]:
    """(N, 3) points spread over the surface and their (N, 3) colours, texture included."""
    rng = np.random.default_rng(0)
    areas = []
    for part in parts:
        corners = part.vertices[part.faces]
        areas.append(np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1))
    total = sum(float(a.sum()) for a in areas)
    points, colors = [np.zeros((0, 3))], [np.zeros((0, 3))]
    for part, area in zip(parts, areas, strict=True):
        number = int(round(count * float(area.sum()) / total)) if total > 0 else 0
        if number == 0:
            continue
        chosen = part.faces[rng.choice(len(area), size=number, p=area / area.sum())]
        shares = rng.dirichlet(np.ones(3), size=number)
        points.append(np.einsum("nk,nkd->nd", shares, part.vertices[chosen]))
        color = np.broadcast_to(np.array(part.rgba[:3]), (number, 3))
        if part.texture is not None and part.uv is not None:
            uv = np.einsum("nk,nkd->nd", shares, part.uv[chosen]) % 1.0
            size = np.array(part.texture.shape[1::-1])
            column, line = np.minimum((uv * size).astype(int), size - 1).T
            color = part.texture[line, column] / 255 * color
        colors.append(color)
    return np.concatenate(points), np.concatenate(colors)
