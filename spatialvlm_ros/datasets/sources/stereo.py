"""Depth from rectified stereo pairs with OpenCV's semi-global matching (Hirschmueller 2008)."""

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
from spatialvlm_ros.datasets.views import SkippedView
from spatialvlm_ros.errors import ConfigError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture


@dataclass(frozen=True)
class StereoRig:
    """A rectified pair.

    Attributes:
        focal: pixels.
        baseline: metres between the two centres; the left camera is the one whose depth is given.
        doffs: pixels, principal point of the right camera minus that of the left ("doffs"; 0 for most rigs):
            Z = focal * baseline / (disparity + doffs).
    """

    focal: float
    baseline: float
    doffs: float = 0.0

    def __post_init__(self) -> None:
        if not (self.focal > 0 and self.baseline > 0 and np.isfinite(self.doffs)):
            raise ConfigError(
                "a stereo rig needs a focal length in pixels and a baseline in metres",
                (self.focal, self.baseline, self.doffs),
                "Both are positive.",
            )

    def depth(self, disparity: NDArray[np.floating]) -> NDArray[np.float32]:
        """(H, W) float32 metres of disparities (H, W) in pixels; NaN where not finite or not in front."""
        shifted = np.asarray(disparity, dtype=np.float64) + self.doffs
        with np.errstate(divide="ignore", invalid="ignore"):
            metres = self.focal * self.baseline / shifted
        return np.where(np.isfinite(metres) & (shifted > 0) & (metres > 0), metres, np.nan).astype(np.float32)

    def disparity(self, depth: float) -> float:
        """Pixels of a depth in metres."""
        return self.focal * self.baseline / depth - self.doffs


@dataclass(frozen=True)
class MatchingOptions:
    """Parameters of cv2.StereoSGBM.

    Attributes:
        min_depth, max_depth: metres; decide which disparities are searched.
        block_size: odd number of pixels that are compared.
        smoothness: penalties are 8 and 32 times this times block_size^2 (OpenCV's advice is 1 per channel).
        uniqueness: per cent by which the best match must beat the second.
        left_right: pixels that the match back from the right picture may differ; -1 does not check.
        speckle_pixels, speckle_range: smaller islands of a disparity that differs by more are dropped.
        thorough: eight directions instead of five; slower.
    """

    min_depth: float = 0.4
    max_depth: float = 20.0
    block_size: int = 5
    smoothness: float = 1.0
    uniqueness: int = 10
    left_right: int = 1
    speckle_pixels: int = 100
    speckle_range: int = 2
    thorough: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.min_depth < self.max_depth:
            raise ConfigError("stereo needs 0 < min_depth < max_depth", (self.min_depth, self.max_depth), "In metres.")
        if self.block_size < 1 or self.block_size % 2 == 0:
            raise ConfigError("the block size of stereo matching is odd", self.block_size, "Use 3, 5, 7, ...")


