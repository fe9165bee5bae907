"""Reading back: order, random access, splits, clear errors for damaged files."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from dataset_helpers import SMALL

from spatialvlm_ros.datasets import stages
from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.errors import DatasetError


def test_rows_come_in_the_order_of_the_scenes(dataset_folder):
    dataset = open_dataset(dataset_folder)
    expected = [f"synthetic/train/{scene:06d}/{view:02d}" for scene in range(5) for view in range(2)]
    assert len(dataset) == 10
    assert [row["view_id"] for row in dataset] == expected
    assert [dataset[i]["view_id"] for i in (9, 0, 5, -1)] == [expected[i] for i in (9, 0, 5, -1)]
    assert [row["view_id"] for row in dataset[2:7:2]] == expected[2:7:2]
    with pytest.raises(IndexError):
        dataset[10]


def test_random_access_crosses_row_groups(tmp_path, make_dataset, monkeypatch):
    monkeypatch.setattr(stages, "ROWS_PER_GROUP", 3)
    make_dataset(tmp_path, scenes_per_shard=4)
    dataset = open_dataset(tmp_path)
    assert [s.groups for s in dataset.shards] == [(3, 3, 2), (2,)]
    names = [row["view_id"] for row in dataset]
    order = np.random.default_rng(0).permutation(10)
    assert [dataset[int(i)]["view_id"] for i in order] == [names[i] for i in order]


def test_views_are_those_of_the_source(dataset_folder):
    originals = [view for scene in range(5) for view in SMALL.views(scene)]
    for original, (view, qa) in zip(originals, open_dataset(dataset_folder).views(), strict=True):
        assert view.view_id == original.view_id
        np.testing.assert_array_equal(view.observation.rgb, original.observation.rgb)
        assert [o.label for o in view.scene.objects] == [o.label for o in original.scene.objects]
        assert len(qa) == 6


def test_columns_can_be_chosen(dataset_folder):
    rows = list(open_dataset(dataset_folder).rows(["view_id", "qa"]))
    assert len(rows) == 10 and set(rows[0]) == {"view_id", "qa"}


def test_splits(tmp_path, make_dataset):
    make_dataset(tmp_path)
    make_dataset(tmp_path, replace(SMALL, split="new_scenes", scenes=1), split="new_scenes")
    dataset = open_dataset(tmp_path)
    assert dataset.splits == ("new_scenes", "train") and len(dataset) == 12
    assert {row["split"] for row in dataset.split("new_scenes")} == {"new_scenes"}
    assert len(open_dataset(tmp_path, "train")) == 10
    with pytest.raises(DatasetError, match="no such split.*new_scenes, train"):
        dataset.split("test")


def test_a_single_shard_can_be_opened(dataset_folder):
    assert len(open_dataset(dataset_folder / "data" / "train-00001-of-00003.parquet")) == 4


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="no data set here"):
        open_dataset(tmp_path)


@pytest.fixture()
def damaged(tmp_path, dataset_folder):
    shutil.copytree(dataset_folder, tmp_path / "copy")
    return tmp_path / "copy", tmp_path / "copy" / "data" / "train-00001-of-00003.parquet"


def test_a_truncated_shard_is_named_with_the_remedy(damaged, make_dataset):
    folder, shard = damaged
    shard.write_bytes(shard.read_bytes()[:-100])
    for action in (open_dataset, make_dataset):
        with pytest.raises(DatasetError, match=f"{shard.name} is damaged.*Delete this file"):
            action(folder)
    shard.unlink()
    make_dataset(folder)
    assert len(open_dataset(folder)) == 10


def test_damage_inside_a_shard_is_found_when_it_is_read(damaged):
    folder, shard = damaged
    content = bytearray(shard.read_bytes())
    content[len(content) // 4 : len(content) // 2] = b"\xff" * (len(content) // 2 - len(content) // 4)
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=f"{shard.name}.*damaged"):
        list(open_dataset(folder).views())


def test_a_foreign_parquet_file_is_refused(damaged):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder, shard = damaged
    pq.write_table(pa.table({"a": [1]}), shard)
    with pytest.raises(DatasetError, match="without this package's schema"):
        open_dataset(folder)


def test_another_schema_version_is_refused(damaged, monkeypatch):
    monkeypatch.setattr("spatialvlm_ros.datasets.schema.SCHEMA_VERSION", 2)
    with pytest.raises(DatasetError, match="another schema version.*'1'"):
        open_dataset(damaged[0])
