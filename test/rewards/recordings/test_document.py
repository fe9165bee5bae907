"""The Python of docs/annotating.md runs as it stands, on recordings as they come."""

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from ruler import episode
from samples import write_lerobot_v21, write_robomimic

ROOT = Path(__file__).parents[3]
DISTANCES = np.arange(40, 34, -1.0)


def python_of_the_page():
    """The indented blocks that begin with an import."""
    text = (ROOT / "docs/annotating.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, flags=re.M)
    code = [re.sub(r"^    ", "", block, flags=re.M).strip() for block in blocks]
    return [block for block in code if block.startswith(("import ", "from "))]


def run(code, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr


def test_there_are_two():
    assert len(python_of_the_page()) == 2


def test_rewards_under_the_usual_name(annotated, tmp_path):
    """Of a file with an empty episode, and one that cannot be read."""
    path = write_robomimic(tmp_path / "demo.hdf5", [episode(DISTANCES), [], episode(DISTANCES)])
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/obs/agentview_image"]
        file["data"].attrs["comment"] = "as it comes"
    annotated(path)
    (code,) = (block for block in python_of_the_page() if "h5py" in block)
    run(code, tmp_path)
    with h5py.File(tmp_path / "demo_rewards.hdf5") as file:
        for demo in file["data"].values():
            assert np.array_equal(demo["rewards"], demo["spatialvlm/rewards"], equal_nan=True)
        assert np.isfinite(file["data/demo_0/rewards"]).all() and len(file["data/demo_0/rewards"]) == 5


def test_from_python(tmp_path):
    pytest.importorskip("torch")
    write_lerobot_v21(tmp_path / "set", [episode(DISTANCES)], kind="image")
    (code,) = (block for block in python_of_the_page() if "open_recording" in block)
    run(code, tmp_path)
    table = pq.read_table(next((tmp_path / "set_rewards/data").rglob("*.parquet")))
    assert "next.reward" in table.column_names and table.num_rows == 6
