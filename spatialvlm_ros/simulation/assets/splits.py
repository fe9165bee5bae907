"""Which meshes are kept back for the split ``new_objects``.

The rule: of every noun with at least `MINIMUM_MESHES` meshes in the committed index (``index.csv``), the mesh whose
SHA-256 of "salt/id" is smallest is reserved. The result is written in ``index.csv`` (column ``reserved``), so that it
never moves with what happens to be built; a test recomputes it.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SALT = "spatialvlm new_objects 1"
MINIMUM_MESHES = 3
INDEX_PATH = Path(__file__).with_name("index.csv")


@dataclass(frozen=True)
class IndexRow:
    """One line of the committed index: asset id, noun, kind, size in metres as "x y z", reserved or not."""

    id: str
    noun: str
    attributes: tuple[str, ...]
    kind: str
    size_m: tuple[float, float, float]
    reserved: bool


def reserved_ids(meshes: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Apply the rule to (asset id, noun) pairs: the ids to keep back, one for each noun with enough meshes."""
    by_noun: dict[str, list[str]] = defaultdict(list)
    for asset_id, noun in meshes:
        by_noun[noun].append(asset_id)
    return frozenset(min(ids, key=_rank) for ids in by_noun.values() if len(ids) >= MINIMUM_MESHES)


def _rank(asset_id: str) -> str:
    return hashlib.sha256(f"{SALT}/{asset_id}".encode()).hexdigest()


_COLUMNS = ("id", "noun", "attributes", "kind", "size_m", "reserved")


def write_index(rows: Iterable[tuple[str, str, tuple[str, ...], str, tuple[float, float, float]]], path: Path) -> None:
    """Write the index of a full pack: (id, noun, attributes, kind, size) rows, with the rule applied.

    For maintainers, after ``nouns.yaml`` has changed; users' packs follow the committed file.
    """
    ordered = sorted(rows)
    reserved = reserved_ids((row[0], row[1]) for row in ordered)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for asset_id, noun, attributes, kind, size in ordered:
            sizes = " ".join(f"{v:.4f}" for v in size)
            writer.writerow([asset_id, noun, "|".join(attributes), kind, sizes, int(asset_id in reserved)])


@lru_cache(maxsize=1)
def committed_index() -> tuple[IndexRow, ...]:
    """The committed list of all assets of a full pack (needs no pack on disk)."""
    if not INDEX_PATH.exists():
        return ()
    with INDEX_PATH.open(newline="", encoding="utf-8") as file:
        return tuple(
            IndexRow(
                id=row["id"],
                noun=row["noun"],
                attributes=tuple(filter(None, row["attributes"].split("|"))),
                kind=row["kind"],
                size_m=tuple(float(v) for v in row["size_m"].split()),  # type: ignore[arg-type]
                reserved=row["reserved"] == "1",
            )
            for row in csv.DictReader(file)
        )


@lru_cache(maxsize=1)
def _committed_reserved() -> frozenset[str]:
    return frozenset(row.id for row in committed_index() if row.reserved)


def is_reserved(asset_id: str) -> bool:
    """True when only the split ``new_objects`` may show this mesh."""
    return asset_id in _committed_reserved()
