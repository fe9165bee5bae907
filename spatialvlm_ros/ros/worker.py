"""One thread that owns the model: standing queries of the newest pictures first, then short jobs, then long ones.

Callbacks never wait behind inference; they leave a picture or a job here and go on. A long job (an answer in words, a
chain of thought) is a generator that yields between its tokens, and everything else is served in between.

A camera that is quicker than the model always has a newer picture. So after each picture those who asked get as much
time as it took, short and long jobs by turns.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from spatialvlm_ros.errors import SpatialVLMError

_log = logging.getLogger(__name__)

Clock = Callable[[], float]

_LEAST_S = 1e-3  # less time than this is not worth a step


class ModelState(str, Enum):
    """What the worker's model is doing."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"

    def __str__(self) -> str:
        return self.value


class DeadlineError(SpatialVLMError):
    """A job was not done in time."""


class WorkerClosedError(SpatialVLMError):
    """The worker has ended, or its model could not be loaded."""


@dataclass
class _Job:
    start: Callable[[Any], Any]
    deadline: float
    future: Future[Any] = field(default_factory=Future)
    steps: Generator[Any, None, Any] | None = None


@dataclass
class _Stream:
    """One camera: its newest picture, and what is done with it."""

    handle: Callable[[Any, Any], None]
    picture: Any = None
    waiting: bool = False
    busy: bool = False
    replaced: int = 0


