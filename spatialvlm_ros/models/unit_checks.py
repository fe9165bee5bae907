"""What cannot be metres, or pixels: mistakes of units that no model can see."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.errors import ObservationError
from spatialvlm_ros.scenes.observation import Observation

MOST_DEPTH_M = 100.0  # median
MOST_HEIGHT_M = 100.0
_SAMPLED = 64  # columns of a depth picture that are looked at
# Of a picture that is a part of a larger one the principal point may lie outside, but no camera sees so steeply.
_FARTHEST = 1.0  # picture sizes
_STEEPEST = 4.0  # tangent of the angle between the axis and the middle of the picture


def check_units(observation: Observation) -> None:
    """Refuse an observation whose numbers have other units than metres and pixels.

    Raises:
        ObservationError: the median of the depth or the camera's height is over 100 m, or the principal point is so
            far off the picture that no camera sees there.
    """
    camera, height, depth = observation.camera, observation.camera_height, observation.depth
    for offset, size, focal in (
        (camera.cx - (camera.width - 1) / 2, camera.width, camera.fx),
        (camera.cy - (camera.height - 1) / 2, camera.height, camera.fy),
    ):
        if abs(offset) > max(_FARTHEST * size, _STEEPEST * focal):
            principal = (camera.cx, camera.cy)
            raise ObservationError("the principal point is far outside the picture", principal, "Is it in pixels?")
    if height is not None and abs(height) > MOST_HEIGHT_M:
        raise ObservationError("the camera height can hardly be metres", height, "Pass metres, or None.")
    if depth is None:
        return
    step = max(1, depth.shape[1] // _SAMPLED)
    some = depth[::step, ::step]
    valid = some[np.isfinite(some) & (some > 0)]
    if valid.size and (median := float(np.median(valid))) > MOST_DEPTH_M:
        raise ObservationError("the depth can hardly be metres: its median is", median, "Divide millimetres by 1000.")
