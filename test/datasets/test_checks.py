"""Views that must not get into a data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dataset_helpers import FAULTS, SMALL, a_view

from spatialvlm_ros.datasets import checks
from spatialvlm_ros.datasets.views import SceneView
from spatialvlm_ros.geometry.cameras import Camera


def test_good_views_pass():
    views = [view for scene in range(5) for view in SMALL.views(scene)]
    assert len(views) == 10
    assert [checks.fault_of(view) for view in views if isinstance(view, SceneView)] == [None] * 10


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("blank_picture", checks.BLANK_PICTURE),
        ("nan_depth", checks.NO_VALID_DEPTH),
        ("missing_depth", None),  # a camera without a depth sensor is fine
        ("empty_mask", checks.EMPTY_MASK),
        ("lost_instance", checks.EMPTY_MASK),
        ("empty_box", checks.BAD_BOX_2D),
        ("nan_box", checks.BAD_BOX_3D),
        ("wrong_camera", checks.WRONG_CAMERA),
        ("no_objects", checks.NO_OBJECTS),
    ],
)
def test_each_fault_has_its_reason(fault, reason):
    assert checks.fault_of(FAULTS[fault](a_view())) == reason


def test_depth_with_a_single_valid_pixel_passes():
    view = a_view()
    depth = np.full_like(view.observation.depth, np.nan)
    depth[3, 4] = 1.0
    observation = replace(view.observation, depth=depth)
    assert checks.fault_of(replace(view, scene=replace(view.scene, observation=observation))) is None


@pytest.mark.parametrize("shift", [(0.35, 0.0), (0.0, 0.5)])
def test_a_shifted_principal_point_is_a_wrong_camera(shift):
    view = a_view(width=160, height=120)
    c = view.observation.camera
    other = Camera(c.width, c.height, c.fx, c.fy, c.cx + shift[0] * c.width, c.cy + shift[1] * c.height)
    observation = replace(view.observation, camera=other)
    assert checks.fault_of(replace(view, scene=replace(view.scene, observation=observation))) == checks.WRONG_CAMERA


def test_objects_without_3d_boxes_do_not_accuse_the_camera():
    view = FAULTS["wrong_camera"](a_view())
    objects = tuple(replace(o, box3d=None) for o in view.scene.objects)
    assert checks.fault_of(replace(view, scene=replace(view.scene, objects=objects))) is None
