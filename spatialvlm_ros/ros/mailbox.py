"""A box for one frame between the thread that receives and the thread that works: the newest wins, nothing piles up."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

from spatialvlm_ros.errors import QueryError

T = TypeVar("T")


@dataclass(frozen=True)
class MailboxCounts:
    """What became of the frames: ``put`` is the sum of the others and the one that may wait.

    Attributes:
        put: all that came.
        taken: given to a worker.
        replaced: a newer one came before a worker was free.
        discarded: waited when the box was closed, or came after that.
    """

    put: int = 0
    taken: int = 0
    replaced: int = 0
    discarded: int = 0


class NewestFrame(Generic[T]):
    """A one-slot mailbox. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: T | None = None
        self._closed = False
        self._put = self._taken = self._replaced = self._discarded = 0

    def put(self, frame: T) -> bool:
        """Leave a frame for the worker; one that still waits is replaced and counted. Never blocks for long.

        Returns:
            Whether the box took it; False after `close`.

        Raises:
            QueryError: the frame is None, which `get` gives for "nothing".
        """
        if frame is None:
            raise QueryError("a mailbox holds frames, not None", remedy="Do not put anything.")
        with self._changed:
            self._put += 1
            if self._closed:
                self._discarded += 1
                return False
            self._replaced += self._frame is not None
            self._frame = frame
            self._changed.notify()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the frame, waiting for one at most ``timeout_s`` seconds (None: without limit).

        Returns:
            None if the time is over or the box is closed; `closed` tells which.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            self._taken += frame is not None
            return frame

    def close(self) -> None:
        """Wake all who wait, and take no more. A frame that waits is dropped: nobody wants answers while closing."""
        with self._changed:
            self._closed = True
            self._discarded += self._frame is not None
            self._frame = None
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        with self._changed:
            return self._closed

    @property
    def counts(self) -> MailboxCounts:
        """What became of the frames so far."""
        with self._changed:
            return MailboxCounts(self._put, self._taken, self._replaced, self._discarded)
