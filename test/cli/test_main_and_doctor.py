"""The command line as a process: exit status, errors in one line, the doctor's report."""

import os
import subprocess
import sys

import pytest

from spatialvlm_ros.cli.doctor import Finding, examine
from spatialvlm_ros.cli.main import COMMANDS, build_parser


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
    assert findings["mujoco"] == Finding("mujoco", "optional", "not installed", 'pip install "spatialvlm_ros[sim]"')
    assert findings["assets"].remedy == "spatialvlm assets"


def test_the_doctor_can_render():
    pytest.importorskip("mujoco")
    done = spatialvlm("doctor", "--render")
    line = next(x for x in done.stdout.splitlines() if " rendering " in x)
    assert line.startswith("ok"), line
    backend, _, renderer = line.partition("MUJOCO_GL=")[2].partition(": ")
    assert backend and renderer.strip()  # who renders: a GPU, or a program such as llvmpipe