class ModelWorker:
    """Loads a model in its thread and serves it.

    Args:
        load: makes the model; may take long, may raise.
        clock: seconds, monotonic; of the deadlines.
    """

    def __init__(self, load: Callable[[], Any], clock: Clock = time.monotonic) -> None:
        self._load, self._clock = load, clock
        self._wake = threading.Condition()
        self._streams: dict[int, _Stream] = {}
        self._next_stream = 0
        self._short: deque[_Job] = deque()
        self._long: deque[_Job] = deque()
        self._owed_s = 0.0  # to those who asked, before the next picture
        self._long_next = False
        self._closing, self._tidies = False, True
        self.free_since = 0.0  # when it was done with what it did last, by the clock
        self.state = ModelState.LOADING
        self.fault = ""
        self._thread = threading.Thread(target=self._run, name="spatialvlm-model", daemon=True)
        self._thread.start()

    # ---- what callbacks do ----

    def open_stream(self, handle: Callable[[Any, Any], None]) -> int:
        """A camera whose pictures are worked on by ``handle(model, picture)``, in the worker's thread.

        Returns:
            A number for `offer` and `close_stream`.
        """
        with self._wake:
            self._next_stream += 1
            self._streams[self._next_stream] = _Stream(handle)
            return self._next_stream

    def close_stream(self, stream: int, timeout_s: float = 1.0) -> bool:
        """Forgets a camera, and waits for the picture that is being worked on.

        Returns:
            Whether nothing is worked on any more; False when the time ran out.
        """
        with self._wake:
            known = self._streams.pop(stream, None)
            if known is None or threading.current_thread() is self._thread:
                return True
            return self._wake.wait_for(lambda: not known.busy, timeout_s)

    def offer(self, stream: int, picture: Any) -> None:
        """The newest picture of a camera; one that still waits is replaced and counted."""
        with self._wake:
            known = self._streams.get(stream)
            if known is None:
                return
            known.replaced += known.waiting
            known.picture, known.waiting = picture, True
            self._wake.notify()

    def withdraw(self, stream: int) -> None:
        """The picture of a camera that still waits is not to be looked at any more."""
        with self._wake:
            known = self._streams.get(stream)
            if known is not None:
                known.picture, known.waiting = None, False

    def replaced(self, stream: int) -> int:
        """How many pictures of a camera were replaced before they were looked at."""
        with self._wake:
            known = self._streams.get(stream)
            return known.replaced if known else 0

    def call(self, work: Callable[[Any], Any], timeout_s: float) -> Future[Any]:
        """Does ``work(model)`` soon; the future holds its result, `DeadlineError` or `WorkerClosedError`."""
        return self._queue(self._short, work, timeout_s)

    def steps(self, work: Callable[[Any], Generator[Any, None, Any]], timeout_s: float) -> Future[Any]:
        """Runs the generator ``work(model)`` step by step, giving way in between; the future holds what it returns."""
        return self._queue(self._long, work, timeout_s)

    def wait_until_loaded(self, timeout_s: float) -> ModelState:
        """Blocks until the model is there or cannot be, at most ``timeout_s``."""
        with self._wake:
            self._wake.wait_for(lambda: self.state is not ModelState.LOADING, timeout_s)
            return self.state

    def close(self, timeout_s: float = 1.0, tidy: bool = True) -> None:
        """Ends the thread after the step at hand; what waits is refused.

        Args:
            timeout_s: so long is waited for that.
            tidy: give the memory of the model back, which stops all threads for up to a second; of no use to a process
                that ends.
        """
        with self._wake:
            self._closing, self._tidies = True, tidy
            self._wake.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    # ---- the thread ----

    def _queue(self, jobs: deque[_Job], work: Callable[[Any], Any], timeout_s: float) -> Future[Any]:
        job = _Job(work, self._clock() + timeout_s)
        with self._wake:
            if self._closing or self.state in (ModelState.FAILED, ModelState.CLOSED):
                job.future.set_exception(self._refusal())
            else:
                jobs.append(job)
                self._wake.notify()
        return job.future

    def _run(self) -> None:
        served = self._serve_until_closed()
        self._refuse_all()
        if served:
            _FROZEN.give_up(self._tidies)
        elif self._tidies:
            gc.collect()  # what was loaded of it before it failed

    def _serve_until_closed(self) -> bool:
        """Whether there was a model."""
        model = self._loaded()
        if model is None:
            return False
        _FROZEN.take()
        while True:
            work = self._next(model)
            if work is None:
                break
            work()
            self.free_since = self._clock()
        return True

    def _loaded(self) -> Any:
        model, state, fault = None, ModelState.READY, ""
        try:
            model = self._load()
        except Exception as error:  # noqa: BLE001  whatever a model raises, the node stays alive and says so
            state, fault = ModelState.FAILED, str(error)
            _log.error("the model cannot be loaded: %s", error)
        with self._wake:
            self.state, self.fault = state, fault
            self._wake.notify_all()
        return model

    def _next(self, model: Any) -> Callable[[], None] | None:
        """What to do next; waits for something to do. None when closing."""
        with self._wake:
            while not self._closing:
                stream = None if self._owed_s > 0 and (self._short or self._long) else self._waiting_stream()
                if stream is not None:
                    picture, stream.picture, stream.waiting = stream.picture, None, False
                    stream.busy = True
                    return lambda: self._handle(stream, model, picture)
                if self._short or self._long:
                    return self._next_job(model)
                self._wake.wait()
        return None

    def _next_job(self, model: Any) -> Callable[[], None]:
        take_long = bool(self._long) and (self._long_next or not self._short)
        self._long_next = not take_long
        job = (self._long if take_long else self._short).popleft()
        return lambda: self._serve(self._step if take_long else self._do, job, model)

    def _serve(self, work: Callable[[_Job, Any], None], job: _Job, model: Any) -> None:
        began = self._clock()
        work(job, model)
        left = self._owed_s - (self._clock() - began)
        self._owed_s = left if left > _LEAST_S else 0.0

    def _waiting_stream(self) -> _Stream | None:
        """A camera with a picture; the one that was served goes to the end, so that none starves."""
        for number, stream in self._streams.items():
            if stream.waiting:
                self._streams[number] = self._streams.pop(number)
                return stream
        return None

    def _handle(self, stream: _Stream, model: Any, picture: Any) -> None:
        began = self._clock()
        try:
            stream.handle(model, picture)
        except Exception:
            _log.exception("working on a picture failed")
        self._owed_s = max(self._clock() - began, _LEAST_S)
        with self._wake:
            stream.busy = False
            self._wake.notify_all()

    def _do(self, job: _Job, model: Any) -> None:
        if self._still_wanted(job):
            try:
                job.future.set_result(job.start(model))
            except Exception as error:  # noqa: BLE001  it belongs to the one who asked
                job.future.set_exception(error)

    def _step(self, job: _Job, model: Any) -> None:
        if job.steps is None and not job.future.set_running_or_notify_cancel():
            return
        if job.steps is not None and self._clock() > job.deadline:
            job.steps.close()
            job.future.set_exception(_late())
            return
        try:
            if job.steps is None:
                if self._clock() > job.deadline:
                    raise _late()
                job.steps = job.start(model)
            next(job.steps)
        except StopIteration as done:
            job.future.set_result(done.value)
        except Exception as error:  # noqa: BLE001
            job.future.set_exception(error)
        else:
            with self._wake:
                self._long.append(job)

    def _still_wanted(self, job: _Job) -> bool:
        if not job.future.set_running_or_notify_cancel():
            return False
        if self._clock() > job.deadline:
            job.future.set_exception(_late())
            return False
        return True

    def _refuse_all(self) -> None:
        with self._wake:
            if self.state is not ModelState.FAILED:
                self.state = ModelState.CLOSED
            jobs = [*self._short, *self._long]
            self._short.clear()
            self._long.clear()
            self._wake.notify_all()
        for job in jobs:
            if job.steps is not None:
                job.steps.close()
            if job.steps is not None or job.future.set_running_or_notify_cancel():
                job.future.set_exception(self._refusal())

    def _refusal(self) -> WorkerClosedError:
        if self.state is ModelState.FAILED:
            return WorkerClosedError("the model could not be loaded", self.fault, "See the node's log.")
        return WorkerClosedError("the node is shutting down", remedy="Ask again when it is active.")


class _Frozen:
    """What models bring along is left out by the garbage collector while one of them is used: so many objects that a
    full collection stops all threads for tenths of a second."""

    def __init__(self) -> None:
        self._lock, self._models = threading.Lock(), 0

    def take(self) -> None:
        """A model has been loaded."""
        with self._lock:
            self._models += 1
            gc.freeze()

    def give_up(self, tidy: bool) -> None:
        """A model is gone. ``tidy``: it is full of cycles, and its memory is wanted by the next one."""
        with self._lock:
            self._models -= 1
            gc.unfreeze()
            if tidy:
                gc.collect()
            if self._models:
                gc.freeze()


_FROZEN = _Frozen()


def _late() -> DeadlineError:
    return DeadlineError("there was no answer before the deadline", remedy="Allow more time, or ask less often.")
