"""robomimic data sets as recordings: one HDF5 file, a group ``data/demo_k`` per episode, with pictures in it.

``rewards[t]`` belongs to the action taken in ``obs[t]`` and is judged in ``next_obs[t]``; where ``next_obs`` is kept,
its last entry is the picture after the last action.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.cameras import Reading, chosen_camera
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Frame
from spatialvlm_ros.rewards.recordings.robomimic_demo import (
    DAMAGE,
    EXTRA,
    PICTURE_ENDING,
    block,
    demo_names,
    demo_of,
    described,
    picture_names,
    told_apart_by,
)
from spatialvlm_ros.rewards.recordings.robosuite_camera import RecordedCamera, is_in_hand, recorded_camera
from spatialvlm_ros.scenes.observation import Observation

FORMAT = "robomimic"
SUFFIXES = (".hdf5", ".h5")
_NOMINAL_HZ = 20.0  # of robosuite's controllers; used for time stamps only where the file names no other rate
_BLOCK = 64  # pictures that are read at once


class RobomimicRecording:
    """A robomimic data set (`Recording`).

    Depth (``<camera>_depth``, metres), the vertical and the gripper's place are used where they are there.

    Args:
        path: the HDF5 file.
        reading: which camera, e.g. "agentview_image", its model where the file does not hold it, and whether depth is
            believed.

    Raises:
        SourceError: no robomimic data set, a damaged one, or one without pictures.
    """

    format = FORMAT

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        self.intrinsics = reading.intrinsics
        self._use_depth = reading.beliefs.use_depth
        self.notes = reading.notes_without_frames()
        self._faults = reading.faults_without_frames()
        with opened(path) as file:
            names = demo_names(file)
            self._hz = _control_rate(file)
            self.cameras = _cameras(file["data"], names)
            wanted = reading.camera_name if reading.camera_name in self.cameras else _with_ending(reading.camera_name)
            self.camera_name = chosen_camera(self.cameras, wanted, path)
            self._episodes = [described(file["data"], name, self.camera_name) for name in names]

    @property
    def problems(self) -> Mapping[str, int]:
        """None: what is damaged belongs to an episode."""
        return {}

    def episodes(self) -> Sequence[EpisodeInfo]:
        """All groups ``demo_k``, by number."""
        return self._episodes

    def frames(self, episode: EpisodeInfo, start: int = 0) -> Iterator[Frame]:
        """The pictures from number ``start`` on; see `Recording`."""
        if episode.fault is not None:
            raise episode.fault
        with opened(self.path) as file:
            demo = file["data"][episode.name]
            known = recorded_camera(demo, self.camera_name.removesuffix(PICTURE_ENDING))
            for index in range(start, episode.frames, _BLOCK):
                stop = min(index + _BLOCK, episode.frames)
                for k, entries in enumerate(block(demo, self.camera_name, index, stop), index):
                    yield self._frame(k, *entries, known)

    def _frame(self, index: int, picture: Any, depth: Any, hand: Any, recorded: RecordedCamera | None) -> Frame:
        stamp = round(index / self._hz * 1e9)
        rgb = _rgb(picture)
        if rgb is None:
            return Frame(index, stamp, None, None, Reason.MODEL_ERROR, "The picture is missing or damaged.")
        height, width = rgb.shape[:2]
        known = None if recorded is None else Camera.from_K(recorded.matrix, width, height)
        camera = self.intrinsics.camera(width, height, known)
        metres = _metres(depth, rgb.shape[:2]) if self._use_depth else None
        up = None if recorded is None else recorded.up
        observation = Observation(rgb, camera, metres, up, stamp_ns=stamp, frame_id=self.camera_name)
        gripper = None if recorded is None else recorded.gripper(hand)
        faults = self._faults if gripper is None else {}
        return Frame(index, stamp, observation, gripper, placed=not is_in_hand(self.camera_name), faults=faults)

    def fingerprint(self) -> str:
        """Of the size and time of the file and the lengths of the episodes."""
        status = self.path.stat()
        lengths = [(e.name, e.frames) for e in self._episodes]
        return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} {lengths}".encode()).hexdigest()

    def episode_fingerprint(self, episode: EpisodeInfo) -> str:
        """Of its lengths, what is known of its camera, its actions and hand, and some of its pictures."""
        digest = hashlib.sha256(f"{episode.frames} {episode.steps}".encode())
        if episode.fault is not None:
            digest.update(str(episode.fault).encode())
            return digest.hexdigest()
        with opened(self.path) as file:
            demo = file["data"][episode.name]
            digest.update(str(demo.attrs.get("camera_info")).encode())
            for part in told_apart_by(demo, self.camera_name, episode.frames):
                digest.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


@contextmanager
def opened(path: Path, mode: str = "r") -> Iterator[Any]:
    """The HDF5 file.

    Raises:
        SourceError: it cannot be opened, or what is read from it is damaged.
        MissingDependencyError: h5py is not installed.
    """
    h5py = require("h5py", EXTRA)
    try:
        file = h5py.File(path, mode)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be opened as HDF5", str(error), "It is cut off, damaged or in use: copy it again."
        ) from error
    with file:
        try:
            yield file
        except DAMAGE as error:
            raise SourceError(
                f"{path} is damaged", f"{type(error).__name__}: {error}", "Copy it again from where it came."
            ) from error


def _cameras(data: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the first episode that has pictures."""
    for name in names:
        with suppress(SourceError, *DAMAGE):
            found = picture_names(demo_of(data, name))
            if found:
                return found
    return ()


def _with_ending(name: str | None) -> str | None:
    return None if name is None or name.endswith(PICTURE_ENDING) else f"{name}{PICTURE_ENDING}"


def _rgb(picture: Any) -> NDArray[np.uint8] | None:
    if picture is None:
        return None
    array = np.asarray(picture)
    usable = array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size > 0
    return np.ascontiguousarray(array) if usable else None


def _metres(depth: Any, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """(H, W) metres; None where depth is missing or stored otherwise than in floating point metres."""
    if depth is None:
        return None
    array = np.asarray(depth)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.shape != shape or array.dtype.kind != "f":
        return None
    metres = array.astype(np.float32)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))


def _control_rate(file: Any) -> float:
    try:
        arguments = json.loads(file["data"].attrs["env_args"])
        rate = float(arguments["env_kwargs"]["control_freq"])
    except (KeyError, ValueError, TypeError):
        return _NOMINAL_HZ
    return rate if np.isfinite(rate) and rate > 0 else _NOMINAL_HZ


def is_robomimic(path: Path) -> bool:
    """Whether this is an HDF5 file."""
    return path.is_file() and path.suffix in SUFFIXES
