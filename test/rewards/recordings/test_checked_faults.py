"""Annotated sets that are damaged: what was not judged is left out, and the rest is checked as ever."""

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from damage import cut_off, damage_group, double, empty, garble
from ruler import episode
from samples import write_bag, write_lerobot_v21, write_lerobot_v30, write_robomimic

from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.rewards.check import check_reward
from spatialvlm_ros.rewards.recordings.lerobot_writer import PROVENANCE_FILE

GAMMA = 0.95
DISTANCES = (np.arange(40, 17, -1.0), np.arange(12, 22, 1.0), np.arange(30, 22, -1.0))
FIRST = "data/chunk-000/episode_000000.parquet"
SHARED = "data/chunk-000/file-000.parquet"


@pytest.fixture()
def v30(tmp_path):
    return write_lerobot_v30(tmp_path / "set", [episode(d) for d in DISTANCES])


@pytest.fixture()
def v21(tmp_path):
    return write_lerobot_v21(tmp_path / "set", [episode(d) for d in DISTANCES], kind="image")


def put(path, name, column):
    """Replace a column of a Parquet file."""
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(column)), path)


# ---- rows that do not say whose they are ----


@pytest.mark.parametrize("damaged", ["frame_index", "episode_index"])
def test_rows_that_nobody_could_place_are_left_out(annotated, v30, damaged):
    damage_group(v30 / SHARED, 1, damaged)
    target = annotated(v30).target
    for source in (target, pq.read_table(target / SHARED).to_pylist()):
        report = check_reward(source, GAMMA)
        assert report.ok and report.episodes == 2, str(report)


@pytest.mark.parametrize("damaged", ["frame_index", "episode_index"])
@pytest.mark.parametrize("lost", [None, "a"])
def test_a_reward_in_a_row_that_nobody_can_place_is_refused(annotated, v30, damaged, lost):
    target = annotated(v30).target
    column = pq.read_table(target / SHARED).column(damaged).to_pylist()
    put(
        target / SHARED,
        damaged,
        [lost if k == 3 else number if lost is None else "0" for k, number in enumerate(column)],
    )
    with pytest.raises(DatasetError, match="does not say which it is"):
        check_reward(target, GAMMA)


# ---- files that cannot be read ----


@pytest.mark.parametrize("damage", [cut_off, empty, garble, double])
def test_a_file_that_was_copied_as_it_is_does_not_keep_the_others_from_being_checked(annotated, v21, damage, caplog):
    damage(v21 / FIRST)
    target = annotated(v21).target
    caplog.clear()
    report = check_reward(target, GAMMA)
    assert report.ok and report.episodes == 2, str(report)
    assert "is not checked" in caplog.text and FIRST in caplog.text
    put(target / FIRST.replace("000000", "000002"), "next.reward", [0.5] * 8)
    assert not check_reward(target, GAMMA).ok


@pytest.mark.parametrize("damage", [cut_off, empty, double])
def test_a_set_of_which_nothing_can_be_read_is_refused(annotated, v21, damage):
    target = annotated(v21).target
    for file in (target / "data").rglob("*.parquet"):
        damage(file)
    with pytest.raises(SourceError):
        check_reward(target, GAMMA)


@pytest.mark.parametrize("damage", [cut_off, empty, double])
def test_a_file_of_rewards_that_cannot_be_read_is_refused(annotated, v21, damage):
    target = annotated(v21, "beside").target
    damage(target)
    with pytest.raises(SourceError):
        check_reward(target, GAMMA)


def test_a_file_that_does_not_say_whose_its_rows_are_is_left_out(annotated, v21):
    pq.write_table(pa.table({"notes": ["a", "b"]}), (v21 / FIRST).with_name("notes.parquet"))
    report = check_reward(annotated(v21).target, GAMMA)
    assert report.ok and report.episodes == 3, str(report)


# ---- what a set says of its rewards ----

SAYINGS = {
    "no text": b"\xff\xfe{",
    "no JSON": b"{",
    "a list": b"[1]",
    "every": b'{"every": null}',
    "every as text": b'{"every": "x"}',
    "every of 0": b'{"every": 0}',
    "every of too many digits": b'{"every": 1' + b"0" * 400 + b"}",
    "step_s": b'{"step_s": null}',
    "step_s as text": b'{"step_s": "x"}',
    "step_s below 0": b'{"step_s": -1}',
    "step_s without end": b'{"step_s": Infinity}',
    "gamma": b'{"gamma": "x"}',
    "gamma over 1": b'{"gamma": 2}',
    "mode": b'{"mode": ["a"]}',
    "unseen": b'{"unseen": {}}',
    "end": b'{"end": 1}',
}


