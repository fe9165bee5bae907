"""The committed noun list, index and split; and, where a pack is built, the pack against its limits."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.build import MAX_PACK_BYTES
from spatialvlm_ros.simulation.assets.catalog import read_catalog
from spatialvlm_ros.simulation.assets.items import KINDS
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.assets.sources.libraries import PANDA_LINKS, library_of
from spatialvlm_ros.simulation.assets.splits import committed_index, is_reserved, reserved_ids


def test_enough_nouns_and_meshes():
    meshes = Counter(row.noun for row in committed_index())
    assert len(meshes) >= 150
    assert sum(count >= 3 for count in meshes.values()) >= 40
    tabletop = [row for row in committed_index() if row.kind == "tabletop" and max(row.size_m) < 0.6]
    assert len(tabletop) >= 150 and len({row.noun for row in tabletop}) >= 90


def test_index_and_noun_list_agree():
    catalog = {row.id: row for row in read_catalog()}
    index = {row.id: row for row in committed_index()}
    assert set(index) == set(catalog)
    for asset_id, row in index.items():
        assert (row.noun, row.attributes) == (catalog[asset_id].noun, catalog[asset_id].attributes)
        assert row.kind in KINDS and library_of(asset_id).licence
        assert all(0.0005 < side < 5 for side in row.size_m), row


def test_reserved_meshes_follow_the_rule():
    index = committed_index()
    reserved = {row.id for row in index if row.reserved}
    assert reserved == reserved_ids((row.id, row.noun) for row in index)
    by_noun = Counter(row.noun for row in index)
    kept = Counter(row.noun for row in index if row.reserved)
    assert all(kept[noun] == (1 if count >= 3 else 0) for noun, count in by_noun.items())
    assert len(reserved) >= 40
    assert is_reserved(next(iter(reserved))) and not is_reserved("kl/no such mesh")


def test_rule_does_not_depend_on_order_or_other_nouns():
    meshes = [("a/1", "cup"), ("a/2", "cup"), ("a/3", "cup"), ("b/1", "pen"), ("b/2", "pen")]
    (one,) = reserved_ids(meshes)
    assert reserved_ids(reversed(meshes)) == {one} and one.startswith("a/")


def test_words_are_words():
    for row in read_catalog():
        for word in (row.noun, *row.attributes):
            assert word == word.strip().lower() and word.replace("-", "").replace("'", "").replace(" ", "").isalpha(), (
                row
            )


def test_mistakes_in_the_noun_list_are_named(tmp_path):
    file = tmp_path / "nouns.yaml"
    for text, fault in (
        ("cup:\n  kind: tabletop\n  meshes:\n    a/b: {colour: red}\n", "unknown keys.*a/b"),
        ("cup:\n  kind: tabletop\n  meshes:\n    a/b: {color: mauve}\n", "unknown colour.*a/b.*mauve"),
        ("cup:\n  kind: shelf\n  meshes:\n    a/b:\n", "unknown kind.*shelf"),
        ("cup:\n  kind: tabletop\n  meshes:\n    a/b:\nmug:\n  kind: tabletop\n  meshes:\n    a/b:\n", "twice.*a/b"),
        ("cup: [", "cannot be read"),
    ):
        file.write_text(text)
        with pytest.raises(AssetError, match=fault):
            read_catalog(file)
    with pytest.raises(AssetError, match="unknown library.*nobody"):
        library_of("nobody/cup")


@pytest.fixture(scope="module")
def real_pack() -> AssetPack:
    path = Path(os.environ.get("SPATIALVLM_ASSETS", "")) if os.environ.get("SPATIALVLM_ASSETS") else None
    if path is None or not (path / "manifest.json").exists():
        pytest.skip("no asset pack at SPATIALVLM_ASSETS")
    pack = AssetPack.load(path)
    if len(pack.items) < len(committed_index()):
        pytest.skip("the asset pack at SPATIALVLM_ASSETS is a partial one")
    return pack


def test_real_pack_keeps_its_limits(real_pack):
    assert list(real_pack.verify()) == []
    files = [f for folder in ("items", "textures") for f in (real_pack.path / folder).iterdir()]
    assert sum(f.stat().st_size for f in files) <= MAX_PACK_BYTES
    assert {item.id for item in real_pack.items} == {row.id for row in committed_index()}
    assert {item.link for item in real_pack.robot_links} == set(PANDA_LINKS)
    assert len(real_pack.for_split("new_objects").items) >= 40
    assert not any(item.reserved for item in real_pack.for_split("train").items)


def test_real_meshes_are_sound(real_pack):
    for item in (*real_pack.items, *real_pack.robot_links):
        parts = item.parts()
        assert item.n_faces == sum(len(part.faces) for part in parts) <= 5000, item.id
        for part in parts:
            assert part.faces.max() < len(part.vertices) and np.isfinite(part.vertices).all()
            texture = part.texture_rgb()
            assert texture is None or (max(texture.shape) <= 256 and part.uv is not None)
        vertices = item.vertices()
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        if item.kind != "robot":
            np.testing.assert_allclose(high - low, item.size_m, atol=2e-5, err_msg=item.id)
            np.testing.assert_allclose([low[0] + high[0], low[1] + high[1], low[2]], 0, atol=2e-5, err_msg=item.id)
        if item.cavity is not None:
            assert (np.abs(item.cavity.center[:2]) + np.array(item.cavity.size[:2]) / 2 <= high[:2] + 0.02).all(), (
                item.id
            )
        if item.top is not None:
            assert 0 < item.top.center[2] <= high[2] + 1e-4
            assert (np.abs(item.top.center[:2]) + np.array(item.top.size) / 2 <= high[:2] + 1e-4).all(), item.id
        assert item.licence and item.author and item.source


def test_real_meshes_compile_in_mujoco(real_pack):
    mujoco = pytest.importorskip("mujoco")
    from spatialvlm_ros.simulation.assets.mjspec import add_item

    for item in (*real_pack.items, *real_pack.robot_links):
        spec = mujoco.MjSpec()
        geoms = add_item(spec, spec.worldbody, item, "item")
        assert spec.compile().ngeom == len(geoms), item.id
