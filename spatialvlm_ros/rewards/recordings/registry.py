"""Formats of recordings by name, and which one a path holds. Nothing of a format is imported before it is needed."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError, SourceError
from spatialvlm_ros.rewards.recordings.beliefs import Beliefs
from spatialvlm_ros.rewards.recordings.cameras import Reading
from spatialvlm_ros.rewards.recordings.episode import Recording
from spatialvlm_ros.rewards.recordings.intrinsics import find_intrinsics
from spatialvlm_ros.rewards.shaping import DROPPED, KEPT

_log = logging.getLogger(__name__)

_ROOM = "spatialvlm_ros.rewards.recordings"
BESIDE, COPY = "beside", "copy"
PLACES = (BESIDE, COPY)
# What people call them on the command line.
_OPTIONS = {
    "gripper_frame": "--gripper-frame",
    "support_frame": "--support-frame",
    "use_depth": "--no-depth",
    "use_tf": "--no-tf",
    "use_imu": "--no-imu",
    "level_frames": "--level-frame",
    "slop_s": "--slop-s",
}


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        summary: what it is, for people.
        recognises: "module:function" of ``path -> bool``.
        recording: "module:class" of its reader, made of (path, `Reading`).
        composers: place -> "module:function" that writes annotations there (see `composing.Compose`).
        output: place -> ending of what is written, put behind the recording's name.
        copies: "module:function" that complains of a recording that cannot be copied with rewards in it.
        has_frames: it has a tree of frames, in which the gripper can be found.
        beliefs: the `Beliefs` that mean something in it, by name.
        by_time: pictures come at a rate of their own; else each has its row, with an action.
        unseen: what its learners may do with pictures without a potential (see `shaping.Discount`), the usual first.
            Rows are learnt from, or filtered; a message without a valid reward holds no number, so it is left out.
    """

    summary: str
    recognises: str
    recording: str
    composers: dict[str, str]
    output: dict[str, str]
    copies: str
    has_frames: bool = False
    beliefs: tuple[str, ...] = ()
    by_time: bool = False
    unseen: tuple[str, ...] = (KEPT, DROPPED)


FORMATS: dict[str, Format] = {
    "mcap": Format(
        "a ROS recording (MCAP, rosbag2 folder, ROS 1 bag)",
        f"{_ROOM}.mcap:is_bag",
        f"{_ROOM}.mcap:BagRecording",
        {BESIDE: f"{_ROOM}.mcap_writer:compose_beside", COPY: f"{_ROOM}.mcap_writer:compose_copy"},
        {BESIDE: "", COPY: ""},
        f"{_ROOM}.mcap_writer:check_copy",
        has_frames=True,
        beliefs=tuple(f.name for f in fields(Beliefs)),
        by_time=True,
        unseen=(DROPPED,),
    ),
    "lerobot": Format(
        "a LeRobot data set (v2.0, v2.1, v3.0)",
        f"{_ROOM}.lerobot_metadata:is_lerobot",
        f"{_ROOM}.lerobot:LeRobotRecording",
        {BESIDE: f"{_ROOM}.lerobot_writer:compose_beside", COPY: f"{_ROOM}.lerobot_writer:compose_copy"},
        {BESIDE: ".parquet", COPY: ""},
        f"{_ROOM}.lerobot_writer:check_copy",
    ),
    "robomimic": Format(
        "a robomimic data set (HDF5)",
        f"{_ROOM}.robomimic:is_robomimic",
        f"{_ROOM}.robomimic:RobomimicRecording",
        {BESIDE: f"{_ROOM}.robomimic_writer:compose_beside", COPY: f"{_ROOM}.robomimic_writer:compose_copy"},
        {BESIDE: ".hdf5", COPY: ".hdf5"},
        f"{_ROOM}.robomimic_writer:check_copy",
        beliefs=("use_depth",),
    ),
}


def format_of(path: Path) -> str:
    """Name of the format of a path.

    Raises:
        SourceError: there is nothing, or nothing that is known.
    """
    if not path.exists():
        raise SourceError("there is no recording", str(path), "Check the path.")
    for name, entry in FORMATS.items():
        if loaded(entry.recognises)(path):
            return name
    known = "; ".join(entry.summary for entry in FORMATS.values())
    raise SourceError("this is no recording that is known", str(path), f"Known are {known}.")


