"""Reading what is left of a damaged MCAP file.

A recording that was cut off (power, full disk) has no index at its end, so ordinary readers refuse it. The
records before the cut are whole: this module walks them in order, and through the readable part of a cut chunk.
Format: https://mcap.dev/spec (records are one opcode byte, eight length bytes, content; all little endian).
"""

from __future__ import annotations

import logging
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require

_log = logging.getLogger(__name__)

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 0x03, 0x04, 0x05, 0x06
# No record of a real recording is longer; a longer one is a damaged length.
_LONGEST_RECORD = 1 << 32


# The beginning of records that say when they were recorded: a chunk from when to when, a message at one time.
_TIMES = {_CHUNK: struct.Struct("<QQ"), _MESSAGE: struct.Struct("<HIQ")}


@dataclass(frozen=True)
class RawMessage:
    """One message as it lies in the file.

    Attributes:
        topic, type_name: of its channel, e.g. "/camera/image_raw", "sensor_msgs/msg/Image".
        definition: text of the message definition ("" if none).
        log_ns: time of recording in nanoseconds.
        data: CDR bytes.
    """

    topic: str
    type_name: str
    definition: str
    log_ns: int
    data: bytes | memoryview


@dataclass(frozen=True)
class _Interval:
    """Half-open time interval in nanoseconds; None is unbounded."""

    start: int | None = None
    stop: int | None = None

    @property
    def bounded(self) -> bool:
        return self.start is not None or self.stop is not None

    def holds(self, time: int) -> bool:
        return self.overlaps(time, time)

    def overlaps(self, first: int, last: int) -> bool:
        return (self.start is None or last >= self.start) and (self.stop is None or first < self.stop)


def _overlaps(interval: _Interval, opcode: int, beginning: bytes) -> bool:
    """Whether a record that begins with these bytes (see `_TIMES`) holds something of an interval."""
    *_, time = values = _TIMES[opcode].unpack(beginning)
    return interval.overlaps(*values) if opcode == _CHUNK else interval.holds(time)


class _Cursor:
    """Reads the fields of one record's content; `struct.error` or `IndexError` when it ends early."""

    def __init__(self, content: memoryview) -> None:
        self.content, self.position = content, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self.content, self.position)
        self.position += struct.calcsize(layout)
        return values

    def block(self, size: int) -> memoryview:
        if self.position + size > len(self.content):
            raise IndexError(size)
        self.position += size
        return self.content[self.position - size : self.position]

    def text(self) -> str:
        return bytes(self.block(self.take("<I")[0])).decode()

    def rest(self) -> memoryview:
        return self.content[self.position :]


