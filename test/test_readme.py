"""The Python of the README runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_python_of_the_readme_runs():
    pytest.importorskip("mujoco")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) >= 2
    code = "\n".join(blocks) + "\nassert len(lifted.objects) >= 1 and lifted.frame.level >= 1\n"
    environment = {"MUJOCO_GL": "egl", **os.environ}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.strip().splitlines()
    assert len(printed) == 9 and all("->" in line and "exactly" in line for line in printed[3:6])
    assert printed[-1] == "unknown_name"
