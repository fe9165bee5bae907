"""The newest value of a stream, for one that writes and many that wait."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Holds the newest value and counts how many there were. Safe for several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: T | None = None
        self._number = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing will come any more."""
        return self._closed

    def put(self, value: T) -> None:
        """Replaces the value and wakes whoever waits."""
        with self._changed:
            self._value, self._number = value, self._number + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Wakes whoever waits, for nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self) -> tuple[int, T | None]:
        """How many values there were, and the last."""
        with self._changed:
            return self._number, self._value

    def newer(self, number: int, timeout_s: float) -> tuple[int, T | None]:
        """The same once there are more than ``number`` values; after ``timeout_s`` or when closed, as it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout_s)
            return self._number, self._value
