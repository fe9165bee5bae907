"""How much of the processor the model takes: a node runs beside a camera's driver, a planner and a robot's control.

With a thread on each core, those that are done spin until the slowest one is, which waits for a core that somebody else
uses. Beside a simulated camera on two cores, two threads took seven times as long for a picture as one.
"""

from __future__ import annotations

import os


def leave_a_core() -> None:
    """Sets what torch and NumPy read when they are imported, so call it before: one thread less than there are cores,
    and threads that sleep while they wait. Variables that the user has set stay (OMP_NUM_THREADS, OMP_WAIT_POLICY)."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() - 1)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _cores() -> int:
    """Those that this process may use: containers and taskset give fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
