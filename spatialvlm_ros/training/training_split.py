"""Which views of a data set are trained on: never those that it keeps for calibration or for judging."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spatialvlm_ros.datasets.reader import Dataset

logger = logging.getLogger(__name__)

TRAIN_SPLIT = "train"


def open_for_training(path: str | Path, split: str | None = None) -> Dataset:
    """The split ``split`` of a data set; None takes "train", or all of a data set that has no such split.

    Raises:
        DatasetError: there is no data set, no such split, or a damaged shard.
    """
    from spatialvlm_ros.datasets.reader import open_dataset

    dataset = open_dataset(path, split)
    if split is not None or TRAIN_SPLIT not in dataset.splits:
        return dataset
    others = [name for name in dataset.splits if name != TRAIN_SPLIT]
    if others:
        logger.info("%s: trained on its split %r, not on %s", path, TRAIN_SPLIT, ", ".join(others))
    return dataset.split(TRAIN_SPLIT)
