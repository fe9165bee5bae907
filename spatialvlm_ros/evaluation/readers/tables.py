"""Rows of a benchmark: from JSON, JSON lines or parquet files, or from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.optional import require

EXTRA = "data"
SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        values: column -> value.
        number: place in its table, from 0.
        table: name of the table without its ending, or the split's name on the hub.
    """

    values: dict[str, Any]
    number: int
    table: str


def find_tables(path: Path, patterns: Sequence[str]) -> list[Path]:
    """The tables of a benchmark: the file itself, or those of the folder that fit the first pattern that any fits.

    Raises:
        EvaluationError: there is none.
    """
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise EvaluationError("not a table of a benchmark", path.name, f"Known: {', '.join(SUFFIXES)}.")
        return [path]
    if not path.is_dir():
        raise EvaluationError("there is no such benchmark", str(path), "Give a file or folder, or hub:OWNER/NAME.")
    for pattern in patterns:
        found = sorted(p for p in path.rglob(pattern) if p.suffix.lower() in SUFFIXES and p.is_file())
        if found:
            return found
    raise EvaluationError("the folder holds no table of this benchmark", str(path), f"Wanted: {', '.join(patterns)}.")


def read_rows(tables: Sequence[Path]) -> Iterator[Row]:
    """All rows of all tables; a line that is damaged comes as a row without values.

    Raises:
        EvaluationError: a whole table is damaged.
        MissingDependencyError: a parquet file without pyarrow.
    """
    for table in tables:
        reader = _READERS[table.suffix.lower()]
        for number, values in enumerate(reader(table)):
            yield Row(values if isinstance(values, dict) else {}, number, table.stem)


def hub_rows(repository: str, split: str | None = None, config: str | None = None) -> Iterator[Row]:
    """Rows of a data set on the hub, by `datasets`.

    Raises:
        EvaluationError: it cannot be loaded.
        MissingDependencyError: `datasets` is not installed.
    """
    datasets = require("datasets", EXTRA)
    try:
        loaded = datasets.load_dataset(repository, config, split=split)
    except Exception as error:  # whatever the hub, the network or the format raises
        raise EvaluationError(
            "the benchmark cannot be loaded from the hub",
            repository,
            f"Download it elsewhere and give the folder. {type(error).__name__}: {str(error)[:200]}",
        ) from error
    parts = loaded.items() if hasattr(loaded, "items") else [(split or "", loaded)]
    for name, part in parts:
        for column, feature in part.features.items():
            if isinstance(feature, datasets.Image):  # as it was encoded; decoded when it is asked for
                part = part.cast_column(column, datasets.Image(decode=False))
        for number, values in enumerate(part):
            yield Row(dict(values), number, str(name))


def _json_lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as lines:
        for line in lines:
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    yield None


def _json(path: Path) -> Iterator[Any]:
    """A list of rows, an object that holds one, or (as some are named .json) a line for each row."""
    try:
        whole = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        rows = list(_json_lines(path))
        if not any(isinstance(r, dict) for r in rows):
            raise EvaluationError("a table of a benchmark is damaged", path.name, "Download it again.") from None
        return iter(rows)
    if isinstance(whole, dict):
        lists = [v for v in whole.values() if isinstance(v, list)]
        whole = lists[0] if len(lists) == 1 else [whole]
    return iter(whole if isinstance(whole, list) else [])


def _parquet(path: Path) -> Iterator[Any]:
    parquet = require("pyarrow.parquet", EXTRA)
    arrow = require("pyarrow", EXTRA)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=32):
                yield from batch.to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise EvaluationError("a table of a benchmark is damaged", path.name, str(error)[:200]) from error


_READERS: dict[str, Any] = {".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json, ".parquet": _parquet}
