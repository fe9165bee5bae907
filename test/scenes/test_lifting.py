"""Lifting against ray-cast scenes with exact truth: unequal solids, odd cameras, walls, tables, stacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_scenes import FLOOR, Box, Cylinder, Flat, render

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.scenes.lifting.lift import lift, lift_with_report
from spatialvlm_ros.scenes.lifting.options import LiftingOptions, PlaneOptions

# Width, depth and height all differ, so that a swapped axis shows.
BOX = Box((0.1, 0.0, 0.1), (0.10, 0.16, 0.20), 0.5)
CAN = Cylinder((-0.2, 0.1, 0.07), (0.08, 0.08, 0.14))
SLAB = Box((0.35, 0.3, 0.03), (0.2, 0.3, 0.06), -0.4)
THINGS = (BOX, CAN, SLAB)
WALL = Flat((0, 1.0, 0), (0, -1, 0))


def degrees_between(a, b):
    return np.degrees(np.arccos(np.clip(np.dot(a, b), -1, 1)))


def assert_matches(scene, view, solids, centre_m, size_m):
    """Centres, heights and the horizontal sizes of a scene against the solids it was cast from."""
    assert len(scene.objects) == len(solids)
    for lifted, solid in zip(scene.objects, solids, strict=True):
        box = lifted.box3d
        assert np.linalg.norm(box.centers[0] - view.optical(solid.center)) < centre_m, lifted.label
        assert box.extent_along(view.up)[0] == pytest.approx(solid.size[2], abs=size_m), lifted.label
        # The longer and the shorter horizontal edge; their order in the box is a matter of the viewpoint.
        assert np.sort(box.sizes[0, :2]) == pytest.approx(np.sort(solid.size[:2]), abs=size_m), lifted.label


@pytest.mark.parametrize(
    ("eye", "roll"),
    [((0.3, -1.2, 0.9), 0.0), ((0.3, -1.2, 0.9), 0.2), ((-0.6, -1.0, 1.1), -0.3), ((0.9, -0.9, 0.7), 0.1)],
)
def test_finds_frame_and_sizes_without_gravity(eye, roll):
    view = render(THINGS, eye, (0.1, 0.1, 0.05), background=[FLOOR], roll=roll)
    scene = lift(view.observation, view.detections)
    assert scene.frame.level == 2
    assert degrees_between(scene.frame.up, view.up) < 0.1
    assert scene.frame.camera_height == pytest.approx(eye[2], rel=0.003)
    assert_matches(scene, view, THINGS, centre_m=0.012, size_m=0.02)


def test_box_yaw_follows_the_object():
    view = render([BOX], (0.3, -1.2, 0.9), (0.1, 0, 0.05), background=[FLOOR])
    box = lift(view.observation, view.detections).objects[0].box3d
    long_axis_world = np.array([-np.sin(0.5), np.cos(0.5), 0])  # of the 0.16 m edge
    along = box.extent_along(view.rotation @ long_axis_world)[0]
    across = box.extent_along(view.rotation @ [np.cos(0.5), np.sin(0.5), 0])[0]
    assert along == pytest.approx(0.16, abs=0.015)
    assert across == pytest.approx(0.10, abs=0.015)


def test_height_is_not_width():
    tall, flat = Box((-0.2, 0, 0.15), (0.06, 0.08, 0.3)), Box((0.2, 0, 0.03), (0.3, 0.2, 0.06))
    view = render([tall, flat], (0.0, -1.2, 0.8), (0, 0, 0.1), background=[FLOOR])
    boxes = lift(view.observation, view.detections).boxes()
    heights = boxes.extent_along(view.up)
    widths = boxes.extent_along(view.rotation @ [-1.0, 0, 0])
    assert heights == pytest.approx([0.3, 0.06], abs=0.012)
    assert widths == pytest.approx([0.06, 0.3], abs=0.012)


@pytest.mark.parametrize("roll", [0.0, 1.0, 2.5])
def test_overhead_camera(roll):
    view = render(THINGS, (0.1, 0.05, 1.4), (0.1, 0.0501, 0.0), background=[FLOOR], roll=roll)
    scene = lift(view.observation, view.detections)
    assert scene.frame.level == 2
    assert degrees_between(scene.frame.up, view.up) < 0.1
    assert scene.frame.camera_height == pytest.approx(1.4, rel=0.003)
    for lifted, solid in zip(scene.objects, THINGS, strict=True):
        assert lifted.box3d.extent_along(view.up)[0] == pytest.approx(solid.size[2], abs=0.015), lifted.label
        assert np.linalg.norm(lifted.box3d.centers[0] - view.optical(solid.center)) < 0.03, lifted.label


def test_wall_larger_than_the_floor_does_not_become_the_floor():
    view = render(THINGS, (0.2, -1.6, 0.45), (0.1, 0.1, 0.55), background=[FLOOR, WALL])
    depth = view.observation.depth
    rays = view.observation.camera.pixel_rays()
    heights = (rays * depth[..., None]) @ view.up + 0.45
    assert (heights > 0.005).mean() > 0.6  # the wall does cover most of the picture
    scene = lift(view.observation, view.detections)
    assert degrees_between(scene.frame.up, view.up) < 0.1
    assert scene.frame.camera_height == pytest.approx(0.45, rel=0.005)


def test_table_before_floor_and_each_object_its_own_plane():
    table = Flat((0, 0, 0.7), (0, 0, 1), reach=0.5)
    on_table = Box((0.1, 0.0, 0.8), (0.10, 0.16, 0.20), 0.5)
    other = Cylinder((-0.2, 0.1, 0.76), (0.08, 0.08, 0.12))
    on_floor = Box((1.0, 0.6, 0.2), (0.3, 0.25, 0.4), 0.3)
    view = render([on_table, other, on_floor], (0.2, -1.3, 1.5), (0.3, 0.1, 0.6), background=[FLOOR, table])
    scene = lift(view.observation, view.detections)
    assert scene.frame.camera_height == pytest.approx(0.8, rel=0.005)
    heights = [o.camera_height for o in scene.objects]
    assert heights == pytest.approx([0.8, 0.8, 1.5], rel=0.005)
    ids = [o.support_id for o in scene.objects]
    assert ids[0] == ids[1] != ids[2]
    assert scene.frame.support_id == ids[0]


def test_object_on_another_object():
    base = Box((0, 0, 0.1), (0.3, 0.24, 0.2), 0.2)
    above = Box((0.02, 0, 0.25), (0.1, 0.08, 0.1), 0.6)
    view = render([base, above], (0.2, -1.2, 0.9), (0, 0, 0.1), background=[FLOOR])
    scene = lift(view.observation, view.detections)
    lifted_base, lifted_above = scene.objects
    # The plane that carries it in the end is the floor, but its box ends where the other begins.
    assert lifted_above.camera_height == pytest.approx(0.9, abs=0.01)
    assert lifted_above.support_id == lifted_base.support_id == scene.frame.support_id
    assert lifted_above.box3d.bottom_along(view.up)[0] + 0.9 == pytest.approx(0.2, abs=0.01)
    assert lifted_above.box3d.extent_along(view.up)[0] == pytest.approx(0.1, abs=0.01)
    assert lifted_base.camera_height == pytest.approx(0.9, abs=0.01)


def test_hidden_base_is_completed_down_to_the_plane():
    behind = Box((0, 0.3, 0.15), (0.12, 0.10, 0.3))
    before = Box((0, 0.05, 0.04), (0.4, 0.1, 0.08))
    view = render([behind, before], (0.0, -1.2, 0.35), (0, 0.2, 0.1), background=[FLOOR])
    seen = view.detections[0].mask
    assert seen.any()
    lifted = lift(view.observation, view.detections).objects[0]
    assert lifted.points @ view.up + 0.35 == pytest.approx(0.17, abs=0.14)
    assert (lifted.points @ view.up + 0.35).min() > 0.02  # its base is hidden
    assert lifted.box3d.extent_along(view.up)[0] == pytest.approx(0.3, abs=0.012)


def test_known_gravity_is_kept_exactly_and_gives_the_height():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.1, 0.1, 0.05), background=[FLOOR, WALL], give_up=True)
    scene = lift(view.observation, view.detections)
    assert scene.frame.up == pytest.approx(view.up, abs=1e-12)
    assert scene.frame.camera_height == pytest.approx(0.9, rel=0.003)


def test_gravity_can_be_withheld():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.1, 0.1, 0.05), background=[FLOOR])
    wrong = replace(view.observation, up=np.array([1.0, 0.0, 0.0]), camera_height=5.0)
    report = lift_with_report(wrong, view.detections, LiftingOptions(use_gravity=False))
    assert report.up_source == "planes"
    assert degrees_between(report.scene.frame.up, view.up) < 0.1


def test_levels_without_a_plane():
    view = render([CAN], (0.3, -1.2, 0.5), (0.0, 0.1, 0.05))
    nothing = lift(view.observation, view.detections)
    assert nothing.frame.level == 0 and nothing.frame.camera_height is None
    assert nothing.objects[0].box3d is not None and nothing.objects[0].camera_height is None
    up_only = lift(replace(view.observation, up=view.up), view.detections)
    assert up_only.frame.level == 1
    height_told = lift(replace(view.observation, up=view.up, camera_height=0.5), view.detections)
    assert height_told.frame.level == 2 and height_told.frame.camera_height == 0.5


@pytest.mark.parametrize("seed", range(4))
def test_turning_the_camera_leaves_sizes_and_centres(seed):
    """Rolling and tilting about the camera's own centre changes no metre."""
    rng = np.random.default_rng(seed)
    camera = Camera(400, 400, 300.0, 285.0, 214.0, 190.0)
    eye = (0.3, -1.3, 1.0)
    reference = render(THINGS, eye, (0.1, 0.1, 0.05), camera, background=[FLOOR])
    axis = rng.normal(size=3) * [1, 1, 3]
    turn = rotation_about(axis / np.linalg.norm(axis), rng.uniform(0.1, 0.25))
    turned = render(THINGS, eye, None, camera, background=[FLOOR], rotation=turn @ reference.rotation)
    first = lift(reference.observation, reference.detections)
    second = lift(turned.observation, turned.detections)
    assert second.frame.camera_height == pytest.approx(first.frame.camera_height, rel=0.003)
    assert second.boxes().centers @ turn == pytest.approx(first.boxes().centers, abs=0.008)
    assert second.boxes().sizes == pytest.approx(first.boxes().sizes, abs=0.012)


