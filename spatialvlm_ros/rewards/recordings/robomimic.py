"""robomimic data sets as recordings: one HDF5 file, a group ``data/demo_k`` per episode, with pictures in it.

``rewards[t]`` belongs to the action taken in ``obs[t]`` and is judged in ``next_obs[t]``; where ``next_obs`` is kept,
its last entry is the picture after the last action.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
from spatialvlm_ros.rewards.recordings.robosuite_camera import (
    HAND,
    RecordedCamera,
    is_in_hand,
    recorded_camera,
)
from spatialvlm_ros.scenes.observation import Observation

FORMAT = "robomimic"
EXTRA = "recordings"
SUFFIXES = (".hdf5", ".h5")
DEMO = "demo_"
_PICTURE_ENDING, _DEPTH_ENDING = "_image", "_depth"
_NOMINAL_HZ = 20.0  # of robosuite's controllers; used for time stamps only where the file names no other rate
_RECOGNISED = 16  # pictures, by which an episode is recognised
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
            self._demos = demos(file)
            self._hz = _control_rate(file)
            self.cameras = _cameras(file, self._demos)
            self._episodes = [self._info(file["data"][name]) for name in self._demos]
        wanted = reading.camera_name if reading.camera_name in self.cameras else _with_ending(reading.camera_name)
        self.camera_name = chosen_camera(self.cameras, wanted, path)
        self._episodes = self._with_pictures()

    def _info(self, demo: Any) -> EpisodeInfo:
        name = demo.name.rsplit("/", 1)[-1]
        rows = int(demo["actions"].shape[0]) if "actions" in demo else int(demo.attrs.get("num_samples", 0))
        return EpisodeInfo(int(name[len(DEMO) :]), name, rows, rows, _instruction(demo))

    def _with_pictures(self) -> list[EpisodeInfo]:
        with opened(self.path) as file:
            data = file["data"]
            return [replace(e, frames=_pictures_in(data[e.name], self.camera_name)) for e in self._episodes]

    @property
    def problems(self) -> Mapping[str, int]:
        """None: what is damaged belongs to an episode."""
        return {}

    def episodes(self) -> Sequence[EpisodeInfo]:
        """All groups ``demo_k``, by number."""
        return self._episodes

    def frames(self, episode: EpisodeInfo, start: int = 0) -> Iterator[Frame]:
        """The pictures from number ``start`` on; see `Recording`."""
        if episode.frames - episode.steps not in (0, 1):
            raise SourceError(
                f"{episode.name} has {episode.frames} pictures, and its actions are another number",
                episode.steps,
                "It is cut off or damaged: copy it again.",
            )
        with opened(self.path) as file:
            demo = file["data"][episode.name]
            known = recorded_camera(demo, self.camera_name.removesuffix(_PICTURE_ENDING))
            for index in range(start, episode.frames, _BLOCK):
                stop = min(index + _BLOCK, episode.frames)
                for k, entries in enumerate(_block(demo, self.camera_name, index, stop), index):
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
        with opened(self.path) as file:
            demo = file["data"][episode.name]
            digest.update(str(demo.attrs.get("camera_info")).encode())
            for part in _told_apart_by(demo, self.camera_name, episode.frames):
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
        except (OSError, KeyError, RuntimeError) as error:
            raise SourceError(
                f"{path} is damaged", f"{type(error).__name__}: {error}", "Copy it again from where it came."
            ) from error


def demos(file: Any) -> list[str]:
    """Names of the episodes by number.

    Raises:
        SourceError: there is no group "data".
    """
    if "data" not in file:
        raise SourceError(f"{file.filename} is no robomimic data set", sorted(file), "It has no group 'data'.")
    names = [name for name in file["data"] if name.startswith(DEMO) and name[len(DEMO) :].isdigit()]
    return sorted(names, key=lambda name: int(name[len(DEMO) :]))


def _cameras(file: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Observations that are colour pictures: (N, H, W, 3) uint8."""
    for name in names:
        seen = file["data"][name].get("obs")
        found = [] if seen is None else [key for key, data in seen.items() if _is_pictures(data)]
        if found:
            return tuple(found)
    return ()


def _is_pictures(data: Any) -> bool:
    return getattr(data, "ndim", 0) == 4 and data.shape[-1] == 3 and data.dtype == np.uint8


def _with_ending(name: str | None) -> str | None:
    return None if name is None or name.endswith(_PICTURE_ENDING) else f"{name}{_PICTURE_ENDING}"


def _pictures_in(demo: Any, camera: str) -> int:
    seen = demo.get("obs")
    if seen is None or camera not in seen:
        return 0
    count = int(seen[camera].shape[0])
    return count + 1 if count and _has_last(demo, camera, count) else count


def _has_last(demo: Any, camera: str, count: int) -> bool:
    """Whether the picture after the last action is kept."""
    after = demo.get("next_obs")
    return after is not None and camera in after and int(after[camera].shape[0]) == count


def _block(demo: Any, camera: str, start: int, stop: int) -> Iterator[tuple[Any, Any, Any]]:
    """(picture, depth, place of the hand) of pictures start .. stop - 1; None for what is damaged or not there."""
    count = int(demo["obs"][camera].shape[0])
    depth = f"{camera.removesuffix(_PICTURE_ENDING)}{_DEPTH_ENDING}"
    for group, low, high in (("obs", start, min(stop, count)), ("next_obs", count - 1, count if stop > count else 0)):
        if low < high:
            yield from zip(*(_entries(demo[group], name, low, high) for name in (camera, depth, HAND)), strict=True)


def _entries(group: Any, name: str, low: int, high: int) -> list[Any]:
    if name not in group:
        return [None] * (high - low)
    try:
        return list(group[name][low:high])
    except OSError:  # a damaged chunk: one by one, to lose no more than that
        return [_entry(group[name], index) for index in range(low, high)]


def _entry(data: Any, index: int | slice) -> Any:
    try:
        return data[index]
    except OSError:
        return None


def _told_apart_by(demo: Any, camera: str, frames: int) -> Iterator[Any]:
    """What an episode is recognised by: reading all its pictures would take too long."""
    for rows in (demo.get("actions"), demo.get(f"obs/{HAND}")):
        yield None if rows is None else _entry(rows, slice(None))
    if frames:
        yield np.array([demo["obs"][camera].id.get_storage_size()])
        for index in np.unique(np.linspace(0, frames - 1, min(frames, _RECOGNISED)).astype(int)).tolist():
            for picture, depth, _ in _block(demo, camera, index, index + 1):
                yield picture
                yield depth


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


def _instruction(demo: Any) -> str:
    try:
        return str(json.loads(demo.attrs["ep_meta"]).get("lang", ""))
    except (KeyError, ValueError, TypeError, AttributeError):
        return ""


def is_robomimic(path: Path) -> bool:
    """Whether this is an HDF5 file."""
    return path.is_file() and path.suffix in SUFFIXES
