"""The manifest of a data set: rebuilt from the footers of its shards, never kept in step by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatialvlm_ros.datasets.shards import DATA_FOLDER, ShardSummary, atomic_text_file, read_summary
from spatialvlm_ros.errors import DatasetError

MANIFEST_NAME = "manifest.json"
_COUNTERS = ("qa", "skipped", "sources", "licences")


@dataclass(frozen=True)
class SplitManifest:
    """One split of a data set.

    Attributes:
        run: everything that decided the rows.
        shards: file (relative to the data set), rows and bytes of each shard.
        complete: all shards of the run are there.
        rows: views; qa_total: questions.
        qa: questions by family; skipped: views left out, by reason; sources, licences: views by each.
    """

    run: dict[str, Any]
    shards: list[dict[str, Any]]
    complete: bool
    rows: int = 0
    qa_total: int = 0
    qa: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a data set holds and what was left out of it, by split."""

    splits: dict[str, SplitManifest]

    @property
    def rows(self) -> int:
        return sum(split.rows for split in self.splits.values())

    @property
    def qa_total(self) -> int:
        return sum(split.qa_total for split in self.splits.values())

    def merged(self, counter: str) -> dict[str, int]:
        """One of "qa", "skipped", "sources", "licences" over all splits, largest first."""
        total: Counter[str] = Counter()
        for split in self.splits.values():
            total.update(getattr(split, counter))
        return dict(total.most_common())

    def save(self, out: Path) -> Path:
        """Write ``manifest.json`` into the data set's folder in one step."""
        path = out / MANIFEST_NAME
        try:
            with atomic_text_file(path) as file:
                json.dump(asdict(self), file, indent=1)
                file.write("\n")
        except OSError as error:
            raise DatasetError(
                f"cannot write the manifest {path}", error.strerror, "Free some space, resume."
            ) from error
        return path


def build_manifest(out: Path) -> Manifest:
    """Count a data set's shards.

    Raises:
        DatasetError: there is no shard, or one is damaged.
    """
    paths = sorted((out / DATA_FOLDER).glob("[!.]*.parquet"))
    if not paths:
        raise DatasetError("there is no shard in the data set", str(out), "Generate it first.")
    by_split: dict[str, list[tuple[Path, ShardSummary]]] = {}
    for path in paths:
        summary = read_summary(path)
        by_split.setdefault(summary.run["split"], []).append((path, summary))
    return Manifest({name: _split(out, shards) for name, shards in sorted(by_split.items())})


def _split(out: Path, shards: list[tuple[Path, ShardSummary]]) -> SplitManifest:
    counts = {name: _sum(getattr(summary, name) for _, summary in shards) for name in _COUNTERS}
    run = shards[0][1].run
    return SplitManifest(
        run=run,
        shards=[
            {"file": path.relative_to(out).as_posix(), "rows": summary.rows, "bytes": path.stat().st_size}
            for path, summary in shards
        ],
        complete=sum(s.last_scene - s.first_scene for _, s in shards) == run["scenes"],
        rows=sum(summary.rows for _, summary in shards),
        qa_total=sum(counts["qa"].values()),
        **counts,
    )


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))
