"""Finding free places: footprints that do not overlap, surfaces that carry, and how deep a thing drops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.layouts import LEVEL_TOLERANCE_M, Placed, Prop
from spatialvlm_ros.simulation.solids import yaw_matrix

Float = NDArray[np.float64]

CLEARANCE_M = 0.006  # between neighbours that are not meant to touch


class Surface(Protocol):
    """A level place on which things can stand."""

    plane: str
    height: float

    def holds(self, outline: Float) -> bool:
        """Whether the whole outline (K, 2), world frame, lies on it."""
        ...

    def draw(self, rng: np.random.Generator) -> Float:
        """(2,) a random point of it, world frame."""
        ...


@dataclass(frozen=True, eq=False)
class Rectangle:
    """A rectangular surface: centre (2,), half sizes (2,), yaw, of a table or the floor."""

    plane: str
    height: float
    center: Float
    half: Float
    yaw: float = 0.0

    def to_own(self, points: Float) -> Float:
        """(N, 2) world points in the rectangle's frame."""
        return (points - self.center) @ yaw_matrix(self.yaw)[:2, :2]

    def to_world(self, points: Float) -> Float:
        """(..., 2) own points in the world frame."""
        return points @ yaw_matrix(self.yaw)[:2, :2].T + self.center

    def holds(self, outline: Float) -> bool:
        """Whether the outline lies within the rectangle."""
        return bool((np.abs(self.to_own(outline)) <= self.half).all())

    def draw(self, rng: np.random.Generator) -> Float:
        """A point of the rectangle."""
        return self.to_world(rng.uniform(-self.half, self.half))


@dataclass(frozen=True, eq=False)
class FlatTop:
    """The flat top of a placed object."""

    carrier: Placed
    plane: str

    @property
    def height(self) -> float:
        """World height of the top, metres."""
        return float(self.carrier.position[2]) + float(self.carrier.prop.top_height or 0.0)

    def holds(self, outline: Float) -> bool:
        """Whether everything below the outline is as high as the top (nothing is missing or stands on it)."""
        edge = [outline, (outline + np.roll(outline, -1, axis=0)) / 2, outline.mean(axis=0, keepdims=True)]
        points = np.concatenate([*edge, (outline + outline.mean(axis=0)) / 2])
        own = (points - self.carrier.position[:2]) @ yaw_matrix(self.carrier.yaw)[:2, :2]
        heights = self.carrier.prop.solid.height_map.at(own)
        return bool((np.abs(heights - (self.carrier.prop.top_height or 0.0)) <= LEVEL_TOLERANCE_M).all())

    def draw(self, rng: np.random.Generator) -> Float:
        """A point of the top."""
        cells = self.carrier.prop.top_cells
        if len(cells) == 0:
            return self.carrier.position[:2]
        own = cells[int(rng.integers(len(cells)))]
        return own @ yaw_matrix(self.carrier.yaw)[:2, :2].T + self.carrier.position[:2]


@dataclass
class Occupied:
    """Footprints that are taken on one surface."""

    outlines: list[Float] = field(default_factory=list)

    def free(self, outline: Float, clearance: float = CLEARANCE_M) -> bool:
        """Whether ``outline`` keeps ``clearance`` metres from all of them."""
        return all(separation(outline, other) > clearance for other in self.outlines)

    def take(self, outline: Float) -> None:
        """Add an outline."""
        self.outlines.append(outline)


def separation(a: Float, b: Float) -> float:
    """A lower bound of the distance between two convex outlines, exact along their edge normals; < 0: they overlap."""
    reach_a, reach_b = a.max(axis=0) - a.min(axis=0), b.max(axis=0) - b.min(axis=0)
    best = float((np.abs(a.max(axis=0) + a.min(axis=0) - b.max(axis=0) - b.min(axis=0)) - reach_a - reach_b).max() / 2)
    if best > 0:  # even the upright rectangles around them are apart
        return best
    for outline in (a, b):
        edges = np.roll(outline, -1, axis=0) - outline
        normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        first, second = normals @ a.T, normals @ b.T
        gap = np.maximum(second.min(axis=1) - first.max(axis=1), first.min(axis=1) - second.max(axis=1))
        best = max(best, float(gap.max()))
    return best


def place_on(
    prop: Prop,
    surface: Surface,
    occupied: Occupied,
    rng: np.random.Generator,
    *,
    where: Callable[[np.random.Generator], Float] | None = None,
    yaw: Callable[[np.random.Generator], float] | None = None,
    on: int | None = None,
    tries: int = 25,
    clearance: float = CLEARANCE_M,
) -> Placed | None:
    """Stand ``prop`` on a free place of ``surface``, or None where ``tries`` random ones all fail."""
    for _ in range(tries):
        position = (where or surface.draw)(rng)
        turn = yaw(rng) if yaw else float(rng.uniform(-np.pi, np.pi))
        base = surface.height - float(prop.solid.lower[2])
        candidate = Placed(prop, np.array([*position, base]), turn, surface.plane, on)
        outline = candidate.outline()
        if surface.holds(outline) and occupied.free(outline, clearance):
            occupied.take(outline)
            return candidate
    return None


def drop_inside(
    prop: Prop, container: Placed, index: int, others: list[Placed], rng: np.random.Generator, tries: int = 24
) -> Placed | None:
    """Let ``prop`` sink into the container at the place where it sinks deepest.

    Args:
        prop: what to put in.
        container: where it stands.
        index: the container's number among the placed objects.
        others: what is inside already (their outlines stay free).
        rng: random numbers.
        tries: places to try.

    Returns:
        The placed prop, its lowest point touching the container, or None where it does not fit.
    """
    cavity = container.prop.item.cavity
    if cavity is None:
        return None
    scale = np.array(container.prop.scale)
    center, size = np.array(cavity.center) * scale, np.array(cavity.size) * scale
    if min(prop.solid.size[:2]) > 1.3 * max(size[:2]) or prop.solid.size[2] > 2.2 * size[2]:
        return None
    taken = Occupied([other.outline() for other in others])
    points, best = prop.solid.underside, None
    turn_container = yaw_matrix(container.yaw)[:2, :2]
    for _ in range(tries):
        own_xy = center[:2] + rng.uniform(-0.4, 0.4, 2) * size[:2]
        own_yaw = float(rng.uniform(-np.pi, np.pi))
        turned = points @ yaw_matrix(own_yaw).T
        below = container.prop.solid.height_map.at(turned[:, :2] + own_xy)
        height = float((below - turned[:, 2]).max())
        rim = center[2] + size[2] / 2
        if not np.isfinite(height) or height + 0.35 * prop.solid.size[2] > rim:
            continue
        # Its middle must be inside, and its whole outline above the container.
        if not np.isfinite(below).all():
            continue
        position = np.array([*(own_xy @ turn_container.T), height]) + container.position
        candidate = Placed(prop, position, own_yaw + container.yaw, container.plane, index, inside=True)
        if (best is None or height < best[0] - 1e-4) and taken.free(candidate.outline()):
            best = (height, candidate)
    return best[1] if best else None
