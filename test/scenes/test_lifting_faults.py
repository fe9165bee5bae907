"""Bad input of one object skips that object with a reason; nothing crashes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_scenes import FLOOR, Box, Cylinder, render

from spatialvlm_ros.errors import ConfigError, GeometryError
from spatialvlm_ros.scenes.lifting import report as reasons
from spatialvlm_ros.scenes.lifting.detection import Detection, tight_box
from spatialvlm_ros.scenes.lifting.lift import lift, lift_with_report
from spatialvlm_ros.scenes.lifting.options import LiftingOptions, OutlierOptions, PlaneOptions

THINGS = (Box((0.1, 0.0, 0.1), (0.10, 0.16, 0.20), 0.5), Cylinder((-0.2, 0.1, 0.07), (0.08, 0.08, 0.14)))


@pytest.fixture(scope="module")
def view():
    return render(THINGS, (0.3, -1.2, 0.9), (0.0, 0.05, 0.05), background=[FLOOR])


def test_no_depth_at_all(view):
    report = lift_with_report(replace(view.observation, depth=None), view.detections)
    assert report.scene.objects == () and report.scene.frame.level == 0
    assert report.skipped == (("thing 0", reasons.NO_DEPTH), ("thing 1", reasons.NO_DEPTH))


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0, np.inf])
def test_all_depth_invalid(view, value):
    depth = np.full_like(view.observation.depth, value)
    report = lift_with_report(replace(view.observation, depth=depth), view.detections)
    assert report.scene.objects == () and report.scene.frame.level == 0
    assert [reason for _, reason in report.skipped] == [reasons.NO_VALID_DEPTH] * 2


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_one_object_without_depth_is_skipped_and_the_other_is_right(view, value):
    depth = view.observation.depth.copy()
    depth[view.detections[0].mask] = value
    report = lift_with_report(replace(view.observation, depth=depth), view.detections)
    assert report.skipped == (("thing 0", reasons.TOO_FEW_POINTS),)
    assert report.kept == (1,)
    centre = report.scene.objects[0].box3d.centers[0]
    assert np.linalg.norm(centre - view.optical(THINGS[1].center)) < 0.012


def test_scattered_invalid_depth_inside_an_object(view):
    depth = view.observation.depth.copy()
    rng = np.random.default_rng(0)
    holes = rng.random(depth.shape) < 0.3
    depth[holes] = np.where(rng.random(holes.sum()) < 0.5, np.nan, 0.0)
    box = lift(replace(view.observation, depth=depth), view.detections).objects[0].box3d
    assert np.linalg.norm(box.centers[0] - view.optical(THINGS[0].center)) < 0.015


def test_bad_masks_are_skipped_with_a_reason(view):
    shape = view.observation.depth.shape
    tiny = np.zeros(shape, bool)
    tiny[100, 100:103] = True
    bad = [
        Detection("empty", [0, 0, 5, 5], np.zeros(shape, bool)),
        Detection("foreign", [0, 0, 5, 5], np.ones((10, 20), bool)),
        Detection("tiny", [100, 100, 103, 101], tiny),
        Detection("off", [900, 900, 950, 960]),
        Detection("nan", [np.nan, 0, 5, 5]),
        Detection("inverted", [50, 50, 40, 40]),
    ]
    report = lift_with_report(view.observation, [*bad, *view.detections])
    assert report.skipped == (
        ("empty", reasons.EMPTY_MASK),
        ("foreign", reasons.MASK_SIZE),
        ("tiny", reasons.TOO_FEW_POINTS),
        ("off", reasons.OUT_OF_PICTURE),
        ("nan", reasons.OUT_OF_PICTURE),
        ("inverted", reasons.OUT_OF_PICTURE),
    )
    assert report.kept == (6, 7)
    assert [o.label for o in report.scene.objects] == ["thing 0", "thing 1"]


def test_box_without_mask_uses_the_depth_of_its_middle(view):
    boxed = [Detection(d.label, d.box2d) for d in view.detections]
    scene = lift(view.observation, boxed)
    for lifted, solid in zip(scene.objects, THINGS, strict=True):
        assert np.linalg.norm(lifted.box3d.centers[0] - view.optical(solid.center)) < 0.06


def test_one_mask_over_the_whole_picture(view):
    everything = Detection.from_mask("all", np.ones(view.observation.depth.shape, bool))
    assert lift(view.observation, [everything]).objects[0].box3d is not None


def test_objects_cut_by_the_border_are_flagged():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.62, 0.05, 0.05), background=[FLOOR])
    report = lift_with_report(view.observation, view.detections)
    touches = tuple(bool(d.mask[:, 0].any()) for d in view.detections)
    assert report.cut_by_border == touches == (False, True)


def test_nothing_detected_still_gives_a_frame_when_gravity_is_known(view):
    scene = lift(replace(view.observation, up=view.up), [])
    assert scene.objects == () and scene.frame.level == 2
    assert scene.frame.camera_height == pytest.approx(0.9, rel=0.003)


def test_a_very_small_picture():
    from spatialvlm_ros.geometry.cameras import Camera

    view = render(THINGS, (0.3, -1.2, 0.9), (0, 0, 0), Camera(8, 6, 7.0, 7.0, 3.5, 2.5), background=[FLOOR])
    assert lift_with_report(view.observation, view.detections).scene is not None


def test_tight_box_is_exclusive_at_its_end():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 10:17] = True
    assert tight_box(mask).tolist() == [10, 4, 17, 9]
    assert tight_box(np.zeros((3, 3), bool)).tolist() == [0, 0, 0, 0]


def test_unknown_methods_are_named():
    with pytest.raises(ConfigError, match="ransack"):
        PlaneOptions(method="ransack")
    with pytest.raises(ConfigError, match="magic"):
        OutlierOptions(method="magic")
    with pytest.raises(GeometryError, match="four numbers"):
        Detection("x", [1, 2, 3])


@pytest.mark.parametrize(("method", "moved_m"), [("edges", 0.002), ("paper", 0.012)])
def test_a_stray_patch_in_the_mask_does_not_move_the_object(view, method, moved_m):
    options = LiftingOptions(outliers=OutlierOptions(method=method))
    mask = view.detections[1].mask.copy()
    rows, columns = np.nonzero(mask)
    mask[2:5, 2:5] = True
    clean = lift(view.observation, view.detections, options).objects[1].box3d
    stained = lift(view.observation, [view.detections[0], Detection.from_mask("thing 1", mask)], options)
    assert stained.objects[1].box3d.centers[0] == pytest.approx(clean.centers[0], abs=moved_m)
    raw = lift(
        view.observation,
        [view.detections[0], Detection.from_mask("thing 1", mask)],
        LiftingOptions(outliers=OutlierOptions(method="none")),
    )
    assert np.ptp(raw.objects[1].points[:, 2]) > 0.4  # without cleaning the patch is in
