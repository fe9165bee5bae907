"""The parts of lifting by themselves: surfels, planes, the vertical, points of a mask, shape, completion, noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from analytic_scenes import FLOOR, Box, Cylinder, Flat, render

from spatialvlm_ros.errors import ConfigError, GeometryError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.lifting import calibration as calibration_module
from spatialvlm_ros.scenes.lifting.amodal import completed_box, visible_box
from spatialvlm_ros.scenes.lifting.calibration import Calibration, default_calibration
from spatialvlm_ros.scenes.lifting.lift import lift
from spatialvlm_ros.scenes.lifting.noise import inverse_depth_noise, smoothed_depth
from spatialvlm_ros.scenes.lifting.options import OutlierOptions, PlaneOptions
from spatialvlm_ros.scenes.lifting.outliers import edge_pixels, object_points, paper_outliers, voxel_means
from spatialvlm_ros.scenes.lifting.plane_search import find_planes, fit_inverse_depth
from spatialvlm_ros.scenes.lifting.shape import least_area_yaw, seen_shape
from spatialvlm_ros.scenes.lifting.surfels import surfels

# Unequal focal lengths and a principal point off the centre: swapped ones give tilted normals.
CAMERA = Camera(320, 240, 300.0, 240.0, 200.0, 90.0)


def no_owner(depth):
    return np.full(depth.shape, -1, np.int16)


def plane_depth(normal, offset, camera):
    """Depth of the plane normal . x + offset = 0."""
    return (-offset / (camera.pixel_rays() @ np.asarray(normal))).astype(np.float32)


@pytest.mark.parametrize("normal", [(0.1, -0.9, -0.4), (0.5, -0.2, -0.8), (-0.05, 0.02, -1.0)])
def test_surfels_on_a_tilted_plane_have_its_normal(normal):
    normal = np.array(normal) / np.linalg.norm(normal)
    depth = plane_depth(normal, 1.3, CAMERA)
    depth[depth <= 0] = np.nan
    found = surfels(depth, CAMERA, no_owner(depth))
    assert len(found) > 1000
    assert found.normals @ normal == pytest.approx(1.0, abs=1e-6)
    assert found.points @ normal == pytest.approx(-1.3, abs=1e-4)
    again = CAMERA.unproject(found.pixels, depth[found.pixels[:, 1], found.pixels[:, 0]])
    assert again == pytest.approx(found.points, abs=1e-3)


@pytest.mark.parametrize(
    "lens",
    [
        Camera(320, 240, 90.0, 88.0, 170.0, 110.0, "equidistant", (0.02, -0.005, 0.001, 0.0)),
        Camera(320, 240, 160.0, 165.0, 150.0, 125.0, "plumb_bob", (-0.45, 0.08, 0.0, 0.0, 0.0)),
    ],
)
def test_pixels_beyond_the_lens_model_cost_no_surfel_of_the_others(lens):
    """The corners of a fisheye picture see nothing in front of the camera: they have no ray."""
    beyond = ~np.isfinite(lens.pixel_rays()).all(axis=2)
    assert 0.01 < beyond.mean() < 0.5
    normal = np.array([0.1, -0.9, -0.4]) / np.linalg.norm([0.1, -0.9, -0.4])
    depth = plane_depth(normal, 1.3, lens)
    depth[~(depth > 0)] = 9.0  # what a driver writes there is no surface either
    below = (lens.pixel_rays() @ normal < -0.2) & ~beyond
    found = surfels(depth, lens, no_owner(depth))
    on = below[found.pixels[:, 1], found.pixels[:, 0]]
    assert on.sum() > 0.8 * below[::2, ::2].sum()
    assert found.points[on] @ normal == pytest.approx(-1.3, abs=1e-2)
    assert not beyond[found.pixels[:, 1], found.pixels[:, 0]].any()


def test_surfels_keep_off_edges():
    depth = np.full((240, 320), 2.0, np.float32)
    depth[:, 160:] = 1.5
    found = surfels(depth, CAMERA, no_owner(depth))
    assert found.points[:, 2] == pytest.approx(np.where(found.pixels[:, 0] < 160, 2.0, 1.5), abs=1e-3)
    assert found.normals @ [0, 0, -1] == pytest.approx(1.0, abs=1e-6)


def test_three_planes_of_a_corner_are_found_exactly():
    walls = [FLOOR, Flat((0, 2, 0), (0, -1, 0)), Flat((1.5, 0, 0), (-1, 0, 0))]
    view = render([], (-0.5, -1.0, 1.2), (0.8, 1.5, 0.6), CAMERA, background=walls)
    depth = view.observation.depth
    planes = find_planes(surfels(depth, CAMERA, no_owner(depth)), PlaneOptions())
    truth = {(0, 0, 1): 1.2, (0, -1, 0): 3.0, (-1, 0, 0): 2.0}
    assert len(planes) == 3
    for found in planes:
        world = view.rotation.T @ found.plane.normal
        key = tuple(int(round(v)) for v in world)
        assert np.degrees(np.arccos(min(1.0, world @ key))) < 0.02
        assert found.plane.offset == pytest.approx(truth[key], abs=1e-3)
    assert len({tuple(np.round(view.rotation.T @ f.plane.normal)) for f in planes}) == 3


def test_inverse_depth_fit_is_not_biased_by_far_noise():
    depth = plane_depth(np.array([0.0, -0.95, -0.31]), 1.2, CAMERA)
    use = (depth > 0) & (depth < 6)
    rng = np.random.default_rng(1)
    noisy = 1 / (1 / depth[use] + rng.normal(0, 0.004, use.sum()))
    rows, columns = np.nonzero(use)
    plane = fit_inverse_depth(CAMERA.unproject(np.stack([columns, rows], axis=1), noisy))
    truth = np.array([0.0, -0.95, -0.31]) / np.linalg.norm([0.95, 0.31])
    assert np.degrees(np.arccos(min(1.0, plane.normal @ truth))) < 0.05
    with pytest.raises(GeometryError):
        fit_inverse_depth(np.array([[0, 0, 1.0], [0, 0, 2.0], [0, 0, 3.0]]))


def test_a_wall_alone_is_not_a_floor():
    """A wall with things in front of it that do not touch it, and nothing level in view."""
    floating = [Box((0.2, 0.2, 1.3), (0.3, 0.2, 0.4), 0.7), Cylinder((-0.5, 0.0, 1.1), (0.2, 0.2, 0.5))]
    view = render(floating, (0.1, -2.0, 1.25), (0, 1.0, 1.2), background=[Flat((0, 1.2, 0), (0, -1, 0))])
    scene = lift(view.observation, view.detections)
    assert scene.frame.level == 0 or scene.frame.up @ view.up > 0.99


def test_edges_are_on_the_far_side_only_and_slopes_are_none():
    depth = plane_depth(np.array([0.0, -0.97, -0.25]), 1.0, CAMERA)
    depth[(depth <= 0) | (depth > 8)] = np.nan
    assert not edge_pixels(depth, 0.02).any()
    depth[150:200, 100:150] = 0.5
    edges = edge_pixels(depth, 0.02)
    assert not edges[150:200, 100:150].any()  # the near side is the object's own outline
    assert edges[160:190, 99].all() and edges[160:190, 150].all() and edges[149, 105:145].all()


def test_invented_points_between_two_surfaces_are_dropped():
    depth = np.full((240, 320), 2.0, np.float32)
    depth[80:160, 100:180] = 1.0
    depth[80:160, 99] = depth[80:160, 180] = 1.4  # flying pixels of a sensor
    mask = np.zeros(depth.shape, bool)
    mask[80:160, 98:182] = True  # a mask two pixels too wide
    points = object_points(depth, CAMERA, mask, edge_pixels(depth, 0.02), OutlierOptions(max_points=10**6))
    assert points[:, 2].max() == pytest.approx(1.0)
    assert len(points) > 0.95 * 80 * 80


def test_paper_cleaning_drops_far_points_and_keeps_the_object():
    rng = np.random.default_rng(0)
    body = rng.uniform(-0.1, 0.1, (600, 3)) * [1, 2, 0.5] + [0, 0, 1.5]
    stray = rng.uniform(-0.4, 0.4, (12, 3)) + [0, 0, 3.0]
    kept = paper_outliers(np.concatenate([body, stray]))
    assert kept[:, 2].max() < 1.6
    assert np.ptp(kept, axis=0) == pytest.approx(np.ptp(body, axis=0), rel=0.15)


def test_voxel_means_against_hand_values():
    points = np.array([[0.01, 0.01, 0.0], [0.03, 0.01, 0.0], [0.31, 0, 0]])
    assert sorted(voxel_means(points, 0.1).tolist()) == [[0.02, 0.01, 0.0], [0.31, 0, 0]]


def test_least_area_yaw_of_a_rectangle():
    rng = np.random.default_rng(0)
    flat = rng.uniform(-0.5, 0.5, (4000, 2)) * [0.3, 0.1]
    for angle in (0.0, 0.35, 1.1, 1.5):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found = least_area_yaw(flat @ turn.T)
        error = abs(found - angle % (np.pi / 2))
        assert min(error, np.pi / 2 - error) < np.radians(1.0)


def test_seen_shape_measures_along_the_line_of_sight():
    up = np.array([0, -1.0, 0])
    rng = np.random.default_rng(2)
    points = rng.uniform(-0.5, 0.5, (5000, 3)) * [0.4, 0.3, 0.2] + [0.0, 0.5, 2.0]  # width, height, depth
    shape = seen_shape(points, up, None)
    assert shape.width == pytest.approx(0.4, abs=0.01)
    assert shape.far - shape.near == pytest.approx(0.2, abs=0.01)
    assert shape.top - shape.bottom == pytest.approx(0.3, abs=0.01)
    assert np.abs(shape.depth_axis @ [0, 0, 1]) == pytest.approx(1.0, abs=1e-3)
    assert shape.depth_axis @ [0, 0, 1] > 0
    assert shape.elevation == pytest.approx(0.5 / np.hypot(2.0, 0.5), abs=0.01)
    raised = seen_shape(points, up, -0.8)
    assert raised.bottom == -0.8 and raised.top == shape.top


def test_the_network_completes_the_unseen_back():
    """Of an upright cylinder only the front half is seen from the side: the completed box is nearer to the truth."""
    view = render([Cylinder((0, 0, 0.15), (0.16, 0.16, 0.3))], (0.0, -1.0, 0.28), (0, 0, 0.15), background=[FLOOR])
    points = lift(view.observation, view.detections).objects[0].points
    shape = seen_shape(points, view.up, -0.28)
    centre = view.optical((0, 0, 0.15))
    visible = np.linalg.norm(visible_box(shape).centers[0] - centre)
    box, deviation = completed_box(shape, default_calibration())
    assert np.linalg.norm(box.centers[0] - centre) < 0.5 * visible
    assert 0.001 < deviation < 0.05


def test_calibration_fits_the_code(tmp_path, monkeypatch):
    source = calibration_module.files("spatialvlm_ros.scenes.lifting").joinpath("calibration.yaml")
    values = yaml.safe_load(source.read_text())
    fitted = Calibration.of(values)
    assert np.isfinite(fitted.hidden_depth(fitted.input_mean))
    assert fitted.hint_weights[calibration_module.HINTS.index("roll")] < 0
    assert fitted.hint_weights[calibration_module.HINTS.index("standing")] > 0
    del values["hint_weights"]["roll"]
    with pytest.raises(ConfigError, match="roll"):
        Calibration.of(values)


def test_noise_is_measured_and_smoothed_away_but_steps_stay():
    view = render([Box((0.1, 0, 0.1), (0.1, 0.16, 0.2), 0.5)], (0.3, -1.2, 0.9), (0, 0, 0), background=[FLOOR])
    clean = view.observation.depth
    assert smoothed_depth(clean) is clean
    rng = np.random.default_rng(0)
    noisy = (1 / (1 / clean + rng.normal(0, 0.004, clean.shape))).astype(np.float32)
    noisy[50:60, 50:60] = np.nan
    assert inverse_depth_noise(noisy) == pytest.approx(0.004, rel=0.15)
    smooth = smoothed_depth(noisy)
    assert np.isnan(smooth[50:60, 50:60]).all() and np.isfinite(smooth).sum() == np.isfinite(noisy).sum()
    before, after = (np.nanmedian(np.abs(d - clean)) for d in (noisy, smooth))
    assert after < 0.4 * before
    steps = np.abs(np.diff(clean, axis=1)) > 0.1
    assert np.median(np.abs(np.diff(smooth, axis=1))[steps]) > 0.09


def test_objects_far_from_the_camera_and_a_view_with_infinite_depth():
    view = render([Box((0.1, 0, 0.1), (0.1, 0.16, 0.2), 0.5)], (0.3, -1.2, 0.9), (0, 0, 0), background=[FLOOR])
    depth = view.observation.depth.copy()
    depth[:40] = np.inf
    scene = lift(replace(view.observation, depth=depth), view.detections)
    assert scene.frame.camera_height == pytest.approx(0.9, rel=0.003)
