"""What every published benchmark is read into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from spatialvlm_ros.evaluation.readers.masks import BenchRegion
from spatialvlm_ros.evaluation.readers.media import Picture, Video
from spatialvlm_ros.geometry.cameras import Camera

# Units of numeric answers, by how much of the base unit one of them is. Lengths are metres.
LENGTH_UNITS: dict[str, float] = {
    "mm": 1e-3,
    "cm": 1e-2,
    "m": 1.0,
    "in": 0.0254,
    "ft": 0.3048,
    "yd": 0.9144,
}
OTHER_UNITS = frozenset({"count", "m2", "o'clock"})


class ItemKind(str, Enum):
    """What kind of answer an item wants."""

    NUMBER = "number"
    CHOICE = "choice"
    PREDICATE = "predicate"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class BenchItem:
    """One question of a published benchmark.

    Attributes:
        id: unique within the benchmark.
        images: pictures, loaded when they are asked for; empty for questions about a video.
        question: as published, without the answer choices.
        kind: which of the answers below is set.
        category: the benchmark's own name of the task.
        split: the benchmark's own split, or "".
        answer_value, answer_unit: of a number: as published, with one of `LENGTH_UNITS` or `OTHER_UNITS`.
        choices: of a choice, without their letters.
        answer_index: of a choice, which of them is right.
        answer_truth: of a predicate.
        regions: objects by box or mask, in the order of their numbers in the question.
        video: of questions about a video, else None.
        camera: where the benchmark gives it (none of those read here does), else None.
        extra: further published fields.
    """

    id: str
    images: tuple[Picture, ...]
    question: str
    kind: ItemKind
    category: str
    split: str = ""
    answer_value: float | None = None
    answer_unit: str | None = None
    choices: tuple[str, ...] = ()
    answer_index: int | None = None
    answer_truth: bool | None = None
    regions: tuple[BenchRegion, ...] = ()
    video: Video | None = None
    camera: Camera | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def metres(self) -> float | None:
        """The answer in metres, None where it is no length."""
        if self.answer_value is None or self.answer_unit not in LENGTH_UNITS:
            return None
        return self.answer_value * LENGTH_UNITS[self.answer_unit]


@dataclass(frozen=True)
class Benchmark:
    """All items of a benchmark that could be read.

    Attributes:
        name: key of its reader.
        items: in the order of the files.
        skipped: reasons why rows were left out, with how many.
    """

    name: str
    items: tuple[BenchItem, ...]
    skipped: Counter[str]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[BenchItem]:
        return iter(self.items)


class Unusable(Exception):
    """A row that cannot be used; its text is the reason that is counted. Never leaves this package."""
