"""Where a parallel gripper takes an object from above: the height, the direction and the width of the grasp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.solids import Solid

Float = NDArray[np.float64]

MAX_WIDTH_M = 0.072  # of 0.08 m opening, so that both fingers pass beside the object
_MIN_WIDTH_M = 0.008
_PALM_CLEARANCE_M = 0.032  # from the tool centre point up to the palm, less a little
_LOWEST_M = 0.014  # fingertips stay over the table
_BAND_M = 0.009  # half of the pad's height and width
_ANGLES = 24
_HOLLOW_M = 0.005  # the surface between the pads may be this much narrower than the hull that the physics touches


@dataclass(frozen=True)
class Grasp:
    """A grasp from straight above, in the object's frame (z up, standing as it stands).

    Attributes:
        point: (3,) where the tool centre point goes, metres.
        angle: radians about z from the object's x axis to the way the fingers open.
        width: metres between the two sides of the object there.
    """

    point: tuple[float, float, float]
    angle: float
    width: float


def find_grasp(solid: Solid, touched: Solid) -> Grasp | None:
    """The narrowest grasp through the middle of an object, or None when there is none.

    Args:
        solid: the surface that is drawn.
        touched: the surface of its collision shapes. Where it lies outside the drawn one, fingers would close on air;
            there is no grasp there.
    """
    height = float(solid.upper[2])
    level = max(height / 2, height - _PALM_CLEARANCE_M, _LOWEST_M)
    if level > height - 0.002:
        return None
    slice_points, touched_points = _points_near_level(solid, level), _points_near_level(touched, level)
    if len(slice_points) < 3 or len(touched_points) < 3:
        return None
    best: Grasp | None = None
    for angle in np.arange(_ANGLES) * np.pi / _ANGLES:
        grasp = _across(slice_points, touched_points, float(angle), level)
        if grasp is not None and (best is None or grasp.width < best.width - 1e-4):
            best = grasp
    return best


def _points_near_level(solid: Solid, level: float) -> Float:
    """(N, 2) surface points whose height is within the pads, cut exactly where triangles pass the level."""
    points = solid.points
    near = points[np.abs(points[:, 2] - level) <= _BAND_M, :2]
    a, b = solid.fine.reshape(-1, 3), np.roll(solid.fine, -1, axis=1).reshape(-1, 3)
    crossing = (a[:, 2] - level) * (b[:, 2] - level) < 0
    a, b = a[crossing], b[crossing]
    share = ((level - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
    return np.concatenate([near, (a + share * (b - a))[:, :2]])


def _across(points: Float, touched: Float, angle: float, level: float) -> Grasp | None:
    """The grasp whose fingers open along ``angle``, or None when it is too wide or would close on air."""
    opening, beside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    along, across = touched @ opening, touched @ beside
    middle = (across.min() + across.max()) / 2
    width = float(np.ptp(along))
    if not _MIN_WIDTH_M <= width <= MAX_WIDTH_M:
        return None
    drawn = (points @ opening)[np.abs(points @ beside - middle) <= _BAND_M]
    if len(drawn) < 2 or width - np.ptp(drawn) > _HOLLOW_M:
        return None
    point = opening * (along.min() + along.max()) / 2 + beside * middle
    return Grasp((float(point[0]), float(point[1]), level), angle, width)
