"""Whether a camera stands still."""

from __future__ import annotations

import numpy as np

from spatialvlm_ros.geometry.transforms import Transform

# Up to here it does: localisation and calibration are not better, and depth is not either.
_STILL_M = 0.001
_STILL_RAD = np.radians(0.1)


def moved_apart(a: Transform, b: Transform) -> bool:
    """Whether two poses of a camera, in one frame, are of different places."""
    turned = float(np.linalg.norm(a.rotation - b.rotation)) / np.sqrt(2.0)  # of small angles
    return bool(np.linalg.norm(a.translation - b.translation) > _STILL_M or turned > _STILL_RAD)
