"""What each object stands on: a plane of the view, or the top of another object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.planes import Plane
from spatialvlm_ros.scenes.lifting.plane_search import FoundPlane
from spatialvlm_ros.scenes.lifting.surfels import Surfels

Float = NDArray[np.float64]

_LEVEL = np.cos(np.radians(12.0))
_FEWEST_SURFELS = 6
_STANDING_QUANTILE = 2.0  # per cent
_FURNITURE_SPREAD_M = 0.1  # of a square of 0.35 m


@dataclass(frozen=True)
class Support:
    """A level surface of the view.

    Attributes:
        plane: with its normal up.
        name: "plane 0" for the largest ..., or the label of the object it is the top of.
        members: indices of its surfels.
        owner: index of the detection it is the top of, -1 for none.
        spread: metres, root mean square radius along its shorter direction.
    """

    plane: Plane
    name: str
    members: NDArray[np.int64]
    owner: int = -1
    spread: float = 0.0

    @property
    def is_furniture_or_floor(self) -> bool:
        """Whether it counts as a support plane of the view; the top of a book or a box does not."""
        return self.owner < 0 or self.spread > _FURNITURE_SPREAD_M

    def height_at(self, point: Float, up: Float) -> float:
        """Coordinate along up of this surface above or below ``point`` (3,)."""
        return float(point @ up) - self.plane.distance(point[None])[0] / float(self.plane.normal @ up)

    def camera_height(self, up: Float) -> float:
        """Metres of the camera over this plane, along up."""
        return self.plane.offset / float(self.plane.normal @ up)


def level_supports(
    planes: list[FoundPlane], surfels: Surfels, up: Float, labels: list[str], max_tilt: float, trust_up: bool
) -> list[Support]:
    """The planes of the view that are level and seen from above, largest first.

    Args:
        planes: all planes of the view.
        surfels: they were found in.
        up: (3,) unit.
        labels: of the detections, to name surfaces that belong to one.
        max_tilt: radians from level that still count.
        trust_up: set the planes' normals to up (which was found from them all) and refit only their offsets.
    """
    supports: list[Support] = []
    for found in planes:
        if float(found.plane.normal @ up) < np.cos(max_tilt):
            continue
        plane = found.plane
        if trust_up and float(plane.normal @ up) > _LEVEL:
            plane = Plane(up, _offset(surfels.points[found.members], up))
        owners = surfels.owners[found.members]
        owner = int(np.bincount(owners + 1).argmax()) - 1
        if owner < 0 or (owners == owner).mean() < 0.6:
            owner = -1
        name = labels[owner] if owner >= 0 else f"plane {len(supports)}"
        supports.append(Support(plane, name, found.members, owner, found.spread))
    return supports


def _offset(points: Float, up: Float) -> float:
    """Offset of the level plane through points (N, 3): near points count more, their depth is better."""
    heights = points @ up
    centre = float(np.median(heights))
    spread = max(1.4826 * float(np.median(np.abs(heights - centre))), 5e-4)
    kept = np.abs(heights - centre) < 3.0 * spread
    weights = 1.0 / np.maximum(np.einsum("ij,ij->i", points, points)[kept], 1e-6)
    return -float(np.average(heights[kept], weights=weights))


def object_support(
    points: Float, index: int, supports: list[Support], surfels: Surfels, up: Float, labels: list[str]
) -> Support | None:
    """The surface under one object.

    First a plane or a top that its lowest points touch; else (its base is hidden) the highest plane below it that
    is seen near it; else the lowest plane of the view.

    Args:
        points: (N, 3) of the object.
        index: of its detection: its own surface cannot carry it.
    """
    heights = points @ up
    bottom = float(np.percentile(heights, _STANDING_QUANTILE))
    middle = np.median(points, axis=0)
    tolerance = 0.008 + 0.008 * float(middle[2])
    flat = np.eye(3) - np.outer(up, up)
    radius = float(np.percentile(np.linalg.norm((points - middle) @ flat, axis=1), 95))
    others = np.flatnonzero((surfels.owners != index) & (surfels.normals @ up > _LEVEL))
    gaps = np.linalg.norm((surfels.points[others] - middle) @ flat, axis=1) - radius
    near = others[gaps < 0.03 + 0.5 * radius]

    below = [s for s in supports if s.owner != index and s.height_at(middle, up) < bottom + tolerance]
    around = [s for s in below if np.isin(s.members, near, assume_unique=True).sum() >= _FEWEST_SURFELS]
    touching = [s for s in around if s.height_at(middle, up) > bottom - tolerance]
    if touching:
        return max(touching, key=lambda s: len(s.members))
    top = _small_top(surfels, near, bottom, tolerance, up, labels)
    if top is not None:
        return top
    if around:
        return max(around, key=lambda s: s.height_at(middle, up))
    if below:
        return min(below, key=lambda s: s.height_at(middle, up))
    return None


def _small_top(
    surfels: Surfels, near: NDArray[np.int64], bottom: float, tolerance: float, up: Float, labels: list[str]
) -> Support | None:
    """A level surface of another object, too small to be a plane of the view, that the object stands on."""
    heights = surfels.points[near] @ up
    touching = near[(np.abs(heights - bottom) < tolerance) & (surfels.owners[near] >= 0)]
    if len(touching) < _FEWEST_SURFELS:
        return None
    owner = int(np.bincount(surfels.owners[touching]).argmax())
    members = touching[surfels.owners[touching] == owner]
    if len(members) < _FEWEST_SURFELS:
        return None
    return Support(Plane(up, -float(np.median(surfels.points[members] @ up))), labels[owner], members, owner)


def carrying_plane(index: int, bases: dict[int, Support | None]) -> Support | None:
    """The floor or table-top that carries an object in the end, through whatever it is stacked on.

    Args:
        index: of the object's detection.
        bases: what each lifted detection stands on.
    """
    base = bases.get(index)
    passed = {index}
    while base is not None and not base.is_furniture_or_floor:
        if base.owner in passed or base.owner not in bases:
            return None
        passed.add(base.owner)
        base = bases[base.owner]
    return base


def main_support(chosen: list[Support | None], supports: list[Support]) -> Support | None:
    """The plane under most objects (the larger one if equal); without objects the largest plane."""
    if not supports:
        return None
    votes = [sum(c is s for c in chosen) - 0.5 * (not s.is_furniture_or_floor) for s in supports]
    return supports[int(np.argmax(votes))]  # supports are ordered by area, argmax takes the first
