"""Contact sheets: every item drawn by MuJoCo with its name and size, to be looked at by a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.optional import require
from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.assets.mjspec import add_item

if TYPE_CHECKING:
    from PIL import Image

TILE = 150  # pixels
COLUMNS, ROWS = 10, 6
_CAPTION = 34


def draw_item(item: AssetItem, pixels: int = TILE) -> NDArray[np.uint8]:
    """(pixels, pixels, 3) picture of an item from its front, a little from its left and above."""
    mujoco = require("mujoco", "sim")
    low, high = item.vertices().min(axis=0), item.vertices().max(axis=0)
    radius = float(np.linalg.norm(high - low)) / 2
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth = spec.visual.global_.offheight = pixels
    spec.visual.headlight.ambient = [0.45, 0.45, 0.45]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    spec.visual.headlight.specular = [0, 0, 0]
    spec.visual.map.znear, spec.visual.map.zfar = 0.01, 100.0
    spec.stat.extent = radius * 4
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[0.75, 0.82, 0.88],
        rgb2=[0.75, 0.82, 0.88],
        width=16,
        height=16,
    )
    spec.worldbody.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, dir=[-0.5, 0.4, -1], diffuse=[0.5, 0.5, 0.5], castshadow=False
    )
    add_item(spec, spec.worldbody, item, "item")
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat[:] = (low + high) / 2
    camera.distance, camera.azimuth, camera.elevation = radius * 2.9, 205.0, -22.0
    with mujoco.Renderer(model, pixels, pixels) as renderer:
        renderer.update_scene(data, camera)
        return renderer.render().copy()


def write_sheets(items: Sequence[AssetItem], folder: Path) -> list[Path]:
    """Write ``sheet_00.png``, ... of all items in order of their nouns; returns the files."""
    from tqdm import tqdm

    ordered = sorted(items, key=lambda item: (item.kind == "robot", item.noun, item.id))
    for old in folder.glob("sheet_*.png"):
        old.unlink()
    files = []
    pages = list(_chunks(ordered, COLUMNS * ROWS))
    for number, page in enumerate(tqdm(pages, desc="sheets", unit="sheet", disable=None)):
        file = folder / f"sheet_{number:02d}.png"
        _page(page).save(file)
        files.append(file)
    return files


def _page(items: Sequence[AssetItem]) -> Image.Image:
    from PIL import Image, ImageDraw

    lines = -(-len(items) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, lines * (TILE + _CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, item in enumerate(items):
        x, y = index % COLUMNS * TILE, index // COLUMNS * (TILE + _CAPTION)
        sheet.paste(Image.fromarray(draw_item(item)), (x, y))
        for row, text in enumerate(caption(item)):
            pen.text((x + 2, y + TILE + row * 11), text[:26], fill="black")
    return sheet


def caption(item: AssetItem) -> tuple[str, str, str]:
    """Three short lines: label, id, and size in centimetres with marks (C container, T flat top, * reserved)."""
    size = "x".join(f"{100 * v:.4g}" for v in item.size_m)
    marks = ("C" if item.is_container else "") + ("T" if item.flat_top else "") + ("*" if item.reserved else "")
    return item.label, item.id, f"{size} {marks} {item.color}"


def _chunks(items: Sequence[AssetItem], size: int) -> Iterator[Sequence[AssetItem]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
