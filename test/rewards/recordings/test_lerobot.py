"""LeRobot data sets, read back by LeRobot's conventions: the reward of a row is judged in the next row's picture."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruler import episode, potential
from samples import FPS, FRONT, write_lerobot_v21, write_lerobot_v30

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.registry import format_of, open_recording

DISTANCES = (np.arange(40, 17, -1.0), np.arange(12, 22, 1.0))  # one comes nearer, one goes away
WRITERS = {"v2.1": write_lerobot_v21, "v3.0": write_lerobot_v30}
TOLERANCE = 0.02  # in potential and reward: a video changes a level by about one, a quarter of a centimetre


@pytest.fixture(params=list(WRITERS))
def dataset(request, tmp_path):
    return WRITERS[request.param](tmp_path / "set", [episode(d) for d in DISTANCES])


def rows(root):
    """All rows as columns, in the order of the data set."""
    tables = [pq.read_table(path) for path in sorted((root / "data").rglob("*.parquet"))]
    import pyarrow as pa

    return pa.concat_tables(tables).sort_by("index")


def column(root, name, number=None):
    table = rows(root)
    values = np.array(table.column(name).to_pylist())
    return values if number is None else values[np.array(table.column("episode_index").to_pylist()) == number]


def test_a_data_set_is_recognised(dataset):
    recording = open_recording(dataset, hfov=60)
    assert format_of(dataset) == "lerobot" and recording.cameras == (FRONT,)
    assert [(e.number, e.frames, e.steps) for e in recording.episodes()] == [(0, 23, 23), (1, 10, 10)]
    assert recording.episodes()[0].instruction == "move the gripper to the apple"


@pytest.mark.parametrize("start", [0, 5])
def test_pictures_come_in_order_with_their_times(dataset, start):
    recording = open_recording(dataset, hfov=60)
    frames = list(recording.frames(recording.episodes()[1], start))
    assert [f.index for f in frames] == list(range(start, 10))
    levels = [f.observation.rgb[..., 0].mean() / 4 for f in frames]
    assert np.allclose(levels, DISTANCES[1][start:], atol=0.5)
    assert [f.stamp_ns for f in frames] == [pytest.approx(k / FPS * 1e9, abs=100) for k in range(start, 10)]
    assert frames[0].observation.camera.hfov() == pytest.approx(np.radians(60), rel=0.02)


def test_rewards_of_a_row_are_judged_in_the_next_picture(dataset, annotated, rewards_between):
    done = annotated(dataset)
    for number, distances in enumerate(DISTANCES):
        reward = column(done.target, "next.reward", number)
        assert np.allclose(reward[:-1], rewards_between(distances), atol=TOLERANCE)
        expected = [potential(d) for d in distances]
        assert np.allclose(column(done.target, "spatialvlm.potential", number), expected, atol=TOLERANCE)
        assert column(done.target, "next.done", number).tolist() == [False] * (len(distances) - 1) + [True]
    # Shifted by one row it would not fit: a curved distance tells rows apart.
    assert not np.allclose(column(done.target, "next.reward", 0)[1:], rewards_between(DISTANCES[0]), atol=1e-3)


def test_the_last_row_has_no_next_picture(dataset, annotated):
    done = annotated(dataset)
    valid, reason = column(done.target, "next.reward_valid", 0), column(done.target, "next.reward_reason", 0)
    assert valid.tolist() == [True] * 22 + [False]
    assert reason.tolist() == ["ok"] * 22 + ["timeout"]
    assert column(done.target, "next.reward", 0)[-1] == 0 and column(done.target, "next.reward_std", 0)[-1] >= 0


def test_a_terminated_episode_pays_its_potential_back(dataset, annotated):
    done = annotated(dataset, end="terminated")
    last = column(done.target, "spatialvlm.potential", 0)[-1]
    assert column(done.target, "next.reward", 0)[-1] == pytest.approx(-last, abs=1e-5)
    assert column(done.target, "next.reward_valid", 0)[-1]


def test_features_types_and_what_was_there_before(dataset, annotated):
    done = annotated(dataset)
    before, after = rows(dataset), rows(done.target)
    assert after.select(before.column_names).equals(before)
    info = json.loads((done.target / "meta/info.json").read_text())
    assert set(info["features"]) - {FRONT} == set(after.column_names)
    assert info["features"]["next.reward"] == {"dtype": "float32", "shape": [1], "names": None}
    for name in set(after.column_names) - set(before.column_names):
        kind = str(after.schema.field(name).type).replace("float", "float32")
        assert info["features"][name]["dtype"] == kind
        assert json.loads(after.schema.metadata[b"huggingface"])["info"]["features"][name]["dtype"] == kind
    originals = {p.relative_to(dataset) for p in dataset.rglob("*.mp4")}
    assert all((done.target / p).read_bytes() == (dataset / p).read_bytes() for p in originals)


def test_row_groups_and_compression_stay(annotated, tmp_path):
    root = write_lerobot_v30(tmp_path / "set", [episode(d) for d in DISTANCES])
    name = "data/chunk-000/file-000.parquet"
    before, after = pq.ParquetFile(root / name), pq.ParquetFile(annotated(root).target / name)
    assert before.num_row_groups == after.num_row_groups == 2
    assert after.metadata.row_group(0).column(0).compression == before.metadata.row_group(0).column(0).compression
    assert [after.metadata.row_group(g).num_rows for g in range(2)] == [23, 10]


def test_statistics_of_version_2(annotated, tmp_path):
    root = write_lerobot_v21(tmp_path / "set", [episode(d) for d in DISTANCES])
    target = annotated(root).target
    lines = [json.loads(line) for line in (target / "meta/episodes_stats.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        reward = column(target, "next.reward", number)
        own = line["stats"]["next.reward"]
        assert own["mean"] == [pytest.approx(reward.mean())] and own["min"] == [pytest.approx(reward.min())]
        assert own["count"] == [len(reward)] and "q50" not in own  # this data set has no quantiles
    assert set(lines[0]["stats"]) >= {"action", "next.reward", "next.done", "spatialvlm.potential"}
    assert "next.reward_reason" not in lines[0]["stats"]
    assert not (target / "meta/stats.json").exists()


def test_statistics_of_version_3(annotated, tmp_path):
    root = write_lerobot_v30(tmp_path / "set", [episode(d) for d in DISTANCES])
    target = annotated(root).target
    stats = json.loads((target / "meta/stats.json").read_text())
    reward = column(target, "next.reward")
    assert stats["next.reward"]["std"] == [pytest.approx(reward.std())]
    assert stats["next.reward"]["q50"] == [pytest.approx(np.median(reward))]
    assert "action" in stats
    episodes = pq.read_table(target / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert episodes[1]["stats/next.reward/mean"] == [pytest.approx(column(target, "next.reward", 1).mean())]
    assert episodes[1]["stats/next.reward/count"] == [10] and "stats/next.reward/q99" in episodes[1]
    assert episodes[1]["dataset_to_index"] == 33


def test_recorded_rewards_stay_what_they_are(annotated, tmp_path):
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[0])], recorded_rewards=True)
    target = annotated(root).target
    assert np.allclose(column(target, "next.reward"), np.arange(23) / 100)
    assert np.abs(column(target, "spatialvlm.next.reward")).max() > 0
    assert "spatialvlm.next.done" not in rows(target).column_names


def test_pictures_kept_in_the_rows(annotated, tmp_path, rewards_between):
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[0])], kind="image")
    reward = column(annotated(root).target, "next.reward")
    assert np.allclose(reward[:-1], rewards_between(DISTANCES[0]), atol=1e-6)  # nothing is lost in a PNG


def test_videos_in_av1(annotated, tmp_path, rewards_between):
    """What LeRobot records by default."""
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[0])], codec="libsvtav1")
    reward = column(annotated(root).target, "next.reward")
    assert np.allclose(reward[:-1], rewards_between(DISTANCES[0]), atol=TOLERANCE)


def test_beside_is_one_row_for_each_row(dataset, annotated):
    done = annotated(dataset, "beside")
    table = pq.read_table(done.target)
    assert done.target.suffix == ".parquet" and table.num_rows == 33
    assert table.column("index").to_pylist() == list(range(33))
    assert table.column("episode_index").to_pylist() == [0] * 23 + [1] * 10
    assert np.allclose(table.column("progress_dense").to_pylist()[0], potential(40), atol=TOLERANCE)
    assert json.loads(table.schema.metadata[b"spatialvlm_reward"])["gamma"] == 0.95


def test_a_folder_without_metadata_is_no_data_set(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(SourceError, match="no recording that is known"):
        open_recording(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"codebase_version": "v2.1"}', '{"codebase_version": "v1.6"}'])
def test_damaged_metadata_is_named(dataset, text):
    info = json.loads((dataset / "meta/info.json").read_text())
    changed = {**info, **json.loads(text)} if "v1.6" in text else None
    (dataset / "meta/info.json").write_text(json.dumps(changed) if changed else text)
    with pytest.raises(SourceError, match="info.json|version"):
        open_recording(dataset, hfov=60)


def test_metadata_of_other_rows_is_found_out(annotated, tmp_path):
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[0])])
    line = json.loads((root / "meta/episodes.jsonl").read_text())
    (root / "meta/episodes.jsonl").write_text(json.dumps({**line, "length": 20}))
    with pytest.raises(SourceError, match="no episode .* can be read.*23 rows"):
        annotated(root)


def test_rewards_are_not_written_twice(annotated, tmp_path):
    first = annotated(write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[1])]))
    with pytest.raises(SourceError, match="already has rewards of ours"):
        annotated(first.target)


def test_the_document_names_every_column():
    from pathlib import Path

    from spatialvlm_ros.rewards.recordings.lerobot_columns import COLUMNS

    text = (Path(__file__).parents[3] / "docs/annotating.md").read_text(encoding="utf-8")
    assert [c.name for c in COLUMNS if f"`{c.name}`" not in text] == []


def renumbered(path, numbers):
    table = pq.read_table(path)
    place = table.column_names.index("frame_index")
    pq.write_table(table.set_column(place, "frame_index", [numbers]), path)


@pytest.mark.parametrize("place", ["copy", "beside"])
def test_an_episode_whose_rows_have_gaps_is_left_out(tmp_path, annotated, place):
    """What an action earned would be judged in a picture several steps later."""
    root = write_lerobot_v21(tmp_path / "set", [episode(d) for d in DISTANCES], kind="image")
    numbers = [k if k < 5 else k + 3 for k in range(23)]
    renumbered(root / "data/chunk-000/episode_000000.parquet", numbers)
    done = annotated(root, place)
    assert list(done.outcome.failed) == ["episode_000000"] and done.model.looked == 10
    assert "without gaps" in str(done.outcome.failed["episode_000000"])
    if place == "copy":
        rewards = column(done.target, "next.reward", 0)
        assert np.isnan(rewards).all() and column(done.target, "frame_index", 0).tolist() == numbers
        assert column(done.target, "next.done", 0).tolist() == [False] * 22 + [True]
        assert np.isfinite(column(done.target, "next.reward", 1)).all()


def test_rows_beside_have_the_numbers_of_the_set(tmp_path, annotated):
    """Also where an episode was removed before."""
    root = write_lerobot_v21(tmp_path / "set", [episode(DISTANCES[1])] * 3, kind="image")
    listed = (root / "meta/episodes.jsonl").read_text().splitlines()
    (root / "meta/episodes.jsonl").write_text(f"{listed[0]}\n{listed[2]}\n")
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    table = pq.read_table(annotated(root, "beside").target).to_pydict()
    assert table["index"] == [*range(10), *range(20, 30)] and set(table["episode_index"]) == {0, 2}
