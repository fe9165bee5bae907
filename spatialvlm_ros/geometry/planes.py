"""Planes in point clouds: least squares and RANSAC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import GeometryError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """The points x with normal . x + offset = 0.

    Attributes:
        normal: (3,) unit vector.
        offset: metres; with the camera at the origin it is the camera's height over the plane on the normal's side.
    """

    normal: Float
    offset: float

    def __post_init__(self) -> None:
        normal = np.asarray(self.normal, dtype=np.float64)
        norm = float(np.linalg.norm(normal)) if normal.shape == (3,) else float("nan")
        if not np.isfinite(norm) or norm < 1e-12 or not np.isfinite(self.offset):
            raise GeometryError("a plane needs a normal (3,) and a finite offset", (self.normal, self.offset), "")
        object.__setattr__(self, "normal", normal / norm)
        object.__setattr__(self, "offset", float(self.offset) / norm)

    def distance(self, points: ArrayLike) -> Float:
        """(N,) signed distance in metres of points (N, 3); positive on the side the normal points to."""
        return np.asarray(points, dtype=np.float64) @ self.normal + self.offset

    def facing(self, direction: ArrayLike) -> Plane:
        """The same plane with its normal on the side of ``direction`` (3,)."""
        if float(np.dot(self.normal, direction)) < 0:
            return Plane(-self.normal, -self.offset)
        return self


def fit_plane(points: ArrayLike) -> Plane:
    """Least-squares plane through points (N, 3), N >= 3: the direction of least variance is the normal.

    Raises:
        GeometryError: fewer than 3 points, or all on one line.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
        raise GeometryError("a plane needs three points or more", points.shape, "Use more pixels.")
    centre = points.mean(axis=0)
    centred = points - centre
    values, vectors = np.linalg.eigh(centred.T @ centred)
    if not np.isfinite(values).all() or values[1] <= 1e-12 * max(values[2], 1e-300):
        raise GeometryError("the points lie on one line or are one point", values, "Use points spread over the plane.")
    normal = vectors[:, 0]
    return Plane(normal, -float(normal @ centre))


def ransac_plane(
    points: ArrayLike,
    threshold: float,
    iterations: int,
    rng: np.random.Generator,
    normal_hint: ArrayLike | None = None,
    max_angle: float | None = None,
    score_points: int = 4000,
) -> tuple[Plane, NDArray[np.bool_]] | None:
    """The plane with most points within ``threshold``, refitted to them by least squares; and its inliers (N,).

    Args:
        points: (N, 3) metres.
        threshold: metres.
        iterations: number of random triples, scored all at once on up to ``score_points`` points.
        normal_hint, max_angle: only planes whose normal (either sign) is within ``max_angle`` radians of the hint.

    Returns:
        None where no triple gives an allowed plane.
    """
    points = np.asarray(points, dtype=np.float64)
    if len(points) < 3:
        return None
    triples = points[rng.integers(0, len(points), size=(iterations, 3))]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-12
    if normal_hint is not None and max_angle is not None:
        hint = np.asarray(normal_hint, dtype=np.float64)
        hint = hint / np.linalg.norm(hint)
        usable &= np.abs(normals @ hint) >= np.cos(max_angle) * np.maximum(lengths, 1e-300)
    if not usable.any():
        return None
    normals = normals[usable] / lengths[usable, None]
    offsets = -np.einsum("ij,ij->i", normals, triples[usable, 0])
    sample = points if len(points) <= score_points else points[rng.choice(len(points), score_points, replace=False)]
    votes = (np.abs(sample @ normals.T + offsets) < threshold).sum(axis=0)
    best = int(votes.argmax())
    plane = Plane(normals[best], float(offsets[best]))
    # Two refits: the first moves the plane into the middle of its points, the second uses the points it then gains.
    for _ in range(2):
        inliers = np.abs(plane.distance(points)) < threshold
        if inliers.sum() < 3:
            return None
        try:
            plane = fit_plane(points[inliers])
        except GeometryError:
            return None
    return plane, np.abs(plane.distance(points)) < threshold
