"""Depth of one camera in the pixels of another: surfaces are moved and drawn again, never a picture stretched.

Every depth pixel is drawn as its **cell**: the patch of surface that it stands for, bounded by the middles between it
and its neighbours, as large as it appears to the colour camera. Neighbouring cells touch, so a finer picture, a closer
view or a surface that turns towards the colour camera leaves no holes through which things behind would show. (A fixed
footprint from the ratio of the focal lengths leaves holes on such surfaces; drawing quads between pixel centres loses
half a pixel at each border, and whole objects that are one pixel wide.)

Inside a cell the inverse depth is taken as affine in the pixels, which is exact for a plane seen by a pinhole. So a
slanted surface stays smooth where many colour pixels lie in one cell. Where cells overlap the nearest wins.

Two neighbours belong to one surface only if the step between them is not too steep for a surface that was seen. Cells
never span such a step: what only the colour camera sees beside an edge stays NaN. Where a cell turns its back on the
colour camera, that sees a side which was not measured: the cell hides what is behind it, and the pixel is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import DepthError
from spatialvlm_ros.geometry import distortion as lens
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.transforms import Transform

Float32 = NDArray[np.float32]

_SAME_POSE = 1e-6  # metres, and sine of the angle: closer than any calibration
_NEAREST = 1e-3  # metres before the colour camera
_FARTHEST = 1e4  # metres; some drivers write the largest float where nothing was seen
_STEEPEST = 10.0  # tangent of the steepest angle between a surface and the picture plane (84 degrees)
_LARGEST_STEP = 0.05  # share of the depth; binds for coarse depth cameras, where a steep surface looks like an edge
_WIDEST_CELL = 4.0  # times the cell of a surface that is equally far from both cameras
_MARGIN = 0.02  # pixels by which cells overlap, so that rounding opens no seam
_EDGE_ON = 1e-6  # square pixels; smaller cells have no visible area
_BAND = 64  # rows done at once: the arrays of a band stay in the processor's cache


def is_registered(depth_camera: Camera, colour_camera: Camera, colour_from_depth: Transform) -> bool:
    """Whether depth is in the colour camera's pixels already: equal cameras at one place (1e-6 metres and radians)."""
    if depth_camera != colour_camera:
        return False
    shift = np.abs(colour_from_depth.translation).max()
    turn = np.abs(colour_from_depth.rotation - np.eye(3)).max()
    return bool(shift <= _SAME_POSE and turn <= _SAME_POSE)


def register_depth(
    depth: NDArray[np.floating], depth_camera: Camera, colour_camera: Camera, colour_from_depth: Transform
) -> Float32:
    """Depth in the pixels of the colour camera.

    Args:
        depth: (h, w) metres along the depth camera's optical axis, NaN invalid (0, negative and infinite, too).
        depth_camera: the camera of ``depth``; its size must be (w, h).
        colour_camera: the camera of the colour picture; any size, K and distortion.
        colour_from_depth: takes points of the depth camera's optical frame into the colour camera's.

    Returns:
        (H, W) float32 metres along the colour camera's optical axis, NaN where the depth camera saw nothing
        or the other side.
        ``depth`` itself, without any work, if it is registered already (`is_registered`).

    Raises:
        DepthError: depth is not a float picture of the depth camera's size, the translation is not finite, or nothing
            that was measured is seen in the colour picture. All mean that this depth cannot be registered
            (``depth_not_registered``).
    """
    picture = _checked(depth, depth_camera)
    if is_registered(depth_camera, colour_camera, colour_from_depth):
        return picture
    if not np.abs(colour_from_depth.translation).max() < _FARTHEST:
        raise DepthError(
            "the depth camera's place is not known", colour_from_depth.translation.tolist(), "Check the transform."
        )
    view = _View.of(depth_camera, colour_camera, colour_from_depth)
    valid = (picture > 0) & (picture < _FARTHEST) & _has_rays(depth_camera)
    measured = np.where(valid, picture, np.float32(0))  # 0 is invalid from here on: arithmetic with NaN is slow
    # 1/z of the nearest front and of the nearest back; 0 is nothing there.
    nearness = np.zeros((2, colour_camera.height, colour_camera.width), dtype=np.float32)
    for top in range(0, depth_camera.height, _BAND):
        _draw(_cells(measured, view, top), nearness)
    front, back = nearness
    hidden = back * np.float32(1 - _LARGEST_STEP) > front  # noise may turn over single cells of a front
    front[hidden | (front == 0)] = np.nan
    if valid.any() and not (front > 0).any():
        raise DepthError(
            "no surface that was measured is seen in the colour picture",
            f"{int(valid.sum())} valid depth pixels",
            "Check the transform between the two cameras and their camera info.",
        )
    return np.divide(np.float32(1), front)


