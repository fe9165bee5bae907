"""Decimation, sharp edges, cavities, flat tops, colours: against shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.simulation.assets.decimation import decimate
from spatialvlm_ros.simulation.assets.meshes import merge_parts, split_sharp_edges, weld
from spatialvlm_ros.simulation.assets.primitives import COLORS, primitive_item
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, bounds
from spatialvlm_ros.simulation.assets.surfaces import (
    find_cavity,
    find_flat_top,
    height_map,
    largest_rectangle,
    visible_colors,
)
from spatialvlm_ros.simulation.assets.textures import color_name, decode_texture, encode_jpeg, main_color


def _grid(cells: int, axis: int, level: float, size: np.ndarray) -> RawPart:
    """One side of a box as a fine sheet of its own, with texture coordinates over the side."""
    step = np.linspace(0, 1, cells + 1)
    u, v = (a.ravel() for a in np.meshgrid(step, step, indexing="ij"))
    vertices = np.zeros((len(u), 3))
    vertices[:, axis], vertices[:, (axis + 1) % 3], vertices[:, (axis + 2) % 3] = level, u, v
    i = np.arange(cells * (cells + 1)).reshape(cells, cells + 1)[:, :-1].ravel()
    quads = np.stack([i, i + cells + 1, i + cells + 2, i + 1], axis=1)
    if level == 0:
        quads = quads[:, ::-1]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return RawPart(vertices * size, faces, np.stack([u, v], axis=1), texture=np.zeros((4, 4, 3), np.uint8))


def _fine_box(size, cells: int = 30) -> RawPart:
    (box,) = merge_parts([_grid(cells, axis, level, np.array(size)) for axis in range(3) for level in (0.0, 1.0)])
    return box


def _area(parts) -> float:
    corners = np.concatenate([part.vertices[part.faces] for part in parts])
    return float(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    )


def test_boards_of_separate_sheets_stay_whole_when_decimated():
    size = (0.4, 0.9, 0.02)
    box = weld(_fine_box(size))
    (small,) = decimate([box], 300)
    assert len(small.faces) <= 300
    low, high = bounds([small])
    np.testing.assert_allclose(high - low, size, rtol=0.01)
    assert _area([small]) == pytest.approx(_area([box]), rel=0.02)


def test_texture_coordinates_follow_their_place():
    sheet = weld(_grid(60, 2, 1.0, np.array([0.3, 0.5, 1.0])))
    rng = np.random.default_rng(0)
    bumpy = sheet.moved(sheet.vertices + rng.normal(0, 0.002, sheet.vertices.shape) * [0, 0, 1])
    (small,) = decimate([bumpy], 600)
    assert len(small.faces) <= 600
    expected = small.vertices[:, :2] / [0.3, 0.5]
    assert np.abs(small.uv - expected).max() < 0.05


def test_triangles_go_where_the_shape_needs_them():
    vertices, faces = _mesh("ball")
    ball = weld(RawPart(vertices * 14 + [2, 0, 0], faces))
    slab = weld(_fine_box((1, 1, 0.5), cells=40))
    result = decimate([ball, slab], 1000)
    assert sum(len(part.faces) for part in result) <= 1000
    assert len(result[0].faces) > 0.8 * len(ball.faces)  # flat sides need few
    for before, after in zip((ball, slab), result, strict=True):
        assert _area([after]) == pytest.approx(_area([before]), rel=0.01)
        np.testing.assert_allclose(bounds([after]), bounds([before]), atol=0.005)


def test_loose_pieces_are_thinned_too():
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, 1, (5000, 1, 3))
    corners = (centres + rng.normal(0, 0.01, (5000, 3, 3))).reshape(-1, 3)
    part = RawPart(corners, np.arange(15000).reshape(-1, 3))
    assert sum(len(p.faces) for p in decimate([part], 1000)) <= 1000


def test_sharp_edges_are_doubled_and_round_ones_are_not():
    cube = weld(RawPart(*_mesh("cube")))
    assert len(cube.vertices) == 8
    assert len(split_sharp_edges(cube).vertices) == 24
    ball = weld(RawPart(*_mesh("ball")))
    assert len(split_sharp_edges(ball).vertices) == len(ball.vertices)


def _mesh(noun: str):
    (part,) = primitive_item(noun, "red").parts()
    return part.vertices.astype(np.float64), part.faces.astype(np.int64)


def test_weld_drops_repeated_and_empty_triangles():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 1, 0], [0, 3, 1]])  # repeated, turned round, empty
    assert len(weld(RawPart(vertices, faces)).faces) == 2


@pytest.mark.parametrize("noun", ["tray", "bin", "bowl", "cup"])
def test_measured_cavity_agrees_with_the_known_one(noun):
    item = primitive_item(noun, "blue")
    cavity = find_cavity([RawPart(*_mesh(noun))])
    known = item.cavity
    cell = max(item.size_m[:2]) / 72
    if noun in ("tray", "bin"):
        np.testing.assert_allclose(cavity.size[:2], known.size[:2], atol=2.5 * cell)
        np.testing.assert_allclose(cavity.center, known.center, atol=1.5 * cell)
    # Always: what is measured lies inside the shell, up to the rim.
    np.testing.assert_allclose(cavity.center[2] + cavity.size[2] / 2, item.size_m[2], atol=1e-6)
    assert cavity.size[0] * cavity.size[1] * cavity.size[2] > 0.8 * np.prod(known.size)


def test_no_cavity_in_solids_or_upside_down_containers():
    assert find_cavity([RawPart(*_mesh("cube"))]) is None
    vertices, faces = _mesh("tray")
    turned = RawPart(vertices * [1, -1, -1] + [0, 0, 0.05], faces)
    assert find_cavity([turned]) is None


def test_flat_top_leaves_out_what_stands_on_it():
    desk = [_solid((0, 0, 0.72), (0.8, 1.6, 0.04)), _solid((0.0, 0.6, 0.90), (0.8, 0.3, 0.32))]
    top = find_flat_top(desk, least_side=0.2, least_share=0.15, least_height=0.15)
    assert top.center[2] == pytest.approx(0.74)
    np.testing.assert_allclose(top.size, (0.8, 1.25), atol=0.05)  # y from -0.8 to 0.45
    np.testing.assert_allclose(top.center[:2], (0, -0.175), atol=0.03)
    assert (np.abs(top.center[:2]) + np.array(top.size) / 2 <= np.array([0.4, 0.8]) + 1e-6).all()
    assert find_flat_top([RawPart(*_mesh("cone"))], 0.02, 0.3, 0.05) is None


def _solid(center, size) -> RawPart:
    vertices, faces = _mesh("cube")
    vertices = (vertices - [0, 0, 0.025]) / 0.05
    return RawPart(vertices * size + center, faces)


def test_height_map_has_no_holes_and_right_heights():
    heights, corner, cell = height_map([_solid((0, 0, 0.5), (0.4, 0.9, 1.0))])
    assert np.isfinite(heights).all()
    np.testing.assert_allclose(heights, 1.0)
    np.testing.assert_allclose(corner, (-0.2, -0.45))
    assert heights.shape == (round(0.4 / cell), 72)


def test_largest_rectangle_against_trying_all():
    rng = np.random.default_rng(2)
    for _ in range(30):
        mask = rng.random((6, 7)) < 0.7
        x0, x1, y0, y1 = largest_rectangle(mask)
        assert mask[x0:x1, y0:y1].all()
        best = max(
            (b - a) * (d - c)
            for a in range(6)
            for b in range(a, 7)
            for c in range(7)
            for d in range(c, 8)
            if mask[a:b, c:d].all()
        )
        assert (x1 - x0) * (y1 - y0) == best


@pytest.mark.parametrize("name", sorted(COLORS))
def test_colours_have_their_own_name(name):
    assert color_name(*COLORS[name][:3]) == name


def test_main_colour_is_that_of_the_outside():
    inside = RawPart(*_mesh("ball"), rgba=COLORS["red"])
    shell = RawPart(_mesh("ball")[0] * 2 - [0, 0, 0.035], _mesh("ball")[1], rgba=COLORS["green"])
    assert main_color(visible_colors([inside, shell])) == "green"
    half = [_solid((0, 0, 0), (1, 1, 1)), _solid((0, 1, 0), (1, 1, 1))]
    two = [RawPart(p.vertices, p.faces, rgba=COLORS[c]) for p, c in zip(half, ("red", "blue"), strict=True)]
    assert main_color(visible_colors(two)) == ""


def test_texture_is_shrunk_and_see_through_pixels_are_filled():
    import io

    from PIL import Image

    pixels = np.zeros((400, 200, 4), np.uint8)
    pixels[:, :100] = (200, 100, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    texture = decode_texture(buffer.getvalue())
    assert texture.rgb.shape == (256, 128, 3)
    assert texture.cut_out == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(texture.rgb[:, 70:].mean(axis=(0, 1)), (200, 100, 0), atol=4)
    assert decode_texture(b"no picture") is None
    assert encode_jpeg(texture.rgb)[:2] == b"\xff\xd8"
