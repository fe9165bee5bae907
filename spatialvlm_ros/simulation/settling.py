"""The check of a layout against the real surfaces: what should touch is made to touch, what cuts is taken away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialvlm_ros.simulation.gaps import Posed, surface_gap
from spatialvlm_ros.simulation.layouts import Layout, Placed
from spatialvlm_ros.simulation.packing import Rectangle
from spatialvlm_ros.simulation.rooms import without

_TOUCHING_M = 0.0004
_STEPS = 6
_PUSHES, _PUSHED_M = 12, 0.0008
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


def nudged(layout: Layout, rng: np.random.Generator) -> Layout:
    """The layout with one thing on the table pushed against a neighbour until they touch, where that is possible.

    A thing is pushed by its distance to the neighbour, again and again: that cannot make it cut the neighbour. It stays
    where it was when it would leave the table or hit something else.
    """
    table = layout.built[0]
    carriers = {p.on for p in layout.placed}
    movable = [k for k, p in enumerate(layout.placed) if p.on is None and k not in carriers]
    if not movable or len(layout.placed) < 2:
        return layout
    chosen = movable[int(rng.integers(len(movable)))]
    one = layout.placed[chosen]
    others = [p for k, p in enumerate(layout.placed) if k != chosen and p.on is None]
    if not others:
        return layout
    target = min(others, key=lambda p: float(np.linalg.norm(p.position - one.position)))
    way = np.array([*(target.position - one.position)[:2], 0.0])
    way /= max(float(np.linalg.norm(way)), 1e-9)
    for _ in range(_PUSHES):
        gap = surface_gap(one.posed, target.posed)
        if gap < _PUSHED_M:
            break
        one = replace(one, position=one.position + way * (gap - _PUSHED_M / 2))
    top = Rectangle(table.plane, table.top, table.position, table.sizes[0, :2] / 2, table.yaw)
    if gap >= _PUSHED_M or not top.holds(one.outline()):
        return layout
    placed = tuple(one if k == chosen else p for k, p in enumerate(layout.placed))
    moved = replace(layout, placed=placed)
    return moved if chosen not in _cutting(moved, ()) else layout


def _cutting(layout: Layout, arm_surfaces: tuple[Posed, ...]) -> set[int]:
    """Numbers of objects that cut something they do not stand on or in."""
    bad: set[int] = set()
    poses = [p.posed for p in layout.placed]
    boxes = [_world_box(p) for p in poses]
    fixed = [*(b.posed for b in layout.built), *arm_surfaces]
    fixed_boxes = [_world_box(p) for p in fixed]
    for i, one in enumerate(layout.placed):
        for j in range(i):
            if j in bad or one.on == j or layout.placed[j].on == i or not _boxes_meet(boxes[i], boxes[j]):
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
