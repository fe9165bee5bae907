"""All large planes of a view, whatever they are: floor, table-top, walls, ceiling, sides of furniture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.geometry.planes import Plane, ransac_plane
from spatialvlm_ros.scenes.lifting.options import PlaneOptions
from spatialvlm_ros.scenes.lifting.surfels import Surfels

Float = NDArray[np.float64]

_MAX_NORMAL_DEVIATION = np.cos(np.radians(20.0))  # a surfel on a plane has nearly the plane's normal
_CLAIMED_NORMAL_DEVIATION = np.cos(np.radians(30.0))
_SCORED_SURFELS = 2500
_FEWEST_SURFELS = 40
_REFITS = 4
_OWNED_SHARE = 0.6
# The paper's segmentation step (appendix A.2).
_PAPER_THRESHOLD_M = 0.05
_PAPER_ITERATIONS = 1000


@dataclass(frozen=True)
class FoundPlane:
    """A plane of a view.

    Attributes:
        plane: its normal points to the camera's side, so ``offset`` is the camera's distance from it.
        members: indices of the surfels on it.
        share: of all surfels of the view.
        residual: metres, robust standard deviation of the members about it.
        spread: metres, root mean square radius of the members along their shorter direction: with the residual
            it says how well the normal is known.
    """

    plane: Plane
    members: NDArray[np.int64]
    share: float
    residual: float
    spread: float
    owned: float
    owner: int

    @property
    def normal_variance(self) -> float:
        """Square radians; neighbouring surfels share pixels, hence the reduced number of them."""
        independent = max(1.0, len(self.members) / 6.0)
        return max(self.residual, 5e-4) ** 2 / (independent * max(self.spread, 1e-3) ** 2)


def find_planes(surfels: Surfels, options: PlaneOptions) -> list[FoundPlane]:
    """Planes in the order of the picture area they cover, each surfel on one of them at most."""
    if len(surfels) < _FEWEST_SURFELS:
        return []
    return _METHODS[options.method](surfels, options)


def _by_surfels(surfels: Surfels, options: PlaneOptions) -> list[FoundPlane]:
    """RANSAC whose hypotheses are single oriented points, all scored at once, then greedy selection and refit."""
    rng = np.random.default_rng(options.seed)
    threshold = _threshold(surfels, options)
    sample = surfels[_choose(rng, len(surfels), _SCORED_SURFELS)]
    seeds = surfels[_choose(rng, len(surfels), options.hypotheses)]
    offsets = -np.einsum("ij,ij->i", seeds.normals, seeds.points)
    directions = seeds.normals.T.astype(np.float32)
    near = np.abs(sample.points.astype(np.float32) @ directions + offsets.astype(np.float32)) < threshold
    near &= sample.normals.astype(np.float32) @ directions > _MAX_NORMAL_DEVIATION  # (sample, hypotheses)
    votes = near.astype(np.float32)

    fewest = max(_FEWEST_SURFELS, options.min_share * len(surfels))
    free = np.ones(len(surfels), dtype=bool)
    sample_free = np.ones(len(sample), dtype=bool)
    hypothesis_free = np.ones(len(seeds), dtype=bool)
    found: list[FoundPlane] = []
    while len(found) < options.max_planes:
        counts = np.where(hypothesis_free, sample_free.astype(np.float32) @ votes, 0)
        best = int(counts.argmax())
        if counts[best] * len(surfels) / len(sample) < 0.5 * fewest:
            break
        hypothesis_free[best] = False
        plane = _refit(surfels, free, Plane(seeds.normals[best], float(offsets[best])), threshold)
        if plane is None:
            sample_free &= ~near[:, best]
            continue
        members = np.flatnonzero(free & _on(surfels, plane, threshold, _MAX_NORMAL_DEVIATION))
        if len(members) >= fewest:
            found.append(_measured(surfels, plane, members))
        # The fringe goes with the plane, so that it is not found again.
        free &= ~_on(surfels, plane, 2 * threshold, _CLAIMED_NORMAL_DEVIATION)
        sample_free &= ~_on(sample, plane, 2 * threshold, _CLAIMED_NORMAL_DEVIATION)
        if len(members) < fewest:
            sample_free &= ~near[:, best]
    return sorted(found, key=lambda f: -f.share)


def _by_paper(surfels: Surfels, options: PlaneOptions) -> list[FoundPlane]:
    """Three-point RANSAC, plane after plane, with the paper's coarse threshold."""
    rng = np.random.default_rng(options.seed)
    fewest = max(_FEWEST_SURFELS, options.min_share * len(surfels))
    free = np.arange(len(surfels))
    found: list[FoundPlane] = []
    while len(found) < options.max_planes and len(free) >= fewest:
        result = ransac_plane(surfels.points[free], _PAPER_THRESHOLD_M, _PAPER_ITERATIONS, rng)
        if result is None or result[1].sum() < fewest:
            break
        plane, inliers = result
        if plane.offset < 0:
            plane = Plane(-plane.normal, -plane.offset)
        found.append(_measured(surfels, plane, free[inliers]))
        free = free[~inliers]
    return sorted(found, key=lambda f: -f.share)


