"""A run that is killed at any moment goes on where it was, and ends in the same bytes."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ruler import Ruler, episode
from samples import write_bag, write_lerobot_v21, write_lerobot_v30, write_robomimic
from table_recording import COURSE, write_table_bag

from spatialvlm_ros.errors import DatasetError, RemoteError, SourceError

HARNESS = Path(__file__).parent / "helpers" / "killed_run.py"
EPISODES = [episode(np.arange(40, 17, -1.0)), episode(np.arange(12, 22, 1.0))]
WRITERS = {
    "lerobot v2.1": lambda path: write_lerobot_v21(path / "set", EPISODES),
    "lerobot v3.0": lambda path: write_lerobot_v30(path / "set", EPISODES),
    "robomimic": lambda path: write_robomimic(path / "demo.hdf5", EPISODES),
    "bag": lambda path: write_bag(path / "bag", EPISODES[0]),
}


def start(path, place="copy", moment="-", seconds=0.0, model="ruler"):
    command = [sys.executable, str(HARNESS), str(path), place, moment, str(seconds), model]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(path, **options):
    """Pictures that a run to its end had to look at."""
    process = start(path, **options)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error[-2000:]
    return int(out.split()[-1])


def contents(folder, but=()):
    """Relative path -> bytes of everything in a folder that is not of the report."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.relative_to(folder).parts[0] not in but}


def kill_after(path, pictures, **options):
    """Kill a run with SIGKILL as soon as so many pictures are measured."""
    process = start(path, seconds=0.15, **options)
    deadline = time.monotonic() + 100
    while _measured(path.parent) < pictures:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()[-2000:]
        time.sleep(0.01)
    process.kill()
    process.wait()


def _measured(folder):
    journals = folder.glob("report/episodes/*/measured.jsonl")
    return sum(max(len(p.read_bytes().splitlines()) - 1, 0) for p in journals)


@pytest.fixture(scope="module", params=list(WRITERS))
def uninterrupted(request, tmp_path_factory):
    """(how to write it, what comes out, the pictures it looked at)."""
    folder = tmp_path_factory.mktemp("whole")
    looked = finished(WRITERS[request.param](folder))
    return WRITERS[request.param], contents(folder, but=("report",)), looked


def test_killed_between_batches(uninterrupted, tmp_path):
    write, expected, all_pictures = uninterrupted
    path = write(tmp_path)
    original = contents(path) if path.is_dir() else path.read_bytes()
    kill_after(path, 8)
    assert not any("rewards" in p.name for p in tmp_path.iterdir())
    looked = finished(path)
    assert 0 < looked <= all_pictures - 8
    assert contents(tmp_path, but=("report",)) == expected
    assert (contents(path) if path.is_dir() else path.read_bytes()) == original


def test_killed_while_objects_are_followed(tmp_path):
    """What the follower knows is not lost: the model does not see the mug in the last picture any more."""
    folders = [tmp_path / name for name in ("whole", "killed")]
    paths = [write_table_bag(folder / "bag", COURSE) for folder in folders]
    assert finished(paths[0], place="beside", model="table") == 14
    for pictures in (4, 8):
        kill_after(paths[1], pictures, place="beside", model="table")
    assert finished(paths[1], place="beside", model="table") <= 14 - 8
    journals, rewards = zip(*((_journal(folder), contents(folder / "bag_rewards")) for folder in folders), strict=True)
    assert journals[0] == journals[1] and journals[0].count(b'"told"') == 13
    assert rewards[0] == rewards[1] and rewards[0]


def _journal(folder):
    return (folder / "report/episodes/000000/measured.jsonl").read_bytes()


@pytest.mark.parametrize("moment", ["composed", "renamed"])
def test_killed_while_the_result_is_written(uninterrupted, tmp_path, moment):
    write, expected, _ = uninterrupted
    path = write(tmp_path)
    process = start(path, moment=moment)
    process.communicate(timeout=120)
    assert process.returncode == -9
    assert any("rewards" in p.name and not p.name.startswith(".") for p in tmp_path.iterdir()) == (moment == "renamed")
    assert finished(path) == 0
    assert contents(tmp_path, but=("report",)) == expected


