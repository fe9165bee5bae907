"""RGB-D folders: colour and registered 16-bit depth pictures side by side (TUM layout, or rgb/ and depth/)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.datasets.sources import captures as reasons
from spatialvlm_ros.datasets.sources.camera_files import find_camera_file, read_camera
from spatialvlm_ros.datasets.sources.picture_files import EXTENSIONS, read_picture
from spatialvlm_ros.datasets.sources.pictures import list_files
from spatialvlm_ros.datasets.sources.stamps import nearest_pairs, numbers_in
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture

_DEPTH_EXTENSIONS = frozenset((".png", ".tif", ".tiff", ".pgm"))


@dataclass(frozen=True)
class _Pair:
    rgb: Path
    depth: Path | None
    stamp_ns: int


@dataclass(frozen=True)
class RgbdFolder:
    """Colour pictures with the depth picture of the same time (`CaptureSource`).

    With ``rgb.txt`` and ``depth.txt`` (TUM benchmark: "stamp path" lines) pictures are paired by stamp; else those
    of ``rgb/`` and ``depth/`` by file name, or by stamp if all names are numbers.

    Attributes:
        folder: of the recording.
        depth_factor: depth values per metre: 1000 for millimetres, 5000 for the TUM benchmark. There is no safe guess,
            so it must be given.
        camera_file: YAML; None looks for camera.yaml, camera_info.yaml, ...
        max_time_difference: seconds between the two pictures of a pair.
        max_depth: metres; further is invalid.
        licence: of the pictures.
    """

    folder: Path
    depth_factor: float
    camera_file: Path | None = None
    max_time_difference: float = 0.02
    max_depth: float = 30.0
    licence: str = "unknown"
    name: str = "rgbd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if self.camera_file is not None:
            object.__setattr__(self, "camera_file", Path(self.camera_file))
        for name in ("depth_factor", "max_time_difference", "max_depth"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive", getattr(self, name), "1000 per metre is millimetres.")

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def camera_path(self) -> Path:
        """The file that holds the camera."""
        return find_camera_file(self.folder, self.camera_file)

    @functools.cached_property
    def camera(self) -> Camera:
        """Of the colour pictures, to which depth is registered."""
        return read_camera(self.camera_path)

    @functools.cached_property
    def _pairs(self) -> tuple[_Pair, ...]:
        if not self.folder.is_dir():
            raise SourceError("there is no such folder", str(self.folder), "Check the path.")
        if (self.folder / "rgb.txt").is_file() and (self.folder / "depth.txt").is_file():
            return self._pairs_by_list()
        return self._pairs_by_name()

    def _pairs_by_list(self) -> tuple[_Pair, ...]:
        colour, depth = (_read_list(self.folder / name) for name in ("rgb.txt", "depth.txt"))
        return self._paired(
            [s for s, _ in colour], [p for _, p in colour], [s for s, _ in depth], [p for _, p in depth]
        )

    def _pairs_by_name(self) -> tuple[_Pair, ...]:
        colour = list_files(self.folder / "rgb", EXTENSIONS)
        depth = list_files(self.folder / "depth", _DEPTH_EXTENSIONS)
        by_stem = {p.stem: p for p in depth}
        if any(p.stem in by_stem for p in colour):
            return tuple(_Pair(p, by_stem.get(p.stem), 0) for p in colour)
        stamps = numbers_in([p.stem for p in colour]), numbers_in([p.stem for p in depth])
        if stamps[0] is None or stamps[1] is None:
            raise SourceError(
                f"the pictures in {self.folder} cannot be paired",
                (colour[0].name, depth[0].name),
                "Give rgb/ and depth/ the same file names, or stamps in seconds, or write rgb.txt and depth.txt.",
            )
        return self._paired(stamps[0], list(colour), stamps[1], list(depth))

    def _paired(
        self, colour_stamps: list[float], colour: list[Path], depth_stamps: list[float], depth: list[Path]
    ) -> tuple[_Pair, ...]:
        partners = nearest_pairs(colour_stamps, depth_stamps, self.max_time_difference)
        return tuple(
            _Pair(path, None if partner is None else depth[partner], round(stamp * 1e9))
            for path, stamp, partner in zip(colour, colour_stamps, partners, strict=True)
        )

    def capture(self, index: int) -> Capture | SkippedView:
        pair = self._pairs[index]
        name = pair.rgb.relative_to(self.folder).as_posix() if pair.rgb.is_relative_to(self.folder) else pair.rgb.name
        if pair.depth is None:
            return SkippedView(name, reasons.NO_DEPTH)
        picture = read_picture(pair.rgb)
        if isinstance(picture, str):
            return SkippedView(name, picture)
        height, width = picture.rgb.shape[:2]
        if (width, height) != (self.camera.width, self.camera.height):
            return SkippedView(name, reasons.WRONG_CAMERA_SIZE)
        depth = read_depth(pair.depth, self.depth_factor, self.max_depth)
        if isinstance(depth, str):
            return SkippedView(name, depth)
        if depth.shape != (height, width):
            return SkippedView(name, reasons.DEPTH_NOT_REGISTERED)
        return Capture(picture.rgb, name, self.camera, depth, stamp_ns=pair.stamp_ns)


def read_depth(path: Path, depth_factor: float, max_depth: float) -> NDArray[np.float32] | str:
    """(H, W) float32 metres, NaN where 0 or beyond ``max_depth``, of a 16-bit picture; or the reason why not."""
    try:
        if path.stat().st_size == 0:
            return reasons.EMPTY_FILE
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        return reasons.UNREADABLE_DEPTH
    if raw is None or raw.ndim != 2 or raw.dtype not in (np.uint16, np.float32):
        return reasons.UNREADABLE_DEPTH
    metres = raw.astype(np.float32) / np.float32(depth_factor)
    return np.where(np.isfinite(metres) & (metres > 0) & (metres <= max_depth), metres, np.float32(np.nan))


def _read_list(path: Path) -> list[tuple[float, Path]]:
    """Lines "stamp path" of a TUM list, comments and malformed lines left out."""
    entries = []
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read", str(error), "It holds lines of stamp and path.") from error
    for line in lines:
        parts = line.split("#")[0].split()
        try:
            entries.append((float(parts[0]), path.parent / parts[1]))
        except (IndexError, ValueError):
            continue
    if not entries:
        raise SourceError(f"{path} lists no picture", len(lines), "It holds lines of stamp and path.")
    return sorted(entries)
