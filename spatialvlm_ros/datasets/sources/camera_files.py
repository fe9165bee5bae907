"""Camera models in YAML: the file that ROS's camera_calibration writes, or plain width, height, fx, fy, cx, cy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spatialvlm_ros.errors import CameraModelError, SourceError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.field_of_view import check_pixels
from spatialvlm_ros.shared_files import read_json_or_yaml

# The first that exists in a folder is taken.
USUAL_NAMES = ("camera.yaml", "camera.yml", "camera_info.yaml", "camera_info.yml", "camera.json", "intrinsics.yaml")


def find_camera_file(folder: Path, given: Path | None) -> Path:
    """The camera file of a folder: the given one, else the first of the usual names."""
    if given is not None:
        return given
    for name in USUAL_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise SourceError(
        f"{folder} has no camera model", remedy=f"Write one of {', '.join(USUAL_NAMES)}, or name the file."
    )


def read_camera(path: Path) -> Camera:
    """The camera of a YAML or JSON file.

    Raises:
        SourceError: the file is unreadable.
        CameraModelError: a number is missing, or not a calibration, or the focal length is hardly one in pixels.
    """
    try:
        content = read_json_or_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourceError(f"the camera model {path} cannot be read", str(error), "Write YAML.") from error
    if not isinstance(content, Mapping):
        raise SourceError(f"the camera model {path} is empty", type(content).__name__, "Write YAML.")
    try:
        return check_pixels(_ros(content) if "camera_matrix" in content else _plain(content))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CameraModelError(
            f"the camera model {path} is incomplete",
            f"{type(error).__name__}: {error}",
            "It needs width, height, fx, fy, cx, cy, or the content of a ROS camera_info file.",
        ) from error


def _ros(content: Mapping[str, Any]) -> Camera:
    matrix = np.asarray(content["camera_matrix"]["data"], dtype=np.float64)
    coefficients = content.get("distortion_coefficients") or {}
    return Camera.from_K(
        matrix,
        int(content["image_width"]),
        int(content["image_height"]),
        content.get("distortion_model") or content.get("camera_model") or "none",
        [float(c) for c in coefficients.get("data") or ()],
    )


def _plain(content: Mapping[str, Any]) -> Camera:
    numbers = {name: float(content[name]) for name in ("fx", "fy", "cx", "cy")}
    return Camera(
        int(content["width"]),
        int(content["height"]),
        **numbers,
        distortion_model=content.get("distortion_model") or "none",
        distortion=tuple(float(c) for c in content.get("distortion") or ()),
    )
