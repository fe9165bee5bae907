"""Which way is up, from the planes of a view and the objects that stand on them.

Candidates are the normals of all planes seen from their front (a floor, a table-top; but also every wall), the
opposite normals (of a ceiling) and the lines along which two walls meet. What tells a floor from a wall: objects stand
on it (all on one side and touching), the other surfaces of the view are parallel or square to it, little lies behind
it, and its normal is not far from where up points in a camera held by a robot or a person. The weights of these
hints are fitted in simulation (``calibration.yaml``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.scenes.lifting.calibration import HINTS, Calibration
from spatialvlm_ros.scenes.lifting.plane_search import FoundPlane
from spatialvlm_ros.scenes.lifting.surfels import Surfels

Float = NDArray[np.float64]

_PARALLEL = np.cos(np.radians(5.0))
_SQUARE = np.sin(np.radians(4.0))
_SAME_LEVEL_RAD = np.radians(4.0)  # planes closer than this to level or upright help to find the vertical
_WALL_PAIR = np.cos(np.radians(60.0))  # two walls meet at more than 60 degrees
_LARGE_WALLS = 4  # only the largest planes are tried as walls that meet
# How level and upright real surfaces are, as a standard deviation beside the error of their measurement: floors,
# table-tops and walls; faces of objects.
_ASSUMED_BUILDING_RAD = np.radians(0.1)
_ASSUMED_OBJECT_RAD = np.radians(2.0)
_USUAL_SINE = 0.15  # of the roll of cameras
_STANDING_QUANTILE = 3.0  # per cent; the lowest points of an object but for stray ones
_LEAST_SHARE = 1e-3
_MOST_HOVERING = 2.0  # sizes of an object; a tall thing that hides its base seems to hover by about one


@dataclass(frozen=True)
class VerticalCandidate:
    """A direction that may be up.

    Attributes:
        up: (3,) unit, optical frame.
        hints: (len(HINTS),) what speaks for it.
        carries: whether any object may stand on a level that is not itself part of an object; false for a wall
            with things hanging before it, which no hint tells from a floor seen from straight above.
    """

    up: Float
    hints: Float
    carries: bool = True

    def score(self, calibration: Calibration) -> float:
        """Log-odds against "this is not the vertical"."""
        return float(self.hints @ calibration.hint_weights)


def candidates(planes: list[FoundPlane], surfels: Surfels, objects: dict[int, Float]) -> list[VerticalCandidate]:
    """One candidate for each direction that may be up.

    Args:
        planes: all planes of the view, largest first.
        surfels: they were found in.
        objects: cleaned points (N, 3) of each lifted detection, by its index.
    """
    ups: list[Float] = []
    for found in planes:
        _add_new(ups, refined_up(found.plane.normal, planes))
    for found in planes:
        if found.owner < 0:
            _add_new(ups, refined_up(-found.plane.normal, planes))
    walls = [f for f in planes if f.owner < 0][:_LARGE_WALLS]
    for k, first in enumerate(walls):
        for second in walls[k + 1 :]:
            if abs(float(first.plane.normal @ second.plane.normal)) < _WALL_PAIR:
                line = np.cross(first.plane.normal, second.plane.normal)
                _add_new(ups, refined_up(line / np.linalg.norm(line), planes))
                _add_new(ups, refined_up(-line / np.linalg.norm(line), planes))
    return [_candidate(up, planes, surfels, objects) for up in ups]


def _add_new(ups: list[Float], up: Float) -> None:
    if all(float(up @ other) < _PARALLEL for other in ups):
        ups.append(up)


def _candidate(up: Float, planes: list[FoundPlane], surfels: Surfels, objects: dict[int, Float]) -> VerticalCandidate:
    facing = [float(f.plane.normal @ up) for f in planes]
    levels = [f for f, cosine in zip(planes, facing, strict=True) if cosine > _PARALLEL]
    ceilings = [f for f, cosine in zip(planes, facing, strict=True) if cosine < -_PARALLEL]
    heights = surfels.points @ up
    tolerance = 0.01 + 0.01 * float(np.median(surfels.points[:, 2]))
    gaps = _gaps(up, levels, objects)

    others = np.ones(len(surfels), dtype=bool)
    for found in levels:
        others[found.members] = False
    cosine = np.abs(surfels.normals[others] @ up)
    level_share = sum(f.share for f in levels)
    lowest = min((-f.plane.offset for f in levels), default=-np.inf)
    rows = surfels.pixels[:, 1]
    members = np.concatenate([f.members for f in levels]) if levels else np.zeros(0, np.int64)
    hints = {
        "bias": 1.0,
        # Of the camera, if this is up; its tilt is free.
        "roll": _unusual(float(up[0])),
        "upside_down": _unusual(max(0.0, float(up[1]))),
        "log_share": float(np.log(max(level_share, _LEAST_SHARE))),
        "no_level": float(not levels),
        "ceiling_share": sum(f.share for f in ceilings),
        "standing": float((np.abs(gaps) < tolerance).mean()) if len(gaps) else 0.5,
        "hovering": _hovering(gaps, objects),
        "behind": float((heights < lowest - tolerance).mean()),
        "upright": float(((cosine > _PARALLEL) | (cosine < _SQUARE)).mean()) if others.any() else 0.5,
        "owned": sum(f.owned * f.share for f in levels) / max(level_share, _LEAST_SHARE),
        "low_in_picture": float((rows[members].mean() - rows.mean()) / max(float(rows.max()), 1.0)) if levels else 0.0,
    }
    surroundings = [f for f in levels if f.owner < 0]
    free = _hovering(_gaps(up, surroundings, objects), objects) if surroundings else 0.0
    return VerticalCandidate(up, np.array([hints[name] for name in HINTS]), free <= _MOST_HOVERING)


def _unusual(sine: float) -> float:
    """How unusual a camera's angle is: grows with its square, then ever slower, since wrist cameras do turn."""
    return float(np.log1p((sine / _USUAL_SINE) ** 2))


