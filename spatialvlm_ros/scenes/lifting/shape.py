"""The visible points of an object measured about the vertical: yaw, extents, and what its seen side looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# What the hidden depth of an object is predicted from. Lengths are shares of the visible width, heights shares of the
# object's height; "near" and "far" are the eighths of its visible depth next to and away from the camera.
FEATURES = (
    "depth",  # visible depth
    "height",
    "elevation",  # sine of the angle of sight below the horizontal
    "corner",  # 1 - cosine between the depth axis and the line of sight: is it seen over a corner?
    "mean_depth",
    "top_share",  # share of the points near the top
    "top_depth",
    "top_width",
    "top_near",  # from the near side to where the top begins
    "top_far",  # from where the top ends to the far side
    "near_height",
    "far_height",
    "far_lowest",
    "near_width",
    "middle_width",
    "far_width",
)

_TRIM = 0.7  # per cent of the points beyond each end of an extent that are taken for stray
_YAWS = np.radians(np.arange(0.0, 90.0, 3.0))
_YAW_POINTS = 500
_MIN_EXTENT_M = 0.002
_STRAIGHT_DOWN = 0.05  # sine between the line of sight and the vertical
_NOISE_REACH = 2.0  # deviations to either side of a surface within which its points lie
_END_SHARE = 0.125
_TOP_SHARE = 0.15
_LARGEST_FEATURE = 3.0


@dataclass(frozen=True)
class SeenShape:
    """The visible points of an object about the vertical.

    Attributes:
        up, depth_axis, width_axis: (3,) unit, orthogonal, optical frame; the depth axis is the horizontal box axis
            nearest to the line of sight and points away from the camera.
        near, far: metres along the depth axis, of the visible points.
        left, right: metres along the width axis.
        bottom, top: metres along up (from the camera).
        features: (len(FEATURES),).
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

    @property
    def scale(self) -> float:
        """The larger horizontal extent in metres, the unit of what is added to the depth."""
        return max(self.width, self.far - self.near, _MIN_EXTENT_M)


def seen_shape(points: Float, up: Float, bottom: float | None, noise: float = 0.0) -> SeenShape:
    """Measure the visible points.

    Args:
        points: (N, 3) metres, optical frame.
        up: (3,) unit.
        bottom: height of the object's base along up where it is known better than by its visible points.
        noise: standard deviation in metres of the points along the line of sight.
    """
    heights = points @ up
    sight = points.mean(axis=0)
    elevation = -float(sight @ up) / float(np.linalg.norm(sight))
    low, top = _ends(heights, noise * abs(elevation))
    bottom = low if bottom is None else float(bottom)
    level = _level_sight(sight, up)
    side = np.cross(up, level)
    yaw = least_area_yaw(np.stack([points @ level, points @ side], axis=1))
    # Of the two box axes take the one within 45 degrees of the line of sight as depth.
    yaw = yaw if yaw < np.pi / 4 else yaw - np.pi / 2
    depth_axis = np.cos(yaw) * level + np.sin(yaw) * side
    width_axis = np.cross(up, depth_axis)
    along, across = points @ depth_axis, points @ width_axis
    in_sight = sight / np.linalg.norm(sight)
    near, far = _ends(along, noise * abs(float(in_sight @ depth_axis)))
    left, right = _ends(across, noise * abs(float(in_sight @ width_axis)))

    width = max(right - left, _MIN_EXTENT_M)
    height = max(top - bottom, _MIN_EXTENT_M)
    values = {
        "depth": (far - near) / width,
        "height": height / width,
        "elevation": elevation,
        "corner": 1.0 - float(depth_axis @ level),
        "mean_depth": (float(along.mean()) - near) / width,
    }
    values |= _profile((along - near) / width, across / width, (heights - bottom) / height, (far - near) / width)
    features = np.clip([values[name] for name in FEATURES], -1.0, _LARGEST_FEATURE)
    return SeenShape(up, depth_axis, width_axis, near, far, left, right, bottom, top, features)


