"""Which camera took the pictures: from the options, the recording, or a file beside it. Never guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatialvlm_ros.datasets.sources.camera_files import USUAL_NAMES, read_camera
from spatialvlm_ros.errors import CameraModelError, ConfigError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.field_of_view import camera_of_degrees, check_degrees, check_pixels

RECORDED = "the recording"
# A file of another size fits where both sides differ by the same factor, to about a pixel in a thousand.
_SAME_ASPECT = 2e-3
_WAYS = (
    "Give one of: --hfov DEGREES (horizontal field of view), --camera fx,fy,cx,cy (pixels), "
    "or a file camera.yaml beside the recording (width, height, fx, fy, cx, cy, or ROS's camera_info YAML)."
)

MakeCamera = Callable[[int, int], Camera]


@dataclass(frozen=True)
class Intrinsics:
    """Where the camera model comes from.

    Attributes:
        given: makes the camera of a picture of (width, height) pixels; it wins over what the recording says.
        beside: the same, of a file beside the recording, for recordings that say nothing.
        given_source, beside_source: where they come from, for people.
    """

    given: MakeCamera | None = None
    beside: MakeCamera | None = None
    given_source: str = ""
    beside_source: str = ""

    def camera(self, width: int, height: int, recorded: Camera | None = None) -> Camera:
        """The camera of a picture.

        Args:
            width, height: of the picture, pixels.
            recorded: what the recording says, if anything.

        Raises:
            CameraModelError: nothing says what the camera is, or what says it is of another picture size.
        """
        if self.given is not None:
            return self.given(width, height)
        if recorded is not None:
            return fitted(recorded, width, height, RECORDED)
        if self.beside is not None:
            return self.beside(width, height)
        raise missing_camera((width, height))

    @property
    def source(self) -> str:
        """Where the camera model comes from."""
        return self.given_source or f"{RECORDED}, else {self.beside_source or 'none'}"


def missing_camera(value: object) -> CameraModelError:
    """The error that says all ways out."""
    return CameraModelError("the recording has no camera model, and without one there are no metres", value, _WAYS)


def find_intrinsics(
    folder: Path, camera_name: str = "", hfov: float | None = None, numbers: str | None = None
) -> Intrinsics:
    """What the options and the files beside a recording say.

    Args:
        folder: where the recording is.
        camera_name: a file of this name wins over the usual names ("front.yaml" for "observation.images.front").
        hfov: horizontal field of view in degrees.
        numbers: "fx,fy,cx,cy" in pixels.

    Raises:
        ConfigError: both options, or one that cannot be read.
        SourceError: the file cannot be read. CameraModelError: it is incomplete, or a field of view no camera has.
    """
    if hfov is not None and numbers is not None:
        raise ConfigError("the camera is given twice", (hfov, numbers), "Give --hfov or --camera.")
    given, source = None, ""
    if hfov is not None:
        given, source = _of_field_of_view(hfov), f"--hfov {hfov:g}"
    elif numbers is not None:
        given, source = _of_numbers(numbers), f"--camera {numbers}"
    path = _file_beside(folder, camera_name)
    if path is None:
        return Intrinsics(given, None, source)
    content = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Intrinsics(given, _of_file(read_camera(path), path), source, f"{path.name} ({content})")


def _of_field_of_view(degrees: float) -> MakeCamera:
    check_degrees(degrees)  # complains now rather than at the first picture
    return lambda width, height: camera_of_degrees(width, height, degrees)


def _of_numbers(text: str) -> MakeCamera:
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError("a camera is four numbers", text, "Write --camera fx,fy,cx,cy, in pixels.") from error

    def make(width: int, height: int) -> Camera:
        camera = check_pixels(Camera(width, height, fx, fy, cx, cy))
        if not camera.contains(np.array([[cx, cy]]))[0]:
            raise CameraModelError(
                f"the principal point lies outside the picture of {width} x {height}",
                (cx, cy),
                "Give fx,fy,cx,cy of pictures of this size.",
            )
        return camera

    return make


def _of_file(camera: Camera, path: Path) -> MakeCamera:
    return lambda width, height: fitted(camera, width, height, str(path))


def fitted(camera: Camera, width: int, height: int, source: str) -> Camera:
    """The camera for pictures that may be a smaller or larger copy of those it was calibrated with.

    Raises:
        CameraModelError: the pictures have another shape.
    """
    if (camera.width, camera.height) == (width, height):
        return camera
    if abs(camera.width * height / (camera.height * width) - 1) > _SAME_ASPECT:
        raise CameraModelError(
            f"the camera model of {source} is of {camera.width} x {camera.height} pixels, and the pictures are not",
            (width, height),
            "They are cropped or of another camera: calibrate for these pictures, or give --camera or --hfov.",
        )
    return camera.resized(width, height)


def _file_beside(folder: Path, camera_name: str) -> Path | None:
    own = [f"{name}.yaml" for name in (camera_name, camera_name.rsplit(".", 1)[-1]) if name and "/" not in name]
    for name in (*own, *USUAL_NAMES):
        if (folder / name).is_file():
            return folder / name
    return None
