"""A bench on disk: pictures, the truth about them, and a name that changes when the truth does.

    bench.json          name, SHA-256 and settings
    truth.jsonl.xz      one `TruthView` a line
    pictures/           <part>/<scene>_<view>.jpg and .png (depth, 16 bit, millimetres)

The hash covers settings, truth and questions. It does not cover pixels: graphics drivers round differently.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spatialvlm_ros.errors import ConfigError, EvaluationError
from spatialvlm_ros.evaluation.items import TruthView
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.shared_files import shared_file

FORMAT = 1
BENCH_FILE, TRUTH_FILE, PICTURES = "bench.json", "truth.jsonl.xz", "pictures"
GIVEN = ("depth", "up", "camera_height")  # what an observation may hold beside the picture and its camera
_HASH_IN_NAME = 12
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class Bench:
    """A bench whose truth is the one that its name stands for.

    Attributes:
        folder: where it lies.
        name: with the first digits of the hash.
        sha256: of settings and truth.
        config: plain values of `BenchConfig`.
        views: the truth.
        committed: whether this package holds the same hash under that name.
    """

    folder: Path
    name: str
    sha256: str
    config: dict[str, Any]
    views: tuple[TruthView, ...]
    committed: bool

    @staticmethod
    def open(folder: str | Path) -> Bench:
        """Read and check a bench.

        Raises:
            EvaluationError: it is missing, damaged, of another format, or not what its name says.
        """
        folder = Path(folder)
        try:
            head = json.loads((folder / BENCH_FILE).read_text(encoding="utf-8"))
            form, name, sha256, config = (head[key] for key in ("format", "name", "sha256", "config"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EvaluationError("there is no complete bench", str(folder), "Run: spatialvlm evaluate --build.") from (
                error
            )
        if form != FORMAT:
            raise EvaluationError("the bench has another format", form, f"This version reads format {FORMAT}.")
        views = read_truth(folder / TRUTH_FILE)
        found = content_hash(config, views)
        if found != sha256 or not name.endswith(found[:_HASH_IN_NAME]):
            raise EvaluationError(
                f"the bench {name} was changed: its content has another hash", found, "Build it again in a new folder."
            )
        return Bench(folder, name, sha256, config, views, _is_committed(name, sha256))

    def rgb(self, view: TruthView) -> NDArray[np.uint8]:
        """(H, W, 3) the picture."""
        try:
            with Image.open(self.folder / f"{view.picture}.jpg") as image:
                rgb = np.asarray(image.convert("RGB"))
        except OSError as error:
            raise EvaluationError(
                "a picture of the bench cannot be read", view.picture, "Build the bench again; the rest is kept."
            ) from error
        if rgb.shape[:2] != (view.camera[1], view.camera[0]):
            raise EvaluationError("a picture of the bench has another size", rgb.shape, f"Rebuild {view.picture}.")
        return rgb

    def depth(self, view: TruthView) -> NDArray[np.float32]:
        """(H, W) metres along the optical axis, NaN where invalid."""
        try:
            with Image.open(self.folder / f"{view.picture}.png") as image:
                raw = np.asarray(image, dtype=np.float32)
        except OSError as error:
            raise EvaluationError(
                "a depth picture of the bench cannot be read", view.picture, "Build the bench again; the rest is kept."
            ) from error
        return np.where(raw > 0, raw / 1000, np.nan).astype(np.float32)

    def observation(self, view: TruthView, given: Sequence[str] = (), zoom: float = 1.0) -> Observation:
        """What a model is shown.

        Args:
            view: one of ``views``.
            given: which of `GIVEN` it gets beside picture and camera.
            zoom: see `Item.zoom`.
        """
        unknown = sorted(set(given) - set(GIVEN))
        if unknown:
            raise ConfigError("this cannot be given to a model", unknown, f"Known: {', '.join(GIVEN)}.")
        return Observation(
            rgb=self.rgb(view),
            camera=view.camera_model(zoom),
            depth=self.depth(view) if "depth" in given and zoom == 1 else None,
            up=np.array(view.up) if "up" in given else None,
            camera_height=view.camera_height if "camera_height" in given and zoom == 1 else None,
        )

    @cached_property
    def mean_color(self) -> NDArray[np.uint8]:
        """(3,) mean colour of (up to 64, evenly spread) pictures."""
        step = max(1, len(self.views) // 64)
        means = [self.rgb(v).reshape(-1, 3).mean(axis=0) for v in self.views[::step]]
        return np.mean(means, axis=0).round().astype(np.uint8)


def content_hash(config: dict[str, Any], views: Iterable[TruthView]) -> str:
    """SHA-256 of settings and truth, in a form that does not depend on the machine."""
    digest = hashlib.sha256(_canonical({"format": FORMAT, "config": config}))
    for view in views:
        digest.update(_canonical(view.to_json()))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def write_bench(folder: Path, base_name: str, config: dict[str, Any], views: Sequence[TruthView]) -> str:
    """Write truth and head (the pictures are there already); returns the name.

    ``<name>.json`` beside them is what ``config/bench`` holds of a committed bench.
    """
    sha256 = content_hash(config, views)
    name = f"{base_name}-{sha256[:_HASH_IN_NAME]}"
    packed = lzma.compress(b"".join(_canonical(v.to_json()) for v in views), preset=9)
    write_file(folder / TRUTH_FILE, packed)
    head = {"format": FORMAT, "name": name, "sha256": sha256, "views": len(views), "config": config}
    write_file(folder / BENCH_FILE, (json.dumps(head, indent=1) + "\n").encode())
    entry = {"name": name, "sha256": sha256, "views": len(views)}
    write_file(folder / f"{name}.json", (json.dumps(entry, indent=1) + "\n").encode())
    return name


def read_truth(path: Path) -> tuple[TruthView, ...]:
    """The views of a truth file; `EvaluationError` where it is missing or damaged."""
    try:
        lines = lzma.decompress(path.read_bytes()).decode().splitlines()
        return tuple(TruthView.from_json(json.loads(line)) for line in lines)
    except (OSError, lzma.LZMAError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError("the truth of a bench cannot be read", str(path), "Build the bench again.") from error


def write_picture(folder: Path, picture: str, rgb: NDArray[np.uint8], depth: NDArray[np.float32]) -> None:
    """Colour (H, W, 3) as JPEG and depth (H, W) metres as 16-bit PNG, each whole or not at all."""
    import io

    for image, ending, options in (
        (Image.fromarray(rgb), "jpg", {"quality": _JPEG_QUALITY, "subsampling": 0}),
        (Image.fromarray(_millimetres(depth)), "png", {}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG" if ending == "jpg" else "PNG", **options)
        write_file(folder / f"{picture}.{ending}", buffer.getvalue())


def _millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    raw = np.round(np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0) * 1000)
    return np.where((raw > 0) & (raw < 65536), raw, 0).astype(np.uint16)


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)


def _is_committed(name: str, sha256: str) -> bool:
    try:
        path = shared_file(f"config/bench/{name}.json")
    except ConfigError:
        return False
    entry = json.loads(path.read_text(encoding="utf-8"))
    if entry.get("sha256") != sha256:
        raise EvaluationError(
            f"the bench {name} is not the committed one", sha256, f"It should have {entry.get('sha256')}."
        )
    return True
