"""Faults of the folder of a run: files that are damaged, folders that cannot be written, disks that are full."""

import numpy as np
import pytest
from ruler import Ruler, episode
from samples import write_bag, write_lerobot_v21, write_robomimic

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.errors import DatasetError, OutputError
from spatialvlm_ros.rewards.recordings import composing, journal, store

EPISODES = [episode(np.arange(40, 29, -1.0)), episode(np.arange(12, 21, 1.0))]  # 11 and 9 pictures
WRITERS = {
    "lerobot": lambda path: write_lerobot_v21(path / "set", EPISODES, kind="image"),
    "robomimic": lambda path: write_robomimic(path / "demo.hdf5", EPISODES),
    "bag": lambda path: write_bag(path / "bag", EPISODES[0]),
}


@pytest.fixture()
def path(tmp_path):
    return WRITERS["robomimic"](tmp_path)


def cut_off(content):
    return content[: len(content) // 2]


def zeros(content):
    return bytes(len(content))


@pytest.mark.parametrize("damage", [cut_off, zeros, lambda content: b"", lambda content: b"PK\x03\x04 hello"])
def test_annotations_that_are_damaged_are_made_again(annotated, path, damage):
    """Of what was measured: the model looks at the last, smaller batch alone."""
    first = annotated(path)
    file = first.writer.folder / "episodes/000000/annotations.npz"
    reward = first.kept().reward
    file.write_bytes(damage(file.read_bytes()))
    again = annotated(path)
    assert again.model.looked == 11 % 4 and not again.outcome.failed and np.array_equal(again.kept().reward, reward)


LINES = [b"{}", b"null", b"[1]", b"\0" * 40, b'{"stamp_ns": 1, "estimates": [{}]}', b"\xff\xfe", b'{"stamp_ns": null}']


@pytest.mark.parametrize("line", LINES)
def test_measurements_that_are_damaged_are_measured_again(annotated, path, line):
    """From the batch on that they are in; the numbers are the same."""
    first = annotated(path)
    file = first.writer.folder / "episodes/000000/measured.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    (first.writer.folder / "episodes/000000/annotations.npz").unlink()
    file.write_bytes(b"".join([*lines[:6], line + b"\n", *lines[7:]]))
    again = annotated(path)
    assert again.model.looked == 11 - 4 and file.read_bytes() == whole
    assert np.array_equal(again.kept().reward, first.kept().reward)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"episodes": 3}'])
def test_a_damaged_note_of_the_result_only_writes_it_again(annotated, path, text):
    first = annotated(path)
    content = first.target.read_bytes()
    (first.writer.folder / "result.json").write_text(text)
    again = annotated(path)
    assert again.model.looked == 0 and again.target.read_bytes() == content


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_damaged_settings_are_named(annotated, path, text):
    (annotated(path).writer.folder / "run.json").write_text(text)
    with pytest.raises(DatasetError, match="run.json"):
        annotated(path)


def test_a_damaged_name_of_an_episode_counts_as_a_change(annotated, path):
    (annotated(path).writer.folder / "episodes/000000/episode.txt").write_bytes(b"\xff\xff")
    with pytest.raises(DatasetError, match="have changed since"):
        annotated(path)


class FullDisk:
    """Raises after so many writes."""

    def __init__(self, function, after):
        self.function, self.left = function, after

    def __call__(self, *arguments):
        if self.left == 0:
            raise OSError(28, "No space left on device")
        self.left -= 1
        return self.function(*arguments)


@pytest.mark.parametrize("kind", list(WRITERS))
@pytest.mark.parametrize("module, name", [(journal, "os.fsync"), (store, "write_file"), (composing, "_sync")])
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(annotated, tmp_path, monkeypatch, module, name, kind):
    path = WRITERS[kind](tmp_path)
    place, name = (module.os, "fsync") if name == "os.fsync" else (module, name)
    with monkeypatch.context() as patch:
        patch.setattr(place, name, FullDisk(getattr(place, name), 1 if name != "_sync" else 0))
        with pytest.raises(OutputError, match="No space left"):
            annotated(path)
    assert not any(p.name.endswith(("_rewards", "_rewards.hdf5")) for p in tmp_path.iterdir())
    done = annotated(path)
    whole = tmp_path / "whole"
    whole.mkdir()
    expected = annotated(WRITERS[kind](whole))
    assert done.outcome.valid == expected.outcome.valid and not done.outcome.failed
    assert np.array_equal(done.kept().reward, expected.kept().reward)


def test_a_folder_that_cannot_be_written_is_one_line(path, tmp_path, capsys, monkeypatch):
    from spatialvlm_ros.models import loading
    from spatialvlm_ros.models.spatial_vlm import SpatialVLM

    model = Ruler()
    model.backend = None
    monkeypatch.setattr(SpatialVLM, "from_pretrained", lambda *_: model)
    monkeypatch.setattr(loading, "fingerprint_of", lambda backend: "ruler")
    (tmp_path / "file").write_text("no folder")
    options = ["--gamma", "0.9", "--hfov", "60", "--task", "reach the apple", "--no-progress"]
    assert main(["reward", "annotate", str(path), *options, "--out", str(tmp_path / "file/out.hdf5")]) == 1
    error = capsys.readouterr().err
    assert "cannot be written" in error and "file" in error and model.looked == 0
