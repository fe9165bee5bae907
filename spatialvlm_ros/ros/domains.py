"""ROS domain ids that the demos and test sessions of one machine do not share."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatialvlm_ros.errors import RemoteError

_USABLE = range(1, 101)  # above 101 the ports overlap with those that Linux gives to anyone


@contextmanager
def claimed_domain() -> Iterator[int]:
    """A free domain id, held by a file lock as long as the block runs (and freed by the system when we die).

    Raises:
        RemoteError: none is free.
    """
    for number in random.sample(_USABLE, len(_USABLE)):
        path = Path(tempfile.gettempdir()) / f"ros_domain_{os.getuid()}_{number}.lock"
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RemoteError("all ROS domains of this machine are in use", len(_USABLE), "End another demo, or name a domain.")
