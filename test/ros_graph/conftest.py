"""Real ROS graphs for tests: a domain of our own, a node that spins, and real processes of ours.

These tests run inside a ROS environment (`make test-kilted`); without rclpy they are not collected.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from ros_processes import GraphProcess, command_of  # noqa: E402

from spatialvlm_ros.ros.domains import claimed_domain  # noqa: E402

collect_ignore_glob = [] if importlib.util.find_spec("rclpy") else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def ros_domain() -> Iterator[int]:
    """A domain id that no other test session on this machine has now; set for this process and its children."""
    with claimed_domain() as number:
        os.environ["ROS_DOMAIN_ID"] = str(number)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        yield number


@pytest.fixture
def node(ros_domain: int) -> Iterator[Any]:
    """A node that spins in a thread of its own, so a test may block on what it waits for."""
    import threading

    import rclpy
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    rclpy.init(domain_id=ros_domain)
    made = rclpy.create_node("graph_test")
    executor = SingleThreadedExecutor()
    executor.add_node(made)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    thread = threading.Thread(target=spin, name="graph_test_spin")
    thread.start()
    yield made
    # In this order: any other one aborts the process now and then.
    executor.shutdown()
    thread.join()
    made.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """``wait_until(condition, seconds=60, what="...")`` returns when the condition holds, else fails."""

    def wait(condition: Callable[[], object], seconds: float = 60.0, what: str = "the condition") -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"{what} did not come true within {seconds:g} s")
            time.sleep(0.02)

    return wait


@pytest.fixture
def spawn(ros_domain: int, tmp_path: Path) -> Iterator[Callable[..., GraphProcess]]:
    """``spawn("spatialvlm_node", "-p", "model:=embedded")`` starts a real process of ours.

    The first argument is an installed executable, a module with dots, or the path of a script; the others follow
    ``--ros-args``. Each process gets SIGINT at the end of the test and must end by itself within 30 s, with exit
    status 0: else the test fails and shows what it printed.
    """
    started: list[GraphProcess] = []

    def start(program: str | Path, *ros_args: str, environment: dict[str, str] | None = None) -> GraphProcess:
        command = [*command_of(program), *(["--ros-args", *ros_args] if ros_args else [])]
        log = tmp_path / f"process_{len(started)}.log"
        started.append(GraphProcess(command, log, environment or {}))
        return started[-1]

    yield start
    faults = [fault for process in reversed(started) if (fault := process.end())]
    assert not faults, "\n\n".join(faults)
