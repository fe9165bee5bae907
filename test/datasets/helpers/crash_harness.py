"""Generates a data set again and again in forked processes that are killed with SIGKILL while they write.

Run as a program: ``crash_harness.py OUT KILLS SEED``. Half of the kills come within 50 ms of a rename (before it,
between it and the folder's fsync, or after), the others anywhere in the writing of a shard. Prints one JSON line
with what it did. Forked from one warm process, because starting Python twenty times would be most of the time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pyarrow.parquet  # noqa: F401 - imported before the forks, which then need not
import scipy.spatial.transform  # noqa: F401
import tqdm  # noqa: F401
from dataset_helpers import SMALL, a_view

from spatialvlm_ros.datasets import shards
from spatialvlm_ros.datasets.engine import generate
from spatialvlm_ros.datasets.pictures import PictureFormat
from spatialvlm_ros.datasets.questions import Questions

NEAR = 0.05  # seconds from a rename
FAR_WRITES = 12  # a kill in the writing comes after at most so many write calls


def make(out: Path) -> None:
    generate(
        SMALL,
        Questions(),
        out,
        scenes_per_shard=1,
        workers=0,
        per_view=6,
        pictures=PictureFormat("png"),
        show_progress=False,
    )


def child_killed_near_a_rename(out: Path, announce: int, rng: random.Random) -> None:
    """Tells the parent when a rename is close, and takes its time around it."""
    rename, before, after = os.replace, rng.uniform(0, NEAR / 2), rng.uniform(0, NEAR / 2)

    def slow_rename(source, target):
        os.write(announce, b"!")
        time.sleep(before)
        rename(source, target)
        time.sleep(after)

    shards.os.replace = slow_rename
    make(out)


def child_killed_while_writing(out: Path, announce: int, rng: random.Random) -> None:
    """Kills itself in the middle of a write call: half of the bytes are in the file, the rest is lost."""
    left = [rng.randrange(FAR_WRITES)]

    class DeadlyFile:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            if left[0] == 0:
                self._file.write(bytes(data)[: len(data) // 2])
                self._file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return self._file.write(data)

        def __getattr__(self, name):
            return getattr(self._file, name)

    shards.open = lambda path, mode="r", **options: (
        DeadlyFile(open(path, mode, **options)) if mode == "wb" else open(path, mode, **options)
    )
    make(out)


def run_and_kill(out: Path, near: bool, rng: random.Random) -> bool:
    """One run in a forked process; True if it was killed, False if it finished first."""
    listen, announce = os.pipe()
    delay = rng.uniform(0, NEAR)
    pid = os.fork()
    if pid == 0:
        os.close(listen)
        status = 1
        try:
            (child_killed_near_a_rename if near else child_killed_while_writing)(out, announce, rng)
            status = 0
        finally:
            os._exit(status)
    os.close(announce)
    if os.read(listen, 1):  # empty when the child ended without announcing anything
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    os.close(listen)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit("the data engine failed instead of being killed")
    return os.WIFSIGNALED(status)


def main(out: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    Questions().generate([a_view().scene], 6, [0])  # reads the wordings once for all forks
    done = {"near": 0, "writing": 0, "finished": 0, "leftovers": 0, "shards_seen": []}
    while done["near"] + done["writing"] < kills:
        near = (done["near"] + done["writing"]) % 2 == 0
        if run_and_kill(out, near, rng):
            done["near" if near else "writing"] += 1
        else:
            done["finished"] += 1
        files = sorted((out / "data").iterdir())
        done["leftovers"] += sum(path.name.startswith(".") for path in files)
        whole = [path for path in files if not path.name.startswith(".")]
        for path in whole:
            shards.read_summary(path)  # what is visible is whole, at any moment
        done["shards_seen"].append(len(whole))
        if len(whole) == len(SMALL):
            rng.choice(whole).unlink()  # or there would be nothing left to write
    make(out)
    print(json.dumps(done))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
