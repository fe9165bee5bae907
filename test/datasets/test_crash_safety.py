"""Killed with SIGKILL inside writing, again and again, and resumed: the rows are those of an uninterrupted run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dataset_helpers import digest

import spatialvlm_ros

HARNESS = Path(__file__).parent / "helpers" / "crash_harness.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(spatialvlm_ros.__path__[0]).parent)}


def test_twenty_kills_leave_the_rows_unchanged(tmp_path, make_dataset):
    make_dataset(tmp_path / "whole", scenes_per_shard=1)
    command = [sys.executable, str(HARNESS), str(tmp_path / "killed"), "20", "7"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    done = json.loads(result.stdout)
    assert done["near"] == done["writing"] == 10
    assert done["leftovers"] > 5  # the kills did interrupt the writing
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.partial"))
    whole, killed = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "killed"))
    assert whole == killed


@pytest.mark.slow
def test_twenty_kills_of_the_command_and_all_its_workers(tmp_path):
    """The real command with two worker processes; half of the kills come right after a shard appears."""
    options = "--source synthetic --views 48 --scenes-per-shard 2 --per-view 6 --workers 2".split()
    options += "--set views_per_scene=4 --set width=96 --set height=72".split()  # 12 scenes in 6 shards

    def start(out: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "spatialvlm_ros.cli.main", "generate", *options, "--out", str(out)]
        return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True)

    assert start(tmp_path / "whole").wait(120) == 0
    out = tmp_path / "killed"
    data = out / "data"
    killed = 0
    for kill in range(20):
        before = set(data.glob("[!.]*")) if data.exists() else set()
        if len(before) >= 4:
            for path in sorted(before)[:3]:
                path.unlink()
            before = set(data.glob("[!.]*"))
        process = start(out)
        wanted = "[!.]*.parquet" if kill % 2 else ".*.partial"
        while process.poll() is None and not (set(data.glob(wanted)) - before):
            time.sleep(0.001)
        time.sleep(0.05 * (kill / 20))
        if kill % 4 < 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:  # the workers are left as orphans
            process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed == 20
    assert start(out).wait(120) == 0
    time.sleep(1)  # orphans, if any, are gone by now
    assert digest(out) == digest(tmp_path / "whole")
    assert not list(out.rglob("*.partial"))
