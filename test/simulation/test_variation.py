"""Variants of objects: other shapes and colours whose sizes, tops and cavities are still true."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.simulation.assets.items import AssetItem, Cavity, FlatTop, MeshPart
from spatialvlm_ros.simulation.assets.primitives import primitive_item, primitive_items
from spatialvlm_ros.simulation.config import SimulationConfig
from spatialvlm_ros.simulation.variation import Variation, varied

ITEMS = primitive_items()
HOLLOW = [item for item in ITEMS if item.cavity is not None]
FLAT = [item for item in ITEMS if item.top is not None]
SHAPES = Variation(shape=0.4)
seeds = st.integers(0, 2**32 - 1)


def plain(**changes: object) -> AssetItem:
    """A gray thing whose name says nothing of its colour; the size along each axis is another one."""
    return replace(primitive_item("cylinder", "gray", (0.08, 0.12, 0.2)), **{"attributes": (), **changes})


def bounds(item: AssetItem) -> tuple[np.ndarray, np.ndarray]:
    return item.vertices().min(axis=0), item.vertices().max(axis=0)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(ITEMS))
def test_a_variant_stands_on_the_origin_and_its_size_is_that_of_its_triangles(seed: int, item: AssetItem) -> None:
    variant = varied(item, SHAPES, np.random.default_rng(seed))
    low, high = bounds(variant)
    x, y, z = variant.size_m
    assert np.allclose(low, [-x / 2, -y / 2, 0], atol=1e-6) and np.allclose(high, [x / 2, y / 2, z], atol=1e-6)
    assert (variant.id, variant.label, variant.reserved) == (item.id, item.label, item.reserved)
    for before, after in zip(item.parts(), variant.parts(), strict=True):
        assert np.array_equal(before.faces, after.faces)
        assert before.rgba == after.rgba and before.uv is after.uv


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(FLAT), st.floats(0, 1), st.floats(0, 1))
def test_the_flat_top_of_a_variant_is_on_it(seed: int, item: AssetItem, along: float, aside: float) -> None:
    """What is level before is level afterwards, and no corner of the new rectangle is beside the old one."""
    variant = varied(item, SHAPES, np.random.default_rng(seed))
    before, after = item.top, variant.top
    assert before is not None
    if after is None:
        return
    ring = outline(before.center, before.size)
    moved = moved_points(item, variant, np.column_stack([ring, np.full(len(ring), before.center[2])]))
    assert np.allclose(moved[:, 2], after.center[2], atol=1e-6)
    assert not inside(moved[:, :2], after.center, after.size).any()
    point = np.array(after.center[:2]) + (np.array([along, aside]) - 0.5) * np.array(after.size)
    assert is_within_polygon(point, moved[:, :2])


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(HOLLOW))
def test_no_wall_runs_through_the_cavity_of_a_variant(seed: int, item: AssetItem) -> None:
    variant = varied(item, SHAPES, np.random.default_rng(seed))
    before, after = item.cavity, variant.cavity
    assert before is not None
    if after is None:
        return
    ring = outline(before.center, before.size[:2])
    for height in np.linspace(-0.5, 0.5, 7) * before.size[2] + before.center[2]:
        walls = moved_points(item, variant, np.column_stack([ring, np.full(len(ring), height)]))
        assert not inside(walls[:, :2], after.center, after.size[:2]).any()
    ends = np.array([[*before.center[:2], before.center[2] + s * before.size[2] / 2] for s in (-1, 1)])
    floor, rim = moved_points(item, variant, ends)[:, 2]
    assert after.center[2] - after.size[2] / 2 == pytest.approx(floor, abs=1e-6)
    assert after.center[2] + after.size[2] / 2 == pytest.approx(rim, abs=1e-6)


def test_a_cavity_that_becomes_too_narrow_is_none() -> None:
    narrow = Cavity((0.0, 0.0, 0.1), (0.025, 0.025, 0.18))
    found = [varied(plain(cavity=narrow), SHAPES, np.random.default_rng(k)).cavity for k in range(20)]
    assert None in found and any(cavity is not None for cavity in found)


def test_a_sheet_without_thickness_stays_one() -> None:
    flat, faces = triangle()
    sheet = plain(shape=_Parts((MeshPart(flat * np.array([1, 1, 0], np.float32), faces),)), size_m=(0.2, 0.2, 0.0))
    variant = varied(sheet, SHAPES, np.random.default_rng(0))
    assert variant.size_m[2] == 0 and min(variant.size_m[:2]) > 0.05


def test_shapes_vary_in_proportion_and_along_the_height_but_not_in_volume() -> None:
    variants = [varied(plain(), Variation(shape=0.15), np.random.default_rng(k)) for k in range(200)]
    sizes = np.log([v.size_m for v in variants])
    assert 0.1 < sizes[:, 2].std() < 0.2
    assert 0.05 < (sizes[:, 0] - sizes[:, 1]).std() < 0.25
    assert np.allclose(np.exp(sizes).prod(axis=1), 0.08 * 0.12 * 0.2)
    leaning = [widths_ratio(variant) for variant in variants]
    assert min(leaning) < 0.9 and max(leaning) > 1.1


def test_colours_change_where_no_word_tells_them() -> None:
    texture = np.tile(np.array([200, 40, 90], np.uint8), (4, 4, 1))
    part = MeshPart(*triangle(), np.zeros((3, 2), np.float32), texture=texture)
    always = Variation(color=1.0)

    def pixels(**changes: object) -> list[bytes]:
        item = plain(shape=_Parts((part,)), **changes)
        made = [varied(item, always, np.random.default_rng(k)) for k in range(8)]
        return [v.parts()[0].texture_rgb().tobytes() for v in made]  # type: ignore[union-attr]

    assert len(set(pixels())) == 8
    for told in ({"attributes": ("red",)}, {"attributes": ("small", "wooden")}, {"noun": "banana"}):
        assert set(pixels(**told)) == {texture.tobytes()}
    assert texture[0, 0].tolist() == [200, 40, 90]  # the pack's own picture is left alone


def test_plain_colours_change_and_stay_colours() -> None:
    item = plain(color="gray")
    variants = [varied(item, Variation(color=1.0), np.random.default_rng(k)) for k in range(20)]
    colors = np.array([v.parts()[0].rgba for v in variants])
    assert (colors >= 0).all() and (colors <= 1).all() and len(np.unique(colors, axis=0)) == 20
    assert {v.color for v in variants} == {""}
    assert all(np.allclose(v.vertices(), item.vertices(), atol=1e-7) for v in variants)
    few = [varied(item, Variation(color=0.3), np.random.default_rng(k)) for k in range(100)]
    assert 15 <= sum(v.color == "" for v in few) <= 45


def test_a_variant_depends_on_the_seed_alone_and_travels() -> None:
    first, again = (varied(plain(), Variation(0.3, 1.0), np.random.default_rng(5)) for _ in range(2))
    other = varied(plain(), Variation(0.3, 1.0), np.random.default_rng(6))
    there = pickle.loads(pickle.dumps(first))
    for same in (again, there):
        assert np.array_equal(first.vertices(), same.vertices()) and first.parts()[0].rgba == same.parts()[0].rgba
    assert not np.array_equal(first.vertices(), other.vertices())


@pytest.mark.parametrize("setting", [{"shape_variation": 0.6}, {"shape_variation": -0.1}, {"color_variation": 1.1}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        SimulationConfig.of(setting)


# ---- helpers ----


class _Parts:
    """A `PartSource` of given parts."""

    def __init__(self, parts: tuple[MeshPart, ...]) -> None:
        self._parts = parts

    def load(self) -> tuple[MeshPart, ...]:
        return self._parts


def triangle() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0.2]], np.float32)
    return corners, np.array([[0, 1, 2]], np.int32)


def moved_points(item: AssetItem, variant: AssetItem, points: np.ndarray) -> np.ndarray:
    """Where points of the item are in its variant: they are warped as vertices of the item would be."""
    probe = MeshPart(points.astype(np.float32), np.array([[0, 1, 2]], np.int32))
    return replace(variant.shape, source=_Parts((probe,))).load()[0].vertices  # type: ignore[type-var]


def outline(center: tuple[float, ...], size: tuple[float, ...]) -> np.ndarray:
    """(80, 2) points along the border of a rectangle, anticlockwise."""
    t, one = np.linspace(-0.5, 0.5, 20, endpoint=False), np.full(20, 0.5)
    border = np.concatenate([np.stack(side, 1) for side in ((t, -one), (one, t), (-t, one), (-one, -t))])
    return np.array(center[:2]) + border * np.array(size[:2])


def inside(points: np.ndarray, center: tuple[float, ...], size: tuple[float, ...]) -> np.ndarray:
    """Whether points are in a rectangle, by more than a tenth of a millimetre."""
    away = np.abs(points - np.array(center[:2]))
    return (away < np.array(size[:2]) / 2 - 1e-4).all(axis=1)


def is_within_polygon(point: np.ndarray, corners: np.ndarray) -> bool:
    """By the winding number."""
    turned = corners - point
    angles = np.arctan2(turned[:, 1], turned[:, 0])
    steps = np.diff(np.append(angles, angles[0]))
    return bool(abs(((steps + np.pi) % (2 * np.pi) - np.pi).sum()) > np.pi) or bool(
        np.linalg.norm(turned, axis=1).min() < 5e-3  # on the border
    )


def widths_ratio(item: AssetItem) -> float:
    """Width at the top over width at the bottom."""
    points = item.vertices()
    top, bottom = points[points[:, 2] > 0.95 * item.size_m[2]], points[points[:, 2] < 0.05 * item.size_m[2]]
    return float(np.ptp(top[:, 0]) / np.ptp(bottom[:, 0]))


def test_the_helpers_know_inside_from_outside() -> None:
    top = FlatTop((1.0, 2.0, 0.0), (0.2, 0.4))
    ring = outline(top.center, top.size)
    assert is_within_polygon(np.array([1.05, 2.1]), ring) and not is_within_polygon(np.array([1.2, 2.0]), ring)
    assert inside(np.array([[1.05, 2.1], [1.2, 2.0]]), top.center, top.size).tolist() == [True, False]
