"""Build the pack: every item in its own file, whole or not there at all, so that a stopped build goes on."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.catalog import CatalogRow, read_catalog
from spatialvlm_ros.simulation.assets.recipe import build_item, fingerprint, item_file_name
from spatialvlm_ros.simulation.assets.sources.libraries import PANDA_LINKS, library_of
from spatialvlm_ros.simulation.assets.sources.packages import unpacked
from spatialvlm_ros.simulation.assets.storage import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    read_entry,
    sha256_of,
    write_atomically,
)

log = logging.getLogger(__name__)

MAX_PACK_BYTES = 40 * 1024 * 1024


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        built, kept: number of items made now, and found sound from an earlier build.
        skipped: asset id -> why it is not in the pack.
        total_bytes: of all files of the pack.
    """

    built: int
    kept: int
    skipped: dict[str, str]
    total_bytes: int


def pack_rows(limit: int | None = None, catalog: Sequence[CatalogRow] | None = None) -> tuple[CatalogRow, ...]:
    """The rows of a pack: the catalogue (its first ``limit`` lines) and the links of the Panda."""
    rows = tuple(read_catalog() if catalog is None else catalog)[:limit]
    links = (CatalogRow(f"panda/{link}", f"panda {link}", (), "robot") for link in PANDA_LINKS)
    return (*rows, *links) if catalog is None else rows


def default_cache() -> Path:
    """Where packages are unpacked when nothing else is said."""
    return Path.home() / ".cache" / "spatialvlm_ros" / "asset_sources"


def build_pack(
    out: Path,
    cache: Path | None = None,
    rows: Sequence[CatalogRow] | None = None,
    workers: int = 2,
    rebuild: bool = False,
) -> BuildReport:
    """Build or complete the pack in ``out``.

    Items whose file is whole and was made by the same recipe are kept; a damaged or outdated one is made again.
    A mesh that cannot be read is left out, counted, and named in the manifest.

    Args:
        out: folder of the pack.
        cache: folder for the unpacked packages, default `default_cache`.
        rows: what to build, default everything.
        workers: processes; 0 works in this one.
        rebuild: make everything again.

    Raises:
        AssetError: a package cannot be fetched, or the pack cannot be written.
    """
    rows = pack_rows() if rows is None else tuple(rows)
    cache = cache or default_cache()
    for package in {library_of(row.id).package for row in rows}:
        unpacked(package, cache)  # before the workers start, so that only one fetches
    sums = {} if rebuild else _known_sums(out)
    missing = [row for row in rows if rebuild or not _is_sound(out, row, sums)]
    skipped: dict[str, str] = {}
    for asset_id, reason in _progress(_build_all(missing, out, cache, workers), len(missing)):
        if reason is not None:
            log.warning("left out %s: %s", asset_id, reason)
            skipped[asset_id] = reason
    entries = [read_entry(out / item_file_name(row.id)) for row in rows if row.id not in skipped]
    total = _write_manifest(out, [entry for entry in entries if entry is not None], skipped)
    if total > MAX_PACK_BYTES:
        log.warning("the pack has %d bytes, more than the %d it should have", total, MAX_PACK_BYTES)
    return BuildReport(len(missing) - len(skipped), len(rows) - len(missing), skipped, total)


def _build_all(rows: Sequence[CatalogRow], out: Path, cache: Path, workers: int) -> Iterator[tuple[str, str | None]]:
    """(asset id, None or why it failed) for each row, in the order they finish."""
    if workers <= 0:
        for row in rows:
            yield _build_one(row, out, cache)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_build_one, row, out, cache) for row in rows]
        for future in as_completed(futures):
            yield future.result()


def _build_one(row: CatalogRow, out: Path, cache: Path) -> tuple[str, str | None]:
    try:
        built = build_item(row, cache)
    except AssetError as error:
        return row.id, str(error)
    for name, data in built.textures.items():  # first: an item file is only there when its textures are
        if not (out / name).exists():
            write_atomically(out / name, data)
    write_atomically(out / item_file_name(row.id), built.data)
    return row.id, None


def _progress(results: Iterator[tuple[str, str | None]], total: int) -> Iterator[tuple[str, str | None]]:
    from tqdm import tqdm

    return iter(tqdm(results, total=total, desc="assets", unit="mesh", disable=None))


def _known_sums(out: Path) -> dict[str, str]:
    """File -> checksum from the last manifest, empty when there is none."""
    try:
        manifest = json.loads((out / MANIFEST_NAME).read_text(encoding="utf-8"))
        return {name: record["sha256"] for name, record in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_sound(out: Path, row: CatalogRow, sums: dict[str, str]) -> bool:
    """True when the item file and its textures are whole and of this recipe. Bad textures are deleted."""
    name = item_file_name(row.id)
    file = out / name
    if not file.exists():
        return False
    entry = read_entry(file)
    if entry is None or entry.get("fingerprint") != fingerprint(row):
        return False
    if name in sums and sha256_of(file) != sums[name]:
        return False
    if name not in sums and not _reads_whole(file):
        return False
    return all(_texture_is_sound(out / texture) for texture in entry["textures"])


def _reads_whole(file: Path) -> bool:
    try:
        with np.load(io.BytesIO(file.read_bytes())) as arrays:
            return all(arrays[name].size >= 0 for name in arrays.files)  # reading checks the zip's own checksums
    except Exception:  # numpy, zipfile and zlib each raise their own
        return False


def _texture_is_sound(file: Path) -> bool:
    if not file.exists():
        return False
    if hashlib.sha256(file.read_bytes()).hexdigest().startswith(file.stem):
        return True
    file.unlink()
    return False


def _write_manifest(out: Path, entries: list[dict[str, Any]], skipped: dict[str, str]) -> int:
    """Write the manifest, delete files that belong to nothing; returns the bytes of the pack."""
    for entry in entries:
        for key in ("parts", "box"):
            entry.pop(key, None)
    names = sorted({entry["file"] for entry in entries} | {t for entry in entries for t in entry["textures"]})
    files = {name: {"bytes": (out / name).stat().st_size, "sha256": sha256_of(out / name)} for name in names}
    for entry in entries:
        entry["sha256"] = files[entry["file"]]["sha256"]
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "items": sorted(entries, key=lambda entry: entry["id"]),
        "files": files,
        "skipped": skipped,
    }
    data = json.dumps(manifest, indent=1, sort_keys=True).encode()
    write_atomically(out / MANIFEST_NAME, data)
    for file in out.glob(f".{MANIFEST_NAME}.*.tmp"):
        file.unlink()
    for folder in ("items", "textures"):
        for file in (out / folder).glob("*"):
            if f"{folder}/{file.name}" not in files:
                file.unlink()
    return len(data) + sum(record["bytes"] for record in files.values())