def say_in_copy(annotated, path, words):
    target = annotated(write_lerobot_v21(path / "set", [episode(DISTANCES[1])], kind="image")).target
    (target / PROVENANCE_FILE).write_bytes(words)
    return target


def say_beside(annotated, path, words):
    target = annotated(write_lerobot_v21(path / "set", [episode(DISTANCES[1])], kind="image"), "beside").target
    pq.write_table(pq.read_table(target).replace_schema_metadata({b"spatialvlm_reward": words}), target)
    return target


def say_in_hdf5(annotated, path, words):
    target = annotated(write_robomimic(path / "demo.hdf5", [episode(DISTANCES[1])])).target
    with h5py.File(target, "r+") as file:
        file["data"].attrs["spatialvlm_reward"] = words.decode("latin-1")
    return target


def say_in_bag(annotated, path, words):
    target = annotated(write_bag(path / "bag", episode(DISTANCES[1]))).target
    described = yaml.safe_load((target / "metadata.yaml").read_text())
    described["rosbag2_bagfile_information"]["custom_data"]["spatialvlm_reward"] = words.decode("latin-1")
    (target / "metadata.yaml").write_text(yaml.safe_dump(described))
    return target


@pytest.mark.parametrize("words", SAYINGS.values(), ids=SAYINGS)
@pytest.mark.parametrize("say", [say_in_copy, say_beside, say_in_hdf5, say_in_bag])
def test_a_damaged_description_of_the_rewards_is_refused(annotated, tmp_path, say, words):
    with pytest.raises(DatasetError, match="says of its rewards is damaged"):
        check_reward(say(annotated, tmp_path, words), GAMMA)


@pytest.mark.parametrize("words", [b"{}", b'{"task": null}', b'{"task": "juggle"}'])
def test_a_bag_that_does_not_say_its_task_is_refused(annotated, tmp_path, words):
    with pytest.raises(DatasetError, match="task"):
        check_reward(say_in_bag(annotated, tmp_path, words), GAMMA)


@pytest.mark.parametrize("words", [b"\xff\xfe: x", b"a: [", b"a: 1"])
def test_a_bag_whose_metadata_is_damaged_has_no_rewards(annotated, tmp_path, words):
    target = annotated(write_bag(tmp_path / "bag", episode(DISTANCES[1]))).target
    (target / "metadata.yaml").write_bytes(words)
    with pytest.raises(DatasetError, match="no rewards"):
        check_reward(target, GAMMA)


# ---- columns ----


@pytest.mark.parametrize("name", ["next.reward", "next.reward_base", "next.reward_valid", "spatialvlm.potential"])
def test_a_column_without_numbers_is_refused(annotated, v21, name):
    target = annotated(v21).target
    put(target / FIRST, name, ["a"] * 23)
    with pytest.raises(DatasetError, match="a row has not all of its reward"):
        check_reward(target, GAMMA)


@pytest.mark.parametrize("name", ["next.reward", "next.reward_base", "next.reward_valid", "spatialvlm.potential"])
def test_a_column_that_is_missing_is_said(annotated, v21, name):
    target = annotated(v21).target
    pq.write_table(pq.read_table(target / FIRST).drop_columns([name]), target / FIRST)
    with pytest.raises(DatasetError, match="a row has not all of its reward"):
        check_reward(target, GAMMA)


OTHER_COLUMNS = {
    "missing": None,
    "short": np.zeros(2),
    "of two dimensions": np.zeros((9, 2)),
    "texts": np.array([b"a"] * 9),
    "one number": 1.0,
}


@pytest.mark.parametrize("column", OTHER_COLUMNS.values(), ids=OTHER_COLUMNS)
@pytest.mark.parametrize("name", ["rewards", "potential", "base", "valid"])
def test_a_column_of_another_shape_is_refused(annotated, tmp_path, name, column):
    target = annotated(write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES[1])])).target
    with h5py.File(target, "r+") as file:
        group = file["data/demo_0/spatialvlm"]
        assert len(group[name]) == 9
        del group[name]
        if column is not None:
            group[name] = column
    with pytest.raises(DatasetError, match="demo_0"):
        check_reward(target, GAMMA)


def test_an_episode_that_is_none_does_not_keep_the_others_from_being_checked(annotated, tmp_path):
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(d) for d in DISTANCES])
    with h5py.File(path, "r+") as file:
        del file["data/demo_1"]
        file["data/demo_1"] = [1]
    report = check_reward(annotated(path).target, GAMMA)
    assert report.ok and report.episodes == 2, str(report)
