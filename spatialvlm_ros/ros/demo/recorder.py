"""Everything that was said, as one MCAP file. Messages are written as they come over the wire."""

from __future__ import annotations

import os
import shutil
import struct
import threading
from pathlib import Path

from spatialvlm_ros.bags.messages import CAMERA_INFO, IMAGE
from spatialvlm_ros.bags.writer import BagWriter

_PICTURES = (IMAGE, CAMERA_INFO)


class Recorder:
    """Writes ``path``; it is there once this is closed. Safe for several threads.

    Args:
        path: of the .mcap file; an old one is replaced.
        pictures_hz: most pictures of a topic in a second of their stamps, so that a minute is not a gigabyte. Colour
            and depth of one moment have one stamp and are kept or left out together. 0 keeps all.
    """

    def __init__(self, path: Path, pictures_hz: float = 2.0) -> None:
        self.path, self.messages, self.left_out = path, 0, 0
        self._period_ns = int(1e9 / pictures_hz) if pictures_hz > 0 else 0
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}
        self._folder = path.with_name(f".{path.stem}_unfinished")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._writer: BagWriter | None = BagWriter(self._folder / path.stem, compressed=True)

    def take(self, topic: str, kind: str, data: bytes, log_ns: int, latched: bool = False) -> None:
        """One message, serialized; nothing once it is closed."""
        with self._lock:
            if self._writer is None:
                return
            if self._period_ns and kind in _PICTURES and not self._is_due(topic, data):
                self.left_out += 1
                return
            self._writer.write_serialized(topic, kind, data, log_ns, latched)
            self.messages += 1

    def close(self) -> None:
        """Finishes the file and moves it to its place."""
        with self._lock:
            if self._writer is None:
                return
            self._writer.close()
            self._writer = None
            os.replace(self._folder / self.path.stem / f"{self.path.stem}.mcap", self.path)
            shutil.rmtree(self._folder)

    def _is_due(self, topic: str, data: bytes) -> bool:
        slot = header_stamp_ns(data) // self._period_ns
        if self._seen.get(topic) == slot:
            return False
        self._seen[topic] = slot
        return True


def header_stamp_ns(data: bytes) -> int:
    """Nanoseconds of a serialized message that begins with a header; the first 4 bytes say how numbers are written."""
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
