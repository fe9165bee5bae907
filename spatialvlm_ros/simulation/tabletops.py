"""Table tops: a table with a few things on it, near each other, on each other and in each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.layouts import FLOOR, ArmPose, Built, Layout, Placed, Prop, Wall
from spatialvlm_ros.simulation.packing import FlatTop, Occupied, Rectangle, drop_inside, place_on
from spatialvlm_ros.simulation.splits import LayoutRules

Float = NDArray[np.float64]
Where = Callable[[np.random.Generator], Float]

TABLE = "table"
_EDGE_M = 0.02  # things keep this far from the table's edge


def make_table(style: str, rng: np.random.Generator, least: Float, greatest: Float, n_materials: int) -> Built:
    """A table of a random size between ``least`` and ``greatest`` (x, y, height), standing at the origin."""
    x, y, height = rng.uniform(least, greatest)
    thick = float(rng.uniform(0.018, 0.045))
    top = [([0, 0, height - thick / 2], [x, y, thick])]
    boxes = top + _LEGS[style](x, y, height - thick, rng)
    centers, sizes = (np.array([b[k] for b in boxes], dtype=np.float64) for k in range(2))
    finish = rng.integers(n_materials, size=2)
    return Built(TABLE, centers, sizes, np.zeros(2), 0.0, float(height), TABLE, (int(finish[0]), int(finish[1])))


Boxes = list[tuple[list[float], list[float]]]


def _four_legs(x: float, y: float, h: float, rng: np.random.Generator) -> Boxes:
    w = float(rng.uniform(0.03, 0.08))
    dx, dy = x / 2 - w / 2 - 0.02, y / 2 - w / 2 - 0.02
    return [([sx * dx, sy * dy, h / 2], [w, w, h]) for sx in (-1, 1) for sy in (-1, 1)]


def _panels(x: float, y: float, h: float, rng: np.random.Generator) -> Boxes:
    w = float(rng.uniform(0.02, 0.04))
    return [([0, s * (y / 2 - w), h / 2], [0.9 * x, w, h]) for s in (-1, 1)]


def _pedestal(x: float, y: float, h: float, rng: np.random.Generator) -> Boxes:
    w = float(rng.uniform(0.08, 0.16))
    foot = 0.04
    return [([0, 0, (h + foot) / 2], [w, w, h - foot]), ([0, 0, foot / 2], [0.6 * x, 0.6 * y, foot])]


def _trestle(x: float, y: float, h: float, rng: np.random.Generator) -> Boxes:
    w = float(rng.uniform(0.05, 0.09))
    ends: Boxes = [([0, s * y * 0.36, h / 2], [0.6 * x, w, h]) for s in (-1, 1)]
    return [*ends, ([0, 0, 0.25 * h], [w, 0.72 * y - w, w])]


_LEGS: dict[str, Callable[[float, float, float, np.random.Generator], Boxes]] = {
    "four legs": _four_legs,
    "panels": _panels,
    "pedestal": _pedestal,
    "trestle": _trestle,
}


def arrange_table(
    props: tuple[Prop, ...],
    rules: LayoutRules,
    n_materials: int,
    rng: np.random.Generator,
    arm: Callable[[Built, np.random.Generator], tuple[ArmPose, list[Float]] | None] | None = None,
) -> Layout:
    """A table with 3 to 10 things.

    Args:
        props: the compiled set.
        rules: tables and arrangements of the split.
        n_materials: number of surface materials.
        rng: random numbers.
        arm: gives, for the table, the pose of a robot arm and the outlines (K, 2) that it takes from the table (or
            None where it finds no pose); None without a robot.
    """
    style = rules.table_styles[int(rng.integers(len(rules.table_styles)))]
    table = make_table(style, rng, np.array([0.55, 0.8, 0.4]), np.array([0.95, 1.7, 0.95]), n_materials)
    top = Rectangle(TABLE, table.top, table.position, table.sizes[0, :2] / 2 - _EDGE_M, table.yaw)
    occupied = Occupied()
    arm_pose = None
    found = arm(table, rng) if arm is not None else None
    if found is not None:
        arm_pose, outlines = found
        for outline in outlines:
            occupied.take(outline)
    where = _arrangement(rules.arrangements[int(rng.integers(len(rules.arrangements)))], top, rng)
    placed = _fill(props, top, occupied, where, int(rng.integers(3, 11)), rng)
    walls = _walls_around(rng)
    materials = rng.integers(n_materials, size=2)
    return Layout(
        kind="table",
        placed=tuple(placed),
        built=(table,),
        planes={FLOOR: 0.0, TABLE: table.top},
        floor=np.array([6.0, 6.0]),
        walls=walls,
        arm=arm_pose,
        materials=(int(materials[0]), int(materials[1])),
        targets=tuple(range(len(placed))),
    )


def _fill(
    props: tuple[Prop, ...], top: Rectangle, occupied: Occupied, where: Where, amount: int, rng: np.random.Generator
) -> list[Placed]:
    """Place ``amount`` props: some in containers, some on others, the rest on the table."""
    queue = [props[int(k)] for k in rng.permutation(len(props))]
    queue = _with_twins(queue, rng)[: amount + 6]
    queue.sort(key=lambda p: not (p.item.is_container or p.item.flat_top))  # carriers first
    placed: list[Placed] = []
    tops: dict[int, Occupied] = {}
    for prop in queue:
        if len(placed) >= amount:
            break
        new = _into_something(prop, placed, rng) if rng.random() < 0.45 else None
        if new is None and rng.random() < 0.3:
            new = onto_something(prop, placed, tops, rng)
        if new is None:
            new = place_on(prop, top, occupied, rng, where=where) or place_on(prop, top, occupied, rng, tries=10)
        if new is not None:
            placed.append(new)
    return placed


def _with_twins(queue: list[Prop], rng: np.random.Generator) -> list[Prop]:
    """Half of the time, pull the second of a kind to the front."""
    if rng.random() < 0.5:
        for first in queue:
            second = next((p for p in queue if p is not first and p.item.noun == first.item.noun), None)
            if second is not None:
                return [first, second, *[p for p in queue if p not in (first, second)]]
    return queue


def _into_something(prop: Prop, placed: list[Placed], rng: np.random.Generator) -> Placed | None:
    for k in rng.permutation(len(placed)):
        container = placed[int(k)]
        if container.prop.item.is_container and not container.inside:
            inside = [p for p in placed if p.on == int(k)]
            new = drop_inside(prop, container, int(k), inside, rng)
            if new is not None:
                return new
    return None


def onto_something(
    prop: Prop, placed: list[Placed], tops: dict[int, Occupied], rng: np.random.Generator
) -> Placed | None:
    """Stand ``prop`` on the flat top of a random placed object, or None where none has room."""
    for k in rng.permutation(len(placed)):
        carrier = placed[int(k)]
        if carrier.prop.top_height is None or carrier.inside or carrier.prop.item.is_container:
            continue
        surface = FlatTop(carrier, carrier.plane)
        new = place_on(prop, surface, tops.setdefault(int(k), Occupied()), rng, on=int(k), tries=8)
        if new is not None:
            return new
    return None


def _arrangement(name: str, top: Rectangle, rng: np.random.Generator) -> Where:
    """A way to draw positions on the table."""
    reach = np.minimum(top.half, rng.uniform(0.18, 0.45))
    middle = rng.uniform(-1, 1, 2) * (top.half - reach)
    return _ARRANGEMENTS[name](top, middle, reach, rng)


def _scatter(top: Rectangle, middle: Float, reach: Float, rng: np.random.Generator) -> Where:
    return lambda r: top.to_world(middle + r.uniform(-reach, reach))


def _cluster(top: Rectangle, middle: Float, reach: Float, rng: np.random.Generator) -> Where:
    return lambda r: top.to_world(middle + np.clip(r.normal(0, 0.4, 2), -1, 1) * reach)


def _row(top: Rectangle, middle: Float, reach: Float, rng: np.random.Generator) -> Where:
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    return lambda r: top.to_world(middle + (r.uniform(-1, 1) * along + r.normal(0, 0.06, 2)) * reach)


def _ring(top: Rectangle, middle: Float, reach: Float, rng: np.random.Generator) -> Where:
    def draw(r: np.random.Generator) -> Float:
        angle = r.uniform(-np.pi, np.pi)
        return top.to_world(middle + r.normal(0.8, 0.08) * np.array([np.cos(angle), np.sin(angle)]) * reach)

    return draw


def _two_groups(top: Rectangle, middle: Float, reach: Float, rng: np.random.Generator) -> Where:
    offset = rng.uniform(-0.6, 0.6, 2) * reach
    return lambda r: top.to_world(middle + r.choice([-1, 1]) * offset + r.normal(0, 0.25, 2) * reach)


_ARRANGEMENTS: dict[str, Callable[[Rectangle, Float, Float, np.random.Generator], Where]] = {
    "scatter": _scatter,
    "cluster": _cluster,
    "row": _row,
    "ring": _ring,
    "two groups": _two_groups,
}


def _walls_around(rng: np.random.Generator) -> tuple[Wall, ...]:
    """0 to 3 walls some way off."""
    sides = rng.permutation(4)[: int(rng.integers(0, 4))]
    walls = []
    for side in sorted(int(s) for s in sides):
        normal = -np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][side])
        walls.append(Wall(-normal * float(rng.uniform(2.3, 3.5)), normal, 12.0, 3.0))
    return tuple(walls)


def turned(table: Built, yaw: float, position: Float) -> Built:
    """The same table elsewhere."""
    return replace(table, yaw=yaw, position=np.asarray(position, dtype=np.float64))
