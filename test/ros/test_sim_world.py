"""The stepped world of the simulation node: pictures, truth, frames and the way of the arm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("mujoco")

from spatialvlm_ros.errors import ConfigError, SimulationError, TransformError  # noqa: E402
from spatialvlm_ros.ros.sim_motion import SPEED_M_S, ToolMotion  # noqa: E402
from spatialvlm_ros.ros.sim_scene import OPTICAL_FRAME, SceneOptions  # noqa: E402
from spatialvlm_ros.ros.sim_world import STAND_OFF_M, SimFrame, SimWorld  # noqa: E402
from spatialvlm_ros.simulation.assets.pack import AssetPack  # noqa: E402
from spatialvlm_ros.simulation.robot.kinematics import tcp_pose  # noqa: E402
from spatialvlm_ros.simulation.robot.room import TABLE_TOP_M  # noqa: E402

SMALL = SceneOptions(seed=3, width=320, height=200)  # not 4:3: swapped axes must show


def make(**options: object) -> SimWorld:
    return SimWorld(SMALL, AssetPack.primitives(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shared() -> Iterator[SimWorld]:
    made = make()
    yield made
    made.close()


@pytest.fixture
def world(shared: SimWorld) -> SimWorld:
    shared.reset()
    return shared


def travel(world: SimWorld, seconds: float = 12.0, dt: float = 0.02) -> np.ndarray:
    """Positions of the tool until it rests."""
    way = [world.tool]
    for _ in range(round(seconds / dt)):
        world.step(dt)
        way.append(world.tool)
        if world.goal is None:
            break
    world.step(0.4)
    return np.array(way)


# ---- pictures and truth ----


def test_a_picture_shows_every_object_where_the_truth_says(world: SimWorld) -> None:
    frame = world.render()
    assert frame.rgb.shape == (200, 320, 3) and frame.rgb.dtype == np.uint8
    assert frame.depth.shape == (200, 320) and frame.depth.dtype == np.float32
    assert len(frame.objects) == 4
    for thing in frame.objects:
        u, v = world.camera.project(thing.optical[None])[0]
        x0, y0, x1, y1 = thing.box
        assert x0 < u < x1 and y0 < v < y1, thing.label
        # The middle of a convex thing lies behind its surface, by less than its size.
        behind = thing.optical[2] - frame.depth[round(v), round(u)]
        assert 0 < behind < np.linalg.norm(thing.size), thing.label
        # Nearly as wide in pixels as its width in metres; a turned one shows up to its diagonal.
        width = (x1 - x0) / world.camera.fx * thing.optical[2]
        assert 0.75 * thing.size[0] < width < 1.5 * thing.size[0], thing.label


def test_depth_of_the_table_is_that_of_its_plane(world: SimWorld) -> None:
    frame = world.render()
    camera = {f.child: f for f in world.transforms()}
    optical = camera["camera_link"].transform @ camera[OPTICAL_FRAME].transform
    pixel = np.array([[160.0, 175.0]])  # before the objects
    depth = float(frame.depth[175, 160])
    point = optical.apply(world.camera.unproject(pixel, np.array([depth])))[0]
    assert point[2] == pytest.approx(TABLE_TOP_M, abs=0.001)


def test_truth_in_both_frames_agrees_and_sizes_are_seen_from_the_camera(world: SimWorld) -> None:
    for thing in world.truth():
        np.testing.assert_allclose(world.in_world(OPTICAL_FRAME, thing.optical), thing.position, atol=1e-9)
        assert np.isnan(thing.box).all()
        # They stand on the table, so the middle is half the height over it.
        assert thing.position[2] - TABLE_TOP_M == pytest.approx(thing.size[2] / 2, abs=0.002)


def test_an_object_behind_the_hand_loses_pixels_but_keeps_its_place(world: SimWorld) -> None:
    before = world.render().objects[0]
    world.follow(before.position + [0.05, 0.0, 0.0])
    travel(world)
    after = world.render().objects[0]
    assert after.label == before.label
    np.testing.assert_allclose(after.position, before.position, atol=0.002)
    assert (after.box[3] - after.box[1]) <= (before.box[3] - before.box[1])


def test_noise_is_that_of_a_stereo_camera_and_comes_from_the_seed() -> None:
    noisy, again = make(depth_noise="realsense"), make(depth_noise="realsense")
    first, second = noisy.render(), noisy.render()
    clean = make().render()
    np.testing.assert_array_equal(first.depth, again.render().depth)
    np.testing.assert_array_equal(first.rgb, clean.rgb)
    assert not np.array_equal(first.depth, second.depth, equal_nan=True)
    error = np.abs(first.depth - clean.depth)
    assert np.isnan(first.depth).sum() > np.isnan(clean.depth).sum() + 50  # holes along edges
    assert 0.0005 < np.nanmedian(error) < 0.02
    for made in (noisy, again):
        made.close()


def test_the_seed_decides_the_scene_and_the_course() -> None:
    first, second, other = make(), make(), SimWorld(SceneOptions(seed=4, width=320, height=200), AssetPack.primitives())
    goal = first.truth()[1].position
    for made in (first, second):
        made.follow(goal)
        made.step(1.3)
    np.testing.assert_array_equal(first.render().rgb, second.render().rgb)
    assert first.joints() == second.joints()
    assert not np.array_equal(first.truth()[0].position, other.truth()[0].position)
    for made in (first, second, other):
        made.close()


def test_reset_returns_to_the_first_picture() -> None:
    world = make()
    start = world.render()
    world.follow(world.truth()[0].position)
    world.step(2.0)
    moved = world.render()
    world.reset()
    back = world.render()
    assert not np.array_equal(moved.rgb, start.rgb)
    np.testing.assert_array_equal(back.rgb, start.rgb)
    assert back.time_s == 0.0 and world.goal is None
    world.close()


# ---- frames and joints ----


def test_frames_are_right_handed_and_follow_the_conventions(world: SimWorld) -> None:
    links = {f.child: f for f in world.transforms()}
    assert {(f.parent, f.child) for f in links.values()} == {
        ("world", "panda_link0"),
        ("panda_link0", "tool"),
        ("world", "camera_link"),
        ("camera_link", OPTICAL_FRAME),
    }
    assert [f.child for f in links.values() if not f.is_static] == ["tool"]
    # REP-103: optical z is the body's x, optical x its -y, optical y its -z.
    np.testing.assert_array_equal(links[OPTICAL_FRAME].transform.apply(np.eye(3)), [[0, -1, 0], [0, 0, -1], [1, 0, 0]])
    # The camera looks down at the table, level: its left is horizontal and its up points up.
    body = links["camera_link"].transform.rotation
    assert body[2, 0] < -0.3 and abs(body[2, 1]) < 1e-9 and body[2, 2] > 0.5


def test_the_tool_frame_is_the_forward_kinematics_of_the_joint_states(world: SimWorld) -> None:
    world.follow(world.truth()[2].position)
    world.step(0.8)
    joints = world.joints()
    assert list(joints) == [f"panda_joint{k}" for k in range(1, 8)] + ["panda_finger_joint1", "panda_finger_joint2"]
    pose = tcp_pose([joints[f"panda_joint{k}"][0] for k in range(1, 8)])
    tool = next(f.transform for f in world.transforms() if f.child == "tool")
    np.testing.assert_allclose(tool.rotation, pose[:3, :3], atol=1e-6)
    np.testing.assert_allclose(tool.translation, pose[:3, 3], atol=1e-6)
    assert max(abs(speed) for _, speed in joints.values()) > 0.01  # it is on its way
    assert joints["panda_finger_joint1"][0] == pytest.approx(0.04, abs=1e-3)


def test_a_point_of_a_frame_that_is_not_there_is_refused(world: SimWorld) -> None:
    with pytest.raises(TransformError, match="no such frame"):
        world.in_world("odom", [0, 0, 0])
    np.testing.assert_allclose(world.in_world("panda_link0", [0.4, 0.1, 0.0]), [0.4, 0.1, TABLE_TOP_M])


# ---- motion ----


def test_the_arm_stops_above_each_object_and_touches_none(world: SimWorld) -> None:
    places = np.array([t.position for t in world.truth()])
    for thing in world.truth():
        goal = world.follow(thing.position)
        way = travel(world)
        assert np.linalg.norm(world.tool - goal) < 0.003
        top = thing.position[2] + thing.size[2] / 2
        assert np.linalg.norm(world.tool[:2] - thing.position[:2]) < 0.003
        assert STAND_OFF_M - 0.003 < world.tool[2] - top < 0.2
        speeds = np.linalg.norm(np.diff(way, axis=0), axis=1) / 0.02
        assert 0.5 * SPEED_M_S < speeds.max() < 1.1 * SPEED_M_S
        assert np.abs(np.diff(speeds)).max() < 0.08  # it starts and stops smoothly
    np.testing.assert_allclose([t.position for t in world.truth()], places, atol=0.002)


def test_it_does_not_go_through_the_table(world: SimWorld) -> None:
    free = np.array([0.30, 0.0, 0.0])  # on the floor, under the table
    goal = world.follow(free)
    way = travel(world)
    assert goal[2] >= TABLE_TOP_M + STAND_OFF_M
    assert way[:, 2].min() > TABLE_TOP_M + 0.01
    np.testing.assert_allclose(world.tool, goal, atol=0.003)


@pytest.mark.parametrize("goal", [[2.0, 0.0, 1.0], [0.5, 0.0, 2.0], [-0.4, 0.0, 1.0], [0.72, 0.45, 0.8]])
def test_goals_out_of_reach_are_refused_and_the_arm_goes_on(world: SimWorld, goal: list[float]) -> None:
    before = world.follow(world.truth()[0].position)
    with pytest.raises(SimulationError, match="cannot reach"):
        world.follow(goal)
    np.testing.assert_array_equal(world.goal, before)


@pytest.mark.parametrize("goal", [[np.nan, 0, 0], [0.4, 0.1], "here"])
def test_goals_that_are_no_points_are_refused(world: SimWorld, goal: object) -> None:
    with pytest.raises((SimulationError, ValueError)):
        world.follow(goal)  # type: ignore[arg-type]
    assert world.goal is None


def test_a_new_goal_takes_over_on_the_way(world: SimWorld) -> None:
    first, second = world.truth()[0].position, world.truth()[3].position
    world.follow(first)
    world.step(0.5)
    goal = world.follow(second)
    travel(world)
    assert np.linalg.norm(world.tool - goal) < 0.003


def test_steps_of_any_length_add_up(world: SimWorld) -> None:
    for _ in range(30):
        world.step(1 / 30)
    assert world.time_s == pytest.approx(1.0, abs=0.021)


def test_a_way_leads_up_across_and_down() -> None:
    motion, position, dt = ToolMotion(speed=0.2, acceleration=1.0), np.array([0.3, 0.2, 0.75]), 0.02
    motion.go(position, np.array([0.5, -0.2, 0.8]), cruise_height=0.95)
    way = [position]
    while motion.goal is not None:
        way.append(way[-1] + motion.move(way[-1], dt))
        assert len(way) < 1000
    way = np.array(way)
    level = np.linalg.norm(way[:, :2] - way[0, :2], axis=1)
    inside = (level > 0.03) & (np.linalg.norm(way[:, :2] - way[-1, :2], axis=1) > 0.03)
    assert way[inside, 2].min() > 0.95 - 0.03
    np.testing.assert_allclose(way[-1], [0.5, -0.2, 0.8], atol=0.001)
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() <= 0.2 * dt * 1.001


# ---- options ----


def test_a_task_with_a_container_has_one_more_object() -> None:
    made = SimWorld(
        SceneOptions(seed=1, task="place_in", n_distractors=2, width=160, height=120), AssetPack.primitives()
    )
    assert len(made.labels) == 4
    assert isinstance(made.render(), SimFrame)
    made.close()


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="noise"):
        make(depth_noise="kinect")
    with pytest.raises(ConfigError, match="task"):
        SimWorld(SceneOptions(task="dance"), AssetPack.primitives())
