"""The manifest counts what is there, from the shards alone."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from spatialvlm_ros.datasets.manifest import build_manifest
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.errors import DatasetError


def test_counts_are_those_of_the_rows(dataset_folder):
    manifest = build_manifest(dataset_folder)
    rows = list(open_dataset(dataset_folder))
    split = manifest.splits["train"]
    assert split.rows == manifest.rows == len(rows) == 10
    assert split.qa_total == 60
    assert split.qa == dict(sorted(Counter(pair["family"] for row in rows for pair in row["qa"]).items()))
    assert split.sources == {"synthetic": 10} and split.licences == {"CC0-1.0": 10}
    assert [shard["rows"] for shard in split.shards] == [4, 4, 2]
    for shard in split.shards:
        assert (dataset_folder / shard["file"]).stat().st_size == shard["bytes"]
    assert split.complete and split.run["seed"] == 0


def test_the_file_equals_the_rebuilt_one(dataset_folder):
    stored = json.loads((dataset_folder / "manifest.json").read_text())
    assert stored["splits"]["train"]["qa"] == build_manifest(dataset_folder).splits["train"].qa


def test_a_lost_manifest_comes_back_and_a_lost_shard_is_told(tmp_path, make_dataset):
    make_dataset(tmp_path)
    (tmp_path / "manifest.json").unlink()
    make_dataset(tmp_path)
    assert (tmp_path / "manifest.json").exists()
    (tmp_path / "data" / "train-00002-of-00003.parquet").unlink()
    split = build_manifest(tmp_path).splits["train"]
    assert not split.complete and split.rows == 8


def test_no_shard_at_all(tmp_path):
    with pytest.raises(DatasetError, match="no shard"):
        build_manifest(tmp_path)