def _ends(values: Float, noise: float) -> tuple[float, float]:
    """Both ends of ``values`` (N,) without stray ones, put back by what noise of that deviation adds to them.

    With a share f of the points on the end itself, the quantile taken there lies z deviations beyond it, where z is
    the normal quantile of 1 - trim / f.
    """
    low, high = (float(v) for v in np.percentile(values, [_TRIM, 100 - _TRIM]))
    if noise <= 0 or high - low <= 0:
        return low, high
    from scipy.special import ndtri

    reach = min(2.0 * _NOISE_REACH * noise, high - low)
    beyond = []
    for share in ((values < low + reach).mean(), (values > high - reach).mean()):
        beyond.append(noise * float(ndtri(1.0 - min(_TRIM / 100.0 / max(float(share), 1e-6), 0.5))))
    middle = (low + high) / 2
    return min(low + beyond[0], middle), max(high - beyond[1], middle)


def _level_sight(sight: Float, up: Float) -> Float:
    """(3,) unit: the horizontal part of the line of sight; straight from above any horizontal axis will do."""
    level = sight - (sight @ up) * up
    if np.linalg.norm(level) < _STRAIGHT_DOWN * np.linalg.norm(sight):
        # The picture's own axis that is more nearly level.
        axis = np.eye(3)[int(np.abs(up).argmin())]
        level = axis - (axis @ up) * up
    return level / np.linalg.norm(level)


def _profile(along: Float, across: Float, heights: Float, depth: float) -> dict[str, float]:
    """Features of the near end, the far end and the top; all arguments as shares, (N,) each."""
    far = along > (1 - _END_SHARE) * depth
    near = along < _END_SHARE * depth
    top = heights > 1 - _TOP_SHARE
    return {
        "top_share": float(top.mean()),
        "top_depth": _inner_range(along[top]),
        "top_width": _inner_range(across[top]),
        "top_near": float(np.percentile(along[top], 3)) if top.any() else 0.0,
        "top_far": depth - float(np.percentile(along[top], 97)) if top.any() else 0.0,
        "near_height": float(np.median(heights[near])) if near.any() else 0.0,
        "far_height": float(np.median(heights[far])) if far.any() else 0.0,
        "far_lowest": float(heights[far].min()) if far.any() else 0.0,
        "near_width": _inner_range(across[near]),
        "middle_width": _inner_range(across[~near & ~far]),
        "far_width": _inner_range(across[far]),
    }


def _inner_range(values: Float) -> float:
    """From the 5th to the 95th percentile; 0 for a handful of values."""
    if len(values) < 4:
        return 0.0
    low, high = np.percentile(values, [5, 95])
    return float(high - low)


def least_area_yaw(flat: Float) -> float:
    """Yaw in radians, 0..pi/2, of the rectangle of least area around points (N, 2), but for stray points."""
    flat = flat[:: max(1, len(flat) // _YAW_POINTS)]
    stray = int(len(flat) * _TRIM / 100.0)
    last = len(flat) - 1 - stray
    angles = _YAWS
    best = 0.0
    for step in (np.radians(3.0), np.radians(0.5)):
        turns = np.concatenate([angles, angles + np.pi / 2])
        along = flat @ np.stack([np.cos(turns), np.sin(turns)])  # (N, 2 A)
        ordered = np.partition(along, [stray, last], axis=0)
        extents = (ordered[last] - ordered[stray]).reshape(2, -1)
        best = float(angles[int(extents.prod(axis=0).argmin())])
        angles = best + np.arange(-1.0, 1.01, 0.25) * step
    return best % (np.pi / 2)


def extents_along(points: Float, trim: float = _TRIM) -> tuple[Float, Float]:
    """Low and high (3,) of points (N, 3) along their axes without the stray ones."""
    low, high = np.percentile(points, [trim, 100 - trim], axis=0)
    return low, high
