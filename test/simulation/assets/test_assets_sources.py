"""Reading furniture libraries, OBJ and STL: true size, right axes, colours, textures."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from sample_library import DEPTH, HEIGHT, WIDTH, cabinet_obj, four_colors, write_library

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.sources import sweethome
from spatialvlm_ros.simulation.assets.sources.mjcf import read_body_include, read_stl
from spatialvlm_ros.simulation.assets.sources.obj import parse_mtl, read_obj
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, bounds, fitted
from spatialvlm_ros.simulation.assets.textures import decode_texture


def _library(tmp_path):
    return next(write_library(tmp_path).rglob("*.sh3f"))


@pytest.mark.parametrize(("key", "number"), [("cabinet1", 1), ("lying", 2)])
def test_catalogue_model_gets_true_size_and_item_axes(tmp_path, key, number):
    library = _library(tmp_path)
    entry = sweethome.read_catalogue(library)[key]
    assert entry.name == "Café cabinet" and entry.author == "Jane"
    parts = sweethome.load_entry(library, entry)
    low, high = bounds(parts)
    size = np.array([DEPTH, WIDTH, HEIGHT + number]) / 100  # x depth, y width, z height
    np.testing.assert_allclose(high - low, size, atol=1e-12)
    np.testing.assert_allclose([low[0] + high[0], low[1] + high[1], low[2]], 0, atol=1e-12)
    knob = next(part for part in parts if part.texture is not None)
    knob_low, knob_high = bounds([knob])
    # In front (x); at the model's right, which is the item's left (y); at the top (z).
    np.testing.assert_allclose(knob_high, high, atol=1e-12)
    np.testing.assert_allclose(knob_high - knob_low, size * [1 / 3, 1 / 4, 1 / 5], atol=1e-12)


def test_faces_still_point_outwards(tmp_path):
    library = _library(tmp_path)
    for entry in sweethome.read_catalogue(library).values():
        for part in sweethome.load_entry(library, entry):
            corners = part.vertices[part.faces]
            volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
            assert volume > 0


def test_materials_and_texture_orientation(tmp_path):
    library = _library(tmp_path)
    parts = sweethome.load_entry(library, sweethome.read_catalogue(library)["cabinet1"])
    wood, brass = sorted(parts, key=lambda part: part.texture is not None)
    assert wood.rgba == (0.4, 0.25, 0.1, 1.0) and wood.uv is None
    assert brass.rgba == (1.0, 1.0, 1.0, 1.0)
    np.testing.assert_array_equal(brass.texture, four_colors())
    # "vt 0 1" is the picture's top left: (0, 0) here; all four corners of the picture are used.
    assert {tuple(uv) for uv in brass.uv.tolist()} == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_obj_index_forms_give_the_same_triangles():
    vertices = "v 0 0 0\nv 1 0 0\nv 1 2 0\nv 0 2 0\nv 0 0 3\n"
    forms = {
        "plain": "f 1 2 3 4\nf 1 2 5\n",
        "normals": "vn 0 0 1\nf 1//1 2//1 3//1 4//1\nf 1//1 2//1 5//1\n",
        "texture": "vt 0 0\nf 1/1 2/1 3/1 4/1\nf 1/1 2/1 5/1\n",
        "mixed": "vt 0 0\nf 1/1 2/1 3/1 4/1\nf 1 2 5\n",
        "negative": "f -5 -4 -3 -2\nf -5 -4 -1\n",
        "continued": "f 1 2 \\\n3 4\nf 1 2 5\n",
    }
    areas = {}
    for name, faces in forms.items():
        (part,) = read_obj("m.obj", {"m.obj": (vertices + faces).encode()}.get, decode_texture)
        corners = part.vertices[part.faces]
        areas[name] = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    for name, values in areas.items():
        np.testing.assert_allclose(sorted(values), [1, 1, 1.5], err_msg=name)


def test_unreadable_obj_is_named():
    for text in (b"v 0 0 0\nf 1 2 3\n", b"v 0 0 zero\nf 1 1 1\n"):
        with pytest.raises(AssetError, match="broken.obj"):
            read_obj("broken.obj", {"broken.obj": text}.get, decode_texture)
    with pytest.raises(AssetError, match=r"gone\.obj"):
        read_obj("gone.obj", {}.get, decode_texture)


def test_mtl_colour_and_transparency():
    materials = parse_mtl("newmtl a b\n  Kd 2 0.5 -1\n d 0.5\nnewmtl c\nmap_Kd -s 1 1 1 x\\y.png\n")
    assert materials["a b"].rgba == (1.0, 0.5, 0.0, 0.5)
    assert materials["c"].texture == "-s 1 1 1 x/y.png"


def test_glass_is_drawn_and_invisible_parts_are_left_out():
    text = "mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl glass\nf 1 2 3\nusemtl air\nf 3 2 1\n"
    files = {"m.obj": text.encode(), "m.mtl": b"newmtl glass\nKd 1 1 1\nd 0.1\nnewmtl air\nd 0.001\n"}
    (part,) = read_obj("m.obj", files.get, decode_texture)
    assert 0.3 < part.rgba[3] < 0.5


def test_wrong_catalogue_files_are_named(tmp_path):
    bad = tmp_path / "bad.sh3f"
    bad.write_bytes(b"not a zip")
    with pytest.raises(AssetError, match=r"bad\.sh3f"):
        sweethome.read_catalogue(bad)


def test_fitted_keeps_scale_without_a_size():
    part = RawPart(np.array([[1.0, 2, 3], [2, 4, 7], [1, 4, 3]]), np.array([[0, 1, 2]]))
    (moved,) = fitted([part], None)
    np.testing.assert_allclose(moved.vertices, [[-0.5, -1, 0], [0.5, 1, 4], [-0.5, 1, 0]])
    (flat,) = fitted([part.moved(part.vertices * [1, 1, 0])], (0.3, 0.2, 0.1))  # a sheet has no height to scale
    np.testing.assert_allclose(np.ptp(flat.vertices, axis=0), [0.3, 0.2, 0])


def _stl(triangles: np.ndarray) -> bytes:
    rows = b"".join(struct.pack("<12fH", 0, 0, 0, *triangle.ravel(), 0) for triangle in triangles)
    return b"\0" * 80 + struct.pack("<I", len(triangles)) + rows


def test_stl_and_body_include(tmp_path):
    triangles = np.array([[[0, 0, 0], [1, 0, 0], [0, 2, 0]], [[1, 0, 0], [1, 2, 0], [0, 2, 0]]], dtype=float)
    (tmp_path / "plate.stl").write_bytes(_stl(triangles))
    part = read_stl(tmp_path / "plate.stl")
    assert len(part.vertices) == 4 and len(part.faces) == 2
    (tmp_path / "assets.xml").write_text('<m><mesh name="plate" file="x" scale="1 2 1"/></m>')
    (tmp_path / "body.xml").write_text(
        '<m><geom name="p_visual" mesh="plate" rgba="1 0 0 1" pos="0 0 5"/><geom name="p_contact0" mesh="c"/></m>'
    )
    (placed,) = read_body_include(tmp_path / "body.xml")
    assert placed.rgba == (1, 0, 0, 1)
    np.testing.assert_allclose(bounds([placed]), [[0, 0, 5], [1, 4, 5]])
    (tmp_path / "plate.stl").write_bytes(_stl(triangles)[:-10])
    with pytest.raises(AssetError, match=r"plate\.stl"):
        read_stl(tmp_path / "plate.stl")


def test_cabinet_text_is_asymmetric():
    assert cabinet_obj() != cabinet_obj(turned=True)
