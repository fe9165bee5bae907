"""The command line as a process: exit status, errors in one line, the doctor's report."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spatialvlm_ros.cli import doctor
from spatialvlm_ros.cli.doctor import PACKAGES, Finding, examine
from spatialvlm_ros.cli.main import COMMANDS, build_parser
from spatialvlm_ros.optional import how_to_get


def spatialvlm(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "spatialvlm_ros.cli.main", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )


def test_help_names_every_command():
    done = spatialvlm("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_its_options(command):
    text = build_parser(command)._subparsers._group_actions[0].choices[command].format_help()
    options = [a for a in build_parser(command)._subparsers._group_actions[0].choices[command]._actions]
    assert "usage:" in text
    assert all(o.help for o in options), [o.dest for o in options if not o.help]


def test_an_unknown_command_is_refused():
    done = spatialvlm("teleport")
    assert done.returncode == 2 and "teleport" in done.stderr


def test_our_errors_are_one_line_and_status_1(tmp_path):
    done = spatialvlm("preview", str(tmp_path / "nothing here"))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("spatialvlm: ")


def test_the_doctor_names_versions_and_remedies():
    done = spatialvlm("doctor")
    assert done.returncode == 0
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert lines["numpy"].startswith("ok") and lines["python"].startswith("ok")
    for line in done.stdout.splitlines():
        if line.startswith(("missing", "optional")) and "rclpy" not in line:
            assert "->" in line, line


def test_a_missing_package_and_pack_get_a_remedy(monkeypatch, tmp_path):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "mujoco" else real(name, *a))
    monkeypatch.setenv("SPATIALVLM_ASSETS", str(tmp_path / "none"))
    findings = {f.name: f for f in examine()}
    assert findings["mujoco"] == Finding("mujoco", "optional", "not installed", how_to_get("mujoco", "sim"))
    assert findings["assets"].remedy == "spatialvlm assets"


def test_the_doctor_looks_for_something_of_every_extra():
    tree = ast.parse((Path(__file__).parents[2] / "setup.py").read_text())
    tables = [n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "EXTRAS"]
    extras = {
        name: [re.split("[>\\[]", line)[0] for line in lines] for name, lines in ast.literal_eval(tables[0]).items()
    }
    assert len(extras) > 8
    for extra, wanted in extras.items():
        listed = {p.distribution.replace("_", "-") for p in PACKAGES if p.extra == extra}
        assert listed & {name.replace("_", "-") for name in wanted}, extra


def test_a_driver_that_hangs_is_a_line_of_the_report(monkeypatch):
    pytest.importorskip("mujoco")

    def hang(*arguments, **options):
        raise subprocess.TimeoutExpired("python", 120)

    monkeypatch.setattr(doctor.subprocess, "run", hang)
    found = {f.name: f for f in examine(render=True)}["rendering"]
    assert found.status == "missing" and "120 s" in found.detail and "libegl1" in found.remedy


def test_the_doctor_can_render():
    pytest.importorskip("mujoco")
    done = spatialvlm("doctor", "--render")
    line = next(x for x in done.stdout.splitlines() if " rendering " in x)
    assert line.startswith("ok"), line
    backend, _, renderer = line.partition("MUJOCO_GL=")[2].partition(": ")
    assert backend and renderer.strip()  # who renders: a GPU, or a program such as llvmpipe
