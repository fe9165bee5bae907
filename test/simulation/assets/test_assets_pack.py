"""The pack on disk: exact sizes, checksums, resuming after a kill, errors that name the file."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_library import DEPTH, HEIGHT, WIDTH, cabinet_rows, four_colors, write_library

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets import build
from spatialvlm_ros.simulation.assets.items import MeshPart
from spatialvlm_ros.simulation.assets.pack import AssetPack, default_pack_path
from spatialvlm_ros.simulation.assets.sources import packages
from spatialvlm_ros.simulation.assets.storage import decode_parts, encode_item

PIECES = 6


@pytest.fixture(autouse=True)
def _only_the_written_library(monkeypatch):
    monkeypatch.setattr(packages, "_INSTALLED_FURNITURE", Path("/nonexistent"))


@pytest.fixture
def cache(tmp_path):
    return write_library(tmp_path / "cache", PIECES)


@pytest.fixture
def pack(tmp_path, cache):
    build.build_pack(tmp_path / "pack", cache, cabinet_rows(PIECES), workers=0)
    return tmp_path / "pack"


def test_items_have_true_size_words_and_licence(pack):
    items = AssetPack.load(pack).items
    assert [item.id for item in items] == [f"kl/cabinet{n}" for n in range(1, PIECES + 1)]
    for number, item in enumerate(items, start=1):
        size = (DEPTH / 100, WIDTH / 100, (HEIGHT + number) / 100)
        assert item.size_m == pytest.approx(size, abs=1e-9)
        vertices = item.vertices()
        np.testing.assert_allclose(vertices.max(axis=0), np.array(size) * [0.5, 0.5, 1], atol=1e-6)
        np.testing.assert_allclose(vertices.min(axis=0), np.array(size) * [-0.5, -0.5, 0], atol=1e-6)
        assert (item.label, item.author, item.licence) == ("small cabinet", "Jane", "CC-BY-3.0-US")
        assert item.source == "sweethome3d-furniture 1.8-1"
        assert item.n_faces == sum(len(part.faces) for part in item.parts()) == 24


def test_texture_and_uv_survive(pack):
    part = next(part for part in AssetPack.load(pack).items[0].parts() if part.texture is not None)
    np.testing.assert_allclose(part.texture_rgb()[4::24, 4::24], four_colors()[4::24, 4::24], atol=40)
    assert {tuple(uv) for uv in part.uv.tolist()} == {(0, 0), (1, 0), (1, 1), (0, 1)}


def test_item_travels_to_workers_as_a_small_pickle(pack):
    item = AssetPack.load(pack).items[0]
    item.parts()
    data = pickle.dumps(item)
    assert len(data) < 4000
    assert pickle.loads(data) == item


def test_quantisation_is_fine_and_keeps_the_box_exact():
    rng = np.random.default_rng(0)
    vertices = rng.uniform(-1.0, 1.0, (500, 3)).astype(np.float32)
    uv = rng.uniform(-3, 5, (500, 2)).astype(np.float32)
    part = MeshPart(vertices, np.arange(498).reshape(-1, 3).astype(np.int32), uv, (0.1, 0.2, 0.3, 0.5))
    (back,) = decode_parts(encode_item({}, (part,), (None,)), Path())
    assert np.abs(back.vertices - vertices).max() <= 2 / 65535 / 2 + 1e-6
    np.testing.assert_array_equal(back.vertices.max(axis=0), vertices.max(axis=0))
    assert np.abs(back.uv - uv).max() < 1e-3
    np.testing.assert_array_equal(back.faces, part.faces)
    assert back.rgba == part.rgba


def _damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def test_damage_is_detected_named_and_repaired(pack, cache):
    file = pack / "items" / "kl__cabinet2.npz"
    _damage(file)
    loaded = AssetPack.load(pack)  # same size: seen when used
    assert list(loaded.verify()) == [("items/kl__cabinet2.npz", "checksum differs")]
    loaded.items[0].parts()
    with pytest.raises(AssetError, match=r"kl__cabinet2\.npz.*spatialvlm assets"):
        loaded.items[1].parts()
    report = build.build_pack(pack, cache, cabinet_rows(PIECES), workers=0)
    assert (report.built, report.kept) == (1, PIECES - 1)
    assert list(AssetPack.load(pack).verify()) == []


def test_damaged_texture_is_detected_and_repaired(pack, cache):
    (texture,) = (pack / "textures").iterdir()
    _damage(texture)
    with pytest.raises(AssetError, match=texture.name):
        AssetPack.load(pack).items[3].parts()
    build.build_pack(pack, cache, cabinet_rows(PIECES), workers=0)
    assert list(AssetPack.load(pack).verify()) == []


def test_cut_and_missing_files_are_seen_at_load(pack):
    file = pack / "items" / "kl__cabinet3.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(AssetError, match=r"damaged.*kl__cabinet3"):
        AssetPack.load(pack)
    file.unlink()
    with pytest.raises(AssetError, match="missing.*kl__cabinet3"):
        AssetPack.load(pack)


def test_missing_pack_other_version_and_bad_manifest(pack, tmp_path, monkeypatch):
    with pytest.raises(AssetError, match="no asset pack.*Run: spatialvlm assets"):
        AssetPack.load(tmp_path / "nowhere")
    monkeypatch.setenv("SPATIALVLM_ASSETS", str(pack))
    assert default_pack_path() == pack and len(AssetPack.load().items) == PIECES
    manifest = json.loads((pack / "manifest.json").read_text())
    (pack / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    with pytest.raises(AssetError, match=r"another schema version.*99.*--rebuild"):
        AssetPack.load(pack)
    del manifest["items"][0]["size_m"]
    (pack / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AssetError, match="incomplete"):
        AssetPack.load(pack)
    (pack / "manifest.json").write_text("{")
    with pytest.raises(AssetError, match="manifest.*damaged"):
        AssetPack.load(pack)


_KILLED_BUILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from sample_library import cabinet_rows
from spatialvlm_ros.simulation.assets import build
from spatialvlm_ros.simulation.assets.sources import packages

packages._INSTALLED_FURNITURE = Path("/nonexistent")
replace, calls = os.replace, []

def killing_replace(*arguments):
    calls.append(arguments)
    if len(calls) == {kill_at}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*arguments)

os.replace = killing_replace
build.build_pack(Path({out!r}), Path({cache!r}), cabinet_rows({pieces}), workers=0)
"""


