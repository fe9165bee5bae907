"""Planes."""

import numpy as np
import pytest

from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.geometry.planes import Plane, fit_plane, ransac_plane


def plane_points(normal, offset, n, rng, spread=1.0):
    normal = np.asarray(normal) / np.linalg.norm(normal)
    points = rng.uniform(-spread, spread, (n, 3))
    return points - (points @ normal + offset)[:, None] * normal


def test_offset_is_the_height_of_the_camera_over_the_floor():
    floor = Plane(np.array([0.0, -2.0, 0.0]), 3.0)  # scaled on purpose: y = 1.5 m below the camera
    assert floor.offset == pytest.approx(1.5)
    np.testing.assert_allclose(floor.distance([[0.3, 1.5, 2.0], [0.0, 1.2, 1.0]]), [0, 0.3])


def test_facing_turns_normal_and_offset_together():
    plane = Plane(np.array([0.0, 1.0, 0.0]), -1.5)
    up = plane.facing([0.0, -1.0, 0.0])
    np.testing.assert_allclose(up.normal, [0, -1, 0])
    assert up.offset == pytest.approx(1.5)


def test_least_squares_recovers_a_plane():
    rng = np.random.default_rng(0)
    points = plane_points([0.2, -0.9, -0.3], 0.8, 500, rng)
    plane = fit_plane(points).facing([0.0, -1.0, 0.0])
    np.testing.assert_allclose(plane.normal, np.array([0.2, -0.9, -0.3]) / np.sqrt(0.94), atol=1e-9)
    np.testing.assert_allclose(plane.distance(points), 0, atol=1e-9)


@pytest.mark.parametrize("points", [np.zeros((5, 3)), np.outer(np.arange(5.0), [1, 2, 3]), np.zeros((2, 3))])
def test_a_line_is_not_a_plane(points):
    with pytest.raises(GeometryError):
        fit_plane(points)


def test_ransac_finds_the_larger_plane_and_the_hint_the_other():
    rng = np.random.default_rng(1)
    wall = plane_points([0.1, 0.0, -1.0], 3.0, 3000, rng)
    floor = plane_points([0.0, -1.0, 0.05], 1.2, 1000, rng)
    clutter = rng.uniform(-1, 1, (800, 3))
    cloud = np.concatenate([wall, floor, clutter]) + rng.normal(0, 0.001, (4800, 3))
    plane, inliers = ransac_plane(cloud, 0.01, 300, rng)
    assert abs(plane.normal @ np.array([0.1, 0, -1.0]) / np.sqrt(1.01)) > 0.9999
    assert inliers[:3000].mean() > 0.99
    plane, inliers = ransac_plane(cloud, 0.01, 300, rng, normal_hint=[0, -1, 0], max_angle=np.deg2rad(20))
    assert abs(plane.facing([0, -1, 0]).offset - 1.2) < 0.005
    assert inliers[3000:4000].mean() > 0.99


def test_ransac_without_points_or_allowed_planes_finds_none():
    rng = np.random.default_rng(2)
    assert ransac_plane(np.zeros((2, 3)), 0.01, 10, rng) is None
    assert ransac_plane(np.zeros((50, 3)), 0.01, 10, rng) is None
    wall = plane_points([0.0, 0.0, 1.0], -2.0, 200, rng)
    assert ransac_plane(wall, 0.01, 50, rng, normal_hint=[0, -1, 0], max_angle=0.2) is None
