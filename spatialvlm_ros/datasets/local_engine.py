"""Makes shards in processes of this machine; a worker that dies is replaced and its shard is made again."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from spatialvlm_ros.datasets.plan import DatasetPlan
from spatialvlm_ros.datasets.shards import ShardSummary
from spatialvlm_ros.datasets.stages import Progress, make_shard
from spatialvlm_ros.datasets.threads import environment, limit_threads, worker_environment
from spatialvlm_ros.errors import DatasetError, SpatialVLMError

_log = logging.getLogger(__name__)

_ATTEMPTS = 3  # deaths over one shard (or one start-up) until the run gives up

_PATIENCE_S = 10.0  # for a process to end by itself

Done = Callable[[ShardSummary], None]


def run_inline(plan: DatasetPlan, shards: Sequence[int], progress: Progress, done: Done) -> None:
    """Make the shards in this process, one after the other."""
    for index in shards:
        done(make_shard(plan, index, progress))


def run_processes(plan: DatasetPlan, shards: Sequence[int], workers: int, progress: Progress, done: Done) -> None:
    """Make the shards in ``workers`` processes.

    Raises:
        DatasetError: a shard cannot be written, a worker died too often, the source cannot be sent to a process.
        SpatialVLMError: what a worker raised.
    """
    pool = _Pool(pickle_plan(plan), deque(shards), progress, done)
    try:
        pool.run(min(workers, len(shards)))
    finally:
        pool.stop()


def pickle_plan(plan: DatasetPlan) -> bytes:
    """The plan as bytes for another process; `DatasetError` if part of it cannot travel."""
    try:
        return pickle.dumps(plan)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise DatasetError(
            "the source or the question generator cannot be sent to a worker process",
            str(error),
            "Sources must be picklable; or run with workers=0.",
        ) from error


@dataclass
class _Worker:
    process: Any
    connection: Connection
    shard: int | None = None
    ready: bool = False


@dataclass
class _Pool:
    plan: bytes
    waiting: deque[int]
    progress: Progress
    done: Done
    workers: list[_Worker] = field(default_factory=list)
    deaths: dict[int | None, int] = field(default_factory=dict)

    def run(self, count: int) -> None:
        for _ in range(count):
            self._start()
        while self.workers:
            events: list[Any] = [w.connection for w in self.workers] + [w.process.sentinel for w in self.workers]
            ready = set(wait(events))
            for worker in list(self.workers):
                if worker.connection in ready:
                    self._receive(worker)
                elif worker.process.sentinel in ready:
                    self._bury(worker)

    def stop(self) -> None:
        """End all workers: politely if they are idle, else at once (their unfinished shards leave no trace)."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in list(self.workers):
            _wait_or_kill(worker.process)
            self._remove(worker)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker_main, args=(theirs, self.plan, os.getpid()), daemon=True)
        with environment(worker_environment()):
            process.start()
        theirs.close()
        self.workers.append(_Worker(process, ours))

    def _receive(self, worker: _Worker) -> None:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if kind == "progress":
            self.progress(*content)
        elif kind == "error":
            raise content
        else:  # "ready" or "done"
            if kind == "done":
                self.done(content)
            worker.ready = True
            self._give_work(worker)

    def _give_work(self, worker: _Worker) -> None:
        worker.shard = self.waiting.popleft() if self.waiting else None
        try:
            worker.connection.send(worker.shard)
        except (BrokenPipeError, OSError):
            self._bury(worker)
            return
        if worker.shard is None:
            _wait_or_kill(worker.process)
            self._remove(worker)

    def _bury(self, worker: _Worker) -> None:
        worker.process.join()
        self._remove(worker)
        code = worker.process.exitcode
        cause = signal.Signals(-code).name if code is not None and code < 0 else f"exit status {code}"
        self.deaths[worker.shard] = self.deaths.get(worker.shard, 0) + 1
        what = "at its start" if worker.shard is None else f"while making shard {worker.shard}"
        if self.deaths[worker.shard] >= _ATTEMPTS:
            raise DatasetError(
                f"worker processes died {_ATTEMPTS} times {what}",
                cause,
                "SIGKILL usually means that memory ran out: use fewer workers. A script that calls generate() needs "
                "an `if __name__ == '__main__':` guard. workers=0 shows the fault in this process.",
            )
        _log.warning("a worker process died %s (%s); starting another", what, cause)
        if worker.shard is not None:
            self.waiting.appendleft(worker.shard)
        self._start()

    def _remove(self, worker: _Worker) -> None:
        worker.connection.close()
        self.workers.remove(worker)


def _wait_or_kill(process: Any) -> None:
    """Wait for a process that has been told to end; some renderers hang when they are taken down."""
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()


def _worker_main(connection: Connection, pickled: bytes, parent: int) -> None:
    # Ctrl-C reaches the whole process group; the parent decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def progress(views: int, questions: int) -> None:
        if os.getppid() != parent:  # the run was killed: do not go on as an orphan
            raise SystemExit(1)
        connection.send(("progress", (views, questions)))

    try:
        plan = pickle.loads(pickled)
        connection.send(("ready", None))
        limit_threads()
        while (index := connection.recv()) is not None:
            summary = make_shard(plan, index, progress)
            limit_threads()  # again: libraries load lazily, with the first scene
            connection.send(("done", summary))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone
    except SpatialVLMError as error:
        _send_error(connection, error)
    except Exception as error:
        trace = "".join(traceback.format_exception(error)[-6:])
        _send_error(connection, DatasetError(f"a worker failed with {type(error).__name__}: {error}\n{trace}"))


def _send_error(connection: Connection, error: SpatialVLMError) -> None:
    try:
        connection.send(("error", error))
    except OSError:
        pass  # nobody listens any more
