"""Data sets that `spatialvlm reward annotate` wrote, by their path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.rewards.check_sources.steps import Played, Playing
from spatialvlm_ros.rewards.recordings.registry import loaded

_ROOM, _RECORDINGS = "spatialvlm_ros.rewards.check_sources", "spatialvlm_ros.rewards.recordings"
# What recognises a path -> what reads it. Nothing of a format is imported before it is needed.
_READERS = {
    f"{_RECORDINGS}.lerobot_metadata:is_lerobot": f"{_ROOM}.lerobot:read_copy",
    f"{_ROOM}.lerobot:is_beside": f"{_ROOM}.lerobot:read_beside",
    f"{_RECORDINGS}.robomimic:is_robomimic": f"{_ROOM}.robomimic:read_file",
    f"{_RECORDINGS}.mcap:is_bag": f"{_ROOM}.bags:read_bag",
}


def is_dataset(source: Any) -> bool:
    """Whether it is a path, or a recording that was opened."""
    return isinstance(_path_of(source), (str, Path))


def read_dataset(source: Any, playing: Playing) -> Played:
    """The episodes of a data set.

    Raises:
        DatasetError: it has no rewards of ours.
        SourceError: there is nothing, or nothing that is known.
    """
    path = Path(_path_of(source))
    if not path.exists():
        raise SourceError("there is no data set", str(path), "Check the path.")
    for recognises, read in _READERS.items():
        if loaded(recognises)(path):
            found: Played = loaded(read)(path)
            return found
    raise SourceError("this is no data set that is known", str(path), "Known are LeRobot, robomimic and ROS bags.")


def _path_of(source: Any) -> Any:
    """`open_recording` gives objects with a path and episodes."""
    return source.path if hasattr(source, "path") and hasattr(source, "episodes") else source
