"""What each object stands on: a plane of the view, or the top of another object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.frames import horizontal_axes
from spatialvlm_ros.geometry.planes import Plane
from spatialvlm_ros.scenes.lifting.plane_search import FoundPlane
from spatialvlm_ros.scenes.lifting.surfels import Surfels

Float = NDArray[np.float64]

_LEVEL = np.cos(np.radians(12.0))
_FEWEST_SURFELS = 6
_STANDING_QUANTILE = 2.0  # per cent
_FURNITURE_SPREAD_M = 0.1  # of a square of 0.35 m
_CARRIER_WIDER = 1.5
_FURNITURE_RISE_M = 0.25  # a top this high over what carries it is furniture too, however small


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
    def is_large(self) -> bool:
        """Whether it is a support plane of the view by its size alone: a floor or table-top, not the top of a book."""
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
        name = labels[found.owner] if found.owner >= 0 else f"plane {len(supports)}"
        supports.append(Support(plane, name, found.members, found.owner, found.spread))
    return supports


def _offset(points: Float, up: Float) -> float:
    """Offset of the level plane through points (N, 3): near points count more, their depth is better."""
    heights = points @ up
    centre = float(np.median(heights))
    spread = max(1.4826 * float(np.median(np.abs(heights - centre))), 5e-4)
    kept = np.abs(heights - centre) < 3.0 * spread
    weights = 1.0 / np.maximum(np.einsum("ij,ij->i", points, points)[kept], 1e-6)
    return -float(np.average(heights[kept], weights=weights))


def object_supports(
    objects: dict[int, Float], supports: list[Support], surfels: Surfels, up: Float, labels: list[str]
) -> dict[int, Support | None]:
    """What each object stands on, by the index of its detection.

    Args:
        objects: points (N, 3) of each lifted detection.
        supports: level surfaces of the view.
        surfels: of the view.
        up: (3,) unit.
        labels: of all detections.
    """
    seen = _SeenFromAbove.of(surfels, up)
    bodies = {k: _Body.of(points, seen.axes, up) for k, points in objects.items()}
    return {k: _object_support(k, bodies, supports, seen, up, labels) for k in objects}


@dataclass(frozen=True)
class _Body:
    """An object seen from above: (3,) middle, (2,) middle in the horizontal plane, radius there, lowest height."""

    middle: Float
    centre: Float
    radius: float
    lowest: float

    @staticmethod
    def of(points: Float, axes: Float, up: Float) -> _Body:
        middle = np.median(points, axis=0)
        centre = middle @ axes
        radius = float(np.percentile(np.linalg.norm(points @ axes - centre, axis=1), 95))
        return _Body(middle, centre, radius, float(np.percentile(points @ up, _STANDING_QUANTILE)))


@dataclass(frozen=True)
class _SeenFromAbove:
    """Surfels in the horizontal plane: (N, 2) position, (N,) height, level or not, owner."""

    flat: Float
    heights: Float
    level: NDArray[np.bool_]
    owners: NDArray[np.int64]
    axes: Float  # (3, 2)

    @staticmethod
    def of(surfels: Surfels, up: Float) -> _SeenFromAbove:
        _, left = horizontal_axes(up[None])
        axes = np.stack([left[0], np.cross(up, left[0])], axis=1)
        level = surfels.normals @ up > _LEVEL
        return _SeenFromAbove(surfels.points @ axes, surfels.points @ up, level, surfels.owners, axes)


def _object_support(
    index: int,
    bodies: dict[int, _Body],
    supports: list[Support],
    seen: _SeenFromAbove,
    up: Float,
    labels: list[str],
) -> Support | None:
    """The surface under one object.

    First a plane or a top that its lowest points touch; else (its base is hidden) the highest plane below it that
    is seen near it or all around it; else the lowest plane of the view.
    """
    body = bodies[index]
    middle, bottom = body.middle, body.lowest
    tolerance = 0.008 + 0.008 * float(middle[2])
    near = seen.level & (seen.owners != index)
    near &= np.linalg.norm(seen.flat - body.centre, axis=1) < 1.5 * body.radius + 0.03

    def carries(owner: int) -> bool:
        """What carries it reaches further down, or is wider where only its top is seen."""
        if owner < 0 or owner not in bodies:
            return True
        other = bodies[owner]
        wider = other.radius > _CARRIER_WIDER * body.radius
        return owner != index and (other.lowest < bottom - 0.5 * tolerance or wider)

    below = [s for s in supports if carries(s.owner) and s.height_at(middle, up) < bottom + tolerance]
    close = [s for s in below if near[s.members].sum() >= _FEWEST_SURFELS]
    touching = [s for s in close if s.height_at(middle, up) > bottom - tolerance]
    if touching:
        return max(touching, key=lambda s: len(s.members))
    top = _small_top(seen, near, bottom, tolerance, carries, up, labels)
    if top is not None:
        return top
    under = [s for s in below if any(s is c for c in close) or _surrounds(seen.flat[s.members], body.centre)]
    if under:
        return max(under, key=lambda s: s.height_at(middle, up))
    return min(below, key=lambda s: s.height_at(middle, up), default=None)


def _surrounds(flat: Float, centre: Float) -> bool:
    """Whether points (N, 2) lie on all sides of ``centre`` (2,): no empty half plane."""
    angles = np.sort(np.arctan2(*(flat - centre).T))
    gaps = np.diff(angles, append=angles[0] + 2 * np.pi)
    return bool(gaps.max() < np.pi)


def _small_top(
    seen: _SeenFromAbove,
    near: NDArray[np.bool_],
    bottom: float,
    tolerance: float,
    carries: Callable[[int], bool],
    up: Float,
    labels: list[str],
) -> Support | None:
    """A level surface of another object, too small to be a plane of the view, that the object stands on."""
    touching = np.flatnonzero(near & (np.abs(seen.heights - bottom) < tolerance) & (seen.owners >= 0))
    counts = np.bincount(seen.owners[touching], minlength=1)
    owner = int(counts.argmax())
    if counts[owner] < _FEWEST_SURFELS or not carries(owner):
        return None
    members = touching[seen.owners[touching] == owner]
    return Support(Plane(up, -float(np.median(seen.heights[members]))), labels[owner], members, owner)


def carrying_plane(index: int, bases: dict[int, Support | None], up: Float) -> Support | None:
    """The floor, table-top or other furniture that carries an object in the end, through whatever it is stacked on.

    Args:
        index: of the object's detection.
        bases: what each lifted detection stands on.
        up: (3,) unit.
    """
    base = bases.get(index)
    passed = {index}
    while base is not None and not base.is_large:
        if base.owner in passed:
            return None
        passed.add(base.owner)
        carrier = bases.get(base.owner)
        if carrier is not None and carrier.camera_height(up) - base.camera_height(up) > _FURNITURE_RISE_M:
            return base
        base = carrier
    return base


def main_support(chosen: list[Support | None], supports: list[Support]) -> Support | None:
    """The plane under most objects (the higher one if equal); without objects the largest plane."""
    if not supports:
        return None
    found = [c for c in chosen if c is not None]
    if not found:
        return next((s for s in supports if s.is_large), None)
    # Tops that are no plane of the view come one by one: those of one object are one plane.
    votes = [sum(c is s or (c.owner == s.owner >= 0) for c in found) for s in found]
    most = [s for s, n in zip(found, votes, strict=True) if n == max(votes)]
    return min(most, key=lambda s: s.plane.offset)  # the camera is least high over the highest
