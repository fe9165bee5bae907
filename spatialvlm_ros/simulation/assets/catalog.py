"""``nouns.yaml``: which meshes the pack has and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.items import KINDS
from spatialvlm_ros.simulation.assets.primitives import COLORS

NOUNS_PATH = Path(__file__).with_name("nouns.yaml")
_MESH_KEYS = {"attributes", "color", "size_cm", "turn_deg", "kind", "container"}


@dataclass(frozen=True)
class CatalogRow:
    """A mesh of the pack and its words.

    Attributes:
        id: "library/model".
        noun, attributes, kind: as in `AssetItem`.
        container: look for a room inside it.
        color: paint it in this colour of `primitives.COLORS` and name it so; "" leaves the mesh's own.
        size_cm: (x, y, z) that replaces the size the source gives, or None.
        turn_deg: (about x, about y, about z) turns applied one after the other, for meshes that lie or look askew.
    """

    id: str
    noun: str
    attributes: tuple[str, ...]
    kind: str
    container: bool = False
    color: str = ""
    size_cm: tuple[float, float, float] | None = None
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def library(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]

    @property
    def model(self) -> str:
        """The part of the id after the slash."""
        return self.id.partition("/")[2]


def read_catalog(path: Path = NOUNS_PATH) -> tuple[CatalogRow, ...]:
    """All rows of a nouns file, in its order.

    Raises:
        AssetError: an unknown key, kind or colour, or a mesh that is listed twice.
    """
    import yaml

    try:
        nouns = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise AssetError("the noun list cannot be read", str(path), str(error)) from error
    rows = tuple(
        _row(noun, fields, mesh_id, mesh)
        for noun, fields in nouns.items()
        for mesh_id, mesh in fields["meshes"].items()
    )
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise AssetError("a mesh is listed twice in the noun list", row.id, "Keep one of the two lines.")
        seen.add(row.id)
    return rows


def _row(noun: str, fields: dict[str, Any], mesh_id: str, mesh: Any) -> CatalogRow:
    options: dict[str, Any] = mesh if isinstance(mesh, dict) else {"attributes": mesh}
    unknown = set(options) - _MESH_KEYS
    if unknown:
        raise AssetError(f"unknown keys at mesh {mesh_id}", sorted(unknown), f"Known: {sorted(_MESH_KEYS)}.")
    color = options.get("color", "")
    if color and color not in COLORS:
        raise AssetError(f"unknown colour at mesh {mesh_id}", color, f"Known: {', '.join(COLORS)}.")
    kind = options.get("kind", fields["kind"])
    if kind not in KINDS:
        raise AssetError(f"unknown kind at mesh {mesh_id}", kind, f"Known: {', '.join(KINDS)}.")
    words = tuple((options.get("attributes") or "").split())
    size = options.get("size_cm")
    return CatalogRow(
        id=mesh_id,
        noun=noun,
        attributes=(color, *words) if color else words,
        kind=kind,
        container=bool(options.get("container", fields.get("container", False))),
        color=color,
        size_cm=None if size is None else (float(size[0]), float(size[1]), float(size[2])),
        turn_deg=_turns(options.get("turn_deg", 0)),
    )


def _turns(value: Any) -> tuple[float, float, float]:
    if isinstance(value, (int, float)):
        return (0.0, 0.0, float(value))
    about_x, about_y, about_z = (float(v) for v in value)
    return (about_x, about_y, about_z)
