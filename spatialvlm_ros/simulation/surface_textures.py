"""Textures of tables, floors and walls, made in code: wood, checker, tiles, bricks, carpet, plaster, marble, plain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Float = NDArray[np.float64]

SIZE = 256  # pixels


def make_texture(name: str, rng: np.random.Generator) -> Picture:
    """(SIZE, SIZE, 3) uint8 of a kind in `TEXTURES`, in random colours; opposite borders fit together."""
    return np.clip(TEXTURES[name](rng) * 255, 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, cells_x: int, cells_y: int) -> Float:
    """(SIZE, SIZE) smooth periodic noise in 0..1 with that many cells across and down."""
    grid = rng.random((cells_y, cells_x))
    y, x = (np.arange(SIZE) * c / SIZE for c in (cells_y, cells_x))
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None]
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    y1, x1 = (y0 + 1) % cells_y, (x0 + 1) % cells_x
    upper = grid[np.ix_(y0, x0)] * (1 - fx) + grid[np.ix_(y0, x1)] * fx
    lower = grid[np.ix_(y1, x0)] * (1 - fx) + grid[np.ix_(y1, x1)] * fx
    return upper * (1 - fy) + lower * fy


def _fractal(rng: np.random.Generator, cells: int, octaves: int = 4) -> Float:
    layers = [_noise(rng, cells * 2**k, cells * 2**k) / 2**k for k in range(octaves)]
    return sum(layers) / sum(0.5**k for k in range(octaves))  # type: ignore[return-value]


def _color(rng: np.random.Generator, low: float = 0.45, high: float = 0.9, saturation: float = 0.25) -> Float:
    value = rng.uniform(low, high)
    return np.clip(value * (1 + rng.uniform(-saturation, saturation, 3)), 0, 1)


def _blend(share: Float, first: Float, second: Float) -> Float:
    return share[..., None] * first + (1 - share[..., None]) * second


def _wood(rng: np.random.Generator) -> Float:
    value = rng.uniform(0.45, 0.9)
    light = np.clip(value * np.array([1.0, rng.uniform(0.72, 0.84), rng.uniform(0.45, 0.65)]), 0, 1)
    planks = int(rng.integers(1, 5))
    shift = rng.random(planks)[np.arange(SIZE) * planks // SIZE][:, None]
    grain = 0.6 * _noise(rng, 3, 64) + 0.4 * _noise(rng, 6, 128)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (4 * _noise(rng, 2, 6) + 2 * shift))
    picture = light * (0.78 + 0.16 * grain + 0.06 * rings + 0.12 * (shift - 0.5))[..., None]
    if planks > 1:
        seams = (np.arange(SIZE) * planks % SIZE) < planks * 2
        picture[seams] *= 0.6
    return picture


def _plaster(rng: np.random.Generator) -> Float:
    return _color(rng, 0.65, 0.95, 0.12) * (0.94 + 0.06 * _fractal(rng, 16))[..., None]


def _carpet(rng: np.random.Generator) -> Float:
    speckle = rng.random((SIZE, SIZE))
    return _color(rng, 0.35, 0.8, 0.35) * (0.75 + 0.25 * speckle)[..., None]


def _marble(rng: np.random.Generator) -> Float:
    veins = np.abs(np.sin(np.pi * 4 * _fractal(rng, 3))) ** 0.4
    return _blend(veins, _color(rng, 0.75, 0.95, 0.08), _color(rng, 0.3, 0.6, 0.15))


def _checker(rng: np.random.Generator) -> Float:
    n = int(rng.choice([2, 4]))
    cell = np.arange(SIZE) * n // SIZE
    board = (cell[:, None] + cell[None]) % 2
    return _blend(board.astype(float), _color(rng, 0.6, 0.95), _color(rng, 0.25, 0.6)) * _worn(rng)


def _tiles(rng: np.random.Generator) -> Float:
    n = int(rng.integers(2, 5))
    step = (np.arange(SIZE) * n) % SIZE
    joint = (step[:, None] < 2 * n) | (step[None] < 2 * n)
    cell = np.arange(SIZE) * n // SIZE
    shade = rng.uniform(0.9, 1.0, (n, n))[np.ix_(cell, cell)]
    picture = _color(rng) * shade[..., None]
    picture[joint] = _color(rng, 0.35, 0.8, 0.05)
    return picture * _worn(rng)


def _bricks(rng: np.random.Generator) -> Float:
    rows = int(rng.integers(3, 6)) * 2
    row = np.arange(SIZE) * rows // SIZE
    x = (np.arange(SIZE)[None] * (rows // 2) + (row % 2)[:, None] * SIZE // 2) % SIZE
    y = (np.arange(SIZE) * rows) % SIZE
    joint = (x < 3 * (rows // 2)) | (y < 3 * rows)[:, None]
    brick = _color(rng, 0.45, 0.85, 0.2) * np.array([1.0, 0.82, 0.72])
    return _blend(joint.astype(float), _color(rng, 0.55, 0.85, 0.05), brick) * _worn(rng)


def _plain(rng: np.random.Generator) -> Float:
    return np.broadcast_to(_color(rng, 0.4, 0.95, 0.3), (SIZE, SIZE, 3)).copy()


def _worn(rng: np.random.Generator) -> Float:
    return (0.9 + 0.1 * _fractal(rng, 8))[..., None]


TEXTURES: dict[str, Callable[[np.random.Generator], Float]] = {
    "wood": _wood,
    "plaster": _plaster,
    "carpet": _carpet,
    "marble": _marble,
    "checker": _checker,
    "tiles": _tiles,
    "bricks": _bricks,
    "plain": _plain,
}
