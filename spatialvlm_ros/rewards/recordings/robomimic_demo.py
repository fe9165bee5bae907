"""What one episode of a robomimic file holds, a group ``data/demo_k``: found out whatever is damaged of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo
from spatialvlm_ros.rewards.recordings.robosuite_camera import HAND

EXTRA = "recordings"
DEMO = "demo_"
PICTURE_ENDING, _DEPTH_ENDING = "_image", "_depth"
DAMAGE = (OSError, KeyError, RuntimeError)  # that h5py raises where a file is damaged
_AGAIN = "It is cut off or damaged: copy it again."
_RECOGNISED = 16  # pictures, by which an episode is recognised


def demo_of(data: Any, name: str) -> Any:
    """The group of an episode.

    Raises:
        SourceError: it is damaged, or no group.
    """
    try:
        demo = data[name]
    except DAMAGE as error:
        raise SourceError(f"{name} cannot be read", str(error), _AGAIN) from error
    if not isinstance(demo, require("h5py", EXTRA).Group):
        raise SourceError(f"{name} is no group", str(demo), "It is no episode of robomimic: copy it again.")
    return demo


def group_of(parent: Any, name: str) -> Any:
    """A group within another; None where there is none."""
    return _of_kind(parent, name, require("h5py", EXTRA).Group)


def rows_of(parent: Any, name: str) -> Any:
    """A dataset with rows within a group; None where there is none."""
    found = _of_kind(parent, name, require("h5py", EXTRA).Dataset)
    return found if found is not None and found.shape else None


def _of_kind(parent: Any, name: str, kind: type) -> Any:
    found = None if parent is None else parent.get(name)
    return found if isinstance(found, kind) else None


def picture_names(demo: Any) -> tuple[str, ...]:
    """Observations that are colour pictures: (N, H, W, 3) uint8."""
    seen = group_of(demo, "obs")
    rows = {} if seen is None else {name: rows_of(seen, name) for name in seen}
    return tuple(name for name, data in rows.items() if data is not None and _is_pictures(data))


def _is_pictures(data: Any) -> bool:
    return bool(data.ndim == 4 and data.shape[-1] == 3 and data.dtype == np.uint8)


def described(data: Any, name: str, camera: str) -> EpisodeInfo:
    """An episode, with what is wrong with it where it cannot be read."""
    number, steps, pictures, words = int(name[len(DEMO) :]), 0, 0, ""
    try:
        demo = demo_of(data, name)
        words = _instruction(demo)
        steps = _step_count(demo)
        pictures = _picture_count(demo, camera)
        _check_actions(demo)
        _check_counts(name, camera, pictures, steps)
    except SourceError as error:
        return EpisodeInfo(number, name, pictures, steps, words, error)
    except DAMAGE as error:
        return EpisodeInfo(number, name, pictures, steps, words, SourceError(f"{name} is damaged", str(error), _AGAIN))
    return EpisodeInfo(number, name, pictures, steps, words)


def _step_count(demo: Any) -> int:
    actions = rows_of(demo, "actions")
    return _sample_count(demo) if actions is None else len(actions)


def _sample_count(demo: Any) -> int:
    count = demo.attrs.get("num_samples", 0)
    if not isinstance(count, (int, np.integer)) or count < 0:
        raise SourceError(f"num_samples of {demo.name} is no number of actions", count, _AGAIN)
    return int(count)


def _picture_count(demo: Any, camera: str) -> int:
    pictures = rows_of(group_of(demo, "obs"), camera)
    if pictures is None:
        return 0
    count = int(pictures.shape[0])
    after = rows_of(group_of(demo, "next_obs"), camera)  # its last entry is the picture after the last action
    return count + 1 if count and after is not None and len(after) == count else count


def _check_actions(demo: Any) -> None:
    if "actions" in demo and rows_of(demo, "actions") is None:
        raise SourceError(f"the actions of {demo.name} are no rows of numbers", str(demo["actions"]), _AGAIN)


def _check_counts(name: str, camera: str, pictures: int, steps: int) -> None:
    if pictures == 0 and steps:
        raise SourceError(f"{name} has actions and no pictures of {camera}", steps, _AGAIN)
    if pictures - steps not in (0, 1):
        raise SourceError(f"{name} has {pictures} pictures, and its actions are another number", steps, _AGAIN)


def _instruction(demo: Any) -> str:
    try:
        return str(json.loads(demo.attrs["ep_meta"]).get("lang", ""))
    except (KeyError, ValueError, TypeError, AttributeError):
        return ""


def block(demo: Any, camera: str, start: int, stop: int) -> Iterator[tuple[Any, Any, Any]]:
    """(picture, depth, place of the hand) of pictures start .. stop - 1; None for what is damaged or not there."""
    count = len(demo["obs"][camera])
    names = (camera, f"{camera.removesuffix(PICTURE_ENDING)}{_DEPTH_ENDING}", HAND)
    for group, low, high in (("obs", start, min(stop, count)), ("next_obs", count - 1, count if stop > count else 0)):
        if low < high:
            yield from zip(*(_entries(group_of(demo, group), name, low, high) for name in names), strict=True)


def _entries(group: Any, name: str, low: int, high: int) -> list[Any]:
    rows = rows_of(group, name)
    if rows is None or rows.dtype.kind not in "uif":
        return [None] * (high - low)
    there = range(low, min(high, len(rows)))
    try:
        entries = list(rows[low : there.stop])
    except OSError:  # a damaged chunk: one by one, to lose no more than that
        entries = [_entry(rows, index) for index in there]
    return entries + [None] * (high - low - len(entries))


def _entry(data: Any, index: int | slice) -> Any:
    try:
        return data[index]
    except OSError:
        return None


def told_apart_by(demo: Any, camera: str, frames: int) -> Iterator[Any]:
    """What an episode is recognised by: reading all its pictures would take too long."""
    for rows in (rows_of(demo, "actions"), rows_of(group_of(demo, "obs"), HAND)):
        yield None if rows is None or rows.dtype.kind not in "uif" else _entry(rows, slice(None))
    if frames:
        yield np.array([demo["obs"][camera].id.get_storage_size()])
        for index in np.unique(np.linspace(0, frames - 1, min(frames, _RECOGNISED)).astype(int)).tolist():
            for picture, depth, _ in block(demo, camera, index, index + 1):
                yield picture
                yield depth


def demo_names(file: Any) -> list[str]:
    """Names of the episodes by number.

    Raises:
        SourceError: there is no group "data", or two of them have the same number.
        KeyError: it is damaged.
    """
    data = file["data"] if "data" in list(file) else None
    if not isinstance(data, require("h5py", EXTRA).Group):
        raise SourceError(f"{file.filename} is no robomimic data set", sorted(file), "It has no group 'data'.")
    names = [name for name in data if name.startswith(DEMO) and name[len(DEMO) :].isdecimal()]
    _check_numbers(names)
    return sorted(names, key=lambda name: int(name[len(DEMO) :]))


def _check_numbers(names: Sequence[str]) -> None:
    first: dict[int, str] = {}
    for name in names:
        other = first.setdefault(int(name[len(DEMO) :]), name)
        if other != name:
            raise SourceError("two episodes have the same number", (other, name), "Rename one of them.")
