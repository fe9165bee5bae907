"""Annotated sets that are damaged: what was not judged is left out, and the rest is checked as ever."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import damage_group
from ruler import episode
from samples import write_lerobot_v30

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.check import check_reward

GAMMA = 0.95
DISTANCES = (np.arange(40, 17, -1.0), np.arange(12, 22, 1.0), np.arange(30, 22, -1.0))
SHARED = "data/chunk-000/file-000.parquet"


@pytest.fixture()
def v30(tmp_path):
    return write_lerobot_v30(tmp_path / "set", [episode(d) for d in DISTANCES])


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
