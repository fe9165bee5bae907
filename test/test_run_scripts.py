"""The scripts in runs/ call their commands in an order that works from nothing."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def calls(script: str, folder: Path) -> list[str]:
    """The commands of a script, each replaced by one that only notes its arguments."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("spatialvlm", "torchrun"):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\n')
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run([str(ROOT / "runs" / script)], cwd=folder, env=environment, check=True, timeout=60)
    return (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("script", ["train_embedded.sh", "ablations.sh"])
@pytest.mark.parametrize("there", [False, True])
def test_the_bench_is_built_once_and_before_anything_is_judged_on_it(script, there, tmp_path):
    if there:
        (tmp_path / "build/bench").mkdir(parents=True)
        (tmp_path / "build/bench/bench.json").write_text("{}")
    said = calls(script, tmp_path)
    judging = next(k for k, line in enumerate(said) if " build/bench --train-store" in line or "ablate --seeds" in line)
    building = [k for k, line in enumerate(said) if line == "spatialvlm evaluate --build build/bench"]
    assert building == [] if there else len(building) == 1 and building[0] < judging
