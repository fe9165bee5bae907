"""How noisy a depth picture is, and a smoother one that keeps its steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPACING = 6  # pixels; sensors share their error between neighbours that are nearer
_NEGLIGIBLE = 2e-4  # noise over inverse depth below which nothing is smoothed: rendered depth, good lidar
_BEND_DEVIATION = np.sqrt(6.0)  # of the second difference of independent noise of deviation 1
_FAR_OFF = -1e3  # inverse depth of invalid pixels while smoothing: too far from all others to count


def inverse_depth_noise(depth: NDArray[np.float32]) -> float:
    """Standard deviation of the noise in inverse depth, 1/m, from the bend along rows; 0 if nothing is valid.

    A plane has no bend in inverse depth, so the median bend is noise wherever most of a picture is smooth.
    """
    rows = depth[::4]
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(rows > 0, 1.0 / rows, np.nan)
    bend = np.abs(inverse[:, : -2 * _SPACING] - 2.0 * inverse[:, _SPACING:-_SPACING] + inverse[:, 2 * _SPACING :])
    bend = bend[np.isfinite(bend)]
    return float(1.4826 * np.median(bend) / _BEND_DEVIATION) if len(bend) else 0.0


def smoothed_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) metres with the noise of a sensor averaged out inside surfaces; steps and invalid pixels stay.

    A bilateral filter on inverse depth, where the noise of stereo and structured light is the same everywhere. A
    picture without noise comes back as it is.
    """
    import cv2

    noise = inverse_depth_noise(depth)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(depth > 0, 1.0 / depth, np.nan).astype(np.float32)
    typical = float(np.nanmedian(inverse[::8, ::8])) if np.isfinite(inverse[::8, ::8]).any() else 0.0
    if typical <= 0 or noise < _NEGLIGIBLE * typical:
        return depth
    valid = np.isfinite(inverse)
    filled = np.where(valid, inverse, np.float32(_FAR_OFF))
    smooth = cv2.bilateralFilter(filled, d=9, sigmaColor=3.0 * noise, sigmaSpace=4.0)
    with np.errstate(divide="ignore"):
        return np.where(valid, 1.0 / smooth, np.nan).astype(np.float32)
