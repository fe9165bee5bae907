"""Distances between real surfaces against analytic ones and against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.simulation.assets.primitives import primitive_item
from spatialvlm_ros.simulation.gaps import Posed, gap_matrix, surface_gap, triangle_distances
from spatialvlm_ros.simulation.solids import HeightMap, Solid, spatial_order, subdivided, yaw_matrix

LEVEL = np.eye(3)


def _at(solid: Solid, *position: float, yaw: float = 0.0) -> Posed:
    return Posed(solid, yaw_matrix(yaw), np.array(position))


def test_two_balls() -> None:
    a = Solid.of_item(primitive_item("ball", "red"))
    b = Solid.of_item(primitive_item("ball", "blue"), (1.5, 1.5, 1.5))
    for distance in (0.1, 0.3, 1.7):
        centers = np.hypot(distance, (b.size[2] - a.size[2]) / 2)
        expected = centers - a.size[0] / 2 - b.size[0] / 2
        assert surface_gap(_at(a, 0, 0, 0), _at(b, distance, 0, 0)) == pytest.approx(expected, abs=1e-3)


def test_boxes_face_to_face_edge_to_edge_and_corner_to_corner() -> None:
    box = Solid.of_boxes(np.zeros((1, 3)), np.array([[0.2, 0.4, 0.6]]))
    there = _at(box, 0, 0, 0)
    assert surface_gap(there, _at(box, 0.25, 0.1, 0)) == pytest.approx(0.05, abs=1e-9)
    assert surface_gap(there, _at(box, 0.23, 0.44, 0)) == pytest.approx(0.05, abs=1e-3)
    assert surface_gap(there, _at(box, 0.21, 0.42, 0.62)) == pytest.approx(0.03, abs=1e-9)
    quarter = _at(box, 0.4, 0, 0, yaw=np.pi / 2)
    assert surface_gap(there, quarter) == pytest.approx(0.4 - 0.1 - 0.2, abs=1e-3)


def test_touching_and_cutting_is_zero() -> None:
    box = Solid.of_boxes(np.zeros((1, 3)), np.array([[0.2, 0.2, 0.2]]))
    assert surface_gap(_at(box, 0, 0, 0), _at(box, 0.05, 0.03, 0.2)) == pytest.approx(0, abs=1e-12)
    assert surface_gap(_at(box, 0, 0, 0), _at(box, 0.1, 0.05, 0.07, yaw=0.4)) == 0.0


def test_a_ball_over_the_floor_of_a_bin_does_not_touch_it() -> None:
    ball, tray = (Solid.of_item(primitive_item(n, "red"), s) for n, s in (("ball", (0.6,) * 3), ("bin", (1.0,) * 3)))
    above = 0.05
    gap = surface_gap(_at(ball, 0, 0, above), _at(tray, 0, 0, 0))
    assert gap == pytest.approx(above - 0.004, abs=1e-4)  # the floor of the bin is 4 mm thick


def test_against_brute_force_of_all_pairs() -> None:
    rng = np.random.default_rng(3)
    bowl, cone = (Solid.of_item(primitive_item(n, "red")) for n in ("bowl", "cone"))
    for _ in range(8):
        a, b = (_at(s, *rng.uniform(-0.15, 0.15, 3), yaw=rng.uniform(0, 6)) for s in (bowl, cone))
        first, second = a.to_world(bowl.triangles), b.to_world(cone.triangles)
        brute = min(float(triangle_distances(np.broadcast_to(t, second.shape), second).min()) for t in first)
        assert surface_gap(a, b) == pytest.approx(brute, abs=1e-3)
        assert surface_gap(a, b) == pytest.approx(surface_gap(b, a), abs=1e-3)


def test_gap_matrix_is_symmetric() -> None:
    solids = [Solid.of_item(primitive_item(n, "red")) for n in ("cube", "ball", "ring")]
    gaps = gap_matrix([_at(s, 0.2 * k, 0.1 * k * k, 0) for k, s in enumerate(solids)])
    assert (gaps == gaps.T).all() and (np.diag(gaps) == 0).all() and (gaps[0, 1:] > 0.05).all()


def test_subdivision_keeps_the_surface() -> None:
    solid = Solid.of_item(primitive_item("cone", "red"))

    def area(triangles: np.ndarray) -> float:
        edges = triangles[:, 1:] - triangles[:, :1]
        return float(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1).sum() / 2)

    small = subdivided(solid.triangles, 0.01)
    assert area(small) == pytest.approx(area(solid.triangles))
    assert np.linalg.norm(small - np.roll(small, 1, axis=1), axis=2).max() <= 0.01


def test_spatial_order_is_a_permutation_into_compact_runs() -> None:
    points = np.random.default_rng(0).random((1000, 3))
    order = spatial_order(points, 16)
    assert sorted(order) == list(range(1000))
    runs = [points[order[k : k + 16]] for k in range(0, 992, 16)]
    assert np.mean([np.ptp(r, axis=0).max() for r in runs]) < 0.5


def test_height_map_of_a_step() -> None:
    solid = Solid.of_boxes(np.array([[0.1, 0, 0.05], [-0.1, 0, 0.15]]), np.array([[0.2, 0.3, 0.1], [0.2, 0.3, 0.3]]))
    heights = HeightMap.of(solid)
    found = heights.at(np.array([[0.1, 0.1], [-0.1, 0.1], [0.3, 0.0]]))
    np.testing.assert_allclose(found, [0.1, 0.3, -np.inf])
