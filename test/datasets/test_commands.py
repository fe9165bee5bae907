"""The commands generate, preview and export, as a user types them."""

from __future__ import annotations

import json

import pytest

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.datasets.settings import GenerateSettings
from spatialvlm_ros.datasets.source_registry import SOURCES, BuiltSource, SourceRequest, build_source
from spatialvlm_ros.errors import ConfigError

SMALL = "--source synthetic --workers 0 --set width=64 --set height=48 --set views_per_scene=2 --no-progress".split()


def test_generate_preview_export(tmp_path):
    out = tmp_path / "set"
    words = ["--views", "5", "--per-view", "3", "--split", "calibrate", "--seed", "4", "--picture-format", "png"]
    assert main(["generate", "--out", str(out), *SMALL, *words]) == 0
    dataset = open_dataset(out)
    assert len(dataset) == 6 and dataset.splits == ("calibrate",)  # whole scenes
    assert all(len(row["qa"]) == 3 and row["rgb"]["bytes"].startswith(b"\x89PNG") for row in dataset)
    assert main(["preview", str(out), "--views", "2"]) == 0
    assert "<svg" in (out / "preview.html").read_text(encoding="utf-8")
    assert main(["export", str(out), "--out", str(tmp_path / "chat"), "--turns", "2", "--system", "Be exact."]) == 0
    lines = (tmp_path / "chat" / "calibrate.jsonl").read_text().splitlines()
    assert len(lines) == 12 and json.loads(lines[0])["messages"][0]["role"] == "system"
    assert main(["generate", "--out", str(out), *SMALL, *words]) == 0  # again: nothing to do


def test_errors_are_one_line(tmp_path, capsys):
    assert main(["generate", "--out", str(tmp_path), "--source", "holograms"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "holograms" in error and "simulation" in error
    assert main(["preview", str(tmp_path / "nothing")]) == 1
    assert "no data set here" in capsys.readouterr().err


def test_options_have_types(tmp_path, capsys):
    assert main(["generate", "--out", str(tmp_path), *SMALL, "--set", "objects"]) == 1
    assert "NAME=VALUE" in capsys.readouterr().err
    assert main(["generate", "--out", str(tmp_path), *SMALL, "--set", "wheels=4"]) == 1
    assert "wheels" in capsys.readouterr().err


def test_the_shipped_settings_are_complete_and_valid():
    settings = GenerateSettings.load()
    assert settings.source == "simulation" and settings.split == "train" and settings.scenes_per_shard == "auto"


@pytest.mark.parametrize(
    "text",
    [
        "views: many",
        "sauce: simulation",
        "seed: true",
        "questions: balanced",
        "views: 0",
        "scenes_per_shard: few",
        "- a",
        "sources: {bag: x}",
    ],
)
def test_bad_settings_are_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text + "\n")
    with pytest.raises(ConfigError):
        GenerateSettings.load(path)


def test_a_settings_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes("seed: 0  # größer".encode("latin-1"))
    with pytest.raises(ConfigError, match="cannot read"):
        GenerateSettings.load(path)


def test_bad_question_and_picture_settings_are_refused(tmp_path, capsys):
    for section in (
        "questions: {mood: good}",
        "questions: {mix: odd}",
        "questions: {mix: [balanced]}",
        "questions: {min_visible: half}",
        'questions: {uncertainty: "no"}',
        "pictures: {kind: bmp}",
        "pictures: {size: 3}",
        "pictures: {quality: 95.5}",
        "sources: {synthetic: [width]}",
        "sources: {synthetic: {width: 64.5}}",
    ):
        path = tmp_path / "bad.yaml"
        path.write_text(f"source: synthetic\n{section}\n")
        assert main(["generate", "--out", str(tmp_path / "out"), "--config", str(path), "--no-progress"]) == 1
        assert not (tmp_path / "out").exists()


def test_a_factory_of_ones_own():
    request = SourceRequest("train", 3, 5, options={"views_per_scene": 2, "width": 32, "height": 24})
    built = build_source("spatialvlm_ros.datasets.source_factories:synthetic", request)
    assert len(built.source) == 3 and built.source.seed == 3
    with pytest.raises(ConfigError, match="cannot be imported"):
        build_source("no.such.module:factory", request)
    with pytest.raises(ConfigError, match="unknown source"):
        build_source(":factory", request)


@pytest.mark.parametrize(
    ("scenes", "views_per_scene", "group", "expected"),
    [
        (3, 20, 10, 1),
        (50, 20, 10, 10),
        (5000, 20, 10, 10),
        (5000, 1, 1, 200),
        (7, 1, 1, 2),
        (48, 20, 10, 10),
        (5000, 500, 1, 1),
    ],
)
def test_shard_sizes(scenes, views_per_scene, group, expected):
    assert BuiltSource(None, views_per_scene, group).scenes_per_shard(scenes) == expected


def test_every_named_source_has_its_factory():
    import importlib

    for name, place in SOURCES.items():
        module, _, function = place.partition(":")
        if name != "simulation":  # its module needs MuJoCo only when it is called
            assert callable(getattr(importlib.import_module(module), function))


def test_recorded_sources_want_a_folder(tmp_path, capsys):
    assert main(["generate", "--source", "pictures", "--out", str(tmp_path / "out"), "--no-progress"]) == 1
    assert "one folder" in capsys.readouterr().err
