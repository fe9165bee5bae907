"""A folder of ordinary pictures."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

from spatialvlm_ros.datasets.sources.picture_files import EXTENSIONS, MIN_SIDE, read_picture
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.field_of_view import check_degrees
from spatialvlm_ros.perception.capture import Capture


@dataclass(frozen=True)
class PictureFolder:
    """All pictures under a folder, by name (`CaptureSource`).

    Attributes:
        folder: looked through with its subfolders.
        hfov_deg: horizontal field of view of the (landscape) camera, used where EXIF says nothing; None leaves
            that to the pipeline's estimators. For portrait pictures it is the angle of the longer side.
        max_side: larger pictures are shrunk to this many pixels.
        max_megapixels: larger pictures are skipped undecoded.
        licence: of the pictures.
    """

    folder: Path
    hfov_deg: float | None = None
    max_side: int = 1280
    max_megapixels: float = 120.0
    licence: str = "unknown"
    name: str = "pictures"

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if self.hfov_deg is not None:
            check_degrees(self.hfov_deg)
        if self.max_side < MIN_SIDE:
            raise ConfigError("max_side leaves nothing to see", self.max_side, f"Give {MIN_SIDE} pixels or more.")

    def __len__(self) -> int:
        return len(self._files)

    @functools.cached_property
    def _files(self) -> tuple[Path, ...]:
        return list_files(self.folder, EXTENSIONS)

    def capture(self, index: int) -> Capture | SkippedView:
        path = self._files[index]
        name = path.relative_to(self.folder).as_posix()
        picture = read_picture(path, self.max_side, self.max_megapixels)
        if isinstance(picture, str):
            return SkippedView(name, picture)
        return Capture(picture.rgb, name, picture.camera() or self._assumed_camera(picture.rgb.shape))

    def _assumed_camera(self, shape: tuple[int, ...]) -> Camera | None:
        if self.hfov_deg is None:
            return None
        height, width = shape[:2]
        focal = max(width, height) / 2 / math.tan(math.radians(self.hfov_deg) / 2)
        return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def list_files(folder: Path, extensions: frozenset[str]) -> tuple[Path, ...]:
    """Files below a folder with these endings, sorted by path; hidden ones are left out.

    Raises:
        SourceError: no such folder, or no such file in it.
    """
    if not folder.is_dir():
        raise SourceError("there is no such folder", str(folder), "Check the path.")
    found = (p for p in folder.rglob("*") if p.suffix.lower() in extensions and p.is_file())
    files = sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))
    if not files:
        raise SourceError(f"no file to read in {folder}", sorted(extensions), "Check the folder.")
    return tuple(files)
