"""Each library of meshes by the prefix of its asset ids: which package it is in, its licence, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.sources import mjcf, sweethome
from spatialvlm_ros.simulation.assets.sources.packages import FURNITURE, ROBOCASA, ROBOTS, Package
from spatialvlm_ros.simulation.assets.sources.raw import RawPart, fitted

Loader = Callable[[Path, str], tuple[list[RawPart], str]]


@dataclass(frozen=True)
class Library:
    """Where the meshes of an id prefix come from.

    Attributes:
        package: that holds it.
        licence: SPDX id of its meshes.
        load: (folder of the unpacked package, model) -> parts in the item frame and the author's name.
    """

    package: Package
    licence: str
    load: Loader


def _load_furniture(file_name: str, default_author: str, root: Path, model: str) -> tuple[list[RawPart], str]:
    library = _only(root, file_name)
    catalogue = _catalogue(library)
    if model not in catalogue:
        raise AssetError(f"{file_name} has no such model", model, "Correct the id in nouns.yaml.")
    entry = catalogue[model]
    return sweethome.load_entry(library, entry), entry.author or default_author


@lru_cache(maxsize=8)
def _catalogue(library: Path) -> dict[str, sweethome.CatalogueEntry]:
    return sweethome.read_catalogue(library)


def _load_robocasa(root: Path, model: str) -> tuple[list[RawPart], str]:
    file = _only(root, f"{model}/model.xml")
    parts = [part for body in mjcf.read_mjcf(file).values() for part in body]
    return fitted(parts, None), "RoboCasa"


def _load_object_sim(root: Path, model: str) -> tuple[list[RawPart], str]:
    body = _only(root, f"object_sim/{model}/body.xml")
    return fitted(mjcf.read_body_include(body), None), "Vikash Kumar, object_sim"


def _load_panda(root: Path, model: str) -> tuple[list[RawPart], str]:
    bodies = _panda_bodies(_only(root, "franka_emika_panda/panda.xml"))
    return bodies["left_finger" if model == "finger" else model], "Franka Robotics, MuJoCo Menagerie"


@lru_cache(maxsize=2)
def _panda_bodies(file: Path) -> dict[str, list[RawPart]]:
    return mjcf.read_mjcf(file)


PANDA_LINKS = (*(f"link{i}" for i in range(8)), "hand", "finger")

LIBRARIES: dict[str, Library] = {
    "kl": Library(
        FURNITURE, "CC-BY-3.0-US", partial(_load_furniture, "KatorLegaz.sh3f", "Andrew Kator & Jennifer Legaz")
    ),
    "cc0": Library(FURNITURE, "CC0-1.0", partial(_load_furniture, "BlendSwap-CC-0.sh3f", "Blend Swap")),
    "ccby": Library(FURNITURE, "CC-BY-3.0", partial(_load_furniture, "BlendSwap-CC-BY.sh3f", "Blend Swap")),
    "scopia": Library(FURNITURE, "CC-BY-3.0", partial(_load_furniture, "Scopia.sh3f", "Scopia")),
    "robocasa": Library(ROBOCASA, "MIT", _load_robocasa),
    "objectsim": Library(ROBOTS, "Apache-2.0", _load_object_sim),
    "panda": Library(ROBOTS, "Apache-2.0", _load_panda),
}


def library_of(asset_id: str) -> Library:
    """The library of an asset id; raises `AssetError` for an unknown prefix."""
    prefix = asset_id.partition("/")[0]
    if prefix not in LIBRARIES:
        raise AssetError("an asset id has an unknown library", asset_id, f"Known: {', '.join(LIBRARIES)}.")
    return LIBRARIES[prefix]


def _only(root: Path, ending: str) -> Path:
    found = [path for path in root.rglob(Path(ending).name) if path.as_posix().endswith("/" + ending)]
    if len(found) != 1:
        raise AssetError(
            f"{len(found)} files end with {ending} below {root}", ending, "Delete the cache folder and build again."
        )
    return found[0]


def turned(parts: list[RawPart], turn_deg: tuple[float, float, float]) -> list[RawPart]:
    """Turn about the fixed x, then y, then z axis (degrees), and stand on the origin again."""
    if not any(turn_deg):
        return parts
    from scipy.spatial.transform import Rotation

    matrix = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    matrix = np.where(np.abs(matrix) < 1e-12, 0.0, matrix)
    return fitted([part.moved(part.vertices @ matrix.T) for part in parts], None)


def painted(parts: list[RawPart], rgba: tuple[float, float, float, float]) -> list[RawPart]:
    """All parts in one colour, without texture."""
    return [replace(part, rgba=rgba, uv=None, texture=None) for part in parts]
