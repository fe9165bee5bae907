"""Cameras as people describe them: a field of view in degrees, or focal lengths in pixels. Slips of unit are named."""

from __future__ import annotations

import math

from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry.cameras import Camera

# Beyond these a number is rather one in radians, in millimetres or without a unit than one of a robot's camera.
NARROWEST_DEG, WIDEST_DEG = 5.0, 170.0


def check_degrees(degrees: float) -> None:
    """Complain of a horizontal field of view that no camera has.

    Raises:
        CameraModelError: it is out of range, or in radians.
    """
    if NARROWEST_DEG <= degrees <= WIDEST_DEG:
        return
    remedy = "Give degrees; of a lens that is narrower, give the focal length in pixels."
    if 0 < degrees < math.pi:
        remedy = (
            f"Give degrees, not radians: is it {math.degrees(degrees):.1f}? {remedy.partition('; ')[2].capitalize()}"
        )
    fault = f"the horizontal field of view is not between {NARROWEST_DEG:g} and {WIDEST_DEG:g} degrees"
    raise CameraModelError(fault, degrees, remedy)


def camera_of_degrees(width: int, height: int, degrees: float) -> Camera:
    """Square pixels, centred principal point, horizontal field of view in degrees.

    Raises:
        CameraModelError: as `check_degrees`.
    """
    check_degrees(degrees)
    return Camera.from_hfov(width, height, math.radians(degrees))


def check_pixels(camera: Camera) -> Camera:
    """The same camera; complain of a focal length that is hardly one in pixels.

    Raises:
        CameraModelError: the picture would be wider than that of any camera.
    """
    seen = math.degrees(2 * math.atan(camera.width / 2 / camera.fx))
    if seen > WIDEST_DEG:
        fault = f"with this focal length a picture of {camera.width} pixels would be {seen:.0f} degrees wide"
        raise CameraModelError(fault, camera.fx, "Give it in pixels of this picture, not in millimetres.")
    return camera