def _checked(depth: NDArray[np.floating], camera: Camera) -> Float32:
    array = np.asarray(depth)
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise DepthError(
            "expected an (H, W) float picture in metres", (array.shape, array.dtype), "Use depth_to_metres first."
        )
    if array.shape != (camera.height, camera.width):
        raise DepthError(
            f"the depth picture is not of its camera's size {(camera.height, camera.width)}",
            array.shape,
            "Pass the camera info that was published with this depth picture.",
        )
    with np.errstate(over="ignore"):  # float64 above the float32 range becomes inf, which is invalid anyway
        return array.astype(np.float32, copy=False)


@dataclass(frozen=True)
class _View:
    """How the colour camera sees points of the depth camera.

    Attributes:
        rays: (3, h, w) float32 rays of the depth pixels with z = 1, in the depth camera's frame.
        rotation, translation: of colour_from_depth, float32.
        field: largest squared x/z, y/z radius in the colour picture. Beyond it the lens polynomial may fold back.
        steps: largest depth step between neighbours of one surface, as a share of the depth: downwards, to the right.
        widest: pixels, the largest half width and half height of a cell.
    """

    depth_camera: Camera
    colour_camera: Camera
    rays: Float32
    rotation: Float32
    translation: Float32
    field: float
    steps: tuple[float, float]
    widest: tuple[float, float]

    @staticmethod
    def of(depth_camera: Camera, colour_camera: Camera, colour_from_depth: Transform) -> _View:
        steps = [min(_STEEPEST / focal, _LARGEST_STEP) for focal in (depth_camera.fy, depth_camera.fx)]
        ratio = max(colour_camera.fx, colour_camera.fy) / min(depth_camera.fx, depth_camera.fy)
        widest = _WIDEST_CELL * max(ratio, 1.0) / 2
        return _View(
            depth_camera,
            colour_camera,
            _planar_rays(depth_camera),
            colour_from_depth.rotation.astype(np.float32),
            colour_from_depth.translation.astype(np.float32),
            _field_radius(colour_camera),
            (steps[0], steps[1]),
            (min(widest, colour_camera.width), min(widest, colour_camera.height)),
        )

    def project(self, depth: Float32, first: int) -> tuple[Float32, Float32]:
        """Rows (n, w) of depth from row ``first`` on -> (3, n, w) u, v, 1/z in the colour camera, always finite, and
        the depth (n, w) with 0 where the colour camera has no such point."""
        rows, width = depth.shape
        flat = depth.reshape(-1)
        points = self.rotation @ self.rays[:, first : first + rows].reshape(3, -1)
        points *= flat
        points += self.translation[:, None]
        usable = points[2] > _NEAREST
        seen = np.empty_like(points)
        np.divide(np.float32(1), np.maximum(points[2], np.float32(_NEAREST)), out=seen[2])
        np.multiply(points[:2], seen[2], out=seen[:2])
        x, y = seen[:2]
        camera = self.colour_camera
        if camera.distortion_model != "none":
            usable &= x * x + y * y <= self.field
            edge = np.float32(np.sqrt(self.field))
            bent = np.empty((2, len(flat)))  # the lens takes columns; these are contiguous
            bent[:] = np.minimum(np.maximum(seen[:2], -edge), edge)
            seen[:2] = lens.distort(bent.T, camera.distortion_model, camera.distortion).T
        x *= np.float32(camera.fx)
        x += np.float32(camera.cx)
        y *= np.float32(camera.fy)
        y += np.float32(camera.cy)
        return seen.reshape(3, rows, width), (flat * usable).reshape(rows, width)

    def lone_step(self, axis: int, seen: Float32, depth: Float32) -> Float32:
        """(3, n) change of u, v, 1/z to the next pixel along an axis (0 down, 1 right) for (3, n) pixels that have no
        neighbour on their surface: it is taken as parallel to the depth camera's picture. The lens is left out."""
        camera = self.colour_camera
        focal = self.depth_camera.fx if axis == 1 else self.depth_camera.fy
        direction = self.rotation[:, 0 if axis == 1 else 1]
        nearness = seen[2]
        metres = depth * (nearness / np.float32(focal))
        return np.stack(
            [
                metres * (camera.fx * direction[0] - (seen[0] - camera.cx) * direction[2]),
                metres * (camera.fy * direction[1] - (seen[1] - camera.cy) * direction[2]),
                -metres * nearness * direction[2],
            ]
        ).astype(np.float32)


