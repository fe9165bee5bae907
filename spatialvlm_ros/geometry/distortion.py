"""Lens distortion of normalised image coordinates: the three models of sensor_msgs/CameraInfo.

Source: REP-104 / sensor_msgs/distortion_models.hpp; plumb_bob and rational_polynomial are the Brown-Conrady
model of OpenCV's ``calib3d``, equidistant is its ``fisheye`` (Kannala-Brandt). Coordinates are x/z and y/z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import CameraModelError

Float = NDArray[np.float64]
Model = Callable[[Float, Float], Float]

_NEWTON_STEPS = 40
_CONVERGED = 1e-12


@dataclass(frozen=True)
class DistortionModel:
    """How one model distorts.

    Attributes:
        coefficients: the counts of coefficients that it takes.
        distort: (points (N, 2) undistorted, padded coefficients) -> (N, 2) distorted.
        padded: number of coefficients that `distort` expects.
    """

    coefficients: tuple[int, ...]
    distort: Model
    padded: int


def _brown_conrady(points: Float, d: Float) -> Float:
    k1, k2, p1, p2, k3, k4, k5, k6 = d
    x, y = points[:, 0], points[:, 1]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    tangential_x = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    tangential_y = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([x * radial + tangential_x, y * radial + tangential_y], axis=1)


def _equidistant(points: Float, d: Float) -> Float:
    r = np.hypot(points[:, 0], points[:, 1])
    theta = np.arctan(r)
    t2 = theta * theta
    bent = theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3]))))
    scale = np.divide(bent, r, out=np.ones_like(r), where=r > 1e-12)
    return points * scale[:, None]


def _none(points: Float, d: Float) -> Float:
    return points


MODELS: dict[str, DistortionModel] = {
    "none": DistortionModel((0,), _none, 0),
    "plumb_bob": DistortionModel((4, 5), _brown_conrady, 8),
    "rational_polynomial": DistortionModel((8,), _brown_conrady, 8),
    "equidistant": DistortionModel((4,), _equidistant, 4),
}


def check(model: str, coefficients: Sequence[float]) -> None:
    """Raise `CameraModelError` unless ``model`` is known and takes that many finite coefficients."""
    if model not in MODELS:
        raise CameraModelError("unknown distortion model", model, f"Known ones: {', '.join(MODELS)}.")
    allowed = MODELS[model].coefficients
    if len(coefficients) not in allowed:
        raise CameraModelError(
            f"distortion model {model!r} takes {' or '.join(map(str, allowed))} coefficients",
            len(coefficients),
            "Pass the D of CameraInfo unchanged.",
        )
    if not np.isfinite(np.asarray(coefficients, dtype=np.float64)).all():
        raise CameraModelError("a distortion coefficient is not finite", tuple(coefficients), "Calibrate again.")


def _padded(model: DistortionModel, coefficients: Sequence[float]) -> Float:
    d = np.zeros(model.padded)
    d[: len(coefficients)] = coefficients
    return d


def distort(points: Float, model: str, coefficients: Sequence[float]) -> Float:
    """(N, 2) undistorted normalised coordinates -> (N, 2) distorted ones."""
    chosen = MODELS[model]
    return chosen.distort(points, _padded(chosen, coefficients))


def undistort(points: Float, model: str, coefficients: Sequence[float]) -> Float:
    """(N, 2) distorted normalised coordinates -> (N, 2) undistorted ones, NaN where no solution is found.

    Damped Newton steps with a numeric Jacobian; a point beyond the lens model's valid field has no inverse.
    """
    chosen = MODELS[model]
    if chosen.padded == 0 or not np.any(coefficients):
        if model != "equidistant":  # without coefficients the equidistant model still bends: r = theta
            return points
    d = _padded(chosen, coefficients)
    guess = _first_guess(points, model)
    step = 1e-7
    for _ in range(_NEWTON_STEPS):
        error = chosen.distort(guess, d) - points
        if not np.any(np.abs(error) > _CONVERGED):
            break
        j00, j10 = ((chosen.distort(guess + [step, 0], d) - points - error) / step).T
        j01, j11 = ((chosen.distort(guess + [0, step], d) - points - error) / step).T
        determinant = j00 * j11 - j01 * j10
        determinant = np.where(np.abs(determinant) < 1e-12, np.nan, determinant)
        move = np.stack([j11 * error[:, 0] - j01 * error[:, 1], j00 * error[:, 1] - j10 * error[:, 0]], axis=1)
        move /= determinant[:, None]
        # Far outside the calibrated field the polynomial folds back; short steps keep to the near branch.
        length = np.linalg.norm(move, axis=1, keepdims=True)
        limit = 0.5 + 0.5 * np.linalg.norm(guess, axis=1, keepdims=True)
        guess = guess - move * np.minimum(1.0, limit / np.maximum(length, 1e-300))
    residual = np.abs(chosen.distort(guess, d) - points).max(axis=1) if len(points) else np.zeros(0)
    return np.where((residual < 1e-6)[:, None], guess, np.nan)


def _first_guess(points: Float, model: str) -> Float:
    if model != "equidistant":
        return points.copy()
    theta = np.hypot(points[:, 0], points[:, 1])
    scale = np.divide(np.tan(np.minimum(theta, 1.5)), theta, out=np.ones_like(theta), where=theta > 1e-12)
    return points * scale[:, None]
