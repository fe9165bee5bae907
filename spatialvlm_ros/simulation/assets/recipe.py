"""From one line of the catalogue to the bytes of one item file: read, place, make small, measure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.simulation.assets.catalog import CatalogRow
from spatialvlm_ros.simulation.assets.decimation import decimate
from spatialvlm_ros.simulation.assets.items import FlatTop, MeshPart
from spatialvlm_ros.simulation.assets.meshes import merge_parts, split_sharp_edges, weld
from spatialvlm_ros.simulation.assets.primitives import COLORS
from spatialvlm_ros.simulation.assets.sources.libraries import library_of, painted, turned
from spatialvlm_ros.simulation.assets.sources.packages import unpacked
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, bounds, fitted
from spatialvlm_ros.simulation.assets.storage import SCHEMA_VERSION, encode_item
from spatialvlm_ros.simulation.assets.surfaces import find_cavity, find_flat_top, visible_colors
from spatialvlm_ros.simulation.assets.textures import encode_jpeg, main_color

RECIPE_VERSION = 5  # raise it when the same input should give other bytes
MAX_FACES = 4800
ROBOT_FACES = 2500


@dataclass(frozen=True)
class BuiltItem:
    """The files of one item: its own, and its textures by their name in the pack."""

    data: bytes
    textures: dict[str, bytes]


def fingerprint(row: CatalogRow) -> str:
    """Changes whenever the item file of a row would."""
    recipe = [RECIPE_VERSION, SCHEMA_VERSION, MAX_FACES, ROBOT_FACES, library_of(row.id).package.sha256, asdict(row)]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def item_file_name(asset_id: str) -> str:
    """Name of an item's file in the pack."""
    return f"items/{asset_id.replace('/', '__')}.npz"


def build_item(row: CatalogRow, cache: Path) -> BuiltItem:
    """Read, reduce and measure one mesh.

    Args:
        row: which one, and its words.
        cache: folder of the unpacked packages.

    Raises:
        AssetError: the mesh cannot be read.
    """
    library = library_of(row.id)
    raw, author = library.load(unpacked(library.package, cache), row.model)
    robot = row.kind == "robot"
    if not robot:
        raw = turned(raw, row.turn_deg)
        if row.size_cm is not None:
            depth, width, height = row.size_cm
            raw = fitted(raw, (depth / 100, width / 100, height / 100))
    if row.color:
        raw = painted(raw, COLORS[row.color])
    low, high = bounds(raw)
    depth, width, height = (float(v) for v in np.round(high - low, 5))
    size = (depth, width, height)
    parts = decimate([weld(part) for part in merge_parts(raw)], ROBOT_FACES if robot else MAX_FACES)
    if not robot:
        parts = fitted(parts, size)  # collapsing edges moves the outline by a little
    top = None if robot else _flat_top(row, parts, size)
    cavity = find_cavity(parts) if row.container else None
    parts = [split_sharp_edges(part) for part in parts]
    names, textures = _textures(parts)
    entry: dict[str, Any] = {
        "id": row.id,
        "noun": row.noun,
        "attributes": list(row.attributes),
        "kind": "furniture" if row.kind == "support" and top is None else row.kind,
        "size_m": list(size),
        "licence": library.licence,
        "author": author,
        "source": library.package.label,
        "cavity": None if cavity is None else asdict(cavity),
        "top": None if top is None else asdict(top),
        "color": row.color or main_color(visible_colors(parts)),
        "link": row.model if robot else "",
        "n_faces": sum(len(part.faces) for part in parts),
        "n_parts": len(parts),
        "file": item_file_name(row.id),
        "textures": sorted(textures),
        "fingerprint": fingerprint(row),
    }
    return BuiltItem(encode_item(entry, tuple(_mesh_part(part) for part in parts), names), textures)


def _mesh_part(part: RawPart) -> MeshPart:
    return MeshPart(
        part.vertices.astype(np.float32),
        part.faces.astype(np.int32),
        None if part.uv is None else part.uv.astype(np.float32),
        part.rgba,
    )


def _textures(parts: list[RawPart]) -> tuple[tuple[str | None, ...], dict[str, bytes]]:
    """The texture file of each part, and the bytes of each file; equal pictures share one."""
    names: list[str | None] = []
    files: dict[str, bytes] = {}
    for part in parts:
        if part.texture is None:
            names.append(None)
            continue
        data = encode_jpeg(part.texture)
        name = f"textures/{hashlib.sha256(data).hexdigest()[:20]}.jpg"
        files[name] = data
        names.append(name)
    return tuple(names), files


def _flat_top(row: CatalogRow, parts: list[RawPart], size: tuple[float, ...]) -> FlatTop | None:
    """What counts as a place to stand: on a support any 20 cm square; elsewhere most of a low object's upper side."""
    if row.kind == "support":
        return find_flat_top(parts, least_side=0.20, least_share=0.15, least_height=0.15)
    if row.kind == "mounted" or row.container or size[2] > 1.3:
        return None
    side = 0.04 if row.kind == "tabletop" else 0.18
    return find_flat_top(parts, least_side=side, least_share=0.4, least_height=0.8 * size[2])
