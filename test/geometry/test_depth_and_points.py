"""Depth units and point clouds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.errors import DepthError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.depth import depth_to_metres, metres_to_millimetres, valid_share
from spatialvlm_ros.geometry.points import back_project, point_map


def test_millimetres_become_metres_and_zero_is_invalid():
    metres = depth_to_metres(np.array([[0, 1500, 65535]], dtype=np.uint16))
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, [[np.nan, 1.5, 65.535]])


def test_float_metres_keep_their_value_and_lose_the_invalid():
    given_depth = np.array([[np.nan, np.inf, -np.inf, 0.0, -1.0, 2.25]], dtype=np.float32)
    np.testing.assert_array_equal(depth_to_metres(given_depth), [[np.nan] * 5 + [2.25]])
    assert given_depth[0, 1] == np.inf  # the caller's array is left alone


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (np.zeros((2, 2), np.uint8), None),
        (np.zeros((2, 2, 3), np.uint16), None),
        (np.zeros((2, 2), np.uint16), "32FC1"),
        (np.zeros((2, 2), np.float32), "16UC1"),
        (np.zeros((2, 2), np.uint16), "rgb8"),
        (np.zeros((2, 2), np.int64), "16UC1"),
    ],
)
def test_what_is_not_depth_is_refused(array, encoding):
    with pytest.raises(DepthError):
        depth_to_metres(array, encoding)


@given(st.floats(0.001, 65.5))
def test_metres_survive_the_file_to_half_a_millimetre(value):
    back = depth_to_metres(metres_to_millimetres(np.array([[value]], dtype=np.float32)))
    assert back[0, 0] == pytest.approx(value, abs=0.00051)


def test_out_of_range_becomes_invalid_not_wrapped():
    assert metres_to_millimetres(np.array([[65.6, np.nan, np.inf, -1.0, 0.0002]], dtype=np.float32)).tolist() == [
        [0] * 5
    ]


def test_back_projection_of_a_sloped_plane_lies_on_it():
    camera = Camera(60, 40, 50.0, 70.0, 25.0, 22.0)  # unequal everything
    normal, offset = np.array([0.3, -0.8, -0.5]), 1.7  # normal . x + offset = 0
    depth = (-offset / (camera.pixel_rays() @ normal)).astype(np.float32)
    depth[(depth <= 0) | (depth > 20)] = np.nan
    points = back_project(depth, camera)
    assert 0 < len(points) < depth.size
    np.testing.assert_allclose(points @ normal + offset, 0, atol=1e-5)
    assert valid_share(depth) == pytest.approx(len(points) / depth.size)


def test_mask_and_point_map_pick_the_same_points():
    camera = Camera(6, 4, 5.0, 7.0, 2.0, 1.0)
    depth = np.arange(1, 25, dtype=np.float32).reshape(4, 6)
    mask = np.zeros((4, 6), bool)
    mask[1, 4] = True
    np.testing.assert_allclose(back_project(depth, camera, mask), point_map(depth, camera)[1, 4][None])
    np.testing.assert_allclose(back_project(depth, camera, mask), [[(4 - 2) / 5 * 11, 0, 11]])


def test_transposed_depth_is_refused():
    camera = Camera(6, 4, 5.0, 7.0, 2.0, 1.0)
    with pytest.raises(DepthError, match="differ in size"):
        back_project(np.ones((6, 4), np.float32), camera)
    with pytest.raises(DepthError, match="differ in size"):
        point_map(np.ones((6, 4), np.float32), camera)
