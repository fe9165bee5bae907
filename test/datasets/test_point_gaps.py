"""Gaps of lifted scenes come from their points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from dataset_helpers import FaultyViews, a_view

from spatialvlm_ros.datasets.point_gaps import with_gaps
from spatialvlm_ros.datasets.reader import open_dataset


def sheet(center, width, n=80):
    """(n * n, 3) points of a square in the y-z plane."""
    a = np.linspace(-width / 2, width / 2, n)
    y, z = np.meshgrid(a, a)
    return np.stack([np.zeros(n * n), y.ravel(), z.ravel()], axis=1) + center


def lifted(points, surfaces=()):
    view = a_view()
    objects = [replace(o, points=None, surface=None) for o in view.scene.objects[: len(points)]]
    objects = [replace(o, points=p) for o, p in zip(objects, points, strict=True)]
    objects[: len(surfaces)] = [replace(o, surface=s) for o, s in zip(objects, surfaces, strict=False)]
    return replace(view.scene, objects=tuple(objects), gaps=None, contacts=None)


def test_parallel_sheets():
    scene = with_gaps(lifted([sheet([0, 0, 2], 0.3), sheet([0.12, 0, 2], 0.2), sheet([0, 0, 2.5], 0.3)]))
    np.testing.assert_allclose(scene.gaps, scene.gaps.T)
    np.testing.assert_array_equal(np.diag(scene.gaps), 0)
    assert abs(scene.gaps[0, 1] - 0.12) < 0.003
    assert abs(scene.gaps[0, 2] - 0.2) < 0.003  # 0.5 apart, half of 0.3 on each side


def test_complete_surfaces_win_over_visible_points():
    points = [sheet([0, 0, 2], 0.3), sheet([0.5, 0, 2], 0.3)]
    scene = with_gaps(lifted(points, surfaces=[sheet([0.1, 0, 2], 0.3)]))
    assert abs(scene.gaps[0, 1] - 0.4) < 0.003


def test_unknown_stays_unknown():
    points = [sheet([0, 0, 2], 0.3), None, sheet([0.5, 0, 2], 0.3)]
    gaps = with_gaps(lifted(points)).gaps
    assert np.isnan(gaps[0, 1]) and np.isnan(gaps[1, 2]) and np.isfinite(gaps[0, 2])
    assert with_gaps(lifted([None, None])).gaps is None
    known = a_view().scene
    assert with_gaps(known) is known


def test_the_engine_stores_them(tmp_path, make_dataset):
    make_dataset(tmp_path, FaultyViews(dict.fromkeys(range(5), "points_instead_of_gaps")))
    rows = list(open_dataset(tmp_path))
    assert rows[0]["gaps"][0][1] > 0 and len(rows) == 10
