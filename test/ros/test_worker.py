"""The thread that owns the model: newest picture first, short jobs before long ones, nothing waits for ever."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from spatialvlm_ros.ros.worker import DeadlineError, ModelState, ModelWorker, WorkerClosedError

LONG = 5.0


@pytest.fixture
def gate() -> threading.Event:
    """Holds the loading of the model, so that work piles up."""
    return threading.Event()


@pytest.fixture
def worker(gate: threading.Event) -> Iterator[ModelWorker]:
    def load() -> str:
        assert gate.wait(LONG)
        return "model"

    made = ModelWorker(load)
    yield made
    gate.set()
    made.close()
    made._thread.join(LONG)  # it collects garbage last: that of a test session with all libraries takes a second
    assert not made._thread.is_alive()


def counting(done: list[Any], name: str, steps: int) -> Any:
    def work(model: str) -> Generator[None, None, str]:
        for k in range(steps):
            done.append((name, k))
            yield
        return f"{name} of {model}"

    return work


def test_the_newest_picture_first_then_short_jobs_then_long_ones_in_turn(
    worker: ModelWorker, gate: threading.Event
) -> None:
    done: list[Any] = []
    a = worker.steps(counting(done, "a", 3), LONG)
    b = worker.steps(counting(done, "b", 2), LONG)
    short = worker.call(lambda model: done.append("short") or model, LONG)
    stream = worker.open_stream(lambda model, picture: done.append(picture))
    for k in range(3):
        worker.offer(stream, f"picture {k}")
    gate.set()
    assert (a.result(LONG), b.result(LONG), short.result(LONG)) == ("a of model", "b of model", "model")
    assert done == ["picture 2", "short", ("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]
    assert worker.replaced(stream) == 2


def test_a_picture_is_served_between_the_steps_of_a_long_job(worker: ModelWorker, gate: threading.Event) -> None:
    gate.set()
    done: list[Any] = []
    stream = worker.open_stream(lambda model, picture: done.append(picture))

    def work(model: str) -> Generator[None, None, None]:
        for k in range(4):
            done.append(k)
            worker.offer(stream, f"after {k}")
            yield

    worker.steps(work, LONG).result(LONG)
    assert done == [0, "after 0", 1, "after 1", 2, "after 2", 3, "after 3"]


def test_a_camera_quicker_than_the_model_leaves_as_much_time_to_those_who_ask(gate: threading.Event) -> None:
    """There always is a newer picture: everybody else would wait for ever."""
    now, done = [0.0], []
    worker = ModelWorker(lambda: gate.wait(LONG), clock=lambda: now[0])

    def handle(model: Any, picture: int) -> None:
        done.append("picture")
        now[0] += 10
        worker.offer(stream, picture + 1)

    def slow(model: Any) -> Generator[None, None, None]:
        for k in range(4):
            done.append(k)
            now[0] += 4
            yield

    stream = worker.open_stream(handle)
    worker.offer(stream, 0)
    jobs = [worker.steps(slow, 1000.0), *(worker.call(lambda model: done.append("short"), 1000.0) for _ in range(2))]
    gate.set()
    for job in jobs:
        job.result(LONG)
    worker.close()
    assert done[:8] == ["picture", "short", 0, "short", 1, 2, "picture", 3]


def test_the_worker_says_since_when_it_is_free(gate: threading.Event) -> None:
    now, seen = [0.0], []
    worker = ModelWorker(lambda: gate.wait(LONG), clock=lambda: now[0])

    def work(model: Any) -> None:
        seen.append(worker.free_since)
        now[0] += 3.0

    gate.set()
    worker.call(work, 1000.0).result(LONG)
    worker.call(work, 1000.0).result(LONG)
    worker.close()
    assert seen == [0.0, 3.0] and worker.free_since == 6.0


def test_what_the_model_brought_along_is_left_out_by_the_garbage_collector_while_it_is_used() -> None:
    before = gc.get_freeze_count()
    worker = ModelWorker(lambda: [[] for _ in range(10_000)])
    assert worker.call(lambda model: gc.get_freeze_count(), LONG).result(LONG) >= before + 10_000
    worker.close()
    assert gc.get_freeze_count() == 0


def test_a_model_that_goes_leaves_what_another_brought_along_where_it_is() -> None:
    stays, goes = (ModelWorker(lambda: [[] for _ in range(10_000)]) for _ in range(2))
    fails = ModelWorker(lambda: 1 / 0)
    try:
        assert {w.wait_until_loaded(LONG) for w in (stays, goes)} == {ModelState.READY}
        assert goes.call(lambda _: True, LONG).result(LONG) and stays.call(lambda _: True, LONG).result(LONG)
        assert fails.wait_until_loaded(LONG) is ModelState.FAILED
        for worker in (fails, goes):
            worker.close(LONG)
            assert not worker.alive
        assert gc.get_freeze_count() >= 10_000
    finally:
        stays.close(LONG)
    assert gc.get_freeze_count() == 0


class Knot:
    """A model that refers to itself, as large ones do."""

    def __init__(self) -> None:
        self.own = self


def test_a_closed_worker_gives_the_memory_of_its_model_back() -> None:
    worker = ModelWorker(Knot)
    model = worker.call(weakref.ref, LONG).result(LONG)
    gc.disable()  # no collection comes by chance
    try:
        worker.close(LONG)
        assert not worker.alive and model() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("tidy", [True, False])
def test_who_ends_the_process_does_not_wait_for_a_collection_of_garbage(
    tidy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, collected = ModelWorker(Knot), []
    assert worker.wait_until_loaded(LONG) is ModelState.READY
    monkeypatch.setattr(gc, "collect", lambda *_: collected.append(threading.current_thread()))
    worker.close(LONG, tidy=tidy)
    assert not worker.alive and (worker._thread in collected) == tidy


def test_cameras_take_turns(worker: ModelWorker, gate: threading.Event) -> None:
    order: list[str] = []
    more = {"left": 3, "right": 3}
    streams: dict[str, int] = {}
    finished = threading.Event()

    def handle(model: str, name: str) -> None:
        order.append(name)
        more[name] -= 1
        if more[name]:
            worker.offer(streams[name], name)  # as a camera quicker than the model would
        elif not any(more.values()):
            finished.set()

    for name in more:
        streams[name] = worker.open_stream(handle)
        worker.offer(streams[name], name)
    gate.set()
    assert finished.wait(LONG)
    assert order == ["left", "right"] * 3


def test_deadlines_hold_before_and_between_steps(gate: threading.Event) -> None:
    now = [0.0]
    worker = ModelWorker(lambda: gate.wait(LONG), clock=lambda: now[0])
    late = worker.call(lambda model: pytest.fail("was done too late"), timeout_s=1.0)
    closed: list[bool] = []

    def endless(model: Any) -> Generator[None, None, None]:
        try:
            while True:
                now[0] += 1.0
                yield
        finally:
            closed.append(True)

    between = worker.steps(endless, timeout_s=10.0)
    now[0] = 2.0
    gate.set()
    for future in (late, between):
        with pytest.raises(DeadlineError):
            future.result(LONG)
    assert closed == [True]
    worker.close()


def test_faults_belong_to_the_one_who_asked(worker: ModelWorker, gate: threading.Event) -> None:
    gate.set()

    def broken(model: str) -> Generator[None, None, None]:
        yield
        raise RuntimeError("second step")

    with pytest.raises(ZeroDivisionError):
        worker.call(lambda model: 1 / 0, LONG).result(LONG)
    with pytest.raises(RuntimeError, match="second step"):
        worker.steps(broken, LONG).result(LONG)
    stream = worker.open_stream(lambda model, picture: 1 / 0)
    worker.offer(stream, "picture")
    assert worker.call(lambda model: "alive", LONG).result(LONG) == "alive"


def test_a_model_that_does_not_load_is_named() -> None:
    def load() -> None:
        raise OSError("no weights here")

    worker = ModelWorker(load)
    assert worker.wait_until_loaded(LONG) is ModelState.FAILED
    with pytest.raises(WorkerClosedError, match="no weights here"):
        worker.call(lambda model: None, LONG).result(LONG)
    worker.close()


def test_closing_refuses_what_waits(gate: threading.Event) -> None:
    worker = ModelWorker(lambda: gate.wait(LONG))
    waiting: list[Future[Any]] = [worker.call(lambda model: None, LONG), worker.steps(counting([], "a", 1), LONG)]
    closer = threading.Thread(target=worker.close)
    closer.start()
    time.sleep(0.05)
    gate.set()
    closer.join(LONG)
    for future in waiting:
        with pytest.raises(WorkerClosedError):
            future.result(LONG)
    with pytest.raises(WorkerClosedError):
        worker.call(lambda model: None, LONG).result(LONG)


def test_a_cancelled_job_is_not_done(worker: ModelWorker, gate: threading.Event) -> None:
    future = worker.call(lambda model: pytest.fail("was cancelled"), LONG)
    assert future.cancel()
    gate.set()
    assert worker.call(lambda model: "next", LONG).result(LONG) == "next"


def test_a_closed_camera_is_forgotten(worker: ModelWorker, gate: threading.Event) -> None:
    stream = worker.open_stream(lambda model, picture: pytest.fail("was closed"))
    worker.offer(stream, "picture")
    worker.close_stream(stream)
    worker.offer(stream, "picture")
    gate.set()
    assert worker.call(lambda model: "next", LONG).result(LONG) == "next"