def test_killed_three_times(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    finished(WRITERS["lerobot v3.0"](whole))
    again = tmp_path / "again"
    again.mkdir()
    path = WRITERS["lerobot v3.0"](again)
    for pictures in (4, 16, 27):
        kill_after(path, pictures)
    assert finished(path) <= 33 - 24
    assert contents(again, but=("report",)) == contents(whole, but=("report",))


def test_half_a_batch_is_measured_again(annotated, tmp_path):
    """A kill can leave whole lines of half a batch, or half a line."""
    path = WRITERS["robomimic"](tmp_path)
    first = annotated(path)
    journal = first.writer.folder / "episodes/000000/measured.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    for rest in (b"".join(lines[: 1 + 8 + 2]), b"".join(lines[: 1 + 8]) + lines[9][:30], lines[0][:20], b""):
        (first.writer.folder / "episodes/000000/annotations.npz").unlink()
        journal.write_bytes(rest)
        again = annotated(path)
        assert journal.read_bytes() == b"".join(lines)
        assert again.model.looked == (23 - 8 if len(rest) > 100 else 23)
        assert np.array_equal(again.kept().reward, first.kept().reward)


def test_a_finished_run_is_not_run_again(annotated, tmp_path):
    path = WRITERS["bag"](tmp_path)
    first = annotated(path)
    (written,) = first.target.glob("*.mcap")
    before = written.stat().st_mtime_ns
    again = annotated(path)
    assert again.model.looked == 0 and written.stat().st_mtime_ns == before
    assert again.outcome.valid == first.outcome.valid == 23


class Down(Ruler):
    """A model behind a server that does not answer."""

    def look_many(self, observations, known_sizes=None):
        raise RemoteError("the server cannot be reached", "http://x", "Start it.")


@pytest.mark.parametrize("kept", ["annotations.npz", "measured.jsonl"])
def test_other_settings_do_not_mix(annotated, tmp_path, kept):
    path = WRITERS["robomimic"](tmp_path)
    folder = annotated(path).writer.folder
    for file in folder.glob("episodes/*/*"):
        if file.name != kept:
            file.unlink()
    with pytest.raises(DatasetError, match="other settings: end"):
        annotated(path, end="terminated")


def test_settings_bind_only_what_was_measured(annotated, tmp_path):
    """A run that ended before its first batch keeps nothing that other settings could mix with."""
    path = WRITERS["robomimic"](tmp_path)
    with pytest.raises(RemoteError):
        annotated(path, model=Down())
    done = annotated(path, end="terminated")
    assert done.outcome.valid == 33 and done.writer.settings["end"] == "terminated"
    assert '"end": "terminated"' in (done.writer.folder / "run.json").read_text()


CHANGED = {  # a recording whose second episode is another one
    "lerobot v2.1": lambda path: write_lerobot_v21(path / "set", [EPISODES[0], EPISODES[1][::-1]]),
    "lerobot v3.0": lambda path: write_lerobot_v30(path / "set", [EPISODES[0], EPISODES[1][::-1]]),
    "robomimic": lambda path: write_robomimic(path / "demo.hdf5", [EPISODES[0], EPISODES[1][::-1]]),
    "bag": lambda path: write_bag(path / "bag", EPISODES[0], start_ns=1_800_000_000_000_000_000),
}


@pytest.mark.parametrize("kind", list(CHANGED))
def test_a_finished_episode_that_has_changed_is_refused(annotated, tmp_path, kind):
    path = WRITERS[kind](tmp_path)
    last = annotated(path).recording.episodes()[-1].name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    CHANGED[kind](tmp_path)
    with pytest.raises(DatasetError, match="have changed since") as refused:
        annotated(path)
    assert refused.value.value == [last]


@pytest.mark.parametrize("kind", ["lerobot v2.1", "robomimic"])
def test_episodes_can_be_added(annotated, tmp_path, kind):
    """Those that are judged stay so, also where episodes share files; the result holds the new one."""
    write = {
        "lerobot v2.1": lambda episodes: write_lerobot_v21(tmp_path / "set", episodes),
        "robomimic": lambda episodes: write_robomimic(tmp_path / "demo.hdf5", episodes),
    }[kind]
    path = write(EPISODES)
    before = annotated(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    write([*EPISODES, EPISODES[0]])
    after = annotated(path)
    assert before.model.looked == 33 and after.model.looked == 23 and after.outcome.episodes == 3
    assert annotated(path).model.looked == 0
    with pytest.raises(SourceError, match="already has rewards"):
        annotated(after.target)
    assert np.array_equal(after.kept(2).reward, after.kept(0).reward)


def test_what_is_there_already_is_not_overwritten(annotated, tmp_path):
    path = WRITERS["robomimic"](tmp_path)
    other = tmp_path / "demo_rewards.hdf5"
    other.write_text("mine")
    with pytest.raises(DatasetError, match="something already"):
        annotated(path)
    assert other.read_text() == "mine"


def test_a_folder_with_other_things_is_no_report(annotated, tmp_path):
    path = WRITERS["robomimic"](tmp_path)
    (tmp_path / "demo_rewards.hdf5_report").mkdir()
    (tmp_path / "demo_rewards.hdf5_report/letter.txt").write_text("mine")
    with pytest.raises(DatasetError, match="something else"):
        annotated(path)