def rotation_about(axis, angle):
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_paper_planes_are_coarser_but_find_the_floor():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.1, 0.1, 0.05), background=[FLOOR])
    scene = lift(view.observation, view.detections, LiftingOptions(planes=PlaneOptions(method="paper")))
    assert scene.frame.level == 2
    assert degrees_between(scene.frame.up, view.up) < 3.0


def test_same_picture_gives_the_same_scene():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.1, 0.1, 0.05), background=[FLOOR, WALL])
    first, second = (lift(view.observation, view.detections) for _ in range(2))
    assert np.array_equal(first.boxes().centers, second.boxes().centers)
    assert first.frame.camera_height == second.frame.camera_height


def test_sensor_noise_in_inverse_depth_costs_little():
    view = render(THINGS, (0.3, -1.2, 0.9), (0.1, 0.1, 0.05), background=[FLOOR, WALL])
    rng = np.random.default_rng(3)
    inverse = 1 / view.observation.depth + rng.normal(0, 0.003, view.observation.depth.shape)
    depth = (1 / inverse).astype(np.float32)
    depth[rng.random(depth.shape) < 0.05] = np.nan
    scene = lift(replace(view.observation, depth=depth), view.detections)
    assert degrees_between(scene.frame.up, view.up) < 0.2
    assert scene.frame.camera_height == pytest.approx(0.9, rel=0.005)
    assert_matches(scene, view, THINGS, centre_m=0.02, size_m=0.03)
