"""One thread per library in worker processes: they share the cores by being several processes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# LP_NUM_THREADS is Mesa's software renderer.
ONE_THREAD = {
    "LP_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
# Only where the user chose nothing: rendering without a display.
_DEFAULTS = {"MUJOCO_GL": "egl"}


def worker_environment() -> dict[str, str]:
    """Environment variables of a worker process."""
    return {**ONE_THREAD, **{name: os.environ.get(name, value) for name, value in _DEFAULTS.items()}}


@contextlib.contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def limit_threads() -> None:
    """Hold the libraries of this process to one thread; variables alone do not reach OpenCV, Arrow and torch."""
    import cv2

    cv2.setNumThreads(1)
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.set_cpu_count(1)
        arrow.set_io_thread_count(1)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
