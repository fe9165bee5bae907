"""From slot distributions to `Locations`: means and spreads in pixels of the picture and in log metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.models.backend import FrameReading, Locations
from spatialvlm_ros.models.embedded import vocabulary as v
from spatialvlm_ros.models.embedded.picture import Canvas, canonical_scale
from spatialvlm_ros.models.quantities import OVERFLOW_BIN, ZERO_BIN, bin_values

Float = NDArray[np.float64]

_LOG_VALUES = np.log(bin_values()[ZERO_BIN + 1 : OVERFLOW_BIN])  # of the positive bins


def locations(presence: Float, places: Float, lengths: Float, canvas: Canvas) -> Locations:
    """Locations of K objects.

    Args:
        presence: (K, 3) probabilities.
        places: (K, 6, N_PLACES) probabilities of x0, y0, x1, y1, u, v.
        lengths: (K, 4, N_BINS) probabilities of canonical range, width, depth, height.
        canvas: of the picture.
    """
    means, stds = _moments(places, v.place_values() * canvas.width)
    # The grid counts from the canvas's edge; pixel centres are integers.
    on_canvas = means - 0.5
    corners = canvas.to_picture(on_canvas[:, :4]) + 0.5
    log_means, log_stds = _moments(_positive(lengths), _LOG_VALUES)
    return Locations(
        presence=presence,
        boxes=corners,
        box_stds=canvas.lengths_to_picture(stds[:, :4]),
        centers=canvas.to_picture(on_canvas[:, 4:]),
        center_stds=canvas.lengths_to_picture(stds[:, 4:]),
        log_ranges=log_means[:, 0] - np.log(canonical_scale(canvas.camera)),
        log_range_stds=log_stds[:, 0],
        log_sizes=log_means[:, 1:],
        log_size_stds=log_stds[:, 1:],
    )


def frame_reading(places: Float, length: Float, canvas: Canvas) -> FrameReading:
    """The vertical and the camera's height.

    Args:
        places: (2, N_PLACES) probabilities of the up vector's x and z.
        length: (N_BINS,) probabilities of the canonical camera height.
        canvas: of the picture.
    """
    means, stds = _moments(places, 2 * v.place_values() - 1)
    x, z = np.clip(means, -1, 1)
    y = -np.sqrt(max(1 - x * x - z * z, 1e-6))  # cameras do not hang upside down
    up = np.array([x, y, z])
    log_mean, log_std = _moments(_positive(length[None]), _LOG_VALUES)
    return FrameReading(
        up / np.linalg.norm(up),
        float(np.hypot(*stds)),
        float(log_mean[0] - np.log(canonical_scale(canvas.camera))),
        float(log_std[0]),
    )


def _positive(lengths: Float) -> Float:
    positive = lengths[..., ZERO_BIN + 1 : OVERFLOW_BIN]
    return positive / np.maximum(positive.sum(axis=-1, keepdims=True), 1e-12)


def _moments(probabilities: Float, values: Float) -> tuple[Float, Float]:
    means = probabilities @ values
    return means, np.sqrt(np.maximum(probabilities @ values**2 - means**2, 1e-12))
