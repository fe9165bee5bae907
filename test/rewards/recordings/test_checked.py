"""Annotated files of each format, read back by their conventions, are what potential-based shaping has to be."""

from dataclasses import replace

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruler import BROKEN, TASK, Ruler, episode
from samples import write_bag, write_lerobot_v21, write_lerobot_v30, write_robomimic

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.errors import DatasetError, SourceError
from spatialvlm_ros.rewards.check import check_reward
from spatialvlm_ros.rewards.recordings import mcap_writer
from spatialvlm_ros.rewards.recordings.composing import RecordingWriter
from spatialvlm_ros.rewards.recordings.mcap_writer import _reward
from spatialvlm_ros.rewards.recordings.plan import Plan, report_folder, tasks_of
from spatialvlm_ros.rewards.recordings.registry import open_recording, output_path

GAMMA = 0.95
REACHING = [30, 25, 20, 18, 12, 8, 5, 1, 0.5, 0.25, 0.25, 0.25]
HIDDEN = (3, 4, 7)


@pytest.fixture()
def pictures():
    """The hand reaches its goal, which pays; some pictures cannot be measured."""
    made = episode(REACHING)
    for k in HIDDEN:
        made[k][..., 0] = BROKEN + 5  # all of it, so that a video keeps it
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


# ---- the results themselves ----

WRITERS = {
    "lerobot 2.1": lambda path, pictures: write_lerobot_v21(path / "set", [pictures, pictures[2:]], kind="image"),
    "lerobot with rewards": lambda path, pictures: write_lerobot_v21(
        path / "set", [pictures, pictures[2:]], kind="image", recorded_rewards=True
    ),
    "lerobot 3.0": lambda path, pictures: write_lerobot_v30(path / "set", [pictures, pictures[2:]]),
    "robomimic": lambda path, pictures: write_robomimic(path / "demo.hdf5", [pictures, pictures[2:]], next_obs=False),
    "robomimic with next_obs": lambda path, pictures: write_robomimic(path / "demo.hdf5", [pictures, pictures[2:]]),
    "ros": lambda path, pictures: write_bag(path / "bag", pictures),
}


def tamper(path, name):
    """Change one reward a little, wherever it is."""
    if name.startswith("robomimic"):
        with h5py.File(path, "r+") as file:
            file["data/demo_0/spatialvlm/rewards"][5] += 0.01
        return
    for file in [path] if path.is_file() else sorted((path / "data").rglob("*.parquet"))[:1]:
        table = pq.read_table(file)
        column = next(c for c in ("spatialvlm.next.reward", "next.reward") if c in table.column_names)
        rewards = table.column(column).to_numpy().copy()
        rewards[5] += 0.01
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, table.schema.field(column), pa.array(rewards)), file)


@pytest.mark.parametrize("end", ["truncated", "terminated"])
@pytest.mark.parametrize("place", ["copy", "beside"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_data_set_that_was_annotated_is_checked_by_its_path(tmp_path, annotated, pictures, name, place, end):
    target = annotated(WRITERS[name](tmp_path, pictures), place=place, end=end).target
    for source in (target, str(target)):
        report = check_reward(source, GAMMA)
        assert report.ok and report.frames >= 11 and report.unseen >= 3, str(report)
    assert {"gamma", "step"} <= {f.check for f in check_reward(target, 0.9).findings}
    if name != "ros":
        tamper(target, name)
        assert {"step", "sum"} <= {f.check for f in check_reward(target, GAMMA).findings}


def test_a_message_that_was_changed_is_found(tmp_path, annotated, pictures, monkeypatch):
    made = _reward

    def changed(kinds, annotations, number, *rest):
        message = made(kinds, annotations, number, *rest)
        return replace(message, reward=message.reward + 0.01) if number == 9 else message

    monkeypatch.setattr(mcap_writer, "_reward", changed)
    target = annotated(write_bag(tmp_path / "bag", pictures)).target
    assert {"step", "sum"} <= {f.check for f in check_reward(target, GAMMA).findings}


@pytest.mark.parametrize("place", ["copy", "beside"])
def test_rows_of_an_annotated_set_are_understood(tmp_path, annotated, pictures, place):
    target = annotated(WRITERS["lerobot 2.1"](tmp_path, pictures), place=place, end="terminated").target
    (file, *others) = [target] if target.is_file() else sorted((target / "data").rglob("*.parquet"))
    assert place == "copy" or not others
    table = pq.read_table(file)
    for rows in (table.to_pylist(), table.to_pydict()):
        report = check_reward(rows, GAMMA)
        assert report.ok and report.episodes == (1 if others else 2), str(report)
    rows = table.to_pylist()
    rows[6]["next.reward"] = 0.5
    assert not check_reward(rows, GAMMA).ok
    del rows[6]["next.reward_base"]
    with pytest.raises(DatasetError, match="not all of its reward"):
        check_reward(rows, GAMMA)


def test_an_opened_result_is_checked_too(tmp_path, annotated, pictures):
    target = annotated(WRITERS["robomimic"](tmp_path, pictures)).target
    report = check_reward(open_recording(target, hfov=60), GAMMA)
    assert report.ok and report.episodes == 2, str(report)


def test_a_picture_between_two_control_steps_is_no_step(tmp_path, annotated, pictures):
    target = annotated(write_bag(tmp_path / "bag", pictures), step_s=0.21).target
    report = check_reward(target, GAMMA)
    assert report.ok and report.frames < len(pictures), str(report)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "absolute", "end": "terminated"},
        {"every": 3},
        {"unseen": "dropped"},
        {"filtered": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["lerobot 2.1", "robomimic", "robomimic with next_obs", "ros"])
def test_the_settings_of_a_data_set_are_its_own(tmp_path, pictures, name, settings):
    recording = open_recording(WRITERS[name](tmp_path, pictures), hfov=60)
    plan = Plan(GAMMA, **settings)
    target, tasks = output_path(recording, "copy"), tasks_of(recording, TASK)
    writer = RecordingWriter(
        recording, report_folder(target), target, "copy", plan.provenance(recording, tasks, "of a ruler")
    )
    plan.carry_out(recording, writer, tasks, Ruler())
    report = check_reward(writer.finish(), GAMMA)
    assert report.ok and report.frames >= 11, str(report)
    if settings.get("mode") == "absolute":
        assert not check_reward(target, GAMMA, mode="potential").ok


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_not_annotated_is_refused(tmp_path, pictures, name):
    with pytest.raises(DatasetError, match="no rewards"):
        check_reward(WRITERS[name](tmp_path, pictures), GAMMA)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no data set"):
        check_reward(tmp_path / "nothing", GAMMA)
    (tmp_path / "notes.txt").write_text("no rewards")
    with pytest.raises(SourceError, match="no data set that is known"):
        check_reward(tmp_path / "notes.txt", GAMMA)
