"""Primitives: exact sizes, closed outward surfaces, cavities, and how items sit in a MuJoCo model."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.assets.primitives import COLORS, PRIMITIVE_KINDS, primitive_item

NOUNS = [kind.noun for kind in PRIMITIVE_KINDS]


def test_every_shape_in_every_colour():
    items = AssetPack.primitives().items
    assert len(items) == len(NOUNS) * len(COLORS) and len(COLORS) >= 8
    assert len({item.id for item in items}) == len(items)
    assert {item.label for item in items} >= {"red cube", "blue ball", "white bowl"}


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("size", [None, (0.11, 0.11, 0.23)])
def test_size_origin_and_outward_closed_surface(noun, size):
    item = primitive_item(noun, "green", size)
    (part,) = item.parts()
    low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
    if noun == "ring" and size is not None:
        pytest.skip("a ring is as high as its tube is thick")
    np.testing.assert_allclose(high - low, item.size_m, atol=1e-6)
    np.testing.assert_allclose([low[0] + high[0], low[1] + high[1], low[2]], 0, atol=1e-6)
    corners = part.vertices[part.faces].astype(np.float64)
    # Closed: the area vectors of all faces cancel. Outward: the volume is positive.
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose(normals.sum(axis=0), 0, atol=1e-7)
    assert np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0
    assert part.rgba == COLORS["green"]


def test_known_volumes():
    def volume(noun, size):
        (part,) = primitive_item(noun, "red", size).parts()
        corners = part.vertices[part.faces].astype(np.float64)
        return np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6

    assert volume("block", (0.2, 0.3, 0.5)) == pytest.approx(0.03, rel=1e-5)
    assert volume("pyramid", (0.2, 0.3, 0.5)) == pytest.approx(0.01, rel=1e-5)
    assert volume("cylinder", (0.2, 0.2, 0.5)) == pytest.approx(np.pi * 0.005, rel=0.01)
    assert volume("cone", (0.2, 0.2, 0.5)) == pytest.approx(np.pi * 0.005 / 3, rel=0.01)
    assert volume("ball", (0.2, 0.2, 0.2)) == pytest.approx(4 / 3 * np.pi * 0.001, rel=0.02)
    assert volume("capsule", (0.2, 0.2, 0.5)) == pytest.approx(np.pi * 0.003 + 4 / 3 * np.pi * 0.001, rel=0.02)


@pytest.mark.parametrize("noun", [kind.noun for kind in PRIMITIVE_KINDS if kind.cavity])
def test_cavity_holds_no_part_of_the_shell(noun):
    item = primitive_item(noun, "white")
    points = item.surface_points(40_000, np.random.default_rng(0))
    inside = np.abs(points - item.cavity.center) < np.array(item.cavity.size) / 2 - 1e-4
    assert not inside.all(axis=1).any()
    top = item.cavity.center[2] + item.cavity.size[2] / 2
    assert top == pytest.approx(item.size_m[2])


def test_surface_points_are_spread_by_area():
    item = primitive_item("block", "red", (0.1, 0.2, 0.4))
    points = item.surface_points(60_000, np.random.default_rng(0))
    on_top = np.isclose(points[:, 2], 0.4, atol=1e-6).mean()
    on_front = np.isclose(points[:, 0], 0.05, atol=1e-6).mean()
    assert on_top == pytest.approx(0.02 / 0.28, abs=0.005)
    assert on_front == pytest.approx(0.08 / 0.28, abs=0.01)


def test_unknown_words_are_refused():
    with pytest.raises(AssetError, match="no such primitive.*torus"):
        primitive_item("torus", "red")
    with pytest.raises(AssetError, match="no such colour.*mauve"):
        primitive_item("cube", "mauve")


@pytest.mark.parametrize("noun", ["tray", "cone", "pyramid"])
def test_mujoco_keeps_the_item_frame(noun):
    mujoco = pytest.importorskip("mujoco")
    from spatialvlm_ros.simulation.assets.mjspec import add_item, item_vertices

    item = primitive_item(noun, "blue", (0.1, 0.25, 0.07))
    scale = (1.1, 0.9, 1.05)
    spec = mujoco.MjSpec()
    quaternion = np.array([0.5, -0.5, 0.1, 0.7])
    body = spec.worldbody.add_body(name="body", pos=[0.3, -0.2, 0.8], quat=quaternion / np.linalg.norm(quaternion))
    (geom,) = add_item(spec, body, item, "thing", scale)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    expected = item.vertices().astype(np.float64) * scale
    mesh = model.geom_dataid[model.geom(geom).id]
    got = item_vertices(model, mesh)
    assert _same_points(got, expected)
    # What is drawn: mesh vertices by the geom's pose. It is the item by the body's pose.
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    drawn = model.mesh_vert[start : start + count] @ data.geom(geom).xmat.reshape(3, 3).T + data.geom(geom).xpos
    placed = expected @ data.body("body").xmat.reshape(3, 3).T + data.body("body").xpos
    assert _same_points(drawn, placed)


def _same_points(a: np.ndarray, b: np.ndarray) -> bool:
    distance = np.linalg.norm(a[:, None] - b[None], axis=2)
    return bool(distance.min(axis=0).max() < 2e-6 and distance.min(axis=1).max() < 2e-6)


def test_mujoco_takes_textures_and_shares_nothing_by_accident():
    mujoco = pytest.importorskip("mujoco")
    from dataclasses import dataclass, replace

    from spatialvlm_ros.simulation.assets.items import MeshPart
    from spatialvlm_ros.simulation.assets.mjspec import add_item

    picture = np.arange(8 * 4 * 3, dtype=np.uint8).reshape(8, 4, 3)
    vertices = np.array([[0, 0, 0], [0.3, 0, 0], [0.3, 0.2, 0], [0, 0.2, 0.1]], np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    part = MeshPart(vertices, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uv, (1, 1, 1, 1), picture)

    @dataclass(frozen=True)
    class Quad:
        def load(self):
            return (part, replace(part, uv=None, texture=None, rgba=(1, 0, 0, 1)))

    item = replace(primitive_item("cube", "red"), shape=Quad())
    spec = mujoco.MjSpec()
    assert add_item(spec, spec.worldbody, item, "quad") == ["quad/0", "quad/1"]
    model = spec.compile()
    texture = model.texture("quad/0").id
    assert (model.tex_height[texture], model.tex_width[texture]) == (8, 4)
    np.testing.assert_array_equal(model.tex_data[model.tex_adr[texture] :][: picture.size], picture.ravel())
    assert model.mat_texid[model.material("quad/0").id][mujoco.mjtTextureRole.mjTEXROLE_RGB] == texture
    assert (model.mat_texid[model.material("quad/1").id] == -1).all()


def test_mujoco_takes_a_single_triangle():
    mujoco = pytest.importorskip("mujoco")
    from dataclasses import dataclass, replace

    from spatialvlm_ros.simulation.assets.items import MeshPart
    from spatialvlm_ros.simulation.assets.mjspec import add_item, item_vertices

    vertices = np.array([[0, 0, 0], [0.3, 0, 0], [0.3, 0.2, 0.1]], np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0]], np.float32)
    texture = np.zeros((4, 4, 3), np.uint8)

    @dataclass(frozen=True)
    class Triangle:
        with_uv: bool

        def load(self):
            faces = np.array([[0, 1, 2]], np.int32)
            return (MeshPart(vertices, faces, uv if self.with_uv else None, texture=texture if self.with_uv else None),)

    spec = mujoco.MjSpec()
    for with_uv in (False, True):
        item = replace(primitive_item("cube", "red"), shape=Triangle(with_uv))
        add_item(spec, spec.worldbody, item, f"triangle{with_uv}")
    model = spec.compile()
    for mesh in range(model.nmesh):
        assert _same_points(item_vertices(model, mesh), vertices.astype(np.float64))
