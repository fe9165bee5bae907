"""A small furniture library in the real format, written by tests: .sh3f zip, catalogue, OBJ, MTL, PNG."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from spatialvlm_ros.simulation.assets.catalog import CatalogRow
from spatialvlm_ros.simulation.assets.sources.packages import FURNITURE

# Catalogue size in cm. Unequal on purpose: swapped axes cannot go unseen.
WIDTH, DEPTH, HEIGHT = 30.0, 20.0, 50.0

_QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def box_obj(low: tuple[float, float, float], high: tuple[float, float, float], first: int) -> str:
    """OBJ text of a box (8 vertices, 6 quads, outward) whose vertex numbers start at ``first``."""
    corners = [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    lines = [f"v {x} {y} {z}" for x, y, z in corners]
    lines += ["f " + " ".join(f"{first + i}/{1 + k}" for k, i in enumerate(quad)) for quad in _QUADS]
    return "\n".join(lines)


def cabinet_obj(turned: bool = False) -> str:
    """A cabinet in model axes (x right, y up, z front), any unit and place, with a knob at its front, right, top.

    The body is untextured, the knob has the material with the texture. ``turned``: written lying, z up, as models
    whose catalogue entry has a modelRotation.
    """
    text = "\n".join(
        [
            "mtllib cabinet.mtl",
            "vt 0 1\nvt 1 1\nvt 1 0\nvt 0 0",
            "usemtl wood",
            box_obj((100, 7, -3), (104, 17, -1), 1),
            "usemtl brass",
            box_obj((103, 15, -1), (104, 17, 0), 9),
        ]
    )
    if not turned:
        return text
    lines = []
    for line in text.split("\n"):
        if line.startswith("v "):
            x, y, z = line.split()[1:]
            line = f"v {x} {-float(z)} {y}"  # model (x, y, z) was turned by +90 degrees about x
        lines.append(line)
    return "\n".join(lines)


MTL = "newmtl wood\nKd 0.4 0.25 0.1\nd 1.0\nnewmtl brass\nKd 0.5 0.5 0.5\nmap_Kd C:/elsewhere/four.png\n"


def four_colors() -> np.ndarray:
    """(32, 32, 3) texture: red, green over blue, white."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :16], pixels[:16, 16:], pixels[16:, :16], pixels[16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 255
    pixels[16:, :16] = (0, 0, 255)
    return pixels


def png(pixels: np.ndarray) -> bytes:
    """PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_library(cache: Path, pieces: int = 1) -> Path:
    """A cache folder as the downloader leaves it, with a KatorLegaz.sh3f of ``pieces`` cabinets, and a turned one."""
    folder = cache / f"{FURNITURE.name}-{FURNITURE.version}" / "usr" / "furniture"
    folder.mkdir(parents=True)
    entries = []
    with zipfile.ZipFile(folder / "KatorLegaz.sh3f", "w") as archive:
        for number in range(1, pieces + 2):
            turned = number == pieces + 1
            name = "lying" if turned else f"cabinet{number}"
            archive.writestr(f"lib/{name}/{name}.obj", cabinet_obj(turned))
            archive.writestr(f"lib/{name}/cabinet.mtl", MTL)
            archive.writestr(f"lib/{name}/four.png", png(four_colors()))
            entries.append(
                f"id#{number}=T#{name}\nname#{number}=Caf\\u00e9 cabinet\nmodel#{number}=/lib/{name}/{name}.obj\n"
                f"width#{number}={WIDTH}\ndepth#{number}={DEPTH}\nheight#{number}={HEIGHT + number}\n"
                f"creator#{number}=Jane\n" + (f"modelRotation#{number}=1 0 0 0 0 1 0 -1 0\n" if turned else "")
            )
        archive.writestr("PluginFurnitureCatalog.properties", "# a comment\n" + "\n".join(entries))
    return cache


def cabinet_rows(pieces: int) -> tuple[CatalogRow, ...]:
    """Catalogue rows for the cabinets of `write_library`."""
    return tuple(CatalogRow(f"kl/cabinet{n}", "cabinet", ("small",), "furniture") for n in range(1, pieces + 1))
