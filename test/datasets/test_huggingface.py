"""Shards read by the `datasets` library: typed features, decoded pictures, splits from the file names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dataset_helpers import SMALL

from spatialvlm_ros.datasets.reader import open_dataset
from spatialvlm_ros.datasets.schema import ROW, arrow_type, row_schema

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)


def test_features_are_those_of_the_schema():
    features = datasets.Features.from_arrow_schema(row_schema())
    assert list(features) == list(ROW)
    for name in ("rgb", "depth", "instances"):
        assert isinstance(features[name], datasets.Image)
    assert features.arrow_schema.field("objects").type.equals(arrow_type(ROW["objects"]))
    assert features["camera"]["fx"] == datasets.Value("float64")


def test_a_folder_loads_with_splits_and_decoded_pictures(tmp_path, make_dataset):
    folder = tmp_path / "set"
    make_dataset(folder)
    make_dataset(folder, replace(SMALL, split="new_scenes", scenes=1), split="new_scenes")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {"train": 10, "new_scenes": 2}
    row, (view, qa) = loaded["train"][3], list(open_dataset(folder, "train").views())[3]
    np.testing.assert_array_equal(np.array(row["rgb"]), view.observation.rgb)
    np.testing.assert_array_equal(np.array(row["instances"]), view.instances)
    millimetres = np.array(row["depth"])
    assert np.issubdtype(millimetres.dtype, np.integer)  # which one depends on Pillow
    np.testing.assert_array_equal(millimetres == 0, np.isnan(view.observation.depth))
    np.testing.assert_allclose(millimetres / 1000, np.nan_to_num(view.observation.depth), atol=1e-6)
    assert row["camera"]["fx"] == view.observation.camera.fx
    assert row["qa"][2]["question"] == qa[2].question and row["qa"][2]["value"] == qa[2].value
    assert row["objects"][1]["box3d"]["size"] == view.scene.objects[1].box3d.sizes[0].tolist()


def test_files_load_and_stream(dataset_folder, tmp_path):
    files = sorted(str(p) for p in (dataset_folder / "data").glob("*.parquet"))
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    streamed = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True, cache_dir=cache)
    assert loaded["view_id"][:] == [row["view_id"] for row in streamed]
    assert next(iter(streamed))["rgb"].size == (64, 48)


def test_columns_without_content_load(tmp_path, make_dataset):
    """A set where no view has depth, an up vector or contacts keeps its types."""
    from dataset_helpers import FaultyViews

    make_dataset(
        tmp_path / "set", FaultyViews(dict.fromkeys(range(5), "missing_depth"), replace(SMALL, views_per_scene=1))
    )
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded[0]["depth"] is None and isinstance(loaded.features["depth"], datasets.Image)
