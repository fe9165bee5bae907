"""Plain coloured shapes made in code, as the same `AssetItem` that a pack gives.

Sizes are those of toys and kitchen things on a table. Each shape exists in every colour of `COLORS`; the colour is
the attribute. Vertices are doubled at sharp edges, so that shading shows the edges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.items import AssetItem, Cavity, FlatTop, MeshPart, Rgba, Vector

COLORS: dict[str, Rgba] = {
    "red": (0.80, 0.08, 0.08, 1.0),
    "green": (0.10, 0.55, 0.15, 1.0),
    "blue": (0.10, 0.20, 0.75, 1.0),
    "yellow": (0.95, 0.80, 0.10, 1.0),
    "orange": (0.95, 0.45, 0.05, 1.0),
    "purple": (0.45, 0.12, 0.55, 1.0),
    "pink": (0.95, 0.50, 0.65, 1.0),
    "brown": (0.40, 0.22, 0.10, 1.0),
    "black": (0.06, 0.06, 0.07, 1.0),
    "white": (0.92, 0.92, 0.90, 1.0),
    "gray": (0.50, 0.50, 0.50, 1.0),
}

Profile = NDArray[np.float64]  # (N, 2) radius, z
_SEGMENTS = 32


def _revolve(profile: list[tuple[float, float]], smooth: bool) -> tuple[NDArray, NDArray]:
    """Turn a (radius, z) outline, given with the solid on its left when walked upwards outside, about z."""
    points = np.array(profile, dtype=np.float64)
    turn = np.linspace(0, 2 * np.pi, _SEGMENTS, endpoint=False)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)

    def rings(rows: NDArray) -> NDArray:
        flat = rows[:, None, 0, None] * ring[None]  # (rows, segments, 2)
        return np.concatenate([flat, np.broadcast_to(rows[:, 1, None, None], (len(rows), _SEGMENTS, 1))], axis=2)

    if smooth:
        vertices = rings(points).reshape(-1, 3)
        bands = [(i * _SEGMENTS, (i + 1) * _SEGMENTS) for i in range(len(points) - 1)]
    else:  # each band of the outline has its own two rings
        vertices = np.concatenate([rings(points[i : i + 2]).reshape(-1, 3) for i in range(len(points) - 1)])
        bands = [(2 * i * _SEGMENTS, (2 * i + 1) * _SEGMENTS) for i in range(len(points) - 1)]
    j, k = np.arange(_SEGMENTS), (np.arange(_SEGMENTS) + 1) % _SEGMENTS
    faces = []
    for low, high in bands:
        faces.append(np.stack([low + j, low + k, high + k], axis=1))
        faces.append(np.stack([low + j, high + k, high + j], axis=1))
    return vertices, _without_slivers(vertices, np.concatenate(faces))


def _without_slivers(vertices: NDArray, faces: NDArray) -> NDArray:
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return faces[area > 1e-12]


def _box(size: Vector, center: Vector) -> tuple[NDArray, NDArray]:
    """A box of 24 vertices (each side has its own four)."""
    vertices: list[NDArray] = []
    faces: list[list[int]] = []
    half = np.array(size) / 2
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            quad = np.zeros((4, 3))
            quad[:, axis] = sign
            quad[:, u] = [-1, 1, 1, -1]
            quad[:, v] = [-1, -1, 1, 1]
            if sign < 0:
                quad = quad[::-1]
            faces += [[len(vertices) * 4 + i for i in triangle] for triangle in ((0, 1, 2), (0, 2, 3))]
            vertices.append(quad * half + np.array(center))
    return np.concatenate(vertices), np.array(faces)


def _joined(pieces: list[tuple[NDArray, NDArray]]) -> tuple[NDArray, NDArray]:
    vertices, faces, offset = [], [], 0
    for v, f in pieces:
        vertices.append(v)
        faces.append(f + offset)
        offset += len(v)
    return np.concatenate(vertices), np.concatenate(faces)


def _block(size: Vector) -> tuple[NDArray, NDArray]:
    return _box(size, (0.0, 0.0, size[2] / 2))


def _ball(size: Vector) -> tuple[NDArray, NDArray]:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    vertices, faces = _revolve([(float(np.cos(a)), float(np.sin(a)) + 1) for a in angle], smooth=True)
    return vertices * np.array(size) / 2, faces


def _cylinder(size: Vector) -> tuple[NDArray, NDArray]:
    vertices, faces = _revolve([(0, 0), (1, 0), (1, 1), (0, 1)], smooth=False)
    return vertices * np.array([size[0] / 2, size[1] / 2, size[2]]), faces


def _cone(size: Vector) -> tuple[NDArray, NDArray]:
    vertices, faces = _revolve([(0, 0), (1, 0), (0, 1)], smooth=False)
    return vertices * np.array([size[0] / 2, size[1] / 2, size[2]]), faces


def _pyramid(size: Vector) -> tuple[NDArray, NDArray]:
    x, y, z = size[0] / 2, size[1] / 2, size[2]
    base = np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])
    tip = np.array([0.0, 0.0, z])
    sides = [np.array([base[i], base[(i + 1) % 4], tip]) for i in range(4)]
    vertices = np.concatenate([base[::-1], *sides])
    faces = [[0, 1, 2], [0, 2, 3]] + [[4 + 3 * i, 5 + 3 * i, 6 + 3 * i] for i in range(4)]
    return vertices, np.array(faces)


def _capsule(size: Vector) -> tuple[NDArray, NDArray]:
    radius, height = size[0] / 2, size[2]
    angle = np.linspace(0, np.pi / 2, 9)
    low = [(radius * float(np.sin(a)), radius * (1 - float(np.cos(a)))) for a in angle]
    return _revolve(low + [(r, height - z) for r, z in reversed(low)], smooth=True)


def _ring(size: Vector) -> tuple[NDArray, NDArray]:
    tube = size[2] / 2
    big = size[0] / 2 - tube
    angle = np.linspace(0, 2 * np.pi, 17)
    return _revolve([(big + tube * float(np.cos(a)), tube + tube * float(np.sin(a))) for a in angle], smooth=True)


WALL = 0.004  # metres, of containers


def _tray(size: Vector) -> tuple[NDArray, NDArray]:
    """An open box: four walls and a floor."""
    x, y, z = size
    return _joined(
        [
            _box((x, y, WALL), (0, 0, WALL / 2)),
            _box((x, WALL, z), (0, (y - WALL) / 2, z / 2)),
            _box((x, WALL, z), (0, -(y - WALL) / 2, z / 2)),
            _box((WALL, y, z), ((x - WALL) / 2, 0, z / 2)),
            _box((WALL, y, z), (-(x - WALL) / 2, 0, z / 2)),
        ]
    )


def _tray_cavity(size: Vector) -> Cavity:
    x, y, z = size
    return Cavity((0.0, 0.0, (z + WALL) / 2), (x - 2 * WALL, y - 2 * WALL, z - WALL))


def _bowl(size: Vector) -> tuple[NDArray, NDArray]:
    """A bowl: a wide cup with a flat bottom of half its radius."""
    r, z = size[0] / 2, size[2]
    outline = [(0, 0), (r / 2, 0), (0.8 * r, 0.35 * z), (r, z), (r - WALL, z), (0.8 * r - WALL, 0.4 * z)]
    return _revolve([*outline, (r / 2 - WALL, WALL), (0, WALL)], smooth=False)


def _bowl_cavity(size: Vector) -> Cavity:
    r, z = size[0] / 2, size[2]
    inner = np.sqrt(2) * (r / 2 - WALL)  # side of the largest upright box that stands on the inner bottom
    return Cavity((0.0, 0.0, (z + WALL) / 2), (float(inner), float(inner), z - WALL))


def _beaker(size: Vector) -> tuple[NDArray, NDArray]:
    """A cup without a handle."""
    r, z = size[0] / 2, size[2]
    return _revolve([(0, 0), (r, 0), (r, z), (r - WALL, z), (r - WALL, WALL), (0, WALL)], smooth=False)


def _beaker_cavity(size: Vector) -> Cavity:
    inner = float(np.sqrt(2) * (size[0] / 2 - WALL))
    return Cavity((0.0, 0.0, (size[2] + WALL) / 2), (inner, inner, size[2] - WALL))


@dataclass(frozen=True)
class PrimitiveKind:
    """A kind of shape: its noun, its size in metres, whether it stands flat, and how its triangles are made."""

    noun: str
    size: Vector
    make: Callable[[Vector], tuple[NDArray, NDArray]]
    flat_top: bool = False
    cavity: Callable[[Vector], Cavity] | None = None


PRIMITIVE_KINDS: tuple[PrimitiveKind, ...] = (
    PrimitiveKind("cube", (0.05, 0.05, 0.05), _block, flat_top=True),
    PrimitiveKind("block", (0.04, 0.09, 0.03), _block, flat_top=True),
    PrimitiveKind("box", (0.12, 0.18, 0.10), _block, flat_top=True),
    PrimitiveKind("ball", (0.07, 0.07, 0.07), _ball),
    PrimitiveKind("cylinder", (0.06, 0.06, 0.11), _cylinder, flat_top=True),
    PrimitiveKind("disk", (0.14, 0.14, 0.02), _cylinder, flat_top=True),
    PrimitiveKind("cone", (0.08, 0.08, 0.12), _cone),
    PrimitiveKind("pyramid", (0.09, 0.09, 0.08), _pyramid),
    PrimitiveKind("capsule", (0.05, 0.05, 0.13), _capsule),
    PrimitiveKind("ring", (0.12, 0.12, 0.03), _ring),
    PrimitiveKind("tray", (0.22, 0.32, 0.05), _tray, cavity=_tray_cavity),
    PrimitiveKind("bin", (0.16, 0.16, 0.14), _tray, cavity=_tray_cavity),
    PrimitiveKind("bowl", (0.18, 0.18, 0.08), _bowl, cavity=_bowl_cavity),
    PrimitiveKind("cup", (0.08, 0.08, 0.10), _beaker, cavity=_beaker_cavity),
)
_BY_NOUN = {kind.noun: kind for kind in PRIMITIVE_KINDS}


@dataclass(frozen=True)
class PrimitiveShape:
    """Where the triangles of a primitive come from."""

    noun: str
    size: Vector
    rgba: Rgba

    def load(self) -> tuple[MeshPart, ...]:
        """Make the triangles."""
        vertices, faces = _BY_NOUN[self.noun].make(self.size)
        return (MeshPart(vertices.astype(np.float32), faces.astype(np.int32), rgba=self.rgba),)


def primitive_item(noun: str, color: str, size: Vector | None = None) -> AssetItem:
    """A primitive in a colour of `COLORS`; ``size`` (x, y, z) metres replaces the usual one.

    Raises:
        AssetError: an unknown noun or colour.
    """
    from spatialvlm_ros.errors import AssetError

    if noun not in _BY_NOUN:
        raise AssetError("there is no such primitive", noun, f"Known: {', '.join(_BY_NOUN)}.")
    if color not in COLORS:
        raise AssetError("there is no such colour", color, f"Known: {', '.join(COLORS)}.")
    kind = _BY_NOUN[noun]
    dimensions: Vector = size or kind.size
    shape = PrimitiveShape(noun, dimensions, COLORS[color])
    suffix = "" if size is None else "/" + "x".join(f"{v:g}" for v in dimensions)
    return AssetItem(
        id=f"primitive/{noun}/{color}{suffix}",
        noun=noun,
        attributes=(color,),
        kind="tabletop",
        size_m=dimensions,
        licence="Apache-2.0",
        author="spatialvlm_ros",
        source="spatialvlm_ros primitives",
        shape=shape,
        cavity=kind.cavity(dimensions) if kind.cavity else None,
        top=_flat_top(kind, dimensions),
        color=color,
        n_faces=len(shape.load()[0].faces),
    )


def _flat_top(kind: PrimitiveKind, size: Vector) -> FlatTop | None:
    if not kind.flat_top:
        return None
    share = 1.0 if kind.make is _block else float(np.sqrt(0.5))  # the square inside a round top
    return FlatTop((0.0, 0.0, size[2]), (size[0] * share, size[1] * share))


@lru_cache(maxsize=1)
def primitive_items() -> tuple[AssetItem, ...]:
    """Every shape in every colour."""
    return tuple(primitive_item(kind.noun, color) for kind in PRIMITIVE_KINDS for color in COLORS)