def match(
    left: NDArray[np.uint8], right: NDArray[np.uint8], rig: StereoRig, options: MatchingOptions | None = None
) -> NDArray[np.float32]:
    """Disparity (H, W) float32 in pixels of the left picture, NaN where no match was found.

    Args:
        left, right: (H, W, 3) uint8 RGB, rectified: the same point lies in the same row.
        rig: decides with the depths of ``options`` which disparities are searched.
    """
    options = options or MatchingOptions()
    if left.shape != right.shape:
        raise SourceError("the pictures of the two eyes differ in size", (left.shape, right.shape), "Rectify them.")
    lowest = int(np.floor(rig.disparity(options.max_depth)))
    # The search has to be a multiple of 16 pixels wide, and the picture wider than the search.
    wanted = int(np.ceil((rig.disparity(options.min_depth) - lowest + 1) / 16)) * 16
    count = max(16, min(wanted, (left.shape[1] - abs(lowest)) // 16 * 16))
    penalty = options.smoothness * options.block_size**2
    matcher = cv2.StereoSGBM.create(
        minDisparity=lowest,
        numDisparities=count,
        blockSize=options.block_size,
        P1=int(8 * penalty * 3),
        P2=int(32 * penalty * 3),
        disp12MaxDiff=options.left_right,
        uniquenessRatio=options.uniqueness,
        speckleWindowSize=options.speckle_pixels,
        speckleRange=options.speckle_range,
        mode=cv2.STEREO_SGBM_MODE_HH if options.thorough else cv2.STEREO_SGBM_MODE_SGBM,
    )
    raw = matcher.compute(cv2.cvtColor(left, cv2.COLOR_RGB2BGR), cv2.cvtColor(right, cv2.COLOR_RGB2BGR))
    disparity = np.asarray(raw, np.float32) / np.float32(16)
    disparity[raw < lowest * 16] = np.nan  # OpenCV's mark for "no match" is one below the lowest
    return disparity


def stereo_depth(
    left: NDArray[np.uint8], right: NDArray[np.uint8], rig: StereoRig, options: MatchingOptions | None = None
) -> NDArray[np.float32]:
    """(H, W) float32 metres in the left picture, NaN invalid; beyond the options' depths is invalid, too."""
    options = options or MatchingOptions()
    depth = rig.depth(match(left, right, rig, options))
    with np.errstate(invalid="ignore"):
        return np.where((depth >= options.min_depth) & (depth <= options.max_depth), depth, np.float32(np.nan))


@dataclass(frozen=True)
class StereoFolder:
    """Rectified pairs in ``left/`` and ``right/`` under equal file names (`CaptureSource`).

    Attributes:
        folder: of the recording.
        baseline: metres.
        doffs: see `StereoRig`.
        camera_file: YAML of the LEFT camera, after rectification; None looks for camera.yaml, ...
        matching: parameters.
        licence: of the pictures.
    """

    folder: Path
    baseline: float
    doffs: float = 0.0
    camera_file: Path | None = None
    matching: MatchingOptions = MatchingOptions()
    licence: str = "unknown"
    name: str = "stereo"

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if self.camera_file is not None:
            object.__setattr__(self, "camera_file", Path(self.camera_file))
        StereoRig(1.0, self.baseline, self.doffs)  # validates

    def __len__(self) -> int:
        return len(self._left)

    @property
    def camera_path(self) -> Path:
        """The file that holds the camera."""
        return find_camera_file(self.folder, self.camera_file)

    @functools.cached_property
    def camera(self) -> Camera:
        """The left camera."""
        camera = read_camera(self.camera_path)
        if camera.distortion_model != "none":
            raise SourceError(
                "stereo pairs must be rectified, but the camera model bends rays",
                camera.distortion_model,
                "Rectify first.",
            )
        return camera

    @functools.cached_property
    def _left(self) -> tuple[Path, ...]:
        return list_files(self.folder / "left", EXTENSIONS)

    @functools.cached_property
    def _right(self) -> dict[str, Path]:
        return {path.stem: path for path in list_files(self.folder / "right", EXTENSIONS)}

    def capture(self, index: int) -> Capture | SkippedView:
        path = self._left[index]
        name = path.relative_to(self.folder).as_posix()
        if path.stem not in self._right:
            return SkippedView(name, reasons.NO_PARTNER)
        left, right = read_picture(path), read_picture(self._right[path.stem])
        if isinstance(left, str) or isinstance(right, str):
            return SkippedView(name, left if isinstance(left, str) else str(right))
        if left.rgb.shape != right.rgb.shape:
            return SkippedView(name, reasons.DIFFERENT_SIZES)
        if left.rgb.shape[:2] != (self.camera.height, self.camera.width):
            return SkippedView(name, reasons.WRONG_CAMERA_SIZE)
        rig = StereoRig(self.camera.fx, self.baseline, self.doffs)
        return Capture(left.rgb, name, self.camera, stereo_depth(left.rgb, right.rgb, rig, self.matching))
