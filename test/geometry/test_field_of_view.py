"""Cameras as people describe them: slips of unit are errors, not pictures from 50 m away."""

import math

import numpy as np
import pytest

from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.field_of_view import camera_of_degrees, check_pixels


@pytest.mark.parametrize("degrees", [5, 60, 170])
def test_degrees(degrees):
    assert np.degrees(camera_of_degrees(640, 480, degrees).hfov()) == pytest.approx(degrees)


@pytest.mark.parametrize("degrees", [400, 180, 175, 4.9, 0, -60, math.nan, math.inf])
def test_what_no_camera_has_is_refused_in_degrees(degrees):
    with pytest.raises(CameraModelError, match="between 5 and 170 degrees") as refused:
        camera_of_degrees(640, 480, degrees)
    assert "adians" not in str(refused.value)


@pytest.mark.parametrize("radians, meant", [(1.2, "68.8"), (0.8, "45.8")])
def test_radians_are_recognised(radians, meant):
    with pytest.raises(CameraModelError, match=f"not radians: is it {meant}") as refused:
        camera_of_degrees(640, 480, radians)
    assert "focal length in pixels" in str(refused.value)


@pytest.mark.parametrize("focal", [4.2, 0.9])
def test_millimetres_and_shares_of_the_width_are_no_pixels(focal):
    with pytest.raises(CameraModelError, match="in pixels of this picture"):
        check_pixels(Camera(640, 480, focal, focal, 0.5, 0.5))


@pytest.mark.parametrize("focal", [200, 600, 50_000])
def test_pixels(focal):
    camera = Camera(640, 480, focal, focal, 320, 240)
    assert check_pixels(camera) is camera
