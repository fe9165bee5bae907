"""Objects of other proportions and colours, made of the meshes of a pack.

Most nouns of a pack have one mesh. A model that is trained on it learns that mesh, not what is common to things of the
noun. Here each compiled set of objects gets variants: taller or wider at the same size, wider at the top or in the
middle, with other colours. Everything that is measured is measured on the variant's own triangles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.items import AssetItem, Cavity, FlatTop, MeshPart, PartSource, Vector

Float = NDArray[np.float64]

_LEAST, _MOST = 0.6, 1.6  # factors of a width along an object
_LEAST_CAVITY_M = 0.02  # sides of a room that is worth the name
_LEVELS = 33  # heights at which the walls of a cavity are looked at

# Words that say what something looks like: such a thing keeps its colours.
_TELLING_WORDS = frozenset(
    "bamboo black blue brown burlap cardboard concrete glass gray green iron leafy leather metal oak orange pink plaid"
    " purple rattan red steel stone teak white wire wood wooden yellow".split()
)
# Nouns of one colour, or of few.
_TELLING_NOUNS = frozenset(
    (
        "apple,banana,banknote,basketball,bouquet,bread,broccoli,butter,cactus,cake,cat,chicken,christmas tree,cupcake,"
        "dartboard,dog,eggplant,fire extinguisher,fire hydrant,flower box,fruit bowl,glass,hamburger,hot dog,"
        "light bulb,mushroom,newspaper,orchid,pile of firewood,pile of french fries,plant,rabbit,roast chicken,rock,"
        "rubik's cube,set of playing cards,snowman,soccer ball,steak,toilet paper,traffic cone,wooden toy"
    ).split(",")
)
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Variation:
    """How much objects differ from the meshes of the pack.

    Attributes:
        shape: deviation of the logarithm of proportions and of widths along an object; 0 leaves shapes alone.
        color: share of the objects that get other colours, 0 to 1.
    """

    shape: float = 0.0
    color: float = 0.0

    def __bool__(self) -> bool:
        return self.shape > 0 or self.color > 0


UNCHANGED = Variation()


@dataclass(frozen=True)
class _Profile:
    """A width as a factor of where one is along an object: exp(slope s + bulge (1/2 - s^2)), s from -1 to 1."""

    slope: float = 0.0
    bulge: float = 0.0

    def at(self, s: Float) -> Float:
        return np.clip(np.exp(self.slope * s + self.bulge * (0.5 - s**2)), _LEAST, _MOST)


@dataclass(frozen=True)
class Warp:
    """A deformation that keeps level what is level and upright things upright.

    Attributes:
        size: (x, y, z) metres of the object before.
        factors: along x, y, z.
        upwards: factor of x and y over the height.
        across: factor of y along x.
    """

    size: Vector
    factors: Vector = (1.0, 1.0, 1.0)
    upwards: _Profile = _Profile()
    across: _Profile = _Profile()

    def points(self, points: NDArray[Any]) -> Float:
        """(N, 3) points of the item frame where they are afterwards, before the box is put back onto the origin."""
        x, y, z = np.asarray(points, dtype=np.float64).T
        depth, _, height = self.size
        wider = self.upwards.at(np.clip(2 * z / max(height, 1e-9) - 1, -1, 1))
        sideways = self.across.at(np.clip(2 * x / max(depth, 1e-9), -1, 1))
        warped = np.stack([x * wider, y * wider * sideways, z], axis=1)
        return warped * np.array(self.factors)

    def rectangle(self, center: tuple[float, float], size: tuple[float, float], low: float, high: float) -> Float:
        """(2, 2) least and greatest x, y of the part of an upright box that is still free.

        Args:
            center, size: of the box seen from above, metres.
            low, high: its heights, metres.
        """
        middle, half = np.array(center), np.array(size) / 2
        z = np.linspace(low, high, _LEVELS)
        # The ends of the box along x bound it everywhere: profiles have their least value at an end or in the middle.
        x = np.linspace(middle[0] - half[0], middle[0] + half[0], _LEVELS)
        grid = np.stack(np.meshgrid(x, [middle[1] - half[1], middle[1] + half[1]], z, indexing="ij"), axis=-1)
        ends = self.points(grid.reshape(-1, 3)).reshape(_LEVELS, 2, _LEVELS, 3)
        return np.array(
            [
                [ends[0, :, :, 0].max(), ends[:, 0, :, 1].max()],
                [ends[-1, :, :, 0].min(), ends[:, 1, :, 1].min()],
            ]
        )


@dataclass(frozen=True)
class _Varied:
    """Parts of a variant (`PartSource`); ``matrix`` turns linear combinations of R, G, B into others."""

    source: PartSource
    warp: Warp
    offset: Vector
    matrix: tuple[float, ...] | None

    def load(self) -> tuple[MeshPart, ...]:
        return tuple(self._part(part) for part in self.source.load())

    def _part(self, part: MeshPart) -> MeshPart:
        vertices = (self.warp.points(part.vertices) + np.array(self.offset)).astype(np.float32)
        if self.matrix is None:
            return replace(part, vertices=vertices)
        matrix, texture = np.array(self.matrix).reshape(3, 3), part.texture_rgb()
        if texture is not None:
            texture = (np.clip(texture / 255.0 @ matrix.T, 0, 1) * 255).astype(np.uint8)
            return replace(part, vertices=vertices, texture=texture)
        red, green, blue = np.clip(matrix @ np.array(part.rgba[:3]), 0, 1).tolist()
        return replace(part, vertices=vertices, rgba=(red, green, blue, part.rgba[3]))


def varied(item: AssetItem, variation: Variation, rng: np.random.Generator) -> AssetItem:
    """A variant of an item; its size, cavity and flat top are those of the variant.

    Its id stays, since it is still made of that mesh. Things whose name says what they look like keep their colours.
    """
    warp = _draw_warp(item, variation.shape, rng)
    matrix = _draw_colors(rng) if rng.random() < variation.color and not _looks_are_told(item) else None
    low, high = _bounds(item, warp)
    # A noun keeps the size that its things usually have: taller ones are narrower.
    same = float(np.cbrt(np.prod(item.size_m) / np.prod(high - low))) if min(item.size_m) > 0 else 1.0
    warp = replace(warp, factors=tuple(same * factor for factor in warp.factors))
    low, high = same * low, same * high
    offset = -np.array([*((low + high) / 2)[:2], low[2]])
    x, y, z = (high - low).tolist()
    return replace(
        item,
        size_m=(x, y, z),
        color=item.color if matrix is None else "",
        cavity=None if item.cavity is None else _warped_cavity(item.cavity, warp, offset),
        top=None if item.top is None else _warped_top(item.top, warp, offset),
        shape=_Varied(item.shape, warp, tuple(offset.tolist()), matrix),
    )


def _bounds(item: AssetItem, warp: Warp) -> tuple[Float, Float]:
    """(3,) least and greatest coordinates of the warped triangles."""
    points = np.concatenate([warp.points(part.vertices) for part in item.parts()])
    return points.min(axis=0), points.max(axis=0)


def _draw_warp(item: AssetItem, amount: float, rng: np.random.Generator) -> Warp:
    taller, deeper, slope, bulge, across_slope, across_bulge = amount * np.clip(rng.normal(size=6), -2, 2)
    factors = (math.exp(-taller / 2 + deeper / 3), math.exp(-taller / 2 - deeper / 3), math.exp(taller))
    depth, width, height = item.size_m
    # A flat thing whose sides lean much is none of its kind any more.
    steep = 0.7 * min(1.0, height / max(depth, width, 1e-9))
    upwards = _Profile(steep * slope, steep * bulge)
    return Warp(item.size_m, factors, upwards, _Profile(0.5 * across_slope, 0.5 * across_bulge))


def _looks_are_told(item: AssetItem) -> bool:
    return item.noun in _TELLING_NOUNS or bool(_TELLING_WORDS & set(item.attributes))


def _draw_colors(rng: np.random.Generator) -> tuple[float, ...]:
    """(9,) rows of a matrix for R, G, B: another hue at the same lightness, more or less colour, a tint, a gain."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.full(3, 1 / math.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    saturation = rng.uniform(0.3, 1.2)
    colorful = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _LUMA)
    # White and gray things have no hue to turn; half of all get a tint.
    tint = rng.uniform(0.25, 1.0, 3) if rng.random() < 0.5 else np.ones(3)
    matrix = np.diag(rng.uniform(0.6, 1.2) * tint) @ colorful @ turn
    return tuple(matrix.ravel().tolist())


def _warped_top(top: FlatTop, warp: Warp, offset: Float) -> FlatTop | None:
    x, y, z = top.center
    low, high = warp.rectangle((x, y), top.size, z, z)
    if (high - low).min() <= 0:
        return None
    height = float(warp.points(np.array([[x, y, z]]))[0, 2] + offset[2])
    (x, y), (width, depth) = ((low + high) / 2 + offset[:2]).tolist(), (high - low).tolist()
    return FlatTop((x, y, height), (width, depth))


def _warped_cavity(cavity: Cavity, warp: Warp, offset: Float) -> Cavity | None:
    x, y, z = cavity.center
    floor, rim = z - cavity.size[2] / 2, z + cavity.size[2] / 2
    low, high = warp.rectangle((x, y), cavity.size[:2], floor, rim)
    if (high - low).min() < _LEAST_CAVITY_M:
        return None
    middle = np.append((low + high) / 2, z * warp.factors[2]) + offset
    (x, y, z), (width, depth) = middle.tolist(), (high - low).tolist()
    return Cavity((x, y, z), (width, depth, cavity.size[2] * warp.factors[2]))
