"""Whether a thing can be where it is thought to be: its known points beside what depth sees there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera

Float = NDArray[np.float64]

_NEAR = ((0.008, 2), (0.004, 1), (0.002, 1))  # metres of a step, and steps to each side
_WIDE = ((0.016, 3), *_NEAR)
_MOST_POINTS = 250  # that are compared
_SOFT = 0.6  # deviation of the score that the search climbs, in tolerances


@dataclass(frozen=True)
class Agreement:
    """Shares of the points of a thing, 1 together.

    Attributes:
        seen: depth is what it should be.
        hidden: something nearer stands before them, or there is no depth.
        gone: depth is farther: one sees through the place.
    """

    seen: float
    hidden: float
    gone: float

    @property
    def score(self) -> float:
        """-1 to 1: what speaks for the place less what speaks against it."""
        return self.seen - self.gone

    @property
    def contradicted(self) -> float:
        """Share of what can be seen there that speaks against the place, 0 where nothing can."""
        told = self.seen + self.gone
        return self.gone / told if told > 0 else 0.0


@dataclass(frozen=True)
class DepthPicture:
    """Depth to compare points with.

    Attributes:
        depth: (H, W) metres, NaN where unknown.
        camera: of it.
        tolerance: metres by which depth and a point on the same surface may differ.
    """

    depth: NDArray[np.float32]
    camera: Camera
    tolerance: float

    def agreement(self, points: Float) -> Agreement:
        """How (N, 3) points of a thing, optical frame, agree with the picture."""
        points = _some(points)
        beyond = self._beyond(points)
        seen = np.abs(beyond) <= self.tolerance
        gone = beyond > self.tolerance  # NaN is neither
        n = max(len(points), 1)
        return Agreement(float(seen.sum() / n), float((~seen & ~gone).sum() / n), float(gone.sum() / n))

    def nearby(self, points: Float, sinking: tuple[Float, float], wide: bool = False) -> Float:
        """(3,) the small displacement with which the points agree best, found from coarse steps to fine ones.

        Args:
            points: (N, 3) metres, optical frame.
            sinking: (3,) unit vector up and the metres by which the points may sink.
            wide: look up to 7 cm away along each axis instead of 2 cm.
        """
        best, points = np.zeros(3), _some(points)
        for step, reach in _WIDE if wide else _NEAR:
            axis = np.arange(-reach, reach + 1) * step
            tried = best + np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
            above = tried @ sinking[0] >= -sinking[1]
            tried = tried[above] if above.any() else tried
            scores = self._soft_scores(points, tried)
            # Of equals the one that moves least.
            best = tried[int(np.argmax(scores - 1e-4 * np.linalg.norm(tried, axis=1) / step))]
        return best

    def _soft_scores(self, points: Float, displacements: Float) -> Float:
        """(D,) smooth scores of the points (N, 3) at D displacements (D, 3)."""
        moved = points[None] + displacements[:, None]
        beyond = self._beyond(moved.reshape(-1, 3)).reshape(moved.shape[:2])
        with np.errstate(invalid="ignore"):
            kernel = np.exp(-0.5 * (beyond / (_SOFT * self.tolerance)) ** 2)
            against = np.clip(beyond / self.tolerance - 1.0, 0.0, 1.0)
        scores: Float = (np.nan_to_num(kernel) - np.nan_to_num(against)).mean(axis=1)
        return scores

    def _beyond(self, points: Float) -> Float:
        """(N,) metres by which depth is farther than each point; NaN outside the picture and without depth."""
        pixels, inside = pixels_seen(self.camera, points)
        found = np.full(len(points), np.nan)
        found[inside] = self.depth[pixels[:, 1], pixels[:, 0]]
        return found - points[:, 2]


def pixels_seen(camera: Camera, points: Float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(M, 2) pixels u, v of the points (N, 3), optical frame, in the picture, and (N,) which ones these are."""
    pixels = camera.project(points)
    inside: NDArray[np.bool_] = np.asarray(np.isfinite(pixels).all(axis=1))
    inside[inside] = camera.contains(pixels[inside])
    found = np.rint(pixels[inside]).astype(np.int64)
    return np.clip(found, 0, [camera.width - 1, camera.height - 1]), inside


def _some(points: Float) -> Float:
    return points[:: max(1, len(points) // _MOST_POINTS)]
