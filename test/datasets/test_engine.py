"""The data engine: the same rows whatever the processes, interruptions and order."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace

import pytest
from dataset_helpers import SMALL, DyingViews, HangingViews, digest

from spatialvlm_ros.datasets import local_engine, stages
from spatialvlm_ros.datasets.engine import generate
from spatialvlm_ros.datasets.manifest import build_manifest
from spatialvlm_ros.datasets.plan import describe, differences
from spatialvlm_ros.datasets.questions import Questions
from spatialvlm_ros.datasets.seeds import question_seed, scene_seed
from spatialvlm_ros.errors import ConfigError, DatasetError


def shard_files(folder):
    return sorted(p.name for p in (folder / "data").iterdir())


def test_processes_make_the_same_files_as_one_process(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path, workers=2)
    assert shard_files(tmp_path) == shard_files(dataset_folder) == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    for name in shard_files(tmp_path):
        assert (tmp_path / "data" / name).read_bytes() == (dataset_folder / "data" / name).read_bytes()


def test_shard_size_does_not_change_the_rows(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path, scenes_per_shard=5)
    assert digest(tmp_path) == digest(dataset_folder)


def test_batch_size_does_not_change_the_rows(tmp_path, dataset_folder, make_dataset, monkeypatch):
    monkeypatch.setattr(stages, "ROWS_PER_GROUP", 3)
    make_dataset(tmp_path)
    assert digest(tmp_path) == digest(dataset_folder)


def test_a_longer_run_begins_with_the_same_scenes(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path, replace(SMALL, scenes=8))
    longer, shorter = digest(tmp_path), digest(dataset_folder)
    assert len(longer) == 16 and {k: longer[k] for k in shorter} == shorter


def test_another_data_seed_gives_other_questions_about_the_same_pictures(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path, seed=1)
    one, other = digest(dataset_folder), digest(tmp_path)
    assert all(one[k][0] == other[k][0] and one[k][1] != other[k][1] for k in one)


def test_resuming_makes_only_what_is_missing(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path)
    (tmp_path / "data" / "train-00001-of-00003.parquet").unlink()
    (tmp_path / "data" / ".train-00001-of-00003.parquet.abc.partial").write_bytes(b"half a shard")
    untouched = (tmp_path / "data" / "train-00000-of-00003.parquet").stat()
    manifest = make_dataset(tmp_path)
    assert digest(tmp_path) == digest(dataset_folder)
    assert (tmp_path / "data" / "train-00000-of-00003.parquet").stat().st_ino == untouched.st_ino
    assert shard_files(tmp_path) == shard_files(dataset_folder)
    assert manifest.splits["train"].complete


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 3}, "seed: 0 -> 3"),
        ({"per_view": 7}, "per_view: 6 -> 7"),
        ({"source": replace(SMALL, objects=4)}, "source.objects: 6 -> 4"),
        ({"scenes_per_shard": 1}, "scenes_per_shard: 2 -> 1"),
    ],
)
def test_another_configuration_is_refused_and_named(dataset_folder, make_dataset, change, named):
    with pytest.raises(DatasetError, match=named.replace(".", r"\.")) as error:
        make_dataset(dataset_folder, **change)
    assert "another folder" in error.value.remedy


def test_two_splits_share_a_folder(tmp_path, make_dataset):
    make_dataset(tmp_path, split="train")
    manifest = make_dataset(tmp_path, replace(SMALL, split="calibrate", scenes=2, seed=9), split="calibrate")
    assert {name: split.rows for name, split in manifest.splits.items()} == {"train": 10, "calibrate": 4}


def test_a_folder_in_use_is_refused(tmp_path, make_dataset):
    import fcntl

    with open(tmp_path / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetError, match="another run"):
            make_dataset(tmp_path)
    make_dataset(tmp_path)


def test_a_worker_that_dies_is_replaced(tmp_path, dataset_folder, make_dataset):
    out = tmp_path / "out"
    source = DyingViews(deadly_scene=3, marker=tmp_path / "died")
    make_dataset(out, source, workers=2)
    assert (tmp_path / "died").exists()
    assert digest(out) == digest(dataset_folder)
    assert [p for p in shard_files(out) if p.startswith(".")] == []


def test_workers_that_always_die_end_the_run_with_an_error(tmp_path, make_dataset, monkeypatch):
    monkeypatch.setattr(local_engine, "_ATTEMPTS", 2)
    with pytest.raises(DatasetError, match="while making shard 1.*SIGKILL"):
        make_dataset(tmp_path, DyingViews(deadly_scene=3), workers=1)
    assert shard_files(tmp_path) == ["train-00000-of-00003.parquet"]
    assert not multiprocessing.active_children()
    assert json.loads((tmp_path / "manifest.json").read_text())["splits"]["train"]["complete"] is False


def test_a_worker_that_hangs_at_its_end_does_not_hang_the_run(tmp_path, dataset_folder, make_dataset, monkeypatch):
    monkeypatch.setattr(local_engine, "_PATIENCE_S", 0.5)
    make_dataset(tmp_path, HangingViews(), workers=1)
    assert digest(tmp_path) == digest(dataset_folder)
    assert not multiprocessing.active_children()


def test_interrupting_leaves_whole_shards_and_no_process(tmp_path, dataset_folder, make_dataset, monkeypatch):
    finished = []

    def interrupt(bar, summary):
        finished.append(summary.index)
        raise KeyboardInterrupt

    monkeypatch.setattr("spatialvlm_ros.datasets.engine._Bar.done", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(tmp_path, workers=2)
    monkeypatch.undo()
    assert not multiprocessing.active_children()
    assert not [p for p in shard_files(tmp_path) if p.startswith(".")]
    assert build_manifest(tmp_path).rows >= 2
    make_dataset(tmp_path, workers=2)
    assert digest(tmp_path) == digest(dataset_folder)


def test_a_source_that_cannot_travel_is_refused(tmp_path, make_dataset):
    source = DyingViews(deadly_scene=99, inner=replace(SMALL))
    object.__setattr__(source, "name", lambda: None)
    with pytest.raises(DatasetError, match="worker process"):
        make_dataset(tmp_path, source, workers=1)


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "spark"},
        {"workers": -1},
        {"scenes": 0},
        {"scenes_per_shard": 0},
        {"split": "new-scenes"},
        {"seed": -1},
    ],
)
def test_bad_arguments_are_config_errors(tmp_path, make_dataset, options):
    with pytest.raises(ConfigError):
        make_dataset(tmp_path, **options)


def test_views_of_another_split_are_refused(tmp_path, make_dataset):
    with pytest.raises(DatasetError, match="split 'train'"):
        make_dataset(tmp_path, SMALL, split="calibrate")


def test_without_questions_views_are_kept(tmp_path):
    manifest = generate(SMALL, None, tmp_path, workers=0, per_view=0, show_progress=False)
    assert (manifest.rows, manifest.qa_total) == (10, 0)


def test_seeds_are_fixed_and_different():
    assert scene_seed(7, 3) == scene_seed(7, 3)
    seeds = {scene_seed(d, i) for d in range(20) for i in range(50)}
    seeds |= {question_seed(d, i, v) for d in range(20) for i in range(50) for v in range(3)}
    assert len(seeds) == 20 * 50 * 4 and all(0 <= s < 2**63 for s in seeds)


def test_descriptions_show_settings_and_hide_caches():
    class Source:
        def __init__(self, path):
            self.path = path
            self._cache = object()

    assert describe(Source("a")) == describe(Source("a")) == {"type": "Source", "path": "a"}
    assert differences(describe(Source("a")), describe(Source("b"))) == ["path: 'a' -> 'b'"]
    assert differences(describe(Questions()), describe(Questions(mix="paper"))) == ["config.mix: 'balanced' -> 'paper'"]
    json.dumps(describe(SMALL))
