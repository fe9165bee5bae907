"""From the visible points of an object to the box of the whole object.

With a known vertical the box stands upright on its support plane. Its width is seen; how far it reaches behind what
is seen is predicted from the shape of the seen side with weights fitted in simulation (``calibration.yaml``): a
round front reaches as far back as it is wide, a top face seen from above shows its own depth, a bare front face
gets the usual depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.lifting.calibration import Calibration

Float = NDArray[np.float64]

FEATURES = (
    "bias",
    "ratio",
    "ratio_squared",
    "elevation",
    "elevation_ratio",
    "corner",
    "corner_ratio",
    "height_ratio",
    "mean_depth",
    "top_share",
    "top_share_ratio",
)

_TRIM = 0.7  # per cent of the points beyond each end of an extent that are taken for stray
_YAWS = np.radians(np.arange(0.0, 90.0, 3.0))
_YAW_POINTS = 500
_MIN_EXTENT_M = 0.002


@dataclass(frozen=True)
class SeenShape:
    """The visible points of an object about the vertical.

    Attributes:
        up, depth_axis, width_axis: (3,) unit, orthogonal, optical frame; the depth axis is the horizontal box axis
            nearest to the line of sight and points away from the camera.
        near, far: metres along the depth axis, of the visible points.
        left, right: metres along the width axis.
        bottom, top: metres along up (from the camera).
        features: (len(FEATURES),) what its depth is predicted from.
    """

    up: Float
    depth_axis: Float
    width_axis: Float
    near: float
    far: float
    left: float
    right: float
    bottom: float
    top: float
    features: Float

    @property
    def elevation(self) -> float:
        """Sine of the angle between the line of sight and the horizontal, positive from above."""
        return float(self.features[FEATURES.index("elevation")])

    @property
    def width(self) -> float:
        """Metres along the width axis."""
        return self.right - self.left


def seen_shape(points: Float, up: Float, bottom: float | None) -> SeenShape:
    """Measure the visible points.

    Args:
        points: (N, 3) metres, optical frame.
        up: (3,) unit.
        bottom: height of the object's base along up where it is known better than by its visible points.
    """
    heights = points @ up
    low, top = np.percentile(heights, [_TRIM, 100 - _TRIM])
    bottom = float(low) if bottom is None else float(bottom)
    sight = points.mean(axis=0)
    sight_distance = float(np.linalg.norm(sight))
    level = sight - (sight @ up) * up
    if np.linalg.norm(level) < 0.05 * sight_distance:  # straight from above: any horizontal axis will do
        level = np.cross(up, [1.0, 0.0, 0.0])
        if np.linalg.norm(level) < 1e-3:
            level = np.cross(up, [0.0, 0.0, 1.0])
    level = level / np.linalg.norm(level)
    side = np.cross(up, level)

    flat = np.stack([points @ level, points @ side], axis=1)
    yaw = least_area_yaw(flat)
    # Of the two box axes take the one within 45 degrees of the line of sight as depth.
    yaw = yaw if yaw < np.pi / 4 else yaw - np.pi / 2
    depth_axis = np.cos(yaw) * level + np.sin(yaw) * side
    width_axis = np.cross(up, depth_axis)
    along = points @ depth_axis
    near, far = (float(v) for v in np.percentile(along, [_TRIM, 100 - _TRIM]))
    left, right = (float(v) for v in np.percentile(points @ width_axis, [_TRIM, 100 - _TRIM]))

    width = max(right - left, _MIN_EXTENT_M)
    height = max(float(top) - bottom, _MIN_EXTENT_M)
    ratio = min((far - near) / width, 2.0)
    elevation = -float(sight @ up) / sight_distance
    top_share = float((heights > top - 0.12 * height).mean())
    corner = 1.0 - abs(float(depth_axis @ level))
    values = {
        "bias": 1.0,
        "ratio": ratio,
        "ratio_squared": ratio * ratio,
        "elevation": elevation,
        "elevation_ratio": elevation * ratio,
        "corner": corner,
        "corner_ratio": corner * ratio,
        "height_ratio": min(height / width, 3.0),
        "mean_depth": min((float(along.mean()) - near) / width, 2.0),
        "top_share": top_share,
        "top_share_ratio": top_share * ratio,
    }
    features = np.array([values[name] for name in FEATURES])
    return SeenShape(up, depth_axis, width_axis, near, far, left, right, bottom, float(top), features)


def least_area_yaw(flat: Float) -> float:
    """Yaw in radians, 0..pi/2, of the rectangle of least area around points (N, 2), but for stray points."""
    flat = flat[:: max(1, len(flat) // _YAW_POINTS)]
    stray = int(len(flat) * _TRIM / 100.0)
    angles = _YAWS
    for step in (np.radians(3.0), np.radians(0.5)):
        turns = np.concatenate([angles, angles + np.pi / 2])
        along = flat @ np.stack([np.cos(turns), np.sin(turns)])  # (N, 2 A)
        ordered = np.partition(along, [stray, len(flat) - 1 - stray], axis=0)
        extents = (ordered[len(flat) - 1 - stray] - ordered[stray]).reshape(2, -1)
        best = float(angles[int(extents.prod(axis=0).argmin())])
        angles = best + np.arange(-1.0, 1.01, 0.25) * step
    return best % (np.pi / 2)


def completed_box(shape: SeenShape, calibration: Calibration) -> tuple[Boxes, float]:
    """The box of the whole object, and the standard deviation of its centre in metres.

    Columns of its rotation: depth axis, width axis, up.
    """
    depth = shape.width * float(shape.features @ calibration.depth_weights)
    depth = float(np.clip(depth, shape.far - shape.near, max(2.5 * shape.width, shape.far - shape.near)))
    deviation = 0.5 * shape.width * calibration.depth_deviation
    return _box(shape, shape.near + depth), deviation


def visible_box(shape: SeenShape) -> Boxes:
    """The upright box around the visible points alone."""
    return _box(shape, shape.far)


def _box(shape: SeenShape, far: float) -> Boxes:
    rotation = np.stack([shape.depth_axis, shape.width_axis, shape.up], axis=1)
    low = np.array([shape.near, shape.left, shape.bottom])
    high = np.maximum(np.array([far, shape.right, shape.top]), low + 1e-4)
    center = rotation @ ((low + high) / 2)
    return Boxes(center[None], (high - low)[None], rotation[None])


def camera_aligned_box(points: Float) -> Boxes:
    """The box around points (N, 3) along the camera's own axes, for a picture without a vertical."""
    low, high = np.percentile(points, [_TRIM, 100 - _TRIM], axis=0)
    # Columns depth, width, up as with a vertical: z, -x, -y of the optical frame.
    rotation = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    sizes = np.abs(rotation.T @ (high - low))
    return Boxes(((low + high) / 2)[None], sizes[None], rotation[None])
