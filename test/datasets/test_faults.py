"""Faulty data is counted and the run goes on; a faulty disk is a clear error and leaves no half-written shard."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import dataset_helpers
import pytest
from dataset_helpers import SMALL, FaultyViews, digest

import spatialvlm_ros
from spatialvlm_ros.datasets import checks, shards
from spatialvlm_ros.datasets.stages import NO_QUESTION
from spatialvlm_ros.errors import ConfigError, DatasetError, QuestionError


def test_bad_views_are_counted_by_reason(tmp_path, dataset_folder, make_dataset):
    faults = {0: "blank_picture", 1: "nan_depth", 2: "wrong_camera", 3: "lost_instance", 4: "missing_depth"}
    manifest = make_dataset(tmp_path, FaultyViews(faults))
    split = manifest.splits["train"]
    assert split.skipped == {
        checks.BLANK_PICTURE: 1,
        checks.NO_VALID_DEPTH: 1,
        checks.WRONG_CAMERA: 1,
        checks.EMPTY_MASK: 1,
    }
    assert split.rows == 6 and split.complete


def test_good_views_beside_bad_ones_are_unchanged(tmp_path, dataset_folder, make_dataset):
    make_dataset(tmp_path, FaultyViews({1: "nan_depth", 4: "empty_box"}))
    rows, all_rows = digest(tmp_path), digest(dataset_folder)
    assert len(rows) == 8 and rows == {name: all_rows[name] for name in rows}


def test_a_source_that_breaks_in_the_middle_is_counted(tmp_path, make_dataset):
    manifest = make_dataset(tmp_path, FaultyViews({2: "source_error", 3: "library_error"}))
    assert manifest.splits["train"].skipped == {
        "SourceError: the recording ends in the middle of a message": 1,
        "unexpected ZeroDivisionError": 1,
    }
    assert manifest.rows == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_a_faulty_set_up_ends_the_run(tmp_path, make_dataset, workers):
    with pytest.raises(ConfigError, match="no such model"):
        make_dataset(tmp_path, FaultyViews({0: "fatal_error"}), workers=workers)


def test_nothing_usable_is_an_error_with_the_reasons(tmp_path, make_dataset):
    faults = {i: "source_error" for i in range(5)}
    with pytest.raises(DatasetError, match=r"none of the 5 views.*the recording ends"):
        make_dataset(tmp_path, FaultyViews(faults))


def test_a_view_that_the_generator_refuses_is_counted(tmp_path, dataset_folder, make_dataset, monkeypatch):
    from spatialvlm_ros.datasets.questions import Questions

    honest = Questions.generate

    def picky(self, scenes, per_scene, seeds):
        if any(len(scene.objects) == 5 for scene in scenes):
            raise QuestionError("five objects are too many", 5)
        return [
            [] if len(s.objects) == 4 else q
            for s, q in zip(scenes, honest(self, scenes, per_scene, seeds), strict=True)
        ]

    counts = [len(view.scene.objects) for scene in range(5) for view in SMALL.views(scene)]
    assert 5 in counts and 6 in counts
    monkeypatch.setattr(Questions, "generate", picky)
    manifest = make_dataset(tmp_path)
    skipped = manifest.splits["train"].skipped
    assert skipped["QuestionError: five objects are too many"] == counts.count(5)
    assert skipped.get(NO_QUESTION, 0) == counts.count(4)
    rows, all_rows = digest(tmp_path), digest(dataset_folder)
    assert rows == {name: all_rows[name] for name in rows}  # those asked one by one got the same questions


def test_two_views_of_one_name_are_an_error(tmp_path, make_dataset, monkeypatch):
    from spatialvlm_ros.datasets.synthetic import SyntheticViews

    honest = SyntheticViews.views
    monkeypatch.setattr(SyntheticViews, "views", lambda self, i: iter([*honest(self, i)] * 2))
    with pytest.raises(DatasetError, match="two views of one name"):
        make_dataset(tmp_path)


@pytest.mark.parametrize("failing_write", [0, 1, 5])
def test_a_full_disk_is_a_clear_error(tmp_path, make_dataset, monkeypatch, failing_write):
    """ENOSPC at the first, an early and a later write call of a shard."""
    calls = []

    class FullDisk:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            calls.append(len(data))
            if len(calls) > failing_write:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self._file.write(data)

        def __getattr__(self, name):
            return getattr(self._file, name)

    def full_open(path, mode="r", **options):
        file = open(path, mode, **options)
        return FullDisk(file) if str(path).endswith(".partial") and mode == "wb" else file

    monkeypatch.setattr(shards, "open", full_open, raising=False)
    with pytest.raises(DatasetError, match="No space left.*ENOSPC.*run the same command again"):
        make_dataset(tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_disk_that_fills_up_at_the_very_end_leaves_no_shard(tmp_path, make_dataset, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards.os, "fsync", full)
    with pytest.raises(DatasetError, match="ENOSPC"):
        make_dataset(tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_real_limit_of_the_operating_system(tmp_path):
    """The kernel refuses the write (EFBIG) in a worker process; then the same run with space finishes."""
    script = textwrap.dedent(
        """
        import resource, signal, sys
        sys.path.insert(0, sys.argv[2])
        from dataset_helpers import SMALL
        from spatialvlm_ros.datasets.engine import generate
        from spatialvlm_ros.datasets.questions import Questions
        from spatialvlm_ros.errors import DatasetError
        if __name__ == "__main__":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does; a worker inherits limit and disposition
            limit = int(sys.argv[3])
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            try:
                generate(SMALL, Questions(), sys.argv[1], scenes_per_shard=2, workers=1, per_view=6,
                         show_progress=False)
            except DatasetError as error:
                sys.exit(str(error))
        """
    )
    path = tmp_path / "run.py"
    path.write_text(script)
    out = tmp_path / "out"
    helpers = str(Path(dataset_helpers.__file__).parent)
    environment = {**os.environ, "PYTHONPATH": str(Path(spatialvlm_ros.__path__[0]).parent)}

    def run(limit):
        command = [sys.executable, str(path), str(out), helpers, str(limit)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)

    first = run(20_000)
    assert first.returncode == 1 and "cannot write shard" in first.stderr and "EFBIG" in first.stderr
    assert list((out / "data").iterdir()) == []
    second = run(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert second.returncode == 0, second.stderr
    assert len(digest(out)) == 10


def test_a_folder_that_cannot_be_made(tmp_path, make_dataset):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot write to the folder"):
        make_dataset(tmp_path / "file" / "out")
