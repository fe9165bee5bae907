"""Annotated files of each format, read back by their conventions, are what potential-based shaping has to be."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from ruler import BROKEN, episode
from samples import write_bag, write_lerobot_v21, write_robomimic

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.rewards.check import check_reward

GAMMA = 0.95
REACHING = [30, 25, 20, 18, 12, 8, 5, 1, 0.5, 0.25, 0.25, 0.25]
HIDDEN = (3, 4, 7)


@pytest.fixture()
def pictures():
    """The hand reaches its goal, which pays; some pictures cannot be measured."""
    made = episode(REACHING)
    for k in HIDDEN:
        made[k][0, 0, 0] = BROKEN
    return made


def of_rows(reward, base, next_valid, potential, terminated):
    """What a row earned is judged in the picture of the next one; the last one was not recorded."""
    n = len(reward)
    ends = np.arange(n + 1) == n
    return {
        "reward": [0.0, *reward],
        "base": [0.0, *base],
        "valid": [bool(np.isfinite(potential[0])), *map(bool, next_valid)],
        "potential": [*potential, 0.0 if terminated else np.nan],
        "terminated": (ends & terminated).tolist(),
        "truncated": (ends & (not terminated)).tolist(),
    }


def of_lerobot(path, pictures, annotated, end):
    done = annotated(write_lerobot_v21(path / "set", [pictures], kind="image"), end=end)
    (file,) = (done.target / "data").rglob("*.parquet")
    table = pq.read_table(file).to_pydict()
    names = ("next.reward", "next.reward_base", "next.reward_valid", "spatialvlm.potential")
    return of_rows(*(table[name] for name in names), end == "terminated")


def of_robomimic(path, pictures, annotated, end):
    done = annotated(write_robomimic(path / "demo.hdf5", [pictures], next_obs=False), end=end)
    with h5py.File(done.target) as file:
        rows = {name: data[()] for name, data in file["data/demo_0/spatialvlm"].items()}
    return of_rows(rows["rewards"], rows["base"], rows["valid"], rows["potential"], end == "terminated")


def of_bag(path, pictures, annotated, end):
    """Messages that are not valid are left out: the steps to the next one add up."""
    done = annotated(write_bag(path / "bag", pictures), end=end)
    messages = [item.message for item in open_bag(done.target).messages(["/spatialvlm/reward"])]
    valid = [k for k, message in enumerate(messages) if message.valid]
    last = np.array(valid) == len(messages) - 1
    terminated = end == "terminated"
    return {
        "reward": [messages[k].reward for k in valid],
        "base": [float(messages[k].success) for k in valid],  # a success pays 1
        "potential": [0.0 if terminated and k == valid[-1] else messages[k].potential for k in valid],
        "steps": np.diff([valid[0], *valid]).tolist(),
        "terminated": (last & terminated).tolist(),
        "truncated": (last & (not terminated)).tolist(),
    }


@pytest.mark.parametrize("end", ["truncated", "terminated"])
@pytest.mark.parametrize("read", [of_lerobot, of_robomimic, of_bag])
def test_rewards_that_are_read_back_add_up(tmp_path, annotated, pictures, read, end):
    columns = read(tmp_path, pictures, annotated, end)
    report = check_reward(columns, gamma=GAMMA, tolerance=1e-5)  # LeRobot keeps four bytes
    assert report.ok, str(report)
    assert report.episodes == 1 and report.frames >= 9 and sum(columns["base"]) >= 3
    columns["reward"][5] += 0.01
    assert not check_reward(columns, gamma=GAMMA, tolerance=1e-5).ok