@lru_cache(maxsize=8)
def _planar_rays(camera: Camera) -> Float32:
    """(3, h, w) float32 rays of all pixels, 0 where the lens has no inverse."""
    rays = np.ascontiguousarray(np.moveaxis(camera.pixel_rays(), 2, 0), dtype=np.float32)
    rays[:, ~_has_rays(camera)] = 0
    rays.flags.writeable = False
    return rays


@lru_cache(maxsize=8)
def _has_rays(camera: Camera) -> NDArray[np.bool_]:
    known = np.asarray(np.isfinite(camera.pixel_rays()).all(axis=2))
    known.flags.writeable = False
    return known


@lru_cache(maxsize=8)
def _field_radius(camera: Camera) -> float:
    """Largest squared radius x/z, y/z of the picture, which lies on its border; 5% more for cells that reach in."""
    u, v = np.arange(camera.width), np.arange(camera.height)
    border = [(u, np.full_like(u, row)) for row in (0, camera.height - 1)]
    border += [(np.full_like(v, column), v) for column in (0, camera.width - 1)]
    rays = camera.rays(np.concatenate([np.stack(pair, axis=1) for pair in border]))
    squared = (rays[:, :2] ** 2).sum(axis=1)
    known = squared[np.isfinite(squared)]
    return 1.05 * float(known.max()) if len(known) else 0.0


@dataclass(frozen=True)
class _Cells:
    """What a band of depth pixels covers in the colour picture. All (n,) float32.

    Attributes:
        u, v, nearness: the middle, in pixels and 1/metres.
        half_u, half_v: half the width and height in pixels.
        area: square pixels; negative for one that is seen from behind, 0 for an invalid depth pixel.
        slope_u, slope_v: change of nearness for each pixel.
        reach: largest change of nearness inside the cell; bounds what the slope of one that is seen edge-on can do.
    """

    u: Float32
    v: Float32
    nearness: Float32
    half_u: Float32
    half_v: Float32
    area: Float32
    slope_u: Float32
    slope_v: Float32
    reach: Float32


def _cells(depth: Float32, view: _View, top: int) -> _Cells:
    """The cells of up to `_BAND` rows from ``top``; one row more on each side gives the outer rows their neighbours."""
    first, last = max(top - 1, 0), min(top + _BAND + 1, len(depth))
    seen, kept = view.project(depth[first:last], first)
    right, wide = _steps(1, seen, kept, view)
    down, high = _steps(0, seen, kept, view)
    own = slice(top - first, min(top + _BAND, len(depth)) - first)
    seen, right, down, wide, high = (a[:, own].reshape(len(a), -1) for a in (seen, right, down, wide, high))

    area = right[0] * down[1] - right[1] * down[0]
    inverse = 1 / np.copysign(np.maximum(np.abs(area), np.float32(_EDGE_ON)), area)
    half = (wide + high) * np.float32(0.5) + np.float32(_MARGIN)
    return _Cells(
        u=seen[0],
        v=seen[1],
        nearness=seen[2],
        half_u=np.minimum(half[0], np.float32(view.widest[0])),
        half_v=np.minimum(half[1], np.float32(view.widest[1])),
        area=area,
        slope_u=(right[2] * down[1] - down[2] * right[1]) * inverse,
        slope_v=(down[2] * right[0] - right[2] * down[0]) * inverse,
        reach=np.abs(right[2]) + np.abs(down[2]),
    )


