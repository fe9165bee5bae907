"""What was measured in the pictures of one episode, kept line by line so that an interrupted run loses one batch.

Measuring is what costs time. The reward itself is computed from these lines again after an interruption, from the first
picture on, because it depends on what came before. So does where a followed object is: what the model told the follower
is kept as well, and told it again.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.models.estimate import Estimate, LocatedObject, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.recordings.writing import writing
from spatialvlm_ros.scenes.relations import Relation


@dataclass(frozen=True)
class MeasuredPicture:
    """What was measured in one picture.

    Attributes:
        stamp_ns: its time in nanoseconds.
        estimates: one for each query.
        told: what the model told the follower: name -> where it is (box in the picture, score, recognition). None of a
            picture into which nothing was followed.
        faults: names of what was amiss with it (`Frame.faults`).
    """

    stamp_ns: int
    estimates: list[Estimate]
    told: Mapping[str, LocatedObject] | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptPictures:
    """The pictures of a journal, in their order; read anew each time, as those of an hour take a gigabyte.

    Attributes:
        path: of the journal.
        count: of them.
        alone: so many of the first were measured each alone; into the one after them something was followed.
        end: of their lines in the file, bytes; 0 where there is no journal.
    """

    path: Path
    count: int = 0
    alone: int = 0
    end: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[MeasuredPicture]:
        if self.count:
            with self.path.open("rb") as file:
                for line in islice(file, 1, 1 + self.count):
                    yield _measured(json.loads(line))


class Journal:
    """The measurements of one episode.

    Args:
        path: of its file; it is made at the first batch.
        queries: what is measured in each picture.
        follow: whether objects are followed from picture to picture.

    Raises:
        DatasetError: the file holds the measurements of other queries, or those with following for those without.
    """

    def __init__(self, path: Path, queries: Sequence[Query], follow: bool) -> None:
        self._path, self._queries = path, len(queries)
        self._head = json.dumps({"queries": [_words(query) for query in queries], "follow": follow})

    def read(self, batch: int) -> KeptPictures:
        """The pictures of the whole batches of ``batch`` pictures that are kept, from the first picture on.

        What a run that was killed left of a batch is cut off, and so is all from a damaged line on: batches are
        measured as a whole, so that the numbers are the same as those of a run that was never interrupted.
        """
        if not self._path.exists():
            return KeptPictures(self._path)
        with self._path.open("rb") as file:
            head = file.readline()
            self._check_head(head)
            kept = KeptPictures(self._path) if not head.endswith(b"\n") else self._whole(file, len(head), batch)
        with writing(self._path):
            if kept.end:
                os.truncate(self._path, kept.end)
            else:
                self._path.unlink()
        return kept

    def _check_head(self, line: bytes) -> None:
        if line.endswith(b"\n") and line.strip() != self._head.encode():
            raise DatasetError(
                f"{self._path} holds other measurements",
                line[:200].decode(errors="replace"),
                "Choose another --out.",
            )

    def _whole(self, lines: Iterable[bytes], end: int, batch: int) -> KeptPictures:
        """The whole batches up to the first line that cannot be read; ``end`` of the lines before them in the file."""
        kept, count, told = KeptPictures(self._path, end=end), 0, None
        for line in lines:
            try:
                measured = _measured(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                break
            if not line.endswith(b"\n") or len(measured.estimates) != self._queries:
                break
            told = count if told is None and measured.told is not None else told
            count, end = count + 1, end + len(line)
            if count % batch == 0:
                kept = KeptPictures(self._path, count, count if told is None else told, end)
        return kept

    def append(self, measured: Sequence[MeasuredPicture]) -> None:
        """Keep a batch; it is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        first = not self._path.exists()
        lines = [self._head] if first else []
        lines += [json.dumps(_line(one)) for one in measured]
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())


def _words(query: Query) -> list[str]:
    return [str(query.kind), str(query.subject), "" if query.reference is None else str(query.reference)]


def _line(measured: MeasuredPicture) -> dict[str, Any]:
    line: dict[str, Any] = {"stamp_ns": measured.stamp_ns, "estimates": [_record(e) for e in measured.estimates]}
    if measured.told is not None:
        line["told"] = {name: _spot(found) for name, found in measured.told.items()}
    if measured.faults:
        line["faults"] = list(measured.faults)
    return line


def _spot(found: LocatedObject) -> dict[str, Any]:
    box = [_number(edge) for edge in found.box2d]
    return {"box2d": box, "score": _number(found.score), "recognition": _number(found.recognition)}


def _record(estimate: Estimate) -> dict[str, Any]:
    """Plain values; floats come back bit by bit, NaN as None."""
    return {
        "relation": str(estimate.relation.value),
        "subject": estimate.subject,
        "reference": estimate.reference,
        "value": _number(estimate.value),
        "std": _number(estimate.std),
        "interval": [_number(end) for end in estimate.interval],
        "unit": estimate.unit,
        "sources": sorted(source.value for source in estimate.sources),
        "valid": bool(estimate.valid),
        "reason": estimate.reason.value,
        "shared_std": _number(estimate.shared_std),
        "support_id": estimate.support_id,
        "detail": estimate.detail,
        "quantiles": [_number(q) for q in estimate.quantiles],
    }


def _measured(line: dict[str, Any]) -> MeasuredPicture:
    told = line.get("told")
    located = None if told is None else {name: _located(name, spot) for name, spot in told.items()}
    estimates = [_estimate(entry) for entry in line["estimates"]]
    return MeasuredPicture(int(line["stamp_ns"]), estimates, located, tuple(line.get("faults", ())))


def _located(name: str, spot: dict[str, Any]) -> LocatedObject:
    box = np.array([_float(edge) for edge in spot["box2d"]], dtype=np.float64)
    return LocatedObject(name, box2d=box, score=_float(spot["score"]), recognition=_float(spot.get("recognition")))


def _estimate(record: dict[str, Any]) -> Estimate:
    low, high = record["interval"]
    return Estimate(
        relation=Relation(record["relation"]),
        subject=record["subject"],
        reference=record["reference"],
        value=_float(record["value"]),
        std=_float(record["std"]),
        interval=(_float(low), _float(high)),
        unit=record["unit"],
        sources=frozenset(Source(source) for source in record["sources"]),
        valid=record["valid"],
        reason=Reason(record["reason"]),
        shared_std=_float(record["shared_std"]),
        support_id=record["support_id"],
        detail=record["detail"],
        quantiles=tuple(_float(q) for q in record["quantiles"]),
    )


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else repr(float(value))


def _float(value: float | str | None) -> float:
    return math.nan if value is None else float(value)