def _hovering(gaps: Float, objects: dict[int, Float]) -> float:
    """Height of the lowest object's lowest visible points over the level below, as a share of its size, 4 at most.

    From above an object hides its base, so it seems to hover by about its height; when all objects seem to hover by
    several times their size they are more likely things in front of a wall.
    """
    if not objects:
        return 0.0
    sizes = np.array([np.linalg.norm(points.std(axis=0)) for points in objects.values()])
    return float(np.clip(gaps / np.maximum(3.0 * sizes, 1e-3), 0.0, 4.0).min())


def _gaps(up: Float, levels: list[FoundPlane], objects: dict[int, Float]) -> Float:
    """(len(objects),) metres from the nearest level to each object's lowest points; negative below it.

    A level that is a face of the object itself does not carry it; with no other level the gap is infinite.
    """
    gaps = np.full(len(objects), np.inf)
    for k, (index, points) in enumerate(objects.items()):
        heights = np.array([-f.plane.offset for f in levels if f.owner != index])
        if len(heights):
            over = np.percentile(points @ up, _STANDING_QUANTILE) - heights
            gaps[k] = over[np.abs(over).argmin()]
    return gaps


def refined_up(guess: Float, planes: list[FoundPlane]) -> Float:
    """The direction that is best parallel to all nearly level planes and square to all nearly upright ones.

    Args:
        guess: (3,) unit.
        planes: all planes of the view.

    Returns:
        (3,) unit vector: the least eigenvector of the summed squared angular errors, each by its variance. The
        level plane that is known best counts as level by definition. ``guess`` if nothing says better.
    """
    sine = np.sin(_SAME_LEVEL_RAD)
    cosines = [float(f.plane.normal @ guess) for f in planes]
    level = [k for k, cosine in enumerate(cosines) if abs(cosine) > np.cos(_SAME_LEVEL_RAD)]
    # Tops of objects need not be level as floors and table-tops are.
    main = max(level, key=lambda k: planes[k].share * (1.05 - planes[k].owned), default=None)
    cost = np.zeros((3, 3))
    for k, found in enumerate(planes):
        normal = found.plane.normal
        assumed = _ASSUMED_BUILDING_RAD * (1 - found.owned) + _ASSUMED_OBJECT_RAD * found.owned
        weight = 1.0 / (found.normal_variance + (0.0 if k == main else assumed**2))
        if k in level:
            cost += weight * (np.eye(3) - np.outer(normal, normal))  # squared sine of the angle between them
        elif abs(cosines[k]) < sine:
            cost += weight * np.outer(normal, normal)
    values, vectors = np.linalg.eigh(cost)
    if values[1] < 1e-6 or values[0] > 0.5 * values[1]:  # one wall alone leaves a circle of directions
        return guess
    up = vectors[:, 0]
    return up if float(up @ guess) > 0 else -up
