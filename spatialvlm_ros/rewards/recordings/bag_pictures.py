"""The pictures of a ROS recording one after the other, without opening it anew for each.

Opening reads the definitions of all its messages, which takes longer than a picture: about 50 ms for four topics.
"""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.bags.reader import BagReader, IndexedBag
from spatialvlm_ros.datasets.sources.bag import BagCaptures
from spatialvlm_ros.datasets.sources.bag_index import BagIndex
from spatialvlm_ros.errors import ConfigError, TransformError
from spatialvlm_ros.rewards.recordings.camera_path import CameraPath, camera_path

Float = NDArray[np.float64]


def _in_lower_case(info: Any) -> Any:
    """A CameraInfo of ROS 1, whose fields are D, K, R and P, as one of ROS 2."""
    if hasattr(info, "k"):
        return info
    return SimpleNamespace(**{name.lower(): getattr(info, name) for name in info.__dataclass_fields__})


class KeptOpenBag(IndexedBag):
    """A whole recording whose files stay open from one reading to the next, and are closed when nobody needs it."""

    def __init__(self, path: Path) -> None:
        self._kept: _Kept | None = None
        super().__init__(path)

    def _reader(self) -> Any:
        if self._kept is None:
            self._kept = _Kept(super()._reader())
            # The reader refers to itself in a circle: left alone, its files would be closed at some later time.
            weakref.finalize(self, self._kept.close)
        return self._kept


class _Kept:
    """A context manager that is entered many times and left once: when reading fails, or at the end."""

    def __init__(self, opening: Any) -> None:
        self._opening = opening
        self._opened: Any = None

    def __enter__(self) -> Any:
        if self._opened is None:
            self._opened = self._opening.__enter__()
        return self._opened

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._leave(kind, error, trace)

    def close(self) -> None:
        """Close the files; the next reading opens them again."""
        if self._opened is not None:
            self._leave(None, None, None)

    def _leave(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._opened = None
        self._opening.__exit__(kind, error, trace)


@dataclass(frozen=True)
class SequentialPictures(BagCaptures):
    """`BagCaptures` for reading a recording from its beginning to its end in one process."""

    @functools.cached_property
    def _index(self) -> BagIndex:
        index: BagIndex = super()._index
        index.infos = {topic: _in_lower_case(info) for topic, info in index.infos.items()}
        reader: BagReader = self.__dict__["_reader"]
        if isinstance(reader, IndexedBag):  # a damaged one is read in another way
            self.__dict__["_reader"] = KeptOpenBag(self.path)
        return index

    @functools.cached_property
    def camera_path(self) -> CameraPath:
        """Where the camera is, by the frames that stand still.

        As in the node, a support plane comes last: it may drive along with the robot (base_footprint).
        """
        ground = self.ground_frame
        still = [frame for frame in self.level_frames if frame != ground]
        return camera_path(self._index.transforms, self._index.frames, [*still, *([ground] if ground else [])])

    def times(self) -> list[tuple[int, int]]:
        """Stamp and time of recording of each picture, nanoseconds."""
        return [(frame.stamp_ns, frame.log_ns) for frame in self._index.frames]

    def check_frame(self, frame_name: str) -> None:
        """Raise `ConfigError` for a frame that /tf does not have."""
        frames = self._index.transforms.frames()
        if frame_name not in frames:
            raise ConfigError(f"/tf of {self.path} has no frame", frame_name, f"It has {frames}.")

    def place_of(self, frame_name: str | None, number: int) -> Float | None:
        """(3,) origin of a frame in the optical frame of a picture, metres; None where /tf does not tell it then.

        Raises:
            ConfigError: there is no such frame.
        """
        if frame_name is None:
            return None
        self.check_frame(frame_name)
        index = self._index
        picture = index.frames[number]
        try:
            return index.transforms.lookup(picture.frame_id, frame_name, picture.stamp_ns).translation.copy()
        except TransformError:
            return None
