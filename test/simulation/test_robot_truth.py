"""Pictures of the robot's world against their truth: camera, depth, masks, boxes, gaps."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.points import back_project
from spatialvlm_ros.scenes.pairs import scene_pairs
from spatialvlm_ros.scenes.relations import relation_values
from spatialvlm_ros.simulation.assets.primitives import primitive_item
from spatialvlm_ros.simulation.rendering import CameraPose
from spatialvlm_ros.simulation.robot.cameras import View, default_view, draw_view, wrist_view
from spatialvlm_ros.simulation.robot.control import ArmControl
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.truth import TruthCamera
from spatialvlm_ros.simulation.robot.world import World

pytest.importorskip("mujoco")

BALL, BLOCK, BIN, ARM, GRIPPER, TABLE = range(6)
RADIUS = 0.03
BALL_AT = np.array([0.45, -0.20, TABLE_TOP_M + RADIUS])


@pytest.fixture(scope="module")
def world():
    world = World(
        [
            primitive_item("ball", "red", (0.06, 0.06, 0.06)),
            primitive_item("block", "green"),
            primitive_item("bin", "blue"),
        ]
    )
    sunk = np.array([0, 0, 1e-5])  # resting bodies press into what carries them
    world.place(BALL, BALL_AT - [0, 0, RADIUS] - sunk, 0.0)
    world.place(BLOCK, np.array([0.45, 0.0, TABLE_TOP_M]) - sunk, np.deg2rad(30))
    world.place(BIN, np.array([0.60, 0.25, TABLE_TOP_M]) - sunk, 0.0)
    ArmControl(world).reset((0.40, 0.0, TABLE_TOP_M + 0.30))
    world.forward()
    return world


@pytest.fixture(scope="module")
def camera(world):
    camera = TruthCamera(world, 320, 240)
    yield camera
    camera.close()


# An off-centre, non-square camera: swapped axes or a wrong principal point show.
VIEW = View(
    CameraPose.look_at(np.array([1.2, 0.35, TABLE_TOP_M + 0.7]), np.array([0.45, 0.0, TABLE_TOP_M + 0.05]), roll=0.2),
    Camera(320, 240, 300.0, 310.0, 140.0, 130.0),
)


@pytest.fixture(scope="module")
def taken(camera):
    return camera.take(VIEW)


def test_the_objects_have_their_names_in_order(taken):
    labels = [o.label for o in taken.scene.objects]
    assert labels == ["red ball", "green block", "blue bin", "robot arm", "gripper", "table"]
    assert [o.instance_id for o in taken.scene.objects] == [1, 2, 3, 4, 5, 6]
    for made in taken.scene.objects:
        np.testing.assert_array_equal(taken.instances == made.instance_id, made.mask)


def test_a_ball_is_drawn_where_the_camera_model_projects_it(taken):
    ball = taken.scene.objects[BALL]
    center = VIEW.pose.to_optical(BALL_AT[None])
    rows, columns = np.nonzero(ball.mask)
    expected = VIEW.camera.project(center)[0]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.8)
    np.testing.assert_allclose(ball.box3d.centers[0], center[0], atol=1e-3)
    np.testing.assert_allclose(ball.box3d.sizes[0], 0.06, atol=1e-3)
    # Its silhouette has the radius of a sphere at that distance.
    assert len(rows) == pytest.approx(np.pi * 300 * 310 * (RADIUS / center[0, 2]) ** 2, rel=0.06)
    assert ball.visible_fraction == pytest.approx(1.0, abs=0.03)


def test_the_gripper_is_drawn_around_the_tool_centre_point(world, taken):
    gripper = taken.scene.objects[GRIPPER]
    np.testing.assert_allclose(gripper.box3d.sizes, 0.0)
    np.testing.assert_allclose(gripper.box3d.centers[0], VIEW.pose.to_optical(world.tcp()[None])[0], atol=1e-9)
    u, v = VIEW.camera.project(gripper.box3d.centers)[0]
    x0, y0, x1, y1 = gripper.box2d
    assert x0 < u < x1 and y0 < v < y1 + 6  # the pads hang 9 mm below the point between them


def test_depth_is_metric_along_the_axis(taken):
    depth = taken.scene.observation.depth
    center = VIEW.pose.to_optical(BALL_AT[None])[0]
    u, v = np.round(VIEW.camera.project(center[None])[0]).astype(int)
    ray = VIEW.camera.rays(np.array([[u, v]], dtype=float))[0]
    # Nearest root of |t ray - centre| = radius.
    a, b, c = ray @ ray, -2 * ray @ center, center @ center - RADIUS**2
    expected = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a)
    assert depth[v, u] == pytest.approx(expected, abs=1.5e-3)
    points = taken.scene.objects[BALL].points
    np.testing.assert_allclose(np.linalg.norm(points - center, axis=1), RADIUS, atol=1.5e-3)


def test_up_and_camera_height_are_those_of_the_table(taken):
    observation = taken.scene.observation
    assert observation.camera_height == pytest.approx(0.7)
    points = back_project(observation.depth, observation.camera, taken.scene.objects[TABLE].mask)
    heights = points @ observation.up + observation.camera_height
    assert abs(np.median(heights)) < 1e-3
    assert taken.scene.frame.level == 2
    assert taken.scene.objects[TABLE].camera_height == pytest.approx(0.7 + TABLE_TOP_M)  # it stands on the floor


def test_boxes_hold_sizes_along_the_objects_own_axes(taken):
    block = taken.scene.objects[BLOCK].box3d
    np.testing.assert_allclose(block.sizes[0], [0.04, 0.09, 0.03], atol=1e-5)
    np.testing.assert_allclose(block.rotations[0, :, 2], taken.scene.observation.up, atol=1e-6)
    front_in_world = VIEW.pose.rotation @ block.rotations[0, :, 0]
    np.testing.assert_allclose(front_in_world, [np.cos(np.deg2rad(30)), np.sin(np.deg2rad(30)), 0], atol=1e-6)
    scene = taken.scene
    assert relation_values("height", scene_pairs(scene, [BLOCK]))[0] == pytest.approx(0.03, abs=1e-4)
    assert relation_values("elevation", scene_pairs(scene, [BLOCK]))[0] == pytest.approx(0.0, abs=1e-4)
    above = relation_values("above_diff", scene_pairs(scene, [BIN], [BLOCK]))[0]
    assert above == pytest.approx(0.14 - 0.03, abs=1e-4)


def test_gaps_and_contacts_are_those_of_the_surfaces(world, taken):
    gaps, contacts = taken.scene.gaps, taken.scene.contacts
    assert gaps[BALL, GRIPPER] == pytest.approx(np.linalg.norm(world.tcp() - BALL_AT) - RADIUS, abs=6e-4)
    assert gaps[BALL, TABLE] == 0.0 and gaps[GRIPPER, TABLE] == pytest.approx(0.30, abs=1e-3)
    np.testing.assert_array_equal(gaps, gaps.T)
    assert {(BALL, TABLE), (BLOCK, TABLE), (BIN, TABLE), (ARM, TABLE)} <= contacts
    assert (BALL, BLOCK) not in contacts and (BALL, GRIPPER) not in contacts
    # From the ball to the block's nearer end, by hand: a corner of the turned block.
    turn = np.deg2rad(30)
    x, y = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    to_ball = BALL_AT[:2] - [0.45, 0.0]
    beyond = np.maximum(np.abs([to_ball @ x, to_ball @ y]) - [0.02, 0.045], 0.0)
    assert gaps[BALL, BLOCK] == pytest.approx(np.linalg.norm(beyond) - RADIUS, abs=6e-4)  # the ball's equator is level


def test_the_visible_fraction_is_halved_at_the_picture_edge(world, camera):
    level = View(
        CameraPose.look_at(BALL_AT + [0.8, 0, 0.0], BALL_AT), Camera(320, 200, 400.0, 400.0, 159.5, 0.0)
    )  # the optical axis passes through the middle of the topmost row
    ball = camera.take(level).scene.objects[BALL]
    assert ball.visible_fraction == pytest.approx(0.5, abs=0.03)


def test_what_stands_behind_something_is_counted_hidden(world, camera):
    # Along the line from the ball through the bin: the ball is low behind it.
    direction = np.array([0.60, 0.25]) - BALL_AT[:2]
    direction /= np.linalg.norm(direction)
    eye = np.array([*(np.array([0.60, 0.25]) + 0.6 * direction), TABLE_TOP_M + 0.1])
    view = View(CameraPose.look_at(eye, BALL_AT), Camera.from_hfov(320, 240, 0.8))
    ball = camera.take(view).scene.objects[BALL]
    assert ball.visible_fraction == 0.0 and not ball.mask.any()
    np.testing.assert_array_equal(ball.box2d, 0)


def test_the_wrist_camera_sees_what_is_below_the_hand(world, camera):
    control = ArmControl(world)
    control.reset(BALL_AT + [0, 0, 0.12], yaw=0.6)
    world.forward()
    view = wrist_view(world, 160, 120)
    taken = camera.take(view)
    rows, columns = np.nonzero(taken.scene.objects[BALL].mask)
    expected = view.camera.project(view.pose.to_optical(BALL_AT[None]))[0]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=1.0)
    tcp = view.camera.project(view.pose.to_optical(world.tcp()[None]))
    assert view.camera.contains(tcp)[0]
    assert taken.scene.objects[GRIPPER].mask.any()
    control.reset((0.40, 0.0, TABLE_TOP_M + 0.30))
    world.forward()


def test_random_views_show_what_they_must(world):
    rng = np.random.default_rng(2)
    points = np.array([BALL_AT, [0.6, 0.25, TABLE_TOP_M], [0.4, 0.0, TABLE_TOP_M + 0.4]])
    for _ in range(20):
        view = draw_view(rng, 160, 120, points)
        assert view.camera.contains(view.camera.project(view.pose.to_optical(points))).all()
        assert 40 <= np.rad2deg(view.camera.hfov()) <= 90
        assert view.pose.position[2] > TABLE_TOP_M
    first = draw_view(np.random.default_rng(5), 160, 120, points)
    again = draw_view(np.random.default_rng(5), 160, 120, points)
    np.testing.assert_array_equal(first.pose.position, again.pose.position)
    assert view.camera != default_view(160, 120).camera
