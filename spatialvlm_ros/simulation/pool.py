"""Choosing the objects that are compiled together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import count

import numpy as np

from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.assets.primitives import COLORS, primitive_item
from spatialvlm_ros.simulation.layouts import Prop
from spatialvlm_ros.simulation.solids import Solid
from spatialvlm_ros.simulation.variation import UNCHANGED, Variation, varied

_TABLE_LIMIT_M = 0.45  # longest side of what is put on a table
_TABLE_POOL, _ROOM_SMALL, _ROOM_FURNITURE, _ROOM_MOUNTED = 22, 14, 12, 3
_TWINS = 4  # objects that are there twice

# Furniture of plain shapes, where the pack has none: noun -> (least, greatest) size in metres.
_PLAIN_FURNITURE = {
    "box": ((0.35, 0.5, 0.35), (0.7, 1.6, 1.1)),
    "cylinder": ((0.35, 0.35, 0.4), (0.7, 0.7, 1.0)),
    "cone": ((0.35, 0.35, 0.6), (0.6, 0.6, 1.4)),
    "bin": ((0.3, 0.3, 0.3), (0.5, 0.5, 0.6)),
}


def choose_props(
    pack: AssetPack, kind: str, size_variation: float, rng: np.random.Generator, variation: Variation = UNCHANGED
) -> tuple[Prop, ...]:
    """The objects of one compiled set, each at a size of its own.

    Nouns are drawn evenly, then one of their meshes, so that a noun with many meshes is not more frequent. Some objects
    come twice (at two sizes): "two of a kind".

    Args:
        pack: objects of the split.
        kind: "table" or "room".
        size_variation: every object is scaled by 1 - this .. 1 + this.
        rng: random numbers.
        variation: of their shapes and colours.
    """
    by_kind: dict[str, list[AssetItem]] = defaultdict(list)
    for item in pack.items:
        by_kind[item.kind].append(item)
    small = [i for i in by_kind["tabletop"] if max(i.size_m) <= _TABLE_LIMIT_M]
    if kind == "table":
        items = _small_things(small, _TABLE_POOL, rng)
    else:
        large = by_kind["furniture"] + by_kind["support"]
        furniture = _evenly(large, _ROOM_FURNITURE, rng)
        if len({i.noun for i in furniture}) < 4:
            furniture = _plain_furniture(_ROOM_FURNITURE, rng)
        carriers = [i for i in furniture if i.flat_top]
        if not carriers:
            furniture += _evenly([i for i in large if i.flat_top], 3, rng)
        items = furniture + _small_things(small, _ROOM_SMALL, rng) + _evenly(by_kind["mounted"], _ROOM_MOUNTED, rng)
    if variation:
        items = [varied(item, variation, rng) for item in items]
    numbers = count()
    return tuple(_prop(next(numbers), item, size_variation, rng) for item in items)


def _small_things(items: list[AssetItem], amount: int, rng: np.random.Generator) -> list[AssetItem]:
    containers = _evenly([i for i in items if i.is_container], max(2, amount // 8), rng)
    flat = _evenly([i for i in items if i.flat_top and not i.is_container], max(2, amount // 8), rng)
    rest = _evenly(items, amount - len(containers) - len(flat) - _TWINS, rng)
    chosen = containers + flat + rest
    if not chosen:
        return []
    twins = [_sibling(chosen[int(k)], items, rng) for k in rng.integers(len(chosen), size=_TWINS)]
    return chosen + twins


def _sibling(item: AssetItem, items: list[AssetItem], rng: np.random.Generator) -> AssetItem:
    """The same item again, or another of its noun."""
    alike = [i for i in items if i.noun == item.noun]
    return item if rng.random() < 0.5 or not alike else alike[int(rng.integers(len(alike)))]


def _evenly(items: list[AssetItem], amount: int, rng: np.random.Generator) -> list[AssetItem]:
    """Up to ``amount`` items: nouns in random order, one random mesh each, from the start again when all are used."""
    nouns: dict[str, list[AssetItem]] = defaultdict(list)
    for item in items:
        nouns[item.noun].append(item)
    if not nouns:
        return []
    names = sorted(nouns)
    order = [names[int(k)] for k in rng.permutation(len(names))]
    return [nouns[name][int(rng.integers(len(nouns[name])))] for name in (order * amount)[:amount]]


def _plain_furniture(amount: int, rng: np.random.Generator) -> list[AssetItem]:
    names, colors = list(_PLAIN_FURNITURE), list(COLORS)
    chosen = []
    for k in range(amount):
        noun = names[0] if k < amount // 2 else names[int(rng.integers(len(names)))]
        least, greatest = _PLAIN_FURNITURE[noun]
        size = rng.uniform(least, greatest)
        if noun in ("cylinder", "cone"):
            size[1] = size[0]
        x, y, z = (round(float(v), 2) for v in size)
        item = primitive_item(noun, colors[int(rng.integers(len(colors)))], (x, y, z))
        chosen.append(replace(item, kind="support" if item.flat_top else "furniture"))
    return chosen


def _prop(index: int, item: AssetItem, variation: float, rng: np.random.Generator) -> Prop:
    factors = 1 + rng.uniform(-variation, variation, 3)
    if rng.random() < 0.5:  # half of them keep their proportions
        factors[:] = factors[0]
    scale = (float(factors[0]), float(factors[1]), float(factors[2]))
    return Prop(index, item, scale, Solid.of_item(item, scale))
