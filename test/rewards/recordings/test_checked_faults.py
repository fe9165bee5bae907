"""Annotated sets that are damaged: what was not judged is left out, and the rest is checked as ever."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import cut_off, damage_group, double, empty, garble
from ruler import episode
from samples import write_lerobot_v21, write_lerobot_v30

from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.rewards.check import check_reward

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
