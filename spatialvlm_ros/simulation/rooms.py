"""Rooms: furniture against the walls and standing free, and things on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.layouts import FLOOR, Built, Layout, Placed, Prop, Wall
from spatialvlm_ros.simulation.packing import FlatTop, Occupied, Rectangle, place_on
from spatialvlm_ros.simulation.splits import LayoutRules
from spatialvlm_ros.simulation.tabletops import TABLE, make_table, turned

Float = NDArray[np.float64]

_WALL_GAP_M = 0.02  # between a wall and what stands against it
# What is fixed to the ceiling, and how high the bottom of what is fixed to a wall is (metres).
_ON_CEILING = ("ceiling fan", "ceiling lamp", "chandelier")
_WALL_HEIGHTS_M = {
    "radiator": (0.08, 0.2),
    "urinal": (0.4, 0.6),
    "wall sink": (0.45, 0.65),
    "toilet paper": (0.5, 0.9),
    "curtain": (0.05, 0.2),
    "television": (0.8, 1.3),
}
_USUAL_HEIGHTS_M = (1.2, 1.7)
_SIDES = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])  # outward normals of the floor's sides


def arrange_room(props: tuple[Prop, ...], rules: LayoutRules, n_materials: int, rng: np.random.Generator) -> Layout:
    """A room with 4 to 8 pieces of furniture, 4 to 10 small things, and what hangs on walls and ceiling."""
    floor = rng.uniform([1.6, 1.6], [2.8, 2.8])
    height = float(rng.uniform(2.4, 2.9))
    walls = _walls(floor, height, rng)
    occupied = Occupied()
    furniture = [p for p in props if p.item.kind in ("furniture", "support")]
    furniture = [furniture[int(k)] for k in rng.permutation(len(furniture))]
    furniture.sort(key=lambda p: p.top_height is None)  # what carries things is placed first
    carriers = [p for p in furniture if p.top_height is not None][: int(rng.integers(1, 4))]
    others = [p for p in furniture if p not in carriers]
    queue = carriers + [others[int(k)] for k in rng.permutation(len(others))]
    placed: list[Placed] = []
    amount = int(rng.integers(4, 9))
    ground = Rectangle(FLOOR, 0.0, np.zeros(2), floor - _WALL_GAP_M)
    built: list[Built] = []
    if rng.random() < 0.35 or not carriers:
        table = _free_table(rules, ground, occupied, n_materials, rng)
        built = [table] if table is not None else []
    planes = {FLOOR: 0.0} | {b.plane: b.top for b in built}
    for prop in queue:
        if len(placed) >= amount:
            break
        new = _stand(prop, ground, walls, floor, occupied, rng)
        if new is not None:
            placed.append(new)
    tops = _tops(placed, planes)
    for b in built:
        tops.append((None, Rectangle(TABLE, b.top, b.position, b.sizes[0, :2] / 2 - 0.02, b.yaw)))
    placed = _add_small(props, placed, tops, ground, occupied, rng)
    ceiling = height if rng.random() < 0.6 else None
    placed += _mounted(props, walls, placed, rng)
    placed += _hanging(props, floor, ceiling, placed, rng)
    materials = rng.integers(n_materials, size=2)
    return Layout(
        kind="room",
        placed=tuple(placed),
        built=tuple(built),
        planes=planes,
        floor=floor,
        walls=walls,
        ceiling=ceiling,
        materials=(int(materials[0]), int(materials[1])),
        targets=tuple(range(len(placed))),
    )


def _walls(floor: Float, height: float, rng: np.random.Generator) -> tuple[Wall, ...]:
    sides = sorted(int(s) for s in rng.permutation(4)[: int(rng.integers(2, 5))])
    lengths = [2 * floor[1], 2 * floor[0]]
    return tuple(Wall(_SIDES[s] * floor, -_SIDES[s], float(lengths[s % 2]) + 0.1 * (s % 2), height) for s in sides)


def _free_table(
    rules: LayoutRules, ground: Rectangle, occupied: Occupied, n_materials: int, rng: np.random.Generator
) -> Built | None:
    style = rules.table_styles[int(rng.integers(len(rules.table_styles)))]
    table = make_table(style, rng, np.array([0.5, 0.6, 0.4]), np.array([0.9, 1.5, 0.8]), n_materials)
    for _ in range(20):
        candidate = turned(table, float(rng.choice(4)) * np.pi / 2 + rng.normal(0, 0.1), ground.draw(rng))
        if ground.holds(candidate.outline()) and occupied.free(candidate.outline(), 0.05):
            occupied.take(candidate.outline())
            return candidate
    return None


def _stand(
    prop: Prop, ground: Rectangle, walls: tuple[Wall, ...], floor: Float, occupied: Occupied, rng: np.random.Generator
) -> Placed | None:
    """Against a wall with its back (most furniture), or somewhere on the floor."""
    if walls and rng.random() < 0.7:
        wall = walls[int(rng.integers(len(walls)))]
        facing = float(np.arctan2(wall.normal[1], wall.normal[0]))  # an item's x axis is its front
        depth = -float(prop.solid.lower[0]) + _WALL_GAP_M + float(rng.exponential(0.03))
        along = np.array([-wall.normal[1], wall.normal[0]])

        def where(r: np.random.Generator) -> Float:
            return wall.middle + wall.normal * depth + along * r.uniform(-0.5, 0.5) * wall.length

        return place_on(prop, ground, occupied, rng, where=where, yaw=lambda r: facing, clearance=0.03)
    return place_on(prop, ground, occupied, rng, clearance=0.05)


def _tops(placed: list[Placed], planes: dict[str, float]) -> list[tuple[int | None, FlatTop | Rectangle]]:
    """The flat tops of the furniture; each becomes a supporting plane with a name of its own."""
    tops: list[tuple[int | None, FlatTop | Rectangle]] = []
    for k, carrier in enumerate(placed):
        if carrier.prop.top_height is None:
            continue
        noun = carrier.prop.item.noun
        name = noun if noun not in planes else next(f"{noun} {n}" for n in range(2, 99) if f"{noun} {n}" not in planes)
        top = FlatTop(carrier, name)
        planes[name] = top.height
        tops.append((k, top))
    return tops


def _add_small(
    props: tuple[Prop, ...],
    placed: list[Placed],
    tops: list[tuple[int | None, FlatTop | Rectangle]],
    ground: Rectangle,
    occupied: Occupied,
    rng: np.random.Generator,
) -> list[Placed]:
    small = [p for p in props if p.item.kind == "tabletop"]
    taken = [Occupied() for _ in tops]
    result = list(placed)
    for k in rng.permutation(len(small))[: int(rng.integers(4, 11))]:
        prop = small[int(k)]
        new = None
        if tops and rng.random() < 0.85:
            which = int(rng.integers(len(tops)))
            on, surface = tops[which]
            new = place_on(prop, surface, taken[which], rng, on=on, tries=12)
        elif max(prop.solid.size) > 0.12:
            new = place_on(prop, ground, occupied, rng)
        if new is not None:
            result.append(new)
    return result


def _mounted(
    props: tuple[Prop, ...], walls: tuple[Wall, ...], placed: list[Placed], rng: np.random.Generator
) -> list[Placed]:
    """Things on the walls, their backs against it, above the furniture."""
    taken: list[tuple[int, float, float]] = []
    found = []
    for prop in (p for p in props if p.item.kind == "mounted"):
        if not walls or prop.item.noun in _ON_CEILING or max(prop.solid.size) > 2.3 or prop.solid.size[0] > 0.5:
            continue
        which = int(rng.integers(len(walls)))
        wall = walls[which]
        width = float(prop.solid.size[1])
        if width > wall.length - 0.3:
            continue
        shift = float(rng.uniform(-0.5, 0.5) * (wall.length - width - 0.2))
        low, high = _WALL_HEIGHTS_M.get(prop.item.noun, _USUAL_HEIGHTS_M)
        high = min(high, wall.height - float(prop.solid.size[2]) - 0.1)
        if low > high or any(w == which and abs(shift - s) < (width + o) / 2 + 0.05 for w, s, o in taken):
            continue
        along = np.array([-wall.normal[1], wall.normal[0]])
        xy = wall.middle + wall.normal * (0.001 - float(prop.solid.lower[0])) + along * shift
        base = float(rng.uniform(low, high))
        new = Placed(prop, np.array([*xy, base]), float(np.arctan2(wall.normal[1], wall.normal[0])), FLOOR)
        if _clear_of_furniture(new, placed):
            taken.append((which, shift, width))
            found.append(new)
    return found


def _hanging(
    props: tuple[Prop, ...], floor: Float, ceiling: float | None, placed: list[Placed], rng: np.random.Generator
) -> list[Placed]:
    """Lamps and fans, their upper end at the ceiling."""
    found: list[Placed] = []
    for prop in (p for p in props if p.item.noun in _ON_CEILING):
        if ceiling is None or found:
            continue
        xy = rng.uniform(-0.5, 0.5, 2) * floor
        new = Placed(prop, np.array([*xy, ceiling - float(prop.solid.upper[2])]), float(rng.uniform(-np.pi, np.pi)))
        if _clear_of_furniture(new, placed):
            found.append(new)
    return found


def _clear_of_furniture(new: Placed, placed: list[Placed]) -> bool:
    occupied = Occupied([p.outline() for p in placed if p.position[2] + p.prop.solid.upper[2] > new.position[2] - 0.05])
    return occupied.free(new.outline())


def without(layout: Layout, dropped: set[int]) -> Layout:
    """The layout without some of its placed objects and all that stands on or in them."""
    gone = set(dropped)
    for k, placed in enumerate(layout.placed):  # what stands on something has a greater number than it
        if placed.on in gone:
            gone.add(k)
    numbers = {old: new for new, old in enumerate(k for k in range(len(layout.placed)) if k not in gone)}
    placed = tuple(
        replace(p, on=None if p.on is None else numbers[p.on]) for k, p in enumerate(layout.placed) if k not in gone
    )
    return replace(layout, placed=placed, targets=tuple(range(len(placed))))