class McapSalvage:
    """Messages of a possibly damaged MCAP file, in file order.

    Args:
        path: the .mcap file.

    Attributes:
        problems: what was lost, by reason; filled while reading.

    Raises:
        SourceError: not an MCAP file at all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: Counter[str] = Counter()
        self._schemas: dict[int, tuple[str, str]] = {}
        self._channels: dict[int, tuple[str, int]] = {}
        self._scanned = False
        with self._open() as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                raise SourceError(
                    f"{path} is not an MCAP file", path.stat().st_size, "Even its first bytes are missing or wrong."
                )

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"{self.path} cannot be opened", str(error), "Check the path and the rights.") from error

    def messages(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[RawMessage]:
        """Messages with start_ns <= log time < stop_ns that can still be read, in file order.

        Ends at the cut; never raises for damage. Chunks and messages outside the time are passed over unread once a
        full pass has seen the channels that chunks may define.
        """
        self.problems.clear()
        interval = _Interval(start_ns, stop_ns)
        with self._open() as stream:
            stream.seek(len(MAGIC))
            for opcode, content, whole in self._records(stream, interval if self._scanned else _Interval()):
                if opcode == _CHUNK:
                    found = self._chunk(content, whole)
                else:
                    found = self._record(opcode, content) if whole else iter(())
                yield from (message for message in found if interval.holds(message.log_ns))
        self._scanned = True

    def _records(self, stream: BinaryIO, interval: _Interval) -> Iterator[tuple[int, memoryview, bool]]:
        while True:
            head = stream.read(9)
            if len(head) < 9:
                if head != MAGIC:  # what a whole file ends with
                    self.problems["recording cut off"] += 1
                return
            opcode, size = struct.unpack("<BQ", head)
            if size > _LONGEST_RECORD:
                self.problems["damaged record length"] += 1
                return
            if interval.bounded and opcode in _TIMES:
                times = stream.read(_TIMES[opcode].size)
                if len(times) == _TIMES[opcode].size <= size and not _overlaps(interval, opcode, times):
                    stream.seek(size - len(times), 1)
                    continue
                stream.seek(-len(times), 1)
            content = stream.read(size)
            whole = len(content) == size
            yield opcode, memoryview(content), whole
            if not whole:
                self.problems["recording cut off"] += 1
                return

    def _chunk(self, content: memoryview, whole: bool) -> Iterator[RawMessage]:
        cursor = _Cursor(content)
        try:
            _, _, size, checksum = cursor.take("<QQQI")
            compression = cursor.text()
            cursor.take("<Q")
        except (struct.error, IndexError, UnicodeDecodeError):
            self.problems["damaged chunk"] += 1
            return
        inner = self._decompress(cursor.rest(), compression)
        if whole and (len(inner) != size or (checksum and crc32(inner) != checksum)):
            self.problems["damaged chunk"] += 1
            if len(inner) == size:
                return  # right length, wrong bytes: nothing in it can be trusted
        cursor = _Cursor(memoryview(inner))
        while len(cursor.rest()) >= 9:
            opcode, size = cursor.take("<BQ")
            try:
                block = cursor.block(size)
            except IndexError:
                return  # the cut goes through this record
            yield from self._record(opcode, block)

    def _decompress(self, data: memoryview, compression: str) -> bytes:
        """All bytes that decode, also of a cut stream."""
        try:
            if compression == "":
                return bytes(data)
            if compression == "zstd":
                return _zstd_decompressor().decompress(bytes(data))
            if compression == "lz4":
                return require("lz4.frame", "bags").LZ4FrameDecompressor().decompress(bytes(data))
        except (RuntimeError, ValueError, EOFError, _zstd_error()) as error:
            _log.debug("chunk of %s lost: %s", self.path, error)
            self.problems["damaged chunk"] += 1
            return b""
        self.problems[f"unknown compression {compression!r}"] += 1
        return b""

    def _record(self, opcode: int, content: memoryview) -> Iterator[RawMessage]:
        reader = {_SCHEMA: self._schema, _CHANNEL: self._channel, _MESSAGE: self._message}.get(opcode)
        if reader is None:
            return
        try:
            message = reader(_Cursor(content))
        except (struct.error, IndexError, UnicodeDecodeError):
            self.problems["damaged record"] += 1
            return
        if message is not None:
            yield message

    def _schema(self, cursor: _Cursor) -> None:
        (number,) = cursor.take("<H")
        name, encoding, definition = cursor.text(), cursor.text(), cursor.text()
        self._schemas[number] = (name, definition if encoding == "ros2msg" else "")

    def _channel(self, cursor: _Cursor) -> None:
        number, schema = cursor.take("<HH")
        self._channels[number] = (cursor.text(), schema)

    def _message(self, cursor: _Cursor) -> RawMessage | None:
        number, _, log_ns, _ = cursor.take("<HIQQ")
        topic, schema = self._channels.get(number, ("", -1))
        if schema not in self._schemas:
            self.problems["message of an unknown channel"] += 1
            return None
        return RawMessage(topic, *self._schemas[schema], log_ns, cursor.rest())


def _zstd_module():  # type: ignore[no-untyped-def]
    """The zstd of the standard library (Python 3.14) or its backport, which `rosbags` depends on."""
    import sys

    return require("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", "bags")


def _zstd_decompressor():  # type: ignore[no-untyped-def]
    return _zstd_module().ZstdDecompressor()


def _zstd_error() -> type[Exception]:
    return _zstd_module().ZstdError
