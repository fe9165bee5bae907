"""How the pack is written: one compressed ``.npz`` an item, and the manifest.

An item file holds ``entry`` (JSON: everything in the manifest about it, and for each part its colour, texture name
and ranges), ``vertices`` (V, 3) uint16 on the item's box, ``faces`` (F, 3) uint16 or uint32 counted within the part,
and ``uv`` (V, 2) uint16 on the range of its part. Every item file can be read by itself, which is what makes an
interrupted build resumable: the manifest is put together from the item files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.items import AssetItem, Cavity, FlatTop, MeshPart

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
_STEPS = 65535  # of a uint16 coordinate


@dataclass(frozen=True)
class ItemFile:
    """The triangles of an item in a pack; checked against the manifest when read."""

    path: Path
    sha256: str
    texture_sha256: tuple[tuple[str, str], ...]  # (texture file relative to the pack, checksum)

    def load(self) -> tuple[MeshPart, ...]:
        """Read the parts; raises `AssetError` for a file that is missing or differs from the manifest."""
        pack = self.path.parent.parent
        data = _checked_bytes(self.path, self.sha256)
        for name, checksum in self.texture_sha256:
            _checked_bytes(pack / name, checksum)
        return decode_parts(data, pack)


def _checked_bytes(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError("a file of the asset pack cannot be read", str(path), _REPAIR) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AssetError("a file of the asset pack is damaged: its checksum differs", str(path), _REPAIR)
    return data


_REPAIR = "Run: spatialvlm assets (it repairs what is missing or damaged)"


def encode_item(entry: Mapping[str, Any], parts: tuple[MeshPart, ...], textures: tuple[str | None, ...]) -> bytes:
    """The bytes of an item file.

    Args:
        entry: the item's manifest entry.
        parts: its parts; ``texture`` of the parts is not looked at.
        textures: for each part the texture file relative to the pack, or None.
    """
    everything = np.concatenate([part.vertices for part in parts]).astype(np.float64)
    low, high = everything.min(axis=0), everything.max(axis=0)
    records, uv_rows, face_rows = [], [], []
    for part, texture in zip(parts, textures, strict=True):
        uv = np.zeros((len(part.vertices), 2)) if part.uv is None else part.uv.astype(np.float64)
        uv_low, uv_high = uv.min(axis=0), uv.max(axis=0)
        uv_rows.append(_quantise(uv, uv_low, uv_high))
        face_rows.append(part.faces)
        records.append(
            {
                "vertices": len(part.vertices),
                "faces": len(part.faces),
                "rgba": [round(float(v), 4) for v in part.rgba],
                "texture": texture,
                "uv_range": None if part.uv is None else [*uv_low.tolist(), *uv_high.tolist()],
            }
        )
    faces = np.concatenate(face_rows)
    description = {**entry, "parts": records, "box": [*low.tolist(), *high.tolist()]}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        entry=np.frombuffer(json.dumps(description, sort_keys=True).encode(), dtype=np.uint8),
        vertices=_quantise(everything, low, high),
        faces=faces.astype(np.uint16 if faces.max() <= _STEPS else np.uint32),
        uv=np.concatenate(uv_rows),
    )
    return buffer.getvalue()


def decode_parts(data: bytes, pack: Path) -> tuple[MeshPart, ...]:
    """The parts in the bytes of an item file; textures become paths below ``pack``."""
    with np.load(io.BytesIO(data)) as arrays:
        description = json.loads(arrays["entry"].tobytes())
        box = np.array(description["box"])
        vertices = _restore(arrays["vertices"], box[:3], box[3:]).astype(np.float32)
        faces, uv = arrays["faces"].astype(np.int32), arrays["uv"]
    parts, vertex, face = [], 0, 0
    for record in description["parts"]:
        rows = slice(vertex, vertex + record["vertices"])
        uv_range = record["uv_range"]
        parts.append(
            MeshPart(
                vertices=vertices[rows],
                faces=faces[face : face + record["faces"]],
                uv=None
                if uv_range is None
                else _restore(uv[rows], np.array(uv_range[:2]), np.array(uv_range[2:])).astype(np.float32),
                rgba=tuple(record["rgba"]),
                texture=pack / record["texture"] if record["texture"] else None,
            )
        )
        vertex, face = rows.stop, face + record["faces"]
    return tuple(parts)


def read_entry(path: Path) -> dict[str, Any] | None:
    """The description in an item file, or None when the file is not a whole item file."""
    try:
        with np.load(path) as arrays:
            return json.loads(arrays["entry"].tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _quantise(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    span = np.where(high > low, high - low, 1.0)
    return np.round((values - low) / span * _STEPS).astype(np.uint16)


def _restore(steps: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return low + steps.astype(np.float64) / _STEPS * (high - low)


def item_from_entry(pack: Path, entry: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> AssetItem:
    """The `AssetItem` for a manifest entry; raises `AssetError` when the entry is incomplete."""
    try:
        cavity, top = entry["cavity"], entry["top"]
        return AssetItem(
            id=entry["id"],
            noun=entry["noun"],
            attributes=tuple(entry["attributes"]),
            kind=entry["kind"],
            size_m=tuple(entry["size_m"]),
            licence=entry["licence"],
            author=entry["author"],
            source=entry["source"],
            cavity=None if cavity is None else Cavity(tuple(cavity["center"]), tuple(cavity["size"])),
            top=None if top is None else FlatTop(tuple(top["center"]), tuple(top["size"])),
            color=entry["color"],
            link=entry["link"],
            n_faces=entry["n_faces"],
            shape=ItemFile(
                path=pack / entry["file"],
                sha256=files[entry["file"]]["sha256"],
                texture_sha256=tuple((name, files[name]["sha256"]) for name in entry["textures"]),
            ),
        )
    except (KeyError, TypeError) as error:
        raise AssetError(
            "an entry of the asset manifest is incomplete", entry.get("id", entry), "Run: spatialvlm assets --rebuild"
        ) from error


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write so that ``path`` holds either its old content or all of ``data``, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise AssetError(
            "the asset pack cannot be written", str(path), "Free space or choose another folder."
        ) from error
