"""Distances, grasps, collision shapes and contacts of the robot's world against geometry worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.errors import SimulationError
from spatialvlm_ros.simulation.assets.primitives import primitive_item
from spatialvlm_ros.simulation.gaps import Posed, surface_gap
from spatialvlm_ros.simulation.robot.collision import convex_pieces, touched_surface
from spatialvlm_ros.simulation.robot.control import ArmControl
from spatialvlm_ros.simulation.robot.distances import PointDistance, near_gap
from spatialvlm_ros.simulation.robot.grasping import MAX_WIDTH_M, find_grasp
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M
from spatialvlm_ros.simulation.robot.tasks import PICK, PLACE_IN, TaskState, measure
from spatialvlm_ros.simulation.robot.world import World
from spatialvlm_ros.simulation.solids import Solid

pytest.importorskip("mujoco")

BALL, BLOCK, BIN, CYLINDER = range(4)


@pytest.fixture(scope="module")
def world():
    items = [
        primitive_item("ball", "red", (0.06, 0.06, 0.06)),
        primitive_item("block", "green"),
        primitive_item("bin", "blue"),
        primitive_item("cylinder", "yellow"),
    ]
    return World(items)


@pytest.fixture
def apart(world):
    """All objects standing on the table, well apart."""
    world.reset()
    world.panda.set_configuration(world.model, world.data, world.panda.home)
    for k, (x, y) in enumerate([(0.40, -0.30), (0.40, 0.05), (0.55, 0.30), (0.60, -0.10)]):
        world.place(k, np.array([x, y, TABLE_TOP_M]), 0.0)
    world.forward()
    return world


def grasp_of(noun, size=None):
    item = primitive_item(noun, "red", size)
    solid = Solid.of_item(item)
    return find_grasp(solid, touched_surface(convex_pieces(item, solid, (1.0, 1.0, 1.0))))


# ---- distances ----


def test_the_gap_to_a_ball_is_the_distance_to_its_centre_less_its_radius(apart):
    center = np.array([0.40, -0.30, TABLE_TOP_M + 0.03])
    for offset in ([0.2, 0, 0], [0, 0.1, 0.1], [-0.05, 0.05, 0.3]):
        gap = apart.gap_to(BALL, center + offset)
        assert gap == pytest.approx(np.linalg.norm(offset) - 0.03, abs=6e-4)  # the ball is faceted
    assert apart.gap_to(BALL, center) == 0.0  # inside the material


def test_the_gap_to_a_turned_block_is_exact(world, apart):
    world.place(BLOCK, np.array([0.40, 0.05, TABLE_TOP_M]), np.pi / 2)  # 9 cm along x now, 4 cm along y
    world.forward()
    middle = np.array([0.40, 0.05, TABLE_TOP_M + 0.015])
    assert world.gap_to(BLOCK, middle + [0.1, 0, 0]) == pytest.approx(0.1 - 0.045, abs=1e-6)
    assert world.gap_to(BLOCK, middle + [0, 0.1, 0]) == pytest.approx(0.1 - 0.020, abs=1e-6)
    assert world.gap_to(BLOCK, middle + [0.075, 0.06, 0.015]) == pytest.approx(0.05, abs=1e-6)  # to an edge: 3, 4, 5


def test_a_point_in_a_cavity_is_not_in_the_material(apart):
    cavity = apart.cavity_center(BIN)
    np.testing.assert_allclose(cavity[:2], [0.55, 0.30], atol=1e-6)
    assert apart.gap_to(BIN, cavity) == pytest.approx(0.068, abs=1e-4)  # half of 0.14 less the floor; walls are farther
    wall = np.array([0.55 + 0.08 - 0.002, 0.30, TABLE_TOP_M + 0.07])
    assert apart.gap_to(BIN, wall) == 0.0


def test_point_distances_agree_with_all_triangles_measured():
    rng = np.random.default_rng(0)
    solid = Solid.of_item(primitive_item("bowl", "red"))
    distance = PointDistance(solid)
    corners = solid.triangles
    for point in rng.normal(0, 0.1, (20, 3)):
        samples = np.linspace(0, 1, 12)
        u, v = (g.ravel()[:, None, None] for g in np.meshgrid(samples, samples))
        inside = (u + v)[:, 0, 0] <= 1
        cloud = (
            corners[:, 0] + u[inside] * (corners[:, 1] - corners[:, 0]) + v[inside] * (corners[:, 2] - corners[:, 0])
        )
        nearest = np.linalg.norm(cloud - point, axis=-1).min()
        assert distance(point) <= nearest + 1e-9
        assert distance(point) == pytest.approx(nearest, abs=0.004)  # the cloud is a few millimetres wide-meshed


def test_quick_gaps_agree_with_exact_ones(apart):
    solids = [apart.posed(k) for k in range(4)]
    for i in range(4):
        for j in range(i):
            quick, exact = near_gap(solids[i], solids[j]), surface_gap(solids[i], solids[j])
            # Far apart, `surface_gap` stops 1.5 mm above the least distance at most; near, both are exact.
            assert quick == pytest.approx(exact, abs=1e-4 if exact < 0.03 else 0.0015)
    cube = Solid.of_item(primitive_item("cube", "red"))
    there = Posed(cube, np.eye(3), np.array([0.08, 0.0, 0.0]))
    assert near_gap(Posed(cube, np.eye(3), np.zeros(3)), there) == pytest.approx(0.03, abs=1e-6)
    assert near_gap(Posed(cube, np.eye(3), np.array([0.05, 0.01, 0.01])), there) == 0.0


# ---- grasps ----


def test_a_block_is_taken_across_its_narrow_side():
    grasp = grasp_of("block")  # 4 x 9 x 3 cm
    assert grasp.width == pytest.approx(0.04, abs=1e-4)
    assert abs(np.sin(grasp.angle)) < 1e-6  # along its x axis
    long_way = grasp_of("block", (0.09, 0.04, 0.03))
    assert abs(np.cos(long_way.angle)) < 1e-6


def test_a_tall_thing_is_taken_near_its_top_and_a_wide_one_not_at_all():
    assert grasp_of("cylinder", (0.05, 0.05, 0.20)).point[2] > 0.15  # the palm would hit it lower down
    assert grasp_of("cube", (0.04, 0.04, 0.04)).point[2] == pytest.approx(0.02, abs=1e-6)
    assert grasp_of("box") is None and grasp_of("cube", (0.1, 0.1, 0.05)) is None
    assert MAX_WIDTH_M < 0.08


def test_there_is_no_grasp_where_the_hull_stands_out():
    # A bell: wide at both ends, thin in the middle. Fingers would close on the hull, in the air.
    item = primitive_item("cylinder", "red", (0.06, 0.06, 0.06))
    hull = touched_surface(convex_pieces(item, Solid.of_item(item), (1.0, 1.0, 1.0)))
    disk = Solid.of_boxes(
        np.array([[0, 0, 0.005], [0, 0, 0.03], [0, 0, 0.055]]),
        np.array([[0.06, 0.06, 0.01], [0.02, 0.02, 0.04], [0.06, 0.06, 0.01]]),
    )
    assert find_grasp(disk, disk) is not None
    assert find_grasp(disk, hull) is None


# ---- boxes, contacts, tasks ----


def test_boxes_follow_a_thing_that_tips_over(apart):
    sizes = apart.boxes().sizes[CYLINDER]
    np.testing.assert_allclose(sizes, [0.06, 0.06, 0.11], atol=1e-3)
    joint = apart.model.body(apart.objects[CYLINDER].body).jntadr[0]
    start = apart.model.jnt_qposadr[joint]
    apart.data.qpos[start + 2] = TABLE_TOP_M + 0.03
    apart.data.qpos[start + 3 : start + 7] = [
        np.sqrt(0.5),
        0,
        np.sqrt(0.5),
        0,
    ]  # a quarter turn about y: it lies along x
    apart.forward()
    box = apart.boxes()[CYLINDER]
    along_x, up = box.extent_along([1.0, 0, 0])[0], box.extent_along([0, 0, 1.0])[0]
    assert along_x == pytest.approx(0.11, abs=2e-3) and up == pytest.approx(0.06, abs=2e-3)
    np.testing.assert_allclose(np.abs(box.rotations[0, :, 2]), [0, 0, 1], atol=1e-9)


def test_things_fall_into_a_container_and_rest_there(apart):
    cavity = apart.cavity_center(BIN)
    apart.place(BALL, cavity + [0, 0, 0.1], 0.0)
    apart.forward()
    before = measure(apart, BALL, BIN)
    assert before.inside < 0 and before.lifted > 0
    apart.step(400)
    apart.forward()
    after = measure(apart, BALL, BIN)
    assert after.inside > 0 and after.elevation == pytest.approx(0.004, abs=2e-3)  # on the floor of the bin
    assert after.lifted < 0 and apart.is_supported(BALL)
    assert PLACE_IN.success(after) and not PICK.success(after)


def test_a_held_object_counts_as_lifted_and_the_same_in_the_air_by_itself_not_as_picked(apart):
    apart.place(BALL, np.array([0.4, -0.3, TABLE_TOP_M + 0.2]), 0.0)
    apart.forward()
    state = measure(apart, BALL, None)
    assert state.lifted == pytest.approx(0.2 - 0.01, abs=2e-3) and state.elevation == pytest.approx(0.2, abs=2e-3)
    assert not state.gripped and not PICK.success(state)


def test_the_hand_lifts_a_ball_by_friction_alone(world, apart):
    control = ArmControl(world)
    point = np.array([0.40, -0.30, TABLE_TOP_M + 0.03])
    control.reset(point + [0, 0, 0.12])
    world.forward()
    for _ in range(4):
        control.step([0, 0, -0.03], 1.0)
    for _ in range(4):
        control.step([0, 0, 0], -1.0)
    gripped = measure(world, BALL, None)
    assert gripped.gripped and gripped.gap == 0.0
    assert world.opening() == pytest.approx(0.06, abs=3e-3)
    for _ in range(5):
        control.step([0, 0, 0.03], -1.0)
    for _ in range(10):  # two seconds: it must not creep out
        control.step([0, 0, 0], -1.0)
    held = measure(world, BALL, None)
    assert PICK.success(held) and held.elevation == pytest.approx(0.15, abs=0.01)
    for _ in range(5):
        control.step([0, 0, 0], 1.0)
    assert measure(world, BALL, None).elevation < 0.01


def test_control_goes_where_it_is_told_and_not_through_the_table(world, apart):
    control = ArmControl(world)
    control.reset((0.5, 0.1, TABLE_TOP_M + 0.25))
    world.forward()
    start = world.tcp()
    for _ in range(4):
        control.step([0.02, -0.03, 0.01], 1.0, turn=0.1)
    for _ in range(3):
        control.step([0, 0, 0], 1.0)
    np.testing.assert_allclose(world.tcp() - start, [0.08, -0.12, 0.04], atol=2e-3)
    assert control.yaw == pytest.approx(0.4)
    for _ in range(12):
        control.step([0, 0, -0.05], 1.0)
    assert world.tcp()[2] > TABLE_TOP_M


def test_dense_rewards_are_worked_out_by_hand():
    state = TaskState(
        gap=0.2, elevation=0.03, lifted=0.02, inside=-0.1, to_container=0.4, touched=False, gripped=False, speed=0.0
    )
    assert PICK.dense(state) == pytest.approx(-0.2 - 0.07)
    assert PLACE_IN.dense(state) == pytest.approx(-0.2 - 0.4 - 0.05)


def test_two_of_a_name_are_refused_unless_asked_for():
    twins = [primitive_item("ball", "red"), primitive_item("ball", "red")]
    with pytest.raises(SimulationError, match="same name"):
        World(twins)
    assert [o.label for o in World(twins, twins=True).objects] == ["red ball", "red ball"]


def test_a_control_rate_must_fit_the_physics(world):
    with pytest.raises(SimulationError, match="whole number"):
        ArmControl(world, control_hz=7.3)
