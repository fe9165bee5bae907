"""Rewards in robomimic data sets: a group ``spatialvlm`` in each episode of a copy, or a small file beside.

Entry t of ``rewards``, ``success``, ``valid`` and ``reason`` belongs to ``actions[t]``, as in robomimic's own
``rewards``; entry t of ``potential`` to ``obs[t]``. What was recorded stays as it is.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import SourceError
from spatialvlm_ros.optional import require
from spatialvlm_ros.rewards.recordings.composing import AnnotationsOf
from spatialvlm_ros.rewards.recordings.episode import EpisodeInfo, Provenance
from spatialvlm_ros.rewards.recordings.robomimic import RobomimicRecording, opened
from spatialvlm_ros.rewards.recordings.robomimic_demo import EXTRA, demo_of
from spatialvlm_ros.rewards.recordings.transitions import Rows, rows_of

_log = logging.getLogger(__name__)

GROUP = "spatialvlm"


def check_copy(recording: RobomimicRecording) -> None:
    """Raise `SourceError` for a file that already has rewards of ours."""
    with opened(recording.path) as file:
        taken = [e.name for e in recording.episodes() if _has_rewards(file["data"], e.name)]
    if taken:
        raise SourceError(f"{recording.path} already has rewards of ours", taken[0], "Annotate the original instead.")


def _has_rewards(data: Any, name: str) -> bool:
    try:
        return GROUP in demo_of(data, name)
    except SourceError:
        return False


def compose_copy(
    recording: RobomimicRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """The whole file with a group ``data/demo_k/spatialvlm`` in each episode.

    Raises:
        SourceError: the file is damaged.
    """
    shutil.copyfile(recording.path, target)
    with opened(target, "r+") as file:
        for episode in recording.episodes():
            try:
                demo = demo_of(file["data"], episode.name)
            except SourceError as error:  # there is nothing to put them into; it was reported where it was read
                _log.warning("%s has no room for rewards: %s", episode.name, error)
                continue
            _write_rows(demo.create_group(GROUP), episode, annotations_of)
        file["data"].attrs[f"{GROUP}_reward"] = json.dumps(provenance.as_dict(), sort_keys=True)


def compose_beside(
    recording: RobomimicRecording, annotations_of: AnnotationsOf, provenance: Provenance, target: Path
) -> None:
    """A file of the same layout that holds ``rewards``, ``dones`` and our columns, without observations."""
    with opened(target, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(episode.steps for episode in recording.episodes())
        data.attrs[f"{GROUP}_reward"] = json.dumps(provenance.as_dict(), sort_keys=True)
        for episode in recording.episodes():
            demo = data.create_group(episode.name)
            demo.attrs["num_samples"] = episode.steps
            _write_rows(demo.create_group(GROUP), episode, annotations_of)
            demo.create_dataset("rewards", data=demo[GROUP]["rewards"][()])
            demo.create_dataset("dones", data=_ends(episode.steps))


def _ends(steps: int) -> np.ndarray:
    dones = np.zeros(steps, dtype=np.int64)
    dones[-1:] = 1
    return dones


def _write_rows(group: Any, episode: EpisodeInfo, annotations_of: AnnotationsOf) -> None:
    h5py = require("h5py", EXTRA)
    rows: Rows = rows_of(annotations_of(episode), episode)
    numbers = {
        "rewards": rows.reward,
        "rewards_std": rows.reward_std,
        "base": rows.base,
        "potential": rows.potential,
        "potential_std": rows.potential_std,
        "success_probability": rows.success_probability,
        "success": rows.next_success.astype(np.uint8),
        "valid": rows.next_valid.astype(np.uint8),
    }
    for name, values in numbers.items():
        group.create_dataset(name, data=values)
    group.create_dataset("reason", data=np.array(rows.next_reason, dtype=object), dtype=h5py.string_dtype())
