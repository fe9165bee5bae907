"""Reading a data set: lazily, by split, in order or at random."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialvlm_ros.datasets.rows import Row, decode_qa, decode_view
from spatialvlm_ros.datasets.shards import DATA_FOLDER, ShardSummary, damaged, open_parquet, read_summary
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.optional import require

if TYPE_CHECKING:
    from spatialvlm_ros.questions.generator import QAPair

# Row groups kept decoded to dicts (about 25 MB each for 640x480 views with depth).
_CACHED_GROUPS = 2


@dataclass(frozen=True)
class Shard:
    """One file of a data set: its path, its summary, and the number of rows in each of its row groups."""

    path: Path
    summary: ShardSummary
    groups: tuple[int, ...]

    @property
    def split(self) -> str:
        return str(self.summary.run["split"])


@dataclass
class Dataset:
    """The rows of one or more splits, in the order of their shards.

    ``len``, indexing, slicing (a list) and iteration give rows as dicts (see `schema.ROW`); `view` and `qa` decode
    one. Nothing but footers is read before a row is asked for.
    """

    shards: tuple[Shard, ...]
    _ends: list[int] = field(init=False, repr=False)
    _groups: list[tuple[Shard, int]] = field(init=False, repr=False)
    _cache: OrderedDict[int, list[Row]] = field(init=False, repr=False, default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._groups = [(shard, number) for shard in self.shards for number in range(len(shard.groups))]
        self._ends = list(accumulate(shard.groups[number] for shard, number in self._groups))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        """The row at an index, or the list of rows of a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        group = bisect.bisect_right(self._ends, position)
        return self._group(group)[position - (self._ends[group - 1] if group else 0)]

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    def split(self, name: str) -> Dataset:
        """The rows of one split; `DatasetError` if it is not there."""
        shards = tuple(shard for shard in self.shards if shard.split == name)
        if not shards:
            raise DatasetError("no such split in the data set", name, f"There are: {', '.join(self.splits)}.")
        return Dataset(shards)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """All rows in order; with ``columns`` only those are read (pictures are most of a shard)."""
        for shard, number in self._groups:
            yield from _read_group(shard.path, number, columns)

    def view(self, index: int, masks: bool = True) -> SceneView:
        """The decoded view at an index (see `rows.decode_view`)."""
        return decode_view(self[index], masks)

    def qa(self, index: int) -> list[QAPair]:
        """The questions and answers of the view at an index."""
        return decode_qa(self[index])

    def views(self, masks: bool = True) -> Iterator[tuple[SceneView, list[QAPair]]]:
        """All decoded views with their questions, in order."""
        for row in self:
            yield decode_view(row, masks), decode_qa(row)

    def _group(self, number: int) -> list[Row]:
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        shard, group = self._groups[number]
        rows = self._cache[number] = _read_group(shard.path, group, None)
        while len(self._cache) > _CACHED_GROUPS:
            self._cache.popitem(last=False)
        return rows


def open_dataset(path: str | Path, split: str | None = None) -> Dataset:
    """Open the folder of a data set (or a single shard).

    Raises:
        DatasetError: nothing there, a damaged shard (it names the file), another schema version, no such split.
    """
    path = Path(path)
    if path.is_file():
        files = [path]
    else:
        files = sorted((path / DATA_FOLDER).glob("[!.]*.parquet")) or sorted(path.glob("[!.]*.parquet"))
    if not files:
        raise DatasetError("there is no data set here", str(path), "Make one with `spatialvlm generate`.")
    dataset = Dataset(tuple(_shard(file) for file in files))
    return dataset if split is None else dataset.split(split)


def _shard(path: Path) -> Shard:
    summary = read_summary(path)
    with open_parquet(path) as file:
        groups = tuple(file.metadata.row_group(g).num_rows for g in range(file.num_row_groups))
    return Shard(path, summary, groups)


def _read_group(path: Path, number: int, columns: Sequence[str] | None) -> list[Row]:
    pa = require("pyarrow", "data")
    try:
        with open_parquet(path) as file:
            table = file.read_row_group(number, columns=None if columns is None else list(columns))
        rows: list[Row] = table.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error
    return rows
