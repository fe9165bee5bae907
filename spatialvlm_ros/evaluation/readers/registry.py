"""The benchmarks by name: ``read_benchmark("q_spatial", folder)``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers import cv_bench, q_spatial, spatial_rgpt, vsi_bench
from spatialvlm_ros.evaluation.readers.media import MediaRoot
from spatialvlm_ros.evaluation.readers.predictions import Prediction
from spatialvlm_ros.evaluation.readers.records import BenchItem, Benchmark, Unusable
from spatialvlm_ros.evaluation.readers.tables import Row, find_tables, hub_rows, read_rows

_log = logging.getLogger(__name__)
HUB_PREFIX = "hub:"


@dataclass(frozen=True)
class Reader:
    """How one benchmark is read and scored.

    Attributes:
        title: its name for people.
        hub: where it is on the hub, ``OWNER/NAME``.
        patterns: file names of its tables, best first.
        item_of: one row -> one item; raises `Unusable`.
        score: items and predictions -> the benchmark's published metric and its parts.
        metric: key of the headline number in what ``score`` gives.
        hub_config: configuration on the hub, or None.
        ignored: reason of rows that belong to other parts of the benchmark and are no loss.
    """

    title: str
    hub: str
    patterns: tuple[str, ...]
    item_of: Callable[[Row, MediaRoot], BenchItem]
    score: Callable[[Sequence[BenchItem], Sequence[Prediction]], dict[str, float]]
    metric: str
    hub_config: str | None = None
    ignored: str = ""


READERS: dict[str, Reader] = {
    "q_spatial": Reader(
        "Q-Spatial Bench", q_spatial.HUB, q_spatial.PATTERNS, q_spatial.item_of, q_spatial.score, "success"
    ),
    "spatial_rgpt": Reader(
        "SpatialRGPT-Bench",
        spatial_rgpt.HUB,
        spatial_rgpt.PATTERNS,
        spatial_rgpt.item_of,
        spatial_rgpt.score,
        "quantitative",
    ),
    "vsi_bench": Reader("VSI-Bench", vsi_bench.HUB, vsi_bench.PATTERNS, vsi_bench.item_of, vsi_bench.score, "overall"),
    "cv_bench_3d": Reader(
        "CV-Bench-3D",
        cv_bench.HUB,
        cv_bench.PATTERNS,
        cv_bench.item_of,
        cv_bench.score,
        "accuracy",
        cv_bench.HUB_CONFIG,
        cv_bench.OTHER_TYPE,
    ),
}


def reader_of(name: str) -> Reader:
    """The reader of that name; `EvaluationError` for an unknown one."""
    if name not in READERS:
        raise EvaluationError("unknown benchmark", name, f"Known: {', '.join(READERS)}.")
    return READERS[name]


def read_benchmark(
    name: str, path: str | Path | None = None, limit: int | None = None, media: str | Path | None = None
) -> Benchmark:
    """Read a published benchmark.

    Rows that cannot be used (a missing or damaged picture, an unknown unit, an answer that is none of the choices ...)
    are left out, counted by reason in ``skipped``, and logged once.

    Args:
        name: key of `READERS`.
        path: a table, or a folder with tables, picture folders and zip files; "hub:OWNER/NAME" or None (the published
            place) load it from the hub.
        limit: at most so many rows are read.
        media: folder of the pictures or videos, where that is not the table's; the hub holds no videos.

    Raises:
        EvaluationError: unknown benchmark, no table, a damaged table, or not one usable row.
        MissingDependencyError: parquet or hub without the extra "data".
    """
    reader = reader_of(name)
    spot = f"{HUB_PREFIX}{reader.hub}" if path is None else str(path)
    rows: Iterator[Row]
    root: Path | None
    if spot.startswith(HUB_PREFIX):
        rows = hub_rows(spot[len(HUB_PREFIX) :], config=reader.hub_config)
        root = None if media is None else Path(media)
    else:
        place = Path(spot)
        rows = read_rows(find_tables(place, reader.patterns))
        root = Path(media) if media is not None else place if place.is_dir() else place.parent
    items, skipped = _items(reader, islice(rows, limit), MediaRoot(root))
    if not items:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in skipped.most_common()) or "it is empty"
        raise EvaluationError(f"{reader.title} has no usable row", spot, f"Reasons: {reasons}.")
    if skipped:
        _log.warning("%s: left out %s", reader.title, dict(skipped))
    return Benchmark(name, tuple(items), skipped)


def score_benchmark(benchmark: Benchmark, predictions: Sequence[Prediction]) -> dict[str, float]:
    """The benchmark's own metric and its parts; one prediction an item, None for no answer."""
    return reader_of(benchmark.name).score(benchmark.items, predictions)


def _items(reader: Reader, rows: Iterator[Row], media: MediaRoot) -> tuple[list[BenchItem], Counter[str]]:
    items: dict[str, BenchItem] = {}
    skipped: Counter[str] = Counter()
    for position, row in enumerate(rows):
        try:
            if not row.values:
                raise Unusable("damaged row")
            item = reader.item_of(row, media)
            if item.id in items:  # ids may count anew in each table, and answers are kept by them
                item = replace(item, id=f"{item.id}@{position}")
            items[item.id] = item
        except Unusable as reason:
            if str(reason) != reader.ignored:
                skipped[str(reason)] += 1
        except EvaluationError as error:  # e.g. a picture that cannot be opened
            skipped[error.fault] += 1
    return list(items.values()), skipped
