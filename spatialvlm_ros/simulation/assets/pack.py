"""The pack on disk: a folder with ``manifest.json``, one ``.npz`` an object and the textures.

    pack = AssetPack.load()                      # $SPATIALVLM_ASSETS, else ~/.cache/spatialvlm_ros/assets
    mugs = [item for item in pack.items if item.noun == "mug"]
    for part in mugs[0].parts():
        part.vertices, part.faces, part.uv, part.rgba, part.texture_rgb()
    AssetPack.primitives()                       # coloured shapes made in code: no pack needed, same interface

`mjspec.add_item` puts an item into a MuJoCo model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.assets.primitives import primitive_items
from spatialvlm_ros.simulation.assets.storage import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    item_from_entry,
    sha256_of,
)

BUILD_HINT = "Run: spatialvlm assets"


def default_pack_path() -> Path:
    """$SPATIALVLM_ASSETS, else ``~/.cache/spatialvlm_ros/assets``."""
    configured = os.environ.get("SPATIALVLM_ASSETS")
    return Path(configured) if configured else Path.home() / ".cache" / "spatialvlm_ros" / "assets"


@dataclass(frozen=True)
class AssetPack:
    """Objects to build scenes from.

    Attributes:
        items: objects in the order of their ids, robot links apart.
        robot_links: visual meshes of the Franka Panda, in link frames, kind "robot" (`AssetItem.link` names the
            link: link0 ... link7, hand, finger); empty for primitives.
        path: the folder, or None for primitives.
    """

    items: tuple[AssetItem, ...]
    robot_links: tuple[AssetItem, ...] = ()
    path: Path | None = None

    @staticmethod
    def load(path: str | Path | None = None) -> AssetPack:
        """Open the pack at ``path`` (default: `default_pack_path`).

        Reads the manifest and checks that every file is there with its size; the checksum of a file is compared
        when its item is first used. `verify` compares all of them.

        Raises:
            AssetError: no pack there, another schema version, a damaged manifest, a missing or cut file.
        """
        folder = Path(path) if path is not None else default_pack_path()
        manifest = read_manifest(folder)
        for name, record in manifest["files"].items():
            _check_size(folder / name, record["bytes"])
        items = [item_from_entry(folder, entry, manifest["files"]) for entry in manifest["items"]]
        return AssetPack(
            items=tuple(item for item in items if item.kind != "robot"),
            robot_links=tuple(item for item in items if item.kind == "robot"),
            path=folder,
        )

    @staticmethod
    def primitives() -> AssetPack:
        """Coloured boxes, balls, cylinders, bowls, ... made in code: for tests, and where no pack is built."""
        return AssetPack(items=primitive_items())

    @staticmethod
    def load_or_primitives(path: str | Path | None = None) -> AssetPack:
        """The pack when there is one (a damaged one still raises), else the primitives."""
        folder = Path(path) if path is not None else default_pack_path()
        return AssetPack.load(folder) if (folder / MANIFEST_NAME).exists() else AssetPack.primitives()

    def __getitem__(self, item_id: str) -> AssetItem:
        """The item with that id; raises `AssetError` for an unknown one."""
        for item in (*self.items, *self.robot_links):
            if item.id == item_id:
                return item
        raise AssetError("the asset pack has no such item", item_id, "AssetPack.items lists the ids.")

    def nouns(self) -> dict[str, tuple[AssetItem, ...]]:
        """Noun -> its items, sorted by noun."""
        grouped: dict[str, list[AssetItem]] = {}
        for item in self.items:
            grouped.setdefault(item.noun, []).append(item)
        return {noun: tuple(grouped[noun]) for noun in sorted(grouped)}

    def for_split(self, split: str) -> AssetPack:
        """The pack a split may use: reserved meshes only for ``new_objects``, the others for every other split."""
        wanted = split == "new_objects"
        return AssetPack(tuple(i for i in self.items if i.reserved == wanted), self.robot_links, self.path)

    def verify(self) -> Iterator[tuple[str, str]]:
        """Compare the checksum of every file; yields (file name, what is wrong), nothing for a sound pack."""
        if self.path is None:
            return
        for name, record in read_manifest(self.path)["files"].items():
            file = self.path / name
            if not file.exists():
                yield name, "missing"
            elif sha256_of(file) != record["sha256"]:
                yield name, "checksum differs"


def read_manifest(folder: Path) -> dict:
    """The manifest of a pack, checked for version and form; raises `AssetError`."""
    file = folder / MANIFEST_NAME
    if not file.exists():
        raise AssetError("there is no asset pack", str(folder), BUILD_HINT + ", or set SPATIALVLM_ASSETS.")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = manifest["schema_version"]
        _ = manifest["items"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise AssetError("the manifest of the asset pack is damaged", str(file), f"{BUILD_HINT} --rebuild") from error
    if version != SCHEMA_VERSION:
        raise AssetError(
            f"the asset pack has another schema version than {SCHEMA_VERSION}", version, f"{BUILD_HINT} --rebuild"
        )
    return manifest


def _check_size(file: Path, expected: int) -> None:
    try:
        found = file.stat().st_size
    except FileNotFoundError as error:
        raise AssetError("a file of the asset pack is missing", str(file), f"{BUILD_HINT} (it repairs)") from error
    if found != expected:
        raise AssetError(f"a file of the asset pack is damaged: {file}", found, f"{BUILD_HINT} (it repairs)")
