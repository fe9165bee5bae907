"""docs/reasoning.md: its commands and its Python run, and its numbers are those of the code."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spatialvlm_ros.cli.main import main
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.actions import TOOLS
from spatialvlm_ros.reasoning.bench.page import PART
from spatialvlm_ros.reasoning.bench.truths import MAKERS
from spatialvlm_ros.reasoning.limits import Limits
from spatialvlm_ros.reasoning.planner.deciding import LEAST, SURE
from spatialvlm_ros.reasoning.planner.planner import Planner

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reasoning.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.S) for line in block.splitlines()]


def needs_the_model():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")


def test_the_command_says_what_the_page_says(monkeypatch, capsys):
    needs_the_model()
    monkeypatch.chdir(ROOT)
    (shown,) = re.findall(r"```\n(\[0\].*?)```", PAGE, flags=re.S)
    assert main(shlex.split(COMMANDS[0])[1:]) == 0
    said = capsys.readouterr().out.splitlines()
    heads = [re.match(r"\[\d\] \w+|\w+ the \w+", line)[0] for line in shown.strip().splitlines()]
    assert [line[: len(head)] for line, head in zip(said, heads, strict=True)] == heads


def test_the_python_runs():
    needs_the_model()
    code, over_ros = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert "SpatialClient" in over_ros  # test/ros_graph/test_reasoning.py runs it
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("Yes: the passage", "Probably yes ")) and lines[1].startswith("('yes',) 0.")
    assert [line.split()[0] for line in lines[2:-1]] == ["think", "locate", "measure", "calculate", "answer"]
    assert lines[-1] == "False not_visible 'sofa' is not seen in this picture."


def test_the_script_hands_its_arguments_on(tmp_path):
    assert COMMANDS[-1].startswith("runs/reasoning.sh ")
    environment = {**os.environ, "PYTHON": sys.executable}
    script = [str(ROOT / "runs/reasoning.sh"), *shlex.split(COMMANDS[-1], comments=True)[1:], "--half", "none"]
    done = subprocess.run(script, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 2 and "invalid choice: 'none'" in done.stderr


@pytest.mark.slow
def test_the_script_renders_asks_and_writes(tmp_path):
    needs_the_model()
    pytest.importorskip("mujoco")
    from spatialvlm_ros.simulation.assets.pack import default_pack_path

    if not (default_pack_path() / "manifest.json").is_file():
        pytest.skip("the asset pack is not installed")
    page = tmp_path / "page.md"
    page.write_text(f"{PART.begin}\n{PART.end}\n", encoding="utf-8")
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path / "out")}
    arguments = shlex.split(COMMANDS[-1], comments=True)[1:-1]
    script = [str(ROOT / "runs/reasoning.sh"), *arguments, str(page), "--per-form", "1"]
    done = subprocess.run(script, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "| right, known wordings |" in page.read_text(encoding="utf-8")


def test_its_numbers_are_those_of_the_code():
    limits = Limits()
    for words, value in (
        ("steps of the trace, the answer included", limits.steps),
        ("tokens of the language model, all replies together", limits.tokens),
        ("tokens of one reply", limits.reply_tokens),
    ):
        assert f"| {words} | {value} |" in PAGE
    assert f"| seconds | {limits.seconds:g} (in ROS 30) |" in PAGE
    assert f"plainly from {SURE:.0%} on" in PAGE and f"below {LEAST:.0%}, the numbers" in PAGE
    assert f"less than {Planner().least_presence:.0%} probability" in PAGE
    assert f"{len(MAKERS)}\nforms" in PAGE


def test_its_names_exist(capsys):
    for tool in TOOLS:
        assert f"| {tool} |" in PAGE
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE))
    reasons = {r.value for r in Reason}
    fields = {"on_step", "tool_input", "tool_output", "reason_deadline_s", "set_target", "llm_calls_tools"}
    assert named <= reasons | fields
    with pytest.raises(SystemExit):
        main(["reason", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"--[a-z][a-z-]+", re.sub(r"<!--.*?-->", "", PAGE))) <= options
