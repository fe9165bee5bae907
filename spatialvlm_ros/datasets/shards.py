"""Shards: Parquet files that appear whole or not at all, each with its own counts in its footer."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from spatialvlm_ros.datasets.rows import Row
from spatialvlm_ros.datasets.schema import SHARD_KEY, check_version, row_schema
from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    import pyarrow.parquet as pq

DATA_FOLDER = "data"
_PARTIAL = ".partial"
# Bounds the memory of writer and reader: about 25 MB of encoded 640x480 views with depth.
ROWS_PER_GROUP = 64
_ZSTD_LEVEL = 3


def shard_name(split: str, index: int, count: int) -> str:
    """File name of a shard; in the form from which `datasets` reads the split."""
    return f"{split}-{index:05d}-of-{count:05d}.parquet"


@dataclass(frozen=True)
class ShardSummary:
    """What a shard holds and what was left out of it; stored in its footer.

    Attributes:
        run: everything that decides the rows (see `plan.DatasetPlan.identity`).
        index: number of the shard; scenes ``first_scene <= i < last_scene`` are in it.
        rows: number of views.
        qa: number of questions by family.
        skipped: number of views left out, by reason.
        sources, licences: number of views by kind of source and by licence.
    """

    run: dict[str, Any]
    index: int
    first_scene: int
    last_scene: int
    rows: int = 0
    qa: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)


class ShardWriter:
    """Writes one shard to a temporary file beside its place and moves it there when it is complete.

    Use as a context manager: `finish` publishes the shard, leaving without it removes the temporary file.

    Args:
        path: where the shard goes; its folder must exist.

    Raises:
        DatasetError: from any method, when the file system refuses (full disk, no permission).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # The name is hidden from readers and unique, so that an orphaned process can never share it.
        self._partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_PARTIAL}")
        self._pa = require("pyarrow", "data")
        self._pq = require("pyarrow.parquet", "data")
        self._schema = row_schema()
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("qa", "sources", "licences")}
        self._rows = 0
        try:
            self._file = open(self._partial, "wb")
            self._writer = self._pq.ParquetWriter(
                self._file,
                self._schema,
                compression="zstd",
                compression_level=_ZSTD_LEVEL,
                use_dictionary=_dictionary(),
            )
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, rows: list[Row]) -> None:
        """Append rows (see `schema.ROW`) as one row group."""
        if not rows:
            return
        table = self._pa.Table.from_pylist(rows, schema=self._schema)
        try:
            self._writer.write_table(table, row_group_size=len(rows))
            # Dirty pages of a slow disk pile up otherwise, and fsync at the end would stall for long.
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from error
        self._rows += len(rows)
        for row in rows:
            self._counts["qa"].update(pair["family"] for pair in row["qa"])
            self._counts["sources"][row["source"]] += 1
            self._counts["licences"][row["licence"]] += 1

    def finish(self, run: dict[str, Any], index: int, scenes: range, skipped: dict[str, int]) -> ShardSummary:
        """Write the footer, force everything to disk, and give the shard its name."""
        counts = {name: dict(sorted(counter.items())) for name, counter in self._counts.items()}
        summary = ShardSummary(
            run, index, scenes.start, scenes.stop, rows=self._rows, skipped=dict(sorted(skipped.items())), **counts
        )
        try:
            self._writer.add_key_value_metadata({SHARD_KEY.decode(): json.dumps(asdict(summary))})
            self._writer.close()
            publish(self._file, self._partial, self.path)
        except OSError as error:
            raise self._refused(error) from error
        return summary

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        if not self._file.closed:
            with contextlib.suppress(OSError, ValueError):  # the disk may be full; the file goes anyway
                self._writer.close()
            self._writer.is_open = False  # or its finaliser would try again on the closed file
            with contextlib.suppress(OSError):
                self._file.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _refused(self, error: OSError) -> DatasetError:
        if hasattr(self, "_file"):
            with contextlib.suppress(OSError):
                self._partial.unlink(missing_ok=True)
        remedy = "Free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "Mend it"
        return DatasetError(
            f"cannot write shard {self.path}: {error.strerror or error}",
            errno.errorcode.get(error.errno or 0, error.errno),
            f"{remedy} and run the same command again: finished shards are kept.",
        )


def publish(file: Any, partial: Path, path: Path) -> None:
    """Force an open file to disk, close it and give it its final name, so that a crash leaves all of it or none."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk: a rename is only safe after that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_text_file(path: Path) -> Iterator[TextIO]:
    """A text file to write into, which takes its place in one step when the block ends well. Raises OSError."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_PARTIAL}")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            yield file
            publish(file, partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(folders: Iterable[Path]) -> int:
    """Remove temporary files that killed runs left behind; how many there were."""
    leftovers = [path for folder in folders for path in folder.glob(f".*{_PARTIAL}")]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a shard and check its schema version.

    Raises:
        DatasetError: it is missing, damaged, or no shard of this schema version.
    """
    pa, parquet = require("pyarrow", "data"), require("pyarrow.parquet", "data")
    try:
        file = parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise DatasetError("the shard does not exist", str(path), "Generate the data set first.") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise damaged(path, error) from error
    check_version(file.schema_arrow.metadata, path)
    return file


def read_summary(path: Path) -> ShardSummary:
    """The summary in a shard's footer; `DatasetError` if the shard is damaged."""
    with open_parquet(path) as file:
        metadata = file.metadata.metadata or {}
        rows = file.metadata.num_rows
    try:
        summary = ShardSummary(**json.loads(metadata[SHARD_KEY]))
    except (KeyError, ValueError, TypeError) as error:
        raise damaged(path, error) from error
    if summary.rows != rows:
        raise damaged(path, f"{rows} rows where its footer counts {summary.rows}")
    return summary


def damaged(path: Path, error: object) -> DatasetError:
    """The error for a shard that cannot be read."""
    return DatasetError(
        f"shard {path} is damaged: {' '.join(str(error).split())[:200]}",
        remedy="Delete this file and run the command that generated the data set again: it makes only what is missing.",
    )


def _dictionary() -> list[str]:
    # Text that repeats; pictures and numbers gain nothing from a dictionary and cost memory while writing.
    qa = [f"qa.list.element.{name}" for name in ("family", "unit", "question_template", "answer_template")]
    return ["split", "source", "licence", "frame_id", *qa]
