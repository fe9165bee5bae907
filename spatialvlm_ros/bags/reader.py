"""Reading recordings (rosbag2 MCAP and SQLite, also damaged MCAP; ROS 1 bags) without ROS."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.salvage import McapSalvage, RawMessage
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BagMessage:
    """One message of a recording.

    Attributes:
        topic, type_name: e.g. "/camera/image_raw", "sensor_msgs/msg/Image".
        log_ns: time of recording in nanoseconds (not the header's stamp).
        message: its fields, array fields as NumPy arrays that share the file's bytes.
    """

    topic: str
    type_name: str
    log_ns: int
    message: Any


class BagReader(Protocol):
    """An open recording.

    Attributes:
        path: of the recording.
        topics: topic name -> type name.
        problems: what could not be read, by reason; complete once all messages have been read.
    """

    path: Path
    topics: dict[str, str]
    problems: Counter[str]

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages of these topics with start_ns <= log time < stop_ns; unreadable ones are counted, not raised."""
        ...


def open_bag(path: str | Path, salvage: bool | None = None) -> BagReader:
    """Open a rosbag2 folder, a single .mcap or .db3 file, or a ROS 1 .bag.

    Args:
        path: of the recording.
        salvage: read an MCAP file record by record, without its index; None does so if the file is damaged.

    Raises:
        SourceError: nothing there, not a recording, or nothing in it can be read.
        MissingDependencyError: `rosbags` is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError("there is no recording", str(path), "Check the path.")
    if salvage:
        return SalvagedBag(path)
    try:
        return IndexedBag(path)
    except SourceError as error:
        if salvage is False or not mcap_files(path):
            raise
        _log.warning("%s Reading what is there.", error)
        return SalvagedBag(path)


def mcap_files(path: Path) -> list[Path]:
    """The MCAP files of a recording, in the order in which they were recorded."""
    if path.is_dir():
        return sorted(path.glob("*.mcap"), key=lambda p: (len(p.name), p.name))
    return [path] if path.suffix == ".mcap" else []


class IndexedBag:
    """A whole recording, by way of its index (`BagReader`)."""

    def __init__(self, path: Path) -> None:
        highlevel = require("rosbags.highlevel", "bags")
        self.path = path
        self.problems: Counter[str] = Counter()
        self._highlevel = highlevel
        with self._reader() as reader:
            self.topics = {connection.topic: connection.msgtype for connection in reader.connections}

    def _reader(self) -> Any:
        """An `AnyReader` to be used as context manager; its errors come out as `SourceError`."""
        return _Translated(self.path, self._highlevel.AnyReader)

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        with self._reader() as reader:
            wanted = [connection for connection in reader.connections if connection.topic in topics]
            if not wanted:
                return
            for connection, log_ns, data in reader.messages(connections=wanted, start=start_ns, stop=stop_ns):
                try:
                    message = reader.deserialize(data, connection.msgtype)
                except Exception as error:  # noqa: BLE001 - damaged bytes raise whatever the decoder meets first
                    _log.debug("message on %s lost: %s", connection.topic, error)
                    self.problems["damaged message"] += 1
                    continue
                yield BagMessage(connection.topic, connection.msgtype, log_ns, message)


class _Translated:
    """Opens an `AnyReader` and turns everything that damaged files make it raise into `SourceError`."""

    def __init__(self, path: Path, reader_class: Any) -> None:
        self._path, self._class = path, reader_class

    def __enter__(self) -> Any:
        try:
            self._reader = self._class([self._path], default_typestore=types.default_typestore())
            self._reader.open()
        except Exception as error:  # noqa: BLE001 - besides its own errors, AssertionError, IndexError, struct.error ...
            raise self._error(error) from error
        return self._reader

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._reader.close()
        if isinstance(error, Exception) and not isinstance(error, SourceError):
            raise self._error(error) from error

    def _error(self, error: Exception) -> SourceError:
        return SourceError(
            f"the recording {self._path} cannot be read",
            f"{type(error).__name__}: {error}",
            "It is cut off, damaged or of an unknown kind.",
        )


class SalvagedBag:
    """A damaged MCAP recording, record by record (`BagReader`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: Counter[str] = Counter()
        self._files = self._readable_files(path)
        self._store, self.topics = self._scan()

    def _readable_files(self, path: Path) -> list[McapSalvage]:
        files, last = [], None
        for file in mcap_files(path):
            try:
                files.append(McapSalvage(file))
            except SourceError as error:
                last = error
                self.problems["unreadable file"] += 1
        if not files:
            raise last or SourceError("the recording has no MCAP file", str(path), "Only MCAP can be salvaged.")
        return files

    def _raw(self, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[RawMessage]:
        for file in self._files:
            yield from file.messages(start_ns, stop_ns)

    def _scan(self) -> tuple[Any, dict[str, str]]:
        """Message definitions and topics of everything readable; counts the problems once."""
        typesys = require("rosbags.typesys", "bags")
        definitions: dict[str, str] = {}
        topics: dict[str, str] = {}
        for raw in self._raw():
            topics[raw.topic] = raw.type_name
            definitions.setdefault(raw.type_name, raw.definition)
        for file in self._files:
            self.problems.update(file.problems)
        fields: dict[str, Any] = {}
        for name, definition in definitions.items():
            if definition:
                fields.update(typesys.get_types_from_msg(definition, name))
        store = typesys.get_typestore(typesys.Stores.EMPTY)
        known = types.default_typestore().fielddefs
        store.register({**known, **fields})
        return store, topics

    def messages(
        self, topics: Collection[str], start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        for raw in self._raw(start_ns, stop_ns):
            if raw.topic not in topics:
                continue
            try:
                message = self._store.deserialize_cdr(raw.data, raw.type_name)
            except Exception as error:  # noqa: BLE001 - damaged bytes raise whatever the decoder meets first
                _log.debug("message on %s lost: %s", raw.topic, error)
                self.problems["damaged message"] += 1
                continue
            yield BagMessage(raw.topic, raw.type_name, raw.log_ns, message)
