"""Sweet Home 3D furniture libraries (.sh3f): a zip with PluginFurnitureCatalog.properties and OBJ models.

The catalogue gives the true size in centimetres. A model is first turned by the catalogue's ``modelRotation``, then
its box is scaled to width (its x), height (its y, up) and depth (its z, towards the front), each by itself: that is
how Sweet Home 3D shows it. Item axes follow by (x, y, z) = (model z, model x, model y).
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.sources.obj import read_obj
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, fitted
from spatialvlm_ros.simulation.assets.textures import decode_texture

CATALOGUE = "PluginFurnitureCatalog.properties"
_PROPERTY = re.compile(r"([A-Za-z]+)#(\d+)\s*[=:]\s*(.*)")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True)
class CatalogueEntry:
    """A piece of a library.

    Attributes:
        key: name of the model file without folder and ending: unique within its library.
        name: English name.
        size_m: (depth, width, height) metres.
        model: path of the OBJ file in the zip.
        rotation: (3, 3) turn of the model before it is scaled.
        drop_height: metres at which things dropped on it come to rest, or None.
        author: of the model.
    """

    key: str
    name: str
    size_m: tuple[float, float, float]
    model: str
    rotation: tuple[tuple[float, ...], ...]
    drop_height: float | None
    author: str


def read_catalogue(library: Path) -> dict[str, CatalogueEntry]:
    """Key -> entry of every piece of a library; raises `AssetError` for a file that is not one."""
    try:
        text = _archive(library).read(CATALOGUE).decode("latin-1")
    except KeyError as error:
        raise AssetError(f"the furniture library has no {CATALOGUE}", str(library), "Is it an .sh3f file?") from error
    numbered: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        match = _PROPERTY.match(line.strip())
        if match:
            value = _ESCAPE.sub(lambda m: chr(int(m[1], 16)), match[3])
            numbered.setdefault(int(match[2]), {})[match[1]] = value.strip()
    entries = (_entry(library, fields) for _, fields in sorted(numbered.items()))
    return {entry.key: entry for entry in entries}


def _entry(library: Path, fields: dict[str, str]) -> CatalogueEntry:
    try:
        turn = [float(v) for v in fields.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()]
        drop = float(fields.get("dropOnTopElevation", "-1"))
        model = fields["model"].lstrip("/")
        return CatalogueEntry(
            key=posixpath.splitext(posixpath.basename(model))[0],
            name=fields["name"],
            size_m=(float(fields["depth"]) / 100, float(fields["width"]) / 100, float(fields["height"]) / 100),
            model=model,
            rotation=(tuple(turn[0:3]), tuple(turn[3:6]), tuple(turn[6:9])),
            drop_height=drop / 100 if drop > 0 else None,
            author=fields.get("creator", ""),
        )
    except (KeyError, ValueError) as error:
        raise AssetError(f"an entry of {library.name} is incomplete", fields.get("name"), str(error)) from error


def load_entry(library: Path, entry: CatalogueEntry) -> list[RawPart]:
    """The model of an entry as parts in the item frame, at the catalogue's size.

    Raises:
        AssetError: the model is missing or unreadable.
    """
    archive = _archive(library)

    def read(path: str) -> bytes | None:
        try:
            return archive.read(path)
        except KeyError:
            return None

    parts = [part for part in read_obj(entry.model, read, decode_texture) if len(part.faces)]
    rotation = np.array(entry.rotation)
    turned = [part.moved((part.vertices @ rotation.T)[:, [2, 0, 1]]) for part in parts]
    return fitted(turned, entry.size_m)


@lru_cache(maxsize=8)
def _archive(library: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(library)
    except (OSError, zipfile.BadZipFile) as error:
        raise AssetError(
            "a furniture library cannot be read", str(library), "Delete the cache folder and build again."
        ) from error
