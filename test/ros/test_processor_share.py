"""The node leaves a core to others, unless the user says how many threads it may have."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

# The node's own main, up to where it wants ROS.
CODE = """
import contextlib, os, sys
from spatialvlm_ros.ros.node_main import main
assert not {"torch", "numpy"} & set(sys.modules), "too late to be heard"
cores = int(sys.argv[1])
if cores:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
sys.modules["rclpy"] = None
with contextlib.suppress(ImportError):
    main([])
import torch
print(torch.get_num_threads(), os.environ["OMP_WAIT_POLICY"])
"""


def threads(cores: int = 0, **variables: str) -> list[str]:
    """What torch says in a process with these variables, on so many cores (0: all)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    command = [sys.executable, "-c", CODE, str(cores)]
    done = subprocess.run(command, env={**kept, **variables}, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_one_thread_less_than_there_are_cores_and_waiting_threads_sleep() -> None:
    cores = len(os.sched_getaffinity(0))
    assert threads() == [str(max(1, cores - 1)), "PASSIVE"]


def test_on_one_core_there_is_one_thread() -> None:
    assert threads(cores=1) == ["1", "PASSIVE"]


def test_what_the_user_says_counts() -> None:
    assert threads(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="ACTIVE") == ["2", "ACTIVE"]
