"""Calls of a friend that may take long: they are started, and whoever asks looks after them while they run.

A call that is not wanted any more is abandoned: what it comes to is ignored. It may still run, so the friend's next
call waits for its end. No two calls of a friend ever run at once.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from spatialvlm_ros.models.estimate import Answer
from spatialvlm_ros.reasoning.friend import Friend

T = TypeVar("T")

_SLICE_S = 0.02  # between two looks whether a call is still wanted


class Calls(Protocol):
    """Starts calls of a friend somewhere else than in the thread that asks."""

    def start(self, work: Callable[[Friend], T]) -> Future[T]:
        """Do this soon; a future that is cancelled before that is not done at all."""
        ...

    def answering(self, question: str) -> Generator[Future[Answer | None], None, None]:
        """`Friend.ask_steps` in calls, one after the other; the result of the last one is the answer."""
        ...


class ThreadCalls:
    """One thread of its own that calls a friend who lives in this process.

    The thread begins with the first call. It ends with this object, which lives as long as one of its calls, and never
    keeps the process from ending. Made by `thread_calls_of`.

    Args:
        friend: who is called.
    """

    def __init__(self, friend: Friend) -> None:
        self._friend = friend
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._lock = threading.RLock()  # several may ask, and a generator that is thrown away asks in between
        self._started = False
        self._open: list[Future[Any]] = []  # an early one may run when a later one is done with: it was cancelled

    @property
    def busy(self) -> bool:
        """Whether a call runs, or waits for its turn."""
        return any(not call.done() for call in self._open)

    def start(self, work: Callable[[Friend], T]) -> Future[T]:
        """See `Calls`."""
        future: Future[T] = Future()
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=_serve, args=(self._jobs,), name="spatialvlm-friend", daemon=True).start()
                weakref.finalize(self, self._jobs.put, None)
            self._open = [*(call for call in self._open if not call.done()), future]
            # A job has this object with it, so that whoever asks next finds it as long as the job runs.
            self._jobs.put((future, lambda: work(self._friend)))
        return future

    def answering(self, question: str) -> Generator[Future[Answer | None], None, None]:
        """See `Calls`: a call for each token."""
        steps, answered = self._friend.ask_steps(question), False

        def step(_: Friend) -> Answer | None:
            nonlocal answered
            answer = _next_of(steps)
            answered = answer is not None
            return answer

        try:
            while True:
                yield self.start(step)
        finally:
            if not answered:
                self.start(lambda _: steps.close())  # behind a call that may still run


# By identity: a friend may be equal to another one, or have no hash. The calls keep their friend, so an id is of one
# friend as long as it is here.
_OF_FRIENDS: weakref.WeakValueDictionary[int, ThreadCalls] = weakref.WeakValueDictionary()
_FINDING = threading.Lock()


def thread_calls_of(friend: Friend) -> ThreadCalls:
    """The one thread that calls a friend, for all who ask him."""
    with _FINDING:
        calls = _OF_FRIENDS.get(id(friend))
        if calls is None:
            calls = _OF_FRIENDS[id(friend)] = ThreadCalls(friend)
        return calls


def awaited(call: Future[T], check: Callable[[], None]) -> T:
    """The result of a call. It is abandoned as soon as ``check`` raises, and that is raised."""
    try:
        while True:
            try:
                return call.result(_SLICE_S)
            except FutureTimeoutError:
                if call.done():  # just now; or the time-out is the friend's own
                    return call.result()
            check()
    except BaseException:
        call.cancel()
        raise


def _next_of(steps: Generator[None, None, Answer]) -> Answer | None:
    try:
        next(steps)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    return None


def _serve(jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]) -> None:
    while (job := jobs.get()) is not None:
        future, work = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  it belongs to the one who asked
                future.set_exception(error)
        del job, future, work  # nothing of a call is kept until the next one
