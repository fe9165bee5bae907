"""The first seconds of the demo as a recording of their own, whole while the demo still runs."""

from __future__ import annotations

from pathlib import Path

from spatialvlm_ros.ros.demo.recorder import Recorder
from spatialvlm_ros.ros.demo.topics import COLOUR, SERVER

OPENING_S = 4.0  # few pictures: where two processors do everything, the rewards of ten take a minute


class Opening:
    """The first seconds of what the robot's sensors say, as a recording of their own.

    Args:
        path: of the .mcap file.
        seconds: from the first picture on.
    """

    def __init__(self, path: Path, seconds: float = OPENING_S) -> None:
        self.path, self._seconds = path, seconds
        self._recorder = Recorder(path)
        self._began_ns: int | None = None
        self.whole = False

    def take(self, topic: str, kind: str, data: bytes, log_ns: int, latched: bool = False) -> None:
        """One message, serialized; those of the node are left out: it writes its own beside them."""
        if self.whole or topic.startswith(SERVER):
            return
        if topic == COLOUR and self._began_ns is None:
            self._began_ns = log_ns
        self._recorder.take(topic, kind, data, log_ns, latched)
        if self._began_ns is not None and log_ns - self._began_ns > self._seconds * 1e9:
            self._recorder.close()
            self.whole = True

    def close(self) -> None:
        """Finishes the file, however short it is."""
        self._recorder.close()
