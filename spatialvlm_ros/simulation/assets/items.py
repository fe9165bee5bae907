"""One object that can stand in a scene: what it is called, how large it is, and its triangles.

Item frame, the same for every object: metres, z up, x to the object's front, y to its left, origin at the bottom
centre of its box. So ``size_m`` = (depth, width, height) and the box centre is (0, 0, height / 2). Robot links are
the exception: they are in the frame of their link.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.splits import is_reserved

Rgba = tuple[float, float, float, float]
Vector = tuple[float, float, float]

# How an object is placed: on tables, on the floor, on the floor with things on it, on a wall or ceiling, ...
KINDS = ("tabletop", "furniture", "support", "mounted", "robot")


@dataclass(frozen=True, eq=False)
class MeshPart:
    """Triangles of one material.

    Attributes:
        vertices: (V, 3) float32 metres in the item frame. Vertices are doubled at texture seams and sharp edges,
            so that each has one texture coordinate.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        uv: (V, 2) float32 or None; (0, 0) is the top-left corner of the texture picture (MuJoCo's order), values
            outside 0..1 repeat the texture.
        rgba: colour 0..1; multiplies the texture.
        texture: path of a JPEG or PNG, (H, W, 3) uint8, or None.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    uv: NDArray[np.float32] | None = None
    rgba: Rgba = (0.7, 0.7, 0.7, 1.0)
    texture: Path | NDArray[np.uint8] | None = None

    def texture_rgb(self) -> NDArray[np.uint8] | None:
        """(H, W, 3) uint8 texture picture, or None."""
        if self.texture is None or isinstance(self.texture, np.ndarray):
            return self.texture
        from PIL import Image

        with Image.open(self.texture) as picture:
            return np.asarray(picture.convert("RGB"))


@dataclass(frozen=True)
class Cavity:
    """The room inside an open-topped container: a box in the item frame, open at its upper side.

    Attributes:
        center: metres.
        size: (x, y, z) metres; something whose box fits in here can be put in.
    """

    center: Vector
    size: Vector


@dataclass(frozen=True)
class FlatTop:
    """A level rectangle on top of an object, with nothing above it: things can stand there.

    Attributes:
        center: metres in the item frame; its z is the height of the surface.
        size: (x, y) metres.
    """

    center: Vector
    size: tuple[float, float]


class PartSource(Protocol):
    """Where the triangles of an item come from: hashable and picklable, so that items travel to workers cheaply."""

    def load(self) -> tuple[MeshPart, ...]:
        """Read or make the parts."""
        ...

    def __hash__(self) -> int: ...


@lru_cache(maxsize=512)
def _loaded(source: PartSource) -> tuple[MeshPart, ...]:
    return source.load()


@dataclass(frozen=True)
class AssetItem:
    """One object.

    Attributes:
        id: unique and stable, e.g. "scopia/office_chair"; primitives are "primitive/cube/red".
        noun: what people call it, e.g. "chair".
        attributes: words before the noun, e.g. ("office",) or ("red",); often empty.
        kind: one of `KINDS`.
        size_m: (x, y, z) = (depth, width, height) metres.
        licence, author, source: of the mesh; source is "package version".
        cavity: the open room inside, or None when nothing can be put in.
        top: the level place on which things can stand, or None.
        color: its colour where it is mostly of one ("red"), else "". Only where the colour is painted on by this
            package (primitives, untextured meshes) is it also among the attributes.
        link: robot link the mesh belongs to, else "".
        n_faces: triangles of all parts.
        shape: where the parts come from.
    """

    id: str
    noun: str
    attributes: tuple[str, ...]
    kind: str
    size_m: Vector
    licence: str
    author: str
    source: str
    shape: PartSource = field(repr=False)
    cavity: Cavity | None = None
    top: FlatTop | None = None
    color: str = ""
    link: str = ""
    n_faces: int = 0

    @property
    def label(self) -> str:
        """Attributes and noun, e.g. "office chair"."""
        return " ".join((*self.attributes, self.noun))

    @property
    def is_container(self) -> bool:
        """True when things can be put inside."""
        return self.cavity is not None

    @property
    def flat_top(self) -> bool:
        """True when things can stand on it."""
        return self.top is not None

    @property
    def top_height(self) -> float | None:
        """Metres from the bottom to the surface on which things can stand, or None."""
        return None if self.top is None else self.top.center[2]

    @property
    def reserved(self) -> bool:
        """True for the meshes that only the split ``new_objects`` may show."""
        return is_reserved(self.id)

    def parts(self) -> tuple[MeshPart, ...]:
        """The triangles by material; read (and checked against the manifest) once, then cached.

        Raises:
            AssetError: a file is missing or damaged.
        """
        return _loaded(self.shape)

    def vertices(self) -> NDArray[np.float32]:
        """(V, 3) all vertices of all parts, metres in the item frame."""
        return np.concatenate([part.vertices for part in self.parts()])

    def surface_points(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """(count, 3) points spread evenly over the surface, metres in the item frame."""
        triangles = np.concatenate([part.vertices[part.faces] for part in self.parts()]).astype(np.float64)
        edge_1, edge_2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
        areas = np.linalg.norm(np.cross(edge_1, edge_2), axis=1)
        chosen = rng.choice(len(triangles), size=count, p=areas / areas.sum())
        a, b = rng.random((2, count, 1))
        outside = a + b > 1  # fold the unit square onto the triangle
        a, b = np.where(outside, 1 - a, a), np.where(outside, 1 - b, b)
        return triangles[chosen, 0] + a * edge_1[chosen] + b * edge_2[chosen]
