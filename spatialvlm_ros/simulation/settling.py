"""The check of a layout against the real surfaces: what should touch is made to touch, what cuts is taken away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialvlm_ros.simulation.gaps import Posed, surface_gap
from spatialvlm_ros.simulation.layouts import Layout, Placed
from spatialvlm_ros.simulation.rooms import without

_TOUCHING_M = 0.0004
_STEPS = 6
_TOO_HIGH_M = 0.012  # something that would have to sink farther than this does not stand there


def settled(layout: Layout, arm_surfaces: tuple[Posed, ...] = ()) -> Layout:
    """The layout with every supported object lowered onto what carries it, and without objects that cut others.

    An object is lowered by its distance to its support, again and again: that cannot make it cut the support, and it
    ends touching.

    Args:
        layout: as arranged.
        arm_surfaces: surfaces of the robot; objects that cut them are dropped.
    """
    placed: list[Placed] = []
    dropped: set[int] = set()
    lowered: dict[int, float] = {}
    for k, one in enumerate(layout.placed):
        if one.on is None:
            placed.append(one)
            continue
        sunk = lowered.get(one.on, 0.0)
        one = replace(one, position=one.position - [0, 0, sunk])
        support = placed[one.on]
        total = 0.0
        for _ in range(_STEPS):
            gap = surface_gap(one.posed, support.posed)
            if gap <= _TOUCHING_M or total + gap > _TOO_HIGH_M:
                break
            one, total = replace(one, position=one.position - [0, 0, gap]), total + gap
        lowered[k] = sunk + total
        if gap > _TOUCHING_M:
            dropped.add(k)
        placed.append(one)
    layout = replace(layout, placed=tuple(placed))
    return without(layout, dropped | _cutting(layout, arm_surfaces))


def _cutting(layout: Layout, arm_surfaces: tuple[Posed, ...]) -> set[int]:
    """Numbers of objects that cut something they do not stand on or in."""
    bad: set[int] = set()
    poses = [p.posed for p in layout.placed]
    boxes = [_world_box(p) for p in poses]
    fixed = [*(b.posed for b in layout.built), *arm_surfaces]
    fixed_boxes = [_world_box(p) for p in fixed]
    for i, one in enumerate(layout.placed):
        for j in range(i):
            if j in bad or one.on == j or not _boxes_meet(boxes[i], boxes[j]):
                continue
            if surface_gap(poses[i], poses[j]) <= 0.0:
                bad.add(i)
        for other, box in zip(fixed, fixed_boxes, strict=True):
            # Things stand on a table: their lowest point is its top, and only what reaches below it cuts.
            low, high = boxes[i][0] + [0, 0, 0.002], boxes[i][1]
            if _boxes_meet((low, high), box) and surface_gap(_raised(poses[i]), other) <= 0.0:
                bad.add(i)
    return bad


def _raised(posed: Posed) -> Posed:
    return Posed(posed.solid, posed.rotation, posed.position + [0, 0, 0.002])


def _world_box(posed: Posed) -> tuple[np.ndarray, np.ndarray]:
    corners = posed.to_world(posed.solid.outer_points)
    return corners.min(axis=0), corners.max(axis=0)


def _boxes_meet(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> bool:
    return bool((a[0] <= b[1]).all() and (b[0] <= a[1]).all())
