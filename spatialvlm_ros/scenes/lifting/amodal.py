"""From the seen side of an object to the box of the whole object.

With a known vertical the box stands upright on its support. Width and top are seen; how far the object reaches
behind what is seen is predicted from the shape of the seen side by a small network fitted in simulation
(``calibration.yaml``): a round front reaches as far back as it is wide, a top face seen from above shows its own
depth, a bare front face gets the usual depth of things of such proportions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.scenes.lifting.calibration import Calibration
from spatialvlm_ros.scenes.lifting.shape import SeenShape, extents_along

Float = NDArray[np.float64]

_LEAST_ADDED, _MOST_ADDED = -0.05, 1.5  # of the larger horizontal extent
_LEAST_EDGE_M = 1e-4


def completed_box(shape: SeenShape, calibration: Calibration) -> tuple[Boxes, float]:
    """The box of the whole object, and the standard deviation of its centre in metres.

    Columns of its rotation: depth axis, width axis, up.
    """
    share = float(np.clip(calibration.hidden_depth(shape.features), _LEAST_ADDED, _MOST_ADDED))
    return _box(shape, shape.far + share * shape.scale), centre_deviation(shape, calibration)


def visible_box(shape: SeenShape) -> Boxes:
    """The upright box around the visible points alone."""
    return _box(shape, shape.far)


def centre_deviation(shape: SeenShape, calibration: Calibration) -> float:
    """Standard deviation of the centre in metres, from the residuals of the fit."""
    return 0.5 * shape.scale * calibration.depth_deviation


def _box(shape: SeenShape, far: float) -> Boxes:
    rotation = np.stack([shape.depth_axis, shape.width_axis, shape.up], axis=1)
    low = np.array([shape.near, shape.left, shape.bottom])
    high = np.maximum(np.array([far, shape.right, shape.top]), low + _LEAST_EDGE_M)
    center = rotation @ ((low + high) / 2)
    return Boxes(center[None], (high - low)[None], rotation[None])


def camera_aligned_box(points: Float) -> Boxes:
    """The box around points (N, 3) along the camera's own axes, for a picture without a vertical."""
    low, high = extents_along(points)
    # Columns depth, width, up as with a vertical: z, -x, -y of the optical frame.
    rotation = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    sizes = np.abs(rotation.T @ (high - low))
    return Boxes(((low + high) / 2)[None], sizes[None], rotation[None])
