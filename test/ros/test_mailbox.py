"""The one-slot mailbox between threads."""

import threading
import time

import pytest

from spatialvlm_ros.errors import QueryError
from spatialvlm_ros.ros.mailbox import MailboxCounts, NewestFrame

PATIENCE = 20.0  # seconds; only a broken mailbox waits that long


def started(target, *arguments) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def joined(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_the_newest_frame_replaces_the_one_that_waits():
    box = NewestFrame[str]()
    assert box.put("first") and box.put("second") and box.put("third")
    assert box.get(0) == "third"
    assert box.get(0) is None
    assert box.counts == MailboxCounts(put=3, taken=1, replaced=2)


def test_false_frames_are_frames_and_none_is_refused():
    box = NewestFrame[int]()
    box.put(0)
    box.put(0)
    assert box.get(0) == 0 and box.counts.replaced == 1
    with pytest.raises(QueryError, match="not None"):
        box.put(None)


def test_get_waits_no_longer_than_its_time():
    box = NewestFrame[int]()
    before = time.monotonic()
    assert box.get(0.05) is None and not box.closed
    assert time.monotonic() - before >= 0.05


def test_a_waiting_worker_gets_what_is_put_later():
    box, got = NewestFrame[str](), []
    worker = started(lambda: got.append(box.get(PATIENCE)))
    time.sleep(0.05)  # by now it sleeps
    box.put("picture")
    joined(worker)
    assert got == ["picture"]


def test_closing_wakes_all_workers_and_drops_the_frame():
    box, got = NewestFrame[str](), []
    workers = [started(lambda: got.append(box.get())) for _ in range(3)]
    time.sleep(0.05)
    box.close()
    joined(*workers)
    assert got == [None] * 3 and box.closed

    box = NewestFrame[str]()
    box.put("waits")
    box.close()
    box.close()
    assert not box.put("too late")
    assert box.get() is None  # at once, without a timeout
    assert box.counts == MailboxCounts(put=2, discarded=2)


def test_a_slow_worker_sees_rising_frames_and_the_last_one():
    box, seen, frames = NewestFrame[int](), [], 3000

    def work() -> None:
        while (frame := box.get()) is not None:
            seen.append(frame)
            if len(seen) % 7 == 0:
                time.sleep(0.0005)
            if frame == frames:
                return

    worker = started(work)
    for number in range(1, frames + 1):
        box.put(number)
    joined(worker)
    assert seen == sorted(set(seen)) and seen[-1] == frames
    counts = box.counts
    assert counts.taken == len(seen) and counts.put == frames == counts.taken + counts.replaced
    assert counts.discarded == 0


def test_several_senders_and_workers_lose_no_count():
    box, taken = NewestFrame[tuple[int, int]](), []

    def send(sender: int) -> None:
        for number in range(500):
            box.put((sender, number))

    def work() -> None:
        while (frame := box.get()) is not None:
            taken.append(frame)

    workers = [started(work) for _ in range(2)]
    joined(*(started(send, sender) for sender in range(3)))
    box.close()
    joined(*workers)
    counts = box.counts
    assert len(set(taken)) == len(taken) == counts.taken > 0
    assert counts.put == 1500 == counts.taken + counts.replaced + counts.discarded