_METHODS: dict[str, Callable[[Surfels, PlaneOptions], list[FoundPlane]]] = {
    "surfels": _by_surfels,
    "paper": _by_paper,
}


def _threshold(surfels: Surfels, options: PlaneOptions) -> float:
    return max(options.min_threshold, options.relative_threshold * float(np.median(surfels.points[:, 2])))


def _choose(rng: np.random.Generator, n: int, wanted: int) -> NDArray[np.int64]:
    return np.arange(n) if n <= wanted else np.sort(rng.choice(n, wanted, replace=False))


def _on(surfels: Surfels, plane: Plane, threshold: float, least_cosine: float) -> NDArray[np.bool_]:
    """(N,) surfels within ``threshold`` metres of a plane whose normal is near the plane's."""
    return (np.abs(plane.distance(surfels.points)) < threshold) & (surfels.normals @ plane.normal > least_cosine)


def _refit(surfels: Surfels, free: NDArray[np.bool_], plane: Plane, threshold: float) -> Plane | None:
    """Least squares in inverse depth with a threshold that shrinks to three robust deviations of the members."""
    limit = 2.0 * threshold
    for _ in range(_REFITS):
        on = free & _on(surfels, plane, limit, _CLAIMED_NORMAL_DEVIATION)
        if on.sum() < _FEWEST_SURFELS:
            return None
        try:
            plane = fit_inverse_depth(surfels.points[on])
        except GeometryError:
            return None
        deviation = 1.4826 * float(np.median(np.abs(plane.distance(surfels.points[on]))))
        limit = min(threshold, max(3.0 * deviation, 0.001))
    return plane


def fit_inverse_depth(points: Float) -> Plane:
    """Plane of points (N, 3) by least squares of 1/Z over the rays, normal to the camera's side.

    Raises:
        GeometryError: fewer than 3 points, all on one line, or a plane through the camera.
    """
    design = np.concatenate([points[:, :2] / points[:, 2:], np.ones((len(points), 1))], axis=1)
    if len(points) < 3:
        raise GeometryError("a plane needs three points or more", len(points), "Use more pixels.")
    moments = design.T @ design
    if np.linalg.cond(moments) > 1e12:
        raise GeometryError("the points lie on one line or are one point", len(points), "Use points spread out.")
    coefficients = np.linalg.solve(moments, design.T @ (1.0 / points[:, 2]))
    length = float(np.linalg.norm(coefficients))
    if length < 1e-9:
        raise GeometryError("the plane is infinitely far", coefficients, "Use nearer points.")
    return Plane(-coefficients / length, 1.0 / length)


def _measured(surfels: Surfels, plane: Plane, members: NDArray[np.int64]) -> FoundPlane:
    points = surfels.points[members]
    residual = 1.4826 * float(np.median(np.abs(plane.distance(points))))
    centred = points - points.mean(axis=0)
    variances = np.linalg.eigvalsh(centred.T @ centred / len(points))
    owners = surfels.owners[members]
    owner = int(np.bincount(owners + 1).argmax()) - 1
    if (owners == owner).mean() < _OWNED_SHARE:
        owner = -1
    return FoundPlane(
        plane=plane,
        members=members,
        share=len(members) / len(surfels),
        residual=residual,
        spread=float(np.sqrt(max(variances[1], 0.0))),
        owned=float((owners >= 0).mean()),
        owner=owner,
    )
