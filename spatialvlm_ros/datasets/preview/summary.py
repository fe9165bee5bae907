"""Counts over a whole data set for the top of the page; pictures are not read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from spatialvlm_ros.datasets.reader import Dataset

# Edges of the histograms of lengths in metres; the first bin holds all below, the last all above.
LENGTH_EDGES = np.geomspace(0.01, 10.0, 25)
_COLUMNS = ("qa", "objects", "frame", "licence", "camera")


@dataclass
class FamilyCount:
    """One question family: how many questions, how many with a value above 0 (yes, first, ...), and all values."""

    total: int = 0
    positive: int = 0
    values: list[float] = field(default_factory=list)

    def histogram(self) -> list[int]:
        """Counts of |value| in the bins of `LENGTH_EDGES`, outliers in the end bins."""
        values = np.clip(np.abs(self.values), LENGTH_EDGES[0], LENGTH_EDGES[-1] * (1 - 1e-9))
        return np.histogram(values, LENGTH_EDGES)[0].tolist()


@dataclass
class Summary:
    """What a data set holds."""

    views: int = 0
    questions: int = 0
    objects: int = 0
    nouns: Counter[str] = field(default_factory=Counter)
    families: dict[str, FamilyCount] = field(default_factory=dict)
    levels: Counter[int] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def summarise(dataset: Dataset) -> Summary:
    """Count a data set."""
    summary = Summary()
    for shard in dataset.shards:
        summary.skipped.update(shard.summary.skipped)
        summary.splits[shard.split] += shard.summary.rows
    for row in dataset.rows(_COLUMNS):
        summary.views += 1
        summary.objects += len(row["objects"])
        summary.nouns.update(item["noun"] for item in row["objects"])
        summary.levels[row["frame"]["level"]] += 1
        summary.licences[row["licence"]] += 1
        summary.sizes[f"{row['camera']['width']} × {row['camera']['height']}"] += 1
        for pair in row["qa"]:
            count = summary.families.setdefault(pair["family"], FamilyCount())
            count.total += 1
            count.positive += pair["value"] > 0
            count.values.append(pair["value"])
        summary.questions += len(row["qa"])
    return summary