@pytest.mark.parametrize("kill_at", [1, 4, PIECES + 2])  # first texture, an item, the manifest
def test_killed_build_goes_on_where_it_was(tmp_path, cache, pack, kill_at):
    out = tmp_path / "killed"
    script = _KILLED_BUILD.format(
        here=str(Path(__file__).parent), out=str(out), cache=str(cache), pieces=PIECES, kill_at=kill_at
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with pytest.raises(AssetError):
        AssetPack.load(out)
    finished = len(list((out / "items").glob("kl__*.npz")))
    report = build.build_pack(out, cache, cabinet_rows(PIECES), workers=0)
    assert (report.kept, report.built) == (finished, PIECES - finished)
    assert _contents(out) == _contents(pack)  # byte for byte, nothing left over


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_unreadable_mesh_is_left_out_and_counted(tmp_path, cache):
    rows = (*cabinet_rows(2), build.CatalogRow("kl/unknown", "thing", (), "tabletop"))
    report = build.build_pack(tmp_path / "pack", cache, rows, workers=0)
    assert set(report.skipped) == {"kl/unknown"} and report.built == 2
    assert len(AssetPack.load(tmp_path / "pack").items) == 2


def test_changed_words_are_built_anew(pack, cache):
    rows = [build.CatalogRow("kl/cabinet1", "cupboard", (), "furniture"), *cabinet_rows(PIECES)[1:]]
    report = build.build_pack(pack, cache, rows, workers=0)
    assert (report.built, report.kept) == (1, PIECES - 1)
    assert AssetPack.load(pack)["kl/cabinet1"].noun == "cupboard"
    with pytest.raises(AssetError, match="no such item"):
        AssetPack.load(pack)["kl/other"]


def test_two_processes_give_the_same_pack(tmp_path, pack, cache):
    # The workers are fresh processes: they must find the library where the parent left it.
    if any(Path("/usr/share/sweethome3d/furniture").glob("*.sh3f")):
        pytest.skip("workers would read the installed furniture package")
    build.build_pack(tmp_path / "two", cache, cabinet_rows(PIECES), workers=2)
    assert _contents(tmp_path / "two") == _contents(pack)


def test_command_verifies(pack, capsys):
    import argparse

    from spatialvlm_ros.cli import assets

    parser = argparse.ArgumentParser()
    assets.add_arguments(parser)
    arguments = parser.parse_args(["--out", str(pack), "--verify"])
    assert assets.run(arguments) == 0
    _damage(pack / "items" / "kl__cabinet5.npz")
    assert assets.run(arguments) == 1
    assert "kl__cabinet5.npz: checksum differs" in capsys.readouterr().err
