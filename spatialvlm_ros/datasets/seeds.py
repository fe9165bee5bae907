"""Seeds of scenes and views: functions of the data seed and fixed indices, never of order, process or time."""

from __future__ import annotations

import numpy as np

# Separates the streams that share a data seed and a scene index.
_SCENE_STREAM, _QUESTION_STREAM = 0, 1


def scene_seed(data_seed: int, scene_index: int) -> int:
    """Seed of a scene, 0 .. 2**63 - 1, from (data seed, scene index) only."""
    return _seed(data_seed, _SCENE_STREAM, scene_index)


def question_seed(data_seed: int, scene_index: int, view_number: int) -> int:
    """Seed of the questions of one view of a scene, 0 .. 2**63 - 1; views count from 0, skipped ones included."""
    return _seed(data_seed, _QUESTION_STREAM, scene_index, view_number)


def _seed(*words: int) -> int:
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
