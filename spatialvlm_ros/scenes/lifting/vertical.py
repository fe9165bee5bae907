"""Which way is up, from the planes of a view and the objects that stand on them.

A plane is a candidate floor or table-top with its normal on the camera's side. What tells it from a wall: objects
stand on it (all on one side and touching), the other surfaces of the view are parallel or square to it, little lies
behind it, and its normal is not far from where up points in a camera held by a robot or a person. The weights of
these hints are fitted in simulation (``calibration.yaml``).
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
# How level and upright real surfaces are, as a standard deviation beside the error of their measurement: floors,
# table-tops and walls; faces of objects.
_ASSUMED_BUILDING_RAD = np.radians(0.1)
_ASSUMED_OBJECT_RAD = np.radians(2.0)
_STANDING_QUANTILE = 3.0  # per cent; the lowest points of an object but for stray ones


@dataclass(frozen=True)
class VerticalCandidate:
    """A direction that may be up.

    Attributes:
        up: (3,) unit, optical frame.
        planes: indices of the found planes that are level under it, seen from above, largest first.
        hints: (len(HINTS),) what speaks for it.
    """

    up: Float
    planes: tuple[int, ...]
    hints: Float

    def score(self, calibration: Calibration) -> float:
        """Log-odds against "this is not the vertical"."""
        return float(self.hints @ calibration.hint_weights)


def candidates(planes: list[FoundPlane], surfels: Surfels, objects: list[Float]) -> list[VerticalCandidate]:
    """One candidate for each direction that planes of the view face.

    Args:
        planes: all planes of the view.
        surfels: they were found in.
        objects: cleaned points (N, 3) of each detection.
    """
    groups: list[list[int]] = []
    for index, found in enumerate(planes):
        for group in groups:
            if float(planes[group[0]].plane.normal @ found.plane.normal) > _PARALLEL:
                group.append(index)
                break
        else:
            groups.append([index])
    return [_candidate(planes, group, surfels, objects) for group in groups]


def _candidate(planes: list[FoundPlane], group: list[int], surfels: Surfels, objects: list[Float]) -> VerticalCandidate:
    # Tops of objects need not be level as floors and table-tops are.
    up = refined_up(max((planes[k] for k in group), key=lambda f: f.share * (1.05 - f.owned)), planes)
    members = np.concatenate([planes[k].members for k in group])
    share = sum(planes[k].share for k in group)
    heights = surfels.points @ up
    levels = np.array([-planes[k].plane.offset for k in group])  # height of the plane over the camera
    tolerance = 0.01 + 0.01 * float(np.median(surfels.points[:, 2]))

    others = np.ones(len(surfels), dtype=bool)
    others[members] = False
    cosine = np.abs(surfels.normals[others] @ up)
    upright = float(((cosine > _PARALLEL) | (cosine < _SQUARE)).mean()) if others.any() else 0.5
    gaps = _gaps(up, levels, objects)
    rows = surfels.pixels[:, 1]
    hints = {
        "bias": 1.0,
        # Sine of the roll of the camera if this is up; its tilt is free.
        "roll": abs(float(up[0])),
        "ceiling": max(0.0, float(up[1])),
        "log_share": float(np.log(share)),
        "standing": _standing_share(gaps, tolerance),
        "hovering": _hovering(gaps, objects),
        "behind": float((heights < levels.min() - tolerance).mean()),
        "upright": upright,
        "owned": float(np.average([planes[k].owned for k in group], weights=[planes[k].share for k in group])),
        "low_in_picture": float((rows[members].mean() - rows.mean()) / max(float(rows.max()), 1.0)),
    }
    return VerticalCandidate(up, tuple(group), np.array([hints[name] for name in HINTS]))


def _standing_share(gaps: Float, tolerance: float) -> float:
    """Share of the objects that touch a level; 0.5 when there is no object."""
    return float((np.abs(gaps) < tolerance).mean()) if len(gaps) else 0.5


def _hovering(gaps: Float, objects: list[Float]) -> float:
    """Mean height of the objects' lowest visible points over the level below, as a share of their size, 4 at most.

    From above an object hides its base, so it seems to hover by about its height; what seems to hover by several
    times its size is more likely a thing in front of a wall.
    """
    if not objects:
        return 0.0
    sizes = np.array([np.linalg.norm(points.std(axis=0)) for points in objects])
    return float(np.clip(gaps / np.maximum(3.0 * sizes, 1e-3), 0.0, 4.0).mean())


def _gaps(up: Float, levels: Float, objects: list[Float]) -> Float:
    """(len(objects),) metres from the nearest level to the lowest points of each object; negative below it."""
    gaps = np.zeros(len(objects))
    for k, points in enumerate(objects):
        over = np.percentile(points @ up, _STANDING_QUANTILE) - levels
        gaps[k] = over[np.abs(over).argmin()]
    return gaps


def refined_up(main: FoundPlane, planes: list[FoundPlane]) -> Float:
    """The direction that is best parallel to all nearly level planes and square to all nearly upright ones.

    Args:
        main: the plane that is level by definition.
        planes: all planes of the view.

    Returns:
        (3,) unit vector: the least eigenvector of the summed squared angular errors, each by its variance.
    """
    level = np.sin(_SAME_LEVEL_RAD)
    normal = main.plane.normal
    cost = (np.eye(3) - np.outer(normal, normal)) / main.normal_variance
    for found in planes:
        if found is main:
            continue
        n = found.plane.normal
        cosine = float(n @ normal)
        assumed = _ASSUMED_BUILDING_RAD * (1 - found.owned) + _ASSUMED_OBJECT_RAD * found.owned
        weight = 1.0 / (found.normal_variance + assumed**2)
        if abs(cosine) > np.cos(_SAME_LEVEL_RAD):
            cost += weight * (np.eye(3) - np.outer(n, n))  # squared sine of the angle between them
        elif abs(cosine) < level:
            cost += weight * np.outer(n, n)
    _, vectors = np.linalg.eigh(cost)
    up = vectors[:, 0]
    return up if float(up @ normal) > 0 else -up
