"""Cameras against OpenCV's own projection and against themselves."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.errors import CameraModelError
from spatialvlm_ros.geometry.cameras import Camera

# fx != fy and an off-centre principal point: swapped axes cannot pass.
PINHOLE = Camera(640, 480, 500.0, 620.0, 300.0, 260.0)
PLUMB_BOB = Camera(640, 480, 500.0, 520.0, 300.0, 260.0, "plumb_bob", (-0.28, 0.07, 0.001, -0.002, 0.01))
RATIONAL = Camera(
    640, 480, 500.0, 520.0, 300.0, 260.0, "rational_polynomial", (0.3, -0.05, 0.001, -0.001, 0.01, 0.5, -0.02, 0.01)
)
EQUIDISTANT = Camera(640, 480, 300.0, 310.0, 320.0, 230.0, "equidistant", (0.02, -0.01, 0.004, -0.001))


def points_in_view(camera: Camera, n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(3)
    z = rng.uniform(0.3, 6.0, n)
    spread = 0.45 * min(camera.width / camera.fx, camera.height / camera.fy)
    return np.stack([rng.uniform(-spread, spread, n) * z, rng.uniform(-spread, spread, n) * z, z], axis=1)


def test_a_point_right_and_below_lands_right_and_below():
    u, v = PINHOLE.project([[0.5, 0.25, 2.0]])[0]
    assert u == pytest.approx(300 + 500 * 0.25)
    assert v == pytest.approx(260 + 620 * 0.125)


@pytest.mark.parametrize("camera", [PINHOLE, PLUMB_BOB, RATIONAL], ids=lambda c: c.distortion_model)
def test_projection_equals_opencv(camera):
    points = points_in_view(camera)
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.K, np.array(camera.distortion))
    np.testing.assert_allclose(camera.project(points), expected[:, 0], atol=1e-6)


def test_equidistant_projection_equals_opencv_fisheye():
    points = points_in_view(EQUIDISTANT)
    expected, _ = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), EQUIDISTANT.K, np.array(EQUIDISTANT.distortion)
    )
    np.testing.assert_allclose(EQUIDISTANT.project(points), expected[:, 0], atol=1e-6)


@pytest.mark.parametrize("camera", [PINHOLE, PLUMB_BOB, RATIONAL, EQUIDISTANT], ids=lambda c: c.distortion_model)
def test_unprojecting_a_projection_gives_the_point(camera):
    points = points_in_view(camera)
    np.testing.assert_allclose(camera.unproject(camera.project(points), points[:, 2]), points, atol=1e-6)


@given(u=st.floats(0, 639), v=st.floats(0, 479), depth=st.floats(0.1, 50))
def test_projecting_an_unprojection_gives_the_pixel(u, v, depth):
    for camera in (PINHOLE, PLUMB_BOB, EQUIDISTANT):
        point = camera.unproject([[u, v]], [depth])
        if np.isfinite(point).all():
            np.testing.assert_allclose(camera.project(point)[0], [u, v], atol=1e-3)
            assert point[0, 2] == pytest.approx(depth)


def test_pixels_without_an_inverse_are_nan_not_wrong():
    strong = Camera(640, 480, 200.0, 200.0, 320.0, 240.0, "plumb_bob", (-0.5, 0.05, 0.0, 0.0))
    rays = strong.rays([[320, 240], [0, 0]])
    assert np.isfinite(rays[0]).all()
    assert not np.isfinite(rays[1, :2]).any()


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(PINHOLE.project([[0.0, 0.0, -1.0], [0.0, 0.0, 0.0]])).all()


def test_field_of_view_of_a_centred_camera():
    camera = Camera.from_hfov(641, 480, np.deg2rad(70))
    assert camera.hfov() == pytest.approx(np.deg2rad(70))
    assert (camera.cx, camera.cy) == (320, 239.5)  # the middle of the middle pixel of 641 columns is 320
    assert camera.vfov() < camera.hfov()


def test_resizing_moves_pixels_with_their_edges():
    small = PINHOLE.resized(160, 240)
    points = points_in_view(PINHOLE, 20)
    # A pixel's left edge is u - 0.5 of its centre; edges scale, centres do not.
    np.testing.assert_allclose(small.project(points) + 0.5, (PINHOLE.project(points) + 0.5) * [0.25, 0.5])


def test_cropping_shifts_pixels():
    window = PINHOLE.cropped(100, 40, 200, 150)
    points = points_in_view(PINHOLE, 20)
    np.testing.assert_allclose(window.project(points), PINHOLE.project(points) - [100, 40])


def test_pixel_rays_are_row_major():
    rays = PINHOLE.pixel_rays()
    assert rays.shape == (480, 640, 3)
    np.testing.assert_allclose(rays[17, 430], [(430 - 300) / 500, (17 - 260) / 620, 1])
    with pytest.raises(ValueError):
        rays[0, 0, 0] = 1  # shared between callers, so not writeable


@pytest.mark.parametrize(
    "arguments",
    [
        dict(width=0, height=480, fx=1, fy=1, cx=0, cy=0),
        dict(width=640, height=480, fx=0, fy=1, cx=0, cy=0),
        dict(width=640, height=480, fx=float("nan"), fy=1, cx=0, cy=0),
        dict(width=640, height=480, fx=1, fy=1, cx=0, cy=0, distortion_model="brown"),
        dict(width=640, height=480, fx=1, fy=1, cx=0, cy=0, distortion_model="plumb_bob", distortion=(1.0,)),
        dict(
            width=640, height=480, fx=1, fy=1, cx=0, cy=0, distortion_model="equidistant", distortion=(1, 1, 1, 9e999)
        ),
    ],
)
def test_impossible_cameras_are_refused(arguments):
    with pytest.raises(CameraModelError):
        Camera(**arguments)


def test_a_camera_matrix_of_zeros_is_refused_with_the_reason():
    with pytest.raises(CameraModelError, match="uncalibrated"):
        Camera.from_K(np.zeros(9), 640, 480)


def test_zero_coefficients_mean_no_distortion_except_for_equidistant():
    assert Camera.from_K(PINHOLE.K, 640, 480, "plumb_bob", [0.0] * 5).distortion_model == "none"
    fisheye = Camera.from_K(PINHOLE.K, 640, 480, "equidistant", [0.0] * 4)
    assert fisheye.project([[1.0, 0.0, 1.0]])[0, 0] == pytest.approx(300 + 500 * np.pi / 4)
