"""Rewards in ROS recordings: a message for each picture, in a copy of the recording or in one of their own.

``/spatialvlm/reward`` holds ``spatialvlm_ros/msg/Reward``, ``/spatialvlm/reward_value`` the number alone. They carry
the stamp and frame of their picture and its time of recording, so players show them together.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.bags import messages as types
from spatialvlm_ros.bags.own_messages import full_typestore
from spatialvlm_ros.bags.reader import mcap_files
from spatialvlm_ros.bags.salvage import MAGIC, McapSalvage
from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.annotate import TERMINATED, TRUNCATED
from spatialvlm_ros.rewards.recordings.composing import AnnotationsOf
from spatialvlm_ros.rewards.recordings.episode import BETWEEN, EpisodeAnnotations, Provenance
from spatialvlm_ros.rewards.recordings.mcap import BagRecording

REWARD_TOPIC, VALUE_TOPIC = "/spatialvlm/reward", "/spatialvlm/reward_value"
REWARD, TERM, FLOAT = "spatialvlm_ros/msg/Reward", "spatialvlm_ros/msg/RewardTerm", "std_msgs/msg/Float64"
_EXTRA = "bags"
_CHUNK = 0x06  # opcode of MCAP


@dataclass(frozen=True)
class _Channel:
    """A topic as it was recorded, with what is needed to write it again without understanding it."""

    topic: str
    kind: str
    definition: str
    digest: str
    serialization: str = "cdr"
    qos: tuple[Any, ...] = ()


Raw = tuple[_Channel, int, bytes | memoryview]


def check_copy(recording: BagRecording) -> None:
    """Raise `SourceError` for a ROS 1 bag, and for a recording that already has such topics."""
    taken = {REWARD_TOPIC, VALUE_TOPIC} & set(recording.topics_recorded)
    if taken:
        raise SourceError("the recording already has rewards", sorted(taken), "Use --into beside.")
    if recording.path.suffix == ".bag":
        raise SourceError("a ROS 1 bag is not copied", str(recording.path), "Use --into beside.")


def compose_copy(recording: BagRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path) -> None:
    """All messages as they were recorded, and after each judged picture its reward.

    Raises:
        SourceError: the recording cannot be read.
    """
    _write(recording, annotations_of, provenance, target, keep=True)


def compose_beside(
    recording: BagRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """A recording of the rewards alone, with the times of the original: both can be played together."""
    _write(recording, annotations_of, provenance, target, keep=False)


def _write(
    recording: BagRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path, keep: bool
) -> None:
    rosbag2 = require("rosbags.rosbag2", _EXTRA)
    annotations = annotations_of(recording.episodes()[0])
    number_of = {int(stamp): number for number, stamp in enumerate(annotations.stamp_ns)}
    messages = _raw_messages(recording.path, None if keep else {recording.camera_name})
    writer = rosbag2.Writer(target, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
    if keep and _is_compressed(recording.path):
        writer.set_compression(rosbag2.CompressionMode.STORAGE, rosbag2.CompressionFormat.ZSTD)
    with writer:
        writer.set_custom_data("spatialvlm_reward", json.dumps(provenance.as_dict(), sort_keys=True))
        output = _Output(writer, provenance)
        for channel, log_ns, data in messages:
            if keep:
                output.copy(channel, log_ns, data)
            if channel.topic == recording.camera_name:
                stamp, frame_id = _header(data, ros1=recording.path.suffix == ".bag")
                number = number_of.pop(stamp or log_ns, None)  # of a stamp that comes twice, the first is the picture
                if number is not None and annotations.detail[number] != BETWEEN:
                    output.reward(annotations, number, log_ns, frame_id)


class _Output:
    """An open bag that topics are added to as they come."""

    def __init__(self, writer: Any, provenance: Provenance) -> None:
        self._writer, self._store = writer, full_typestore()
        self._task = _task_name(provenance)
        self._end = str(provenance.settings.get("end", ""))
        self._connections: dict[_Channel, Any] = {}

    def copy(self, channel: _Channel, log_ns: int, data: bytes | memoryview) -> None:
        """A message as it is."""
        if channel not in self._connections:
            self._connections[channel] = self._writer.add_connection(
                channel.topic,
                channel.kind,
                msgdef=channel.definition,
                rihs01=channel.digest,
                serialization_format=channel.serialization,
                offered_qos_profiles=channel.qos,
            )
        self._writer.write(self._connections[channel], log_ns, data)

    def reward(self, annotations: EpisodeAnnotations, number: int, log_ns: int, frame_id: str) -> None:
        """The reward of one picture."""
        end = self._end if number == len(annotations) - 1 else ""
        message = _reward(self._store.types, annotations, number, frame_id, self._task, end)
        value = self._store.types[FLOAT](data=message.reward)
        for topic, kind, content in ((REWARD_TOPIC, REWARD, message), (VALUE_TOPIC, FLOAT, value)):
            definition, _ = self._store.generate_msgdef(kind, ros_version=2)
            channel = _Channel(topic, kind, definition, self._store.hash_rihs01(kind))
            self.copy(channel, log_ns, self._store.serialize_cdr(content, kind))


def _task_name(provenance: Provenance) -> str:
    task = provenance.task
    return str(task.get("name", "")) if isinstance(task, Mapping) else str(task)


def _reward(
    kinds: Mapping[str, Any], annotations: EpisodeAnnotations, number: int, frame_id: str, task: str, end: str
) -> Any:
    """`spatialvlm_ros/msg/Reward` of one picture; as the message says, numbers are NaN where it is not valid."""
    seconds, nanoseconds = divmod(int(annotations.stamp_ns[number]), types.NANOSECONDS)
    stamp = kinds["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    valid = bool(annotations.valid[number])
    return kinds[REWARD](
        header=kinds["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id),
        task=task,
        phase=annotations.phase[number],
        reward=float(annotations.reward[number]) if valid else np.nan,
        reward_std=float(annotations.reward_std[number]) if valid else np.nan,
        potential=float(annotations.potential[number]),
        success=bool(annotations.success[number]),
        terminated=end == TERMINATED,
        truncated=end == TRUNCATED,
        success_probability=float(annotations.success_probability[number]),
        terms=[_term(kinds, term) for term in json.loads(annotations.terms[number])],
        valid=valid,
        reason=annotations.reason[number],
        detail=annotations.detail[number],
        latency=np.nan,  # it was not made while the picture was new
    )


def _term(kinds: Mapping[str, Any], term: Mapping[str, Any]) -> Any:
    numbers = {name: np.nan if term[name] is None else float(term[name]) for name in ("value", "std", "weight")}
    return kinds[TERM](name=term["name"], unit=term["unit"], valid=bool(term["valid"]), **numbers)


def _header(data: bytes | memoryview, ros1: bool = False) -> tuple[int, str]:
    """Stamp in nanoseconds and frame of a serialized message that begins with a std_msgs/Header."""
    view = memoryview(data)
    if ros1:  # ROS 1: a sequence number first, little endian, no terminating zero
        _, seconds, nanoseconds, length = struct.unpack_from("<IIII", view, 0)
        return seconds * types.NANOSECONDS + nanoseconds, bytes(view[16 : 16 + length]).decode("utf-8", "replace")
    order = "<" if view[1] & 1 else ">"
    seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", view, 4)
    frame_id = bytes(view[16 : 16 + max(length - 1, 0)]).decode("utf-8", "replace")
    return seconds * types.NANOSECONDS + nanoseconds, frame_id


def _raw_messages(path: Path, topics: set[str] | None) -> Iterator[Raw]:
    """All messages in the order of their recording, not decoded; what is readable of a damaged MCAP file."""
    if mcap_files(path) and not _whole(path, topics):
        return _salvaged(path, topics)
    return _indexed(path, topics)


def _whole(path: Path, topics: set[str] | None) -> bool:
    """Whether a recording can be read to its end by way of its index."""
    try:
        for _ in _indexed(path, topics):
            pass
    except SourceError:
        return False
    return True


def _is_compressed(path: Path) -> bool:
    """Whether the first chunk of an MCAP recording is compressed."""
    for name in mcap_files(path)[:1]:
        with name.open("rb") as file:
            file.seek(len(MAGIC))
            while len(head := file.read(9)) == 9:
                opcode, size = struct.unpack("<BQ", head)
                if opcode == _CHUNK:
                    return bool(int.from_bytes(file.read(32)[28:32], "little"))  # length of the compression's name
                file.seek(size, 1)
    return False


def _indexed(path: Path, topics: set[str] | None) -> Iterator[Raw]:
    highlevel = require("rosbags.highlevel", _EXTRA)
    with _translated(path):
        with highlevel.AnyReader([path], default_typestore=types.default_typestore()) as reader:
            wanted = [c for c in reader.connections if topics is None or c.topic in topics]
            channels = {c.id: _channel(c, reader.typestore) for c in wanted}
            for connection, log_ns, data in reader.messages(connections=wanted) if wanted else ():
                yield channels[connection.id], log_ns, data


def _channel(connection: Any, store: Any) -> _Channel:
    definition, digest = connection.msgdef.data, connection.digest
    if not definition or not digest:  # SQLite bags of older distros hold neither
        definition, _ = store.generate_msgdef(connection.msgtype, ros_version=2)
        digest = store.hash_rihs01(connection.msgtype)
    extra = connection.ext
    return _Channel(
        connection.topic,
        connection.msgtype,
        definition,
        digest,
        getattr(extra, "serialization_format", "cdr"),
        tuple(getattr(extra, "offered_qos_profiles", ())),
    )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged files make the reader raise whatever it meets first
        raise SourceError(
            f"the recording {path} cannot be read", f"{type(error).__name__}: {error}", "It is cut off or damaged."
        ) from error


def _salvaged(path: Path, topics: set[str] | None) -> Iterator[Raw]:
    typesys = require("rosbags.typesys", _EXTRA)
    hashes: dict[str, str] = {}

    def digest(kind: str, definition: str) -> str:
        if kind not in hashes:
            store = typesys.get_typestore(typesys.Stores.EMPTY)
            known = types.default_typestore().fielddefs
            store.register({**known, **(typesys.get_types_from_msg(definition, kind) if definition else {})})
            hashes[kind] = store.hash_rihs01(kind)
        return hashes[kind]

    for file in mcap_files(path):
        for raw in McapSalvage(file).messages():
            if topics is None or raw.topic in topics:
                channel = _Channel(raw.topic, raw.type_name, raw.definition, digest(raw.type_name, raw.definition))
                yield channel, raw.log_ns, raw.data