def open_recording(
    path: str | Path,
    camera_name: str | None = None,
    hfov: float | None = None,
    camera: str | None = None,
    gripper_frame: str | None = None,
    support_frame: str | None = None,
    beliefs: Beliefs | None = None,
    strict: bool = True,
) -> Recording:
    """Open a recording, whatever its format.

    Args:
        path: a bag, a LeRobot folder or a robomimic file.
        camera_name: topic, feature or observation with the pictures; may be left out where there is one camera.
        hfov: horizontal field of view in degrees, where the recording does not hold the camera.
        camera: "fx,fy,cx,cy" in pixels, likewise.
        gripper_frame: frame at the tool centre point, for ROS recordings with /tf; the gripper is exact then.
        support_frame: frame that stands still and whose z = 0 is the plane that things stand on, likewise; the vertical
            and the height of the camera are exact then.
        beliefs: what is believed besides the colour pictures; everything that is there by default.
        strict: whether frames and beliefs are meant for this very recording: what it cannot have is an error then. Else
            (standing parameters of a node) a frame is noted (`Recording.notes`), and its pictures are as live without.

    Raises:
        SourceError: it cannot be read, or which camera is meant is not clear.
        CameraModelError: the camera is not known, or of another picture size.
        ConfigError: the options are malformed, or meant for another format or recording.
        MissingDependencyError: a package is not installed.
    """
    path = Path(path).absolute()
    entry = FORMATS[format_of(path)]
    folder = path if path.is_dir() else path.parent
    beliefs = beliefs or Beliefs()
    intrinsics = find_intrinsics(folder, camera_name or "", hfov, camera)
    reading = Reading(camera_name, intrinsics, gripper_frame, support_frame, beliefs, strict)
    if strict:
        _check_fits(entry, reading)
    recording: Recording = loaded(entry.recording)(path, reading)
    _check_camera(recording)
    return recording


def _check_fits(entry: Format, reading: Reading) -> None:
    """Complain of options that cannot be meant for a format, or contradict each other."""
    for what, frame in reading.frames().items():
        if not entry.has_frames:
            raise ConfigError(f"{entry.summary} has no frames", frame, f"Leave {_OPTIONS[what]} out.")
        if not reading.beliefs.use_tf:
            raise ConfigError(
                "a frame is named, and frames are not used", frame, f"Leave {_OPTIONS[what]} or --no-tf out."
            )
    for name, value in reading.beliefs.changed().items():
        if name not in entry.beliefs:
            option = _OPTIONS.get(name, name)
            raise ConfigError(f"{option} means nothing in {entry.summary}", value, f"Leave {option} out.")


def _check_camera(recording: Recording) -> None:
    """Complain of a missing camera model before any work is done, not in the middle of it."""
    for episode in recording.episodes():
        try:
            if any(frame.observation is not None for frame in islice(recording.frames(episode), 1)):
                return
        except SourceError as error:  # this episode is damaged, which is reported where it is read
            _log.debug("%s of %s: %s", episode.name, recording.path, error)


def unseen_in(recording: Recording) -> str:
    """What learners usually do with pictures without a potential, by the recording's format."""
    return FORMATS[recording.format].unseen[0]


def check_unseen(recording: Recording, unseen: str) -> None:
    """Complain of rewards whose discounted sum would be wrong for those who read this format.

    Raises:
        ConfigError: ``unseen`` is not what they do.
    """
    possible = FORMATS[recording.format].unseen
    if unseen not in possible:
        what = f"in {FORMATS[recording.format].summary} pictures without a potential are {' or '.join(possible)}"
        raise ConfigError(what, unseen, f"Choose {' or '.join(map(repr, possible))} as unseen.")


def check_step(recording: Recording, step_s: float) -> None:
    """Complain of control steps that are counted by time where each row is one.

    Raises:
        ConfigError: the format has rows.
    """
    entry = FORMATS[recording.format]
    if step_s and not entry.by_time:
        raise ConfigError(f"a row of {entry.summary} is a step", step_s, "Leave the seconds of a control step out.")


def output_path(recording: Recording, place: str) -> Path:
    """Where annotations go that were not given a place: beside the recording, "NAME_rewards"."""
    path = recording.path
    stem = path.name if path.is_dir() else path.stem
    return path.with_name(f"{stem}_rewards{FORMATS[recording.format].output[place]}")


def loaded(place: str) -> Callable[..., Any]:
    """The function or class at "module:name"."""
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
