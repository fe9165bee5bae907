"""What watches our processes in the other tests: it must see those that hang, crash or never get ready."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ros_processes import GraphProcess, command_of

from spatialvlm_ros.ros.domains import claimed_domain

HANGS = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
ABORTS = "import os; print('oops', flush=True); os.abort()"
OBEYS = """
import time
print('up', flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print('down')
"""


def started(code: str, log: Path) -> GraphProcess:
    return GraphProcess([sys.executable, "-c", code], log, {}, patience=1.0)


def test_a_process_that_ignores_the_interrupt_is_killed_and_reported(tmp_path):
    process = started(HANGS, tmp_path / "log")
    process.wait_for_output("deaf")
    assert "after SIGINT" in process.end() and process.popen.returncode == -9


def test_a_crash_is_reported_with_what_was_printed(tmp_path):
    process = started(ABORTS, tmp_path / "log")
    process.popen.wait(20)
    assert "status -6" in (fault := process.end()) and "oops" in fault


def test_waiting_for_a_process_that_ended_does_not_wait(tmp_path):
    process = started("print('bye')", tmp_path / "log")
    with pytest.raises(AssertionError, match="ended before"):
        process.wait_for_output("hello")


def test_one_that_ends_well_is_no_fault(tmp_path):
    process = started(OBEYS, tmp_path / "log")
    process.wait_for_output("up")
    assert process.end() == "" and "down" in process.output


def test_the_executables_are_found_and_others_are_not():
    for name in ("spatialvlm_node", "spatialvlm_sim", "spatialvlm_planner"):
        assert Path(command_of(name)[0]).name == name
    with pytest.raises(FileNotFoundError, match="spatialvlm_nude"):
        command_of("spatialvlm_nude")


def test_two_sessions_get_two_domains():
    with claimed_domain() as one, claimed_domain() as other:
        assert one != other


def test_demos_at_the_same_time_have_a_domain_each(monkeypatch, tmp_path):
    """One demo's node answered the tests of another session: their domains came from the numbers of their processes."""
    from spatialvlm_ros.ros.demo import run

    options, seen = run.DemoOptions(tmp_path), []

    def begin(domain, *rest):
        seen.append(domain)
        if len(seen) < 4:
            run.run_demo(options, *rest[1:])

    monkeypatch.setattr(run, "_run_in", begin)
    run.run_demo(options, None, None)
    with claimed_domain() as free:
        assert len({*seen, free}) >= 4 and 0 not in seen
    assert len(set(seen)) == 4
    run.run_demo(run.DemoOptions(tmp_path, domain=7), None, None)
    assert seen[-1] == 7
