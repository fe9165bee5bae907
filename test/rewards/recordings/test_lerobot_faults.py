"""Damaged LeRobot data sets: what cannot be read is left out and said, the rest is written."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from damage import cut_off, damage_group, double, empty, garble, remove
from ruler import Ruler, episode
from samples import FRONT, write_lerobot_v21, write_lerobot_v30

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.recordings.registry import open_recording

DISTANCES = (np.arange(40, 17, -1.0), np.arange(12, 22, 1.0), np.arange(30, 22, -1.0))
FIRST = "data/chunk-000/episode_000000.parquet"
SHARED = "data/chunk-000/file-000.parquet"


@pytest.fixture()
def v21(tmp_path):
    return write_lerobot_v21(tmp_path / "set", [episode(d) for d in DISTANCES], kind="image")


@pytest.fixture()
def v30(tmp_path):
    return write_lerobot_v30(tmp_path / "set", [episode(d) for d in DISTANCES])


def rows_of(root, number):
    tables = [pq.read_table(path).to_pylist() for path in sorted((root / "data").rglob("*.parquet"))]
    return [row for table in tables for row in table if row.get("episode_index") == number]


def assert_judged(root, number):
    rows = rows_of(root, number)
    assert len(rows) == len(DISTANCES[number])
    assert [row["next.reward_valid"] for row in rows] == [True] * (len(rows) - 1) + [False]
    assert all(np.isfinite(row["next.reward"]) for row in rows)


@pytest.mark.parametrize("place", ["copy", "beside"])
@pytest.mark.parametrize("damage", [remove, cut_off, empty, garble, double])
def test_a_data_file_that_cannot_be_read_costs_its_own_episode(annotated, v21, damage, place):
    damage(v21 / FIRST)
    before = (v21 / FIRST).read_bytes() if (v21 / FIRST).exists() else None
    done = annotated(v21, place)
    assert list(done.outcome.failed) == ["episode_000000"] and done.outcome.episodes == 2
    if place == "beside":
        table = pq.read_table(done.target).to_pydict()
        valid, numbers = np.array(table["next.reward_valid"]), np.array(table["episode_index"])
        assert not valid[numbers == 0].any() and valid[numbers == 1].sum() == 9
        return
    copied = done.target / FIRST
    assert (copied.read_bytes() if copied.exists() else None) == before
    tables = [pq.read_table(path) for path in sorted(copied.parent.glob("*.parquet")) if path != copied]
    assert [np.isfinite(table["next.reward"].to_numpy()).all() for table in tables] == [True, True]


@pytest.mark.parametrize("damaged", ["timestamp", "action", "frame_index", "episode_index"])
def test_damaged_rows_of_a_shared_file_cost_their_own_episode(annotated, v30, damaged):
    before = pq.read_table(v30 / SHARED).to_pylist()
    damage_group(v30 / SHARED, 1, damaged)
    done = annotated(v30)
    read = damaged == "action"  # which nobody needs for the rewards
    assert list(done.outcome.failed) == ([] if read else ["episode_000001"])
    assert_judged(done.target, 0)
    assert_judged(done.target, 2)
    after = pq.read_table(done.target / SHARED).to_pylist()
    kept = [{name: row[name] for name in old if name != damaged} for row, old in zip(after, before, strict=True)]
    assert kept == [{name: value for name, value in old.items() if name != damaged} for old in before]
    hurt = after[23:33]
    lost = [None, None] if damaged == "action" else None  # lists of one size stay so, or older readers fail
    assert all(row[damaged] == lost for row in hurt)
    assert [row["next.reward_valid"] for row in hurt] == [read] * 9 + [False]
    assert read or all(np.isnan(row["next.reward"]) for row in hurt)


def test_a_damaged_column_that_may_not_be_empty(annotated, v30):
    table = pq.read_table(v30 / SHARED)
    place = table.column_names.index("task_index")
    strict = table.schema.set(place, table.schema.field("task_index").with_nullable(False))
    with pq.ParquetWriter(v30 / SHARED, strict) as writer:
        for start, length in ((0, 23), (23, 10), (33, 8)):
            writer.write_table(table.slice(start, length).cast(strict))
    damage_group(v30 / SHARED, 1, "task_index")
    done = annotated(v30)
    assert not done.outcome.failed
    assert [row["task_index"] for row in pq.read_table(done.target / SHARED).to_pylist()].count(None) == 10


def test_more_rows_than_the_metadata_says_cost_their_own_episode(annotated, v21):
    lines = [json.loads(line) for line in (v21 / "meta/episodes.jsonl").read_text().splitlines()]
    lines[0]["length"] = 20
    (v21 / "meta/episodes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = annotated(v21)
    assert list(done.outcome.failed) == ["episode_000000"]
    rows = rows_of(done.target, 0)
    assert len(rows) == 23 and all(np.isnan(row["next.reward"]) and not row["next.reward_valid"] for row in rows)
    assert [row["next.done"] for row in rows] == [False] * 22 + [True]
    assert_judged(done.target, 1)


def test_rows_of_an_episode_that_is_not_listed_are_not_valid(annotated, v30, caplog):
    path = v30 / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 2), path)
    done = annotated(v30)
    assert not done.outcome.failed and "not those that the metadata lists" in caplog.text
    assert all(np.isnan(row["next.reward"]) and row["next.reward_reason"] != "ok" for row in rows_of(done.target, 2))
    assert_judged(done.target, 1)


def test_a_file_that_is_not_listed_gets_the_same_columns(annotated, v21):
    """Whoever loads the folder wants the same columns in all of its files."""
    lines = (v21 / "meta/episodes.jsonl").read_text().splitlines()
    (v21 / "meta/episodes.jsonl").write_text("\n".join(lines[1:]) + "\n")
    done = annotated(v21)
    schemas = [pq.read_schema(path) for path in sorted((done.target / "data").rglob("*.parquet"))]
    assert len(schemas) == 3 and schemas[0] == schemas[1] == schemas[2]
    assert not any(row["next.reward_valid"] for row in rows_of(done.target, 0))


def test_a_link_to_nowhere_is_not_copied(annotated, v21):
    """Caches of downloads are full of links."""
    (v21 / "README.md").symlink_to(v21 / "never downloaded")
    done = annotated(v21)
    assert done.outcome.valid == 23 + 10 + 8 and not (done.target / "README.md").exists()


def test_the_copy_of_a_read_only_set_can_be_written(annotated, v21):
    """Caches of downloads are read-only; files of the copy are written anew, and it may be removed."""
    for path in (*v21.rglob("*"), v21):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        target = annotated(v21).target
    finally:
        for path in (v21, *v21.rglob("*")):
            path.chmod(0o755)
    assert all(path.stat().st_mode & 0o200 for path in (target, *target.rglob("*")))


def test_a_copy_never_leaves_its_folder(annotated, v21):
    """Data files are written where the templates of the set say."""
    info = json.loads((v21 / "meta/info.json").read_text())
    for template in ("../set/{episode_index}.parquet", str(v21 / "data/{episode_index}.parquet")):
        (v21 / "meta/info.json").write_text(json.dumps({**info, "data_path": template}))
        with pytest.raises(SourceError, match="outside the data set"):
            annotated(v21)


INFO_FAULTS = {
    "fps": ["fast", None, 0, float("inf"), True],
    "features": [None, [], {"action": None}, {"action": "float32"}],
    "chunks_size": [0, "many", -5],
    "data_path": ["data/{nothing}.parquet", "data/{0}.parquet", "data/{", "data/{episode_index:q}.parquet"],
}


@pytest.mark.parametrize("key, value", [(key, value) for key, values in INFO_FAULTS.items() for value in values])
def test_wrong_entries_of_the_description_are_named(v21, key, value):
    info = json.loads((v21 / "meta/info.json").read_text())
    (v21 / "meta/info.json").write_text(json.dumps({**info, key: value}))
    with pytest.raises(SourceError, match="info.json") as refused:
        open_recording(v21, hfov=60)
    assert key in str(refused.value) or "path" in str(refused.value) or "feature" in str(refused.value)


LINES = ['{"episode_index": 0}', "[1, 2]", '{"episode_index": 0, "length": null}', '{"length": 3}', "7", "null"]
LINES += ['{"episode_index": -1, "length": 3}', '{"episode_index": 0, "length": 2.5}', '{"episode_index": 0, "le']
LINES += ['{"episode_index": 1, "length": 10}', '{"episode_index": 9, "length": 3, "tasks": {"a": 1}}']


@pytest.mark.parametrize("line", LINES)
def test_wrong_lines_of_the_list_of_episodes_are_named(v21, line):
    path = v21 / "meta/episodes.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(SourceError, match="episodes.jsonl|lists an episode twice"):
        open_recording(v21, hfov=60)


def test_a_task_that_stands_alone_is_one_task(v21):
    lines = [json.loads(line) for line in (v21 / "meta/episodes.jsonl").read_text().splitlines()]
    (v21 / "meta/episodes.jsonl").write_text("".join(json.dumps({**e, "tasks": "stack"}) + "\n" for e in lines))
    assert {e.instruction for e in open_recording(v21, hfov=60).episodes()} == {"stack"}


@pytest.mark.parametrize("name", ["length", "data/file_index", "episode_index", f"videos/{FRONT}/from_timestamp"])
@pytest.mark.parametrize("kind", ["missing", "null", "text"])
def test_wrong_rows_of_the_list_of_episodes_are_named(v30, name, kind):
    path = v30 / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(name)
    if kind == "missing":
        table = table.remove_column(place)
    else:
        table = table.set_column(place, name, [[None if kind == "null" else "x"] * 3])
    pq.write_table(table, path)
    with pytest.raises(SourceError, match="meta/episodes"):
        open_recording(v30, hfov=60)


@pytest.mark.parametrize("content", ["{", "[]", '{"action": 3}'])
def test_statistics_that_cannot_be_read_are_named_before_any_work(annotated, v30, content):
    (v30 / "meta/stats.json").write_text(content)
    model = Ruler()
    with pytest.raises(SourceError, match="stats.json"):
        annotated(v30, model=model)
    assert model.looked == 0 and not (v30.parent / "set_rewards_report").exists()


@pytest.mark.parametrize("line", ["[1]", '{"stats": {}}', '{"episode_index": 0}', '{"episode_index": 0, "stats": [1]}'])
def test_lines_of_statistics_that_mean_nothing_are_named_before_any_work(annotated, v21, line):
    path = v21 / "meta/episodes_stats.jsonl"
    path.write_text(path.read_text() + line + "\n")
    model = Ruler()
    with pytest.raises(SourceError, match="episodes_stats.jsonl"):
        annotated(v21, model=model)
    assert model.looked == 0


def test_statistics_of_an_episode_that_is_not_listed_stay(annotated, v21):
    path = v21 / "meta/episodes_stats.jsonl"
    path.write_text(path.read_text() + '{"episode_index": 7, "stats": {"action": {"count": [1]}}}\n')
    lines = (annotated(v21).target / "meta/episodes_stats.jsonl").read_text().splitlines()
    assert json.loads(lines[3]) == {"episode_index": 7, "stats": {"action": {"count": [1]}}}
    assert "next.reward" in json.loads(lines[0])["stats"]


@pytest.mark.parametrize("name", ["timestamp", "frame_index", "episode_index"])
@pytest.mark.parametrize("kind", ["missing", "null", "text"])
def test_columns_that_are_none_cost_their_own_episode(annotated, v21, name, kind):
    path = v21 / FIRST
    table = pq.read_table(path)
    place = table.column_names.index(name)
    if kind == "missing":
        table = table.remove_column(place)
    else:
        table = table.set_column(place, name, [[None if kind == "null" else "x"] * table.num_rows])
    pq.write_table(table, path)
    done = annotated(v21)
    assert list(done.outcome.failed) == ["episode_000000"] and "episode_000000.parquet" in str(done.outcome.failed)
    rewards = pq.read_table(done.target / FIRST).column("next.reward").to_numpy()
    assert np.isnan(rewards).all() and len(rewards) == 23
    assert_judged(done.target, 1)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"info": null}', b"\xff"])
def test_a_description_that_nobody_understands_stays(annotated, v21, text):
    path = v21 / FIRST
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"huggingface": text}), path)
    done = annotated(v21)
    assert not done.outcome.failed and pq.read_schema(done.target / FIRST).metadata[b"huggingface"] == text


def test_a_stored_column_that_is_not_listed_keeps_its_name(annotated, v21):
    for path in (v21 / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.append_column("next.reward", [[7.0] * table.num_rows]), path)
    done = annotated(v21)
    table = pq.read_table(done.target / FIRST)
    assert set(table.column("next.reward").to_pylist()) == {7.0}
    assert np.isfinite(table.column("spatialvlm.next.reward").to_numpy()).all()
