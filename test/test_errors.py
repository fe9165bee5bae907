"""Errors name fault, value and remedy, and survive the way from a worker process."""

import pickle

import pytest

from spatialvlm_ros.errors import ConfigError, DatasetError, MissingDependencyError, SpatialVLMError
from spatialvlm_ros.optional import how_to_get, require
from spatialvlm_ros.shared_files import read_yaml, shared_file


def test_the_message_holds_all_three():
    error = DatasetError("the shard is damaged", "part-0003.parquet", "Delete it and resume.")
    assert str(error) == "the shard is damaged (got 'part-0003.parquet'). Delete it and resume."
    assert (error.fault, error.value, error.remedy) == (
        "the shard is damaged",
        "part-0003.parquet",
        "Delete it and resume.",
    )


def test_a_value_of_none_is_shown_and_a_missing_one_is_not():
    assert str(SpatialVLMError("no camera model", None)) == "no camera model (got None)."
    assert str(SpatialVLMError("nothing to do")) == "nothing to do."
    assert str(SpatialVLMError("is it there?")) == "is it there?"


def test_huge_values_are_cut():
    assert len(str(SpatialVLMError("too long", "x" * 10_000))) < 200


def test_errors_survive_pickling():
    error = DatasetError("the disk is full", "/data", "Free some room.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DatasetError and str(again) == str(error) and again.remedy == error.remedy


def test_a_missing_package_says_which_extra_brings_it():
    with pytest.raises(MissingDependencyError, match=r'pip install "spatialvlm_ros\[ray\]"'):
        require("no_such_package_anywhere", "ray")


def test_a_python_that_a_package_has_no_build_for_is_named():
    assert how_to_get("mujoco", "sim", (3, 10)) == "Python 3.11 or newer"
    assert how_to_get("mujoco", "sim", (3, 11)) == 'pip install "spatialvlm_ros[sim]"'
    assert how_to_get("numpy", "", (3, 10)) == 'pip install "spatialvlm_ros"'


def test_a_missing_or_broken_shared_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="config/none.yaml"):
        shared_file("config/none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2\nb: 3\n")
    with pytest.raises(ConfigError, match="broken.yaml"):
        read_yaml(broken)
    broken.write_text("- just\n- a list\n")
    with pytest.raises(ConfigError, match="mapping"):
        read_yaml(broken)