def _steps(axis: int, seen: Float32, depth: Float32, view: _View) -> tuple[Float32, Float32]:
    """To the neighbours of the same surface along an axis (0 down, 1 right).

    Returns:
        (3, n, w) mean change of u, v, 1/z per depth pixel, and (2, n, w) the larger distance in u and in v to one of
        the two neighbours. Both 0 for invalid pixels.
    """

    def along(cut: slice) -> tuple[Any, ...]:
        return (..., cut, slice(None)) if axis == 0 else (..., cut)

    here, there, between = along(slice(None, -1)), along(slice(1, None)), along(slice(1, -1))
    shape = list(seen.shape)
    shape[axis + 1] += 1  # with nothing before the first and after the last
    change, joined = np.zeros(shape, np.float32), np.zeros(shape[1:], np.float32)
    limit = np.minimum(depth[here], depth[there]) * np.float32(view.steps[axis])
    joined[between] = np.abs(depth[there] - depth[here]) < limit  # never true beside an invalid pixel
    np.subtract(seen[there], seen[here], out=change[between])
    change *= joined
    before, after = change[here], change[there]
    neighbours = joined[here] + joined[there]
    mean = (before + after) * (np.float32(1.5) - np.float32(0.5) * neighbours)
    farther = np.maximum(np.abs(before[:2]), np.abs(after[:2]))
    lone = np.nonzero((neighbours == 0) & (depth > 0))
    if len(lone[0]):
        mean[:, lone[0], lone[1]] = view.lone_step(axis, seen[:, lone[0], lone[1]], depth[lone])
        farther[:, lone[0], lone[1]] = np.abs(mean[:2, lone[0], lone[1]])
    return mean, farther


def _draw(cells: _Cells, nearness: Float32) -> None:
    """Draw cells into ``nearness`` (2, H, W) contiguous: every pixel whose centre a cell covers keeps the largest 1/z.
    The first picture is for fronts, the second for backs."""
    _, height, width = nearness.shape
    drawn = nearness.reshape(-1)
    left = np.maximum(np.ceil(cells.u - cells.half_u), 0)
    upper = np.maximum(np.ceil(cells.v - cells.half_v), 0)
    columns = np.minimum(np.floor(cells.u + cells.half_u), width - 1) - left + 1
    rows = np.minimum(np.floor(cells.v + cells.half_v), height - 1) - upper + 1
    covered = np.maximum(columns, 0) * np.maximum(rows, 0) * (np.abs(cells.area) > _EDGE_ON)
    corner = cells.slope_u * (left - cells.u) + cells.slope_v * (upper - cells.v)
    upper += (cells.area < 0) * np.float32(height)  # the second picture lies below the first

    def put(cell: NDArray[np.intp], row: Float32 | float, column: Float32 | float) -> None:
        reach = cells.reach[cell]
        change = corner[cell] + cells.slope_u[cell] * column + cells.slope_v[cell] * row
        value = cells.nearness[cell] + np.minimum(np.maximum(change, -reach), reach)
        pixel = (upper[cell] + row).astype(np.intp) * width + (left[cell] + column).astype(np.intp)
        np.maximum.at(drawn, pixel, value)

    put(np.flatnonzero(covered), 0, 0)  # the upper left pixel; most cells have no other
    larger = np.flatnonzero(covered > 1)
    further = covered[larger].astype(np.intp) - 1
    cell = np.repeat(larger, further)
    # Number the further pixels of each cell 1, 2, ... along its rows.
    number = (np.arange(1, len(cell) + 1) - np.repeat(np.cumsum(further) - further, further)).astype(np.float32)
    across = columns[cell]
    row = np.floor((number + np.float32(0.5)) / across)
    put(cell, row, number - row * across)
