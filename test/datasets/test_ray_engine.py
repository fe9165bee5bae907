"""The Ray engine writes the same files as local processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dataset_helpers import DyingViews, FaultyViews, digest

import spatialvlm_ros
from spatialvlm_ros.errors import ConfigError

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """One for the module, as a user's own; its workers find the package and this folder's helpers."""
    helpers = str(Path(__file__).parent / "helpers")
    path = os.pathsep.join([str(Path(spatialvlm_ros.__path__[0]).parent), helpers])
    environment = {"env_vars": {"PYTHONPATH": path, "LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield
    ray.shutdown()


def test_same_files_as_the_local_engine(tmp_path, dataset_folder, make_dataset):
    manifest = make_dataset(tmp_path, engine="ray", workers=2)
    assert manifest.splits["train"].complete
    names = sorted(p.name for p in (dataset_folder / "data").iterdir())
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == names
    for name in names:
        assert (tmp_path / "data" / name).read_bytes() == (dataset_folder / "data" / name).read_bytes()


@pytest.mark.slow
def test_faults_are_counted_and_set_up_errors_come_through(tmp_path, make_dataset):
    manifest = make_dataset(tmp_path / "a", FaultyViews({1: "nan_depth", 2: "source_error"}), engine="ray", workers=2)
    assert sum(manifest.splits["train"].skipped.values()) == 2
    with pytest.raises(ConfigError, match="no such model"):
        make_dataset(tmp_path / "b", FaultyViews({0: "fatal_error"}), engine="ray", workers=1)


@pytest.mark.slow
def test_a_ray_worker_that_dies_is_replaced(tmp_path, dataset_folder, make_dataset):
    source = DyingViews(deadly_scene=3, marker=tmp_path / "died")
    make_dataset(tmp_path / "out", source, engine="ray", workers=1)
    assert (tmp_path / "died").exists()
    assert digest(tmp_path / "out") == digest(dataset_folder)
