"""Fetching the messages of a topic one after the other without opening the recording anew for each."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator

from spatialvlm_ros.bags.reader import BagMessage, BagReader

# What lies further ahead (nanoseconds) is looked up in the recording's index instead of being read up to.
_READ_ON_NS = 5_000_000_000


class _Rest:
    """The messages that are still to come; their file is open between two of them."""

    def __init__(self) -> None:
        self.items: Iterator[BagMessage] = iter(())

    def close(self) -> None:
        """Close the file."""
        close = getattr(self.items, "close", None)  # of a generator
        if close is not None:
            close()


class TopicStream:
    """The messages of one topic; reading goes on where it ended the last time.

    Opening a recording reads the definitions of all its messages and its index, or where it has none all of it. Done
    for each message, that grows with the square of the recording's length.

    Args:
        reader: of the recording.
        topic: to read.
    """

    def __init__(self, reader: BagReader, topic: str) -> None:
        self._reader, self._topic = reader, topic
        self._rest = _Rest()
        self._reached_ns: int | None = None
        # Also at the end of the process, while there is still a Python to close files with.
        weakref.finalize(self, self._rest.close)

    def at(self, log_ns: int, wanted: Callable[[BagMessage], bool]) -> BagMessage | None:
        """The message recorded at ``log_ns`` (nanoseconds) that is ``wanted``; None if there is none."""
        reached = self._reached_ns
        if reached is not None and reached <= log_ns <= reached + _READ_ON_NS:
            found = self._search(log_ns, wanted, stop_ns=log_ns)
            if found is not None:
                return found
        self._rest.close()
        self._rest.items = iter(self._reader.messages([self._topic], log_ns))
        return self._search(log_ns, wanted)

    def _search(
        self, log_ns: int, wanted: Callable[[BagMessage], bool], stop_ns: int | None = None
    ) -> BagMessage | None:
        """The next message that is wanted, none after the first one that was recorded after ``stop_ns``."""
        for item in self._rest.items:
            self._reached_ns = item.log_ns
            if item.log_ns == log_ns and wanted(item):
                return item
            if stop_ns is not None and item.log_ns > stop_ns:
                return None
        return None
