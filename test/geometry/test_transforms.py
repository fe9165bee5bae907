"""The transform buffer: chains, time, and errors that name the missing link."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialvlm_ros.errors import TransformError
from spatialvlm_ros.geometry.transforms import Transform, TransformBuffer, quaternion_matrix

S = 1_000_000_000
IDENTITY = [0, 0, 0, 1]


def quat(axis: str, degrees: float) -> np.ndarray:
    return Rotation.from_euler(axis, degrees, degrees=True).as_quat()


@pytest.fixture
def robot() -> TransformBuffer:
    """base -> arm (moving: turns about z and rises) -> camera (fixed); base -> lidar (fixed); island apart."""
    buffer = TransformBuffer()
    buffer.set("base", "arm", 0 * S, quat("z", 0), [0, 0, 1.0])
    buffer.set("base", "arm", 2 * S, quat("z", 90), [0, 0, 2.0])
    buffer.set("arm", "camera", 0, IDENTITY, [0.5, 0, 0], static=True)
    buffer.set("base", "lidar", 0, IDENTITY, [0, 0.3, 0], static=True)
    buffer.set("island", "tree", 0, IDENTITY, [1, 1, 1], static=True)
    return buffer


def test_a_chain_takes_child_points_to_the_parent(robot):
    at_start = robot.lookup("base", "camera", 0)
    np.testing.assert_allclose(at_start.apply([[0, 0, 0]]), [[0.5, 0, 1.0]])
    at_end = robot.lookup("base", "camera", 2 * S)
    np.testing.assert_allclose(at_end.apply([[0, 0, 0]]), [[0, 0.5, 2.0]], atol=1e-12)


def test_between_two_stamps_it_turns_and_moves_evenly(robot):
    third = robot.lookup("base", "arm", 2 * S // 3)
    np.testing.assert_allclose(third.rotation, Rotation.from_euler("z", 30, degrees=True).as_matrix(), atol=1e-9)
    np.testing.assert_allclose(third.translation, [0, 0, 4 / 3], atol=1e-9)


def test_across_branches_and_back_is_the_identity(robot):
    there, back = robot.lookup("lidar", "camera", S), robot.lookup("camera", "lidar", S)
    both = there @ back
    np.testing.assert_allclose(both.rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(both.translation, 0, atol=1e-12)


def test_the_latest_is_used_without_a_stamp(robot):
    np.testing.assert_allclose(robot.lookup("base", "arm").translation, [0, 0, 2])


def test_no_extrapolation(robot):
    for stamp in (-1, 2 * S + 1):
        with pytest.raises(TransformError, match="base -> arm does not cover"):
            robot.lookup("base", "camera", stamp)


def test_errors_name_the_missing_link(robot):
    with pytest.raises(TransformError, match="frame 'gripper' is unknown"):
        robot.lookup("base", "gripper")
    with pytest.raises(TransformError, match=r"camera ends at base, tree ends at island.*between 'base' and 'island'"):
        robot.lookup("tree", "camera")


def test_loops_are_refused():
    buffer = TransformBuffer()
    buffer.set("a", "b", 0, IDENTITY, [0, 0, 0], static=True)
    buffer.set("b", "a", 0, IDENTITY, [0, 0, 0], static=True)
    with pytest.raises(TransformError, match="loop"):
        buffer.lookup("a", "c")


@pytest.mark.parametrize(
    ("parent", "child", "xyzw", "translation"),
    [
        ("", "b", IDENTITY, [0, 0, 0]),
        ("a", "a", IDENTITY, [0, 0, 0]),
        ("a", "b", [0, 0, 0, 0], [0, 0, 0]),
        ("a", "b", [np.nan, 0, 0, 1], [0, 0, 0]),
        ("a", "b", IDENTITY, [0, np.inf, 0]),
    ],
)
def test_malformed_links_are_refused(parent, child, xyzw, translation):
    with pytest.raises(TransformError):
        TransformBuffer().set(parent, child, 0, xyzw, translation)


def test_order_of_arrival_does_not_matter_and_old_history_goes():
    buffer = TransformBuffer(keep_ns=5 * S)
    for second in (3, 1, 2, 7):
        buffer.set("a", "b", second * S, IDENTITY, [second, 0, 0])
    np.testing.assert_allclose(buffer.lookup("a", "b", int(2.5 * S)).translation, [2.5, 0, 0])
    with pytest.raises(TransformError):
        buffer.lookup("a", "b", 1 * S)


def test_a_link_whose_time_has_begun_anew_is_believed_again():
    """A recording that plays in a loop: a transform of its end may arrive after the history was cleared."""
    buffer = TransformBuffer(keep_ns=5 * S)
    buffer.set("a", "b", 90 * S, IDENTITY, [90, 0, 0])
    for second in (1, 2, 3):
        buffer.set("a", "b", second * S, IDENTITY, [second, 0, 0])
    np.testing.assert_allclose(buffer.lookup("a", "b", int(2.5 * S)).translation, [2.5, 0, 0])
    np.testing.assert_allclose(buffer.lookup("a", "b").translation, [3, 0, 0])


def test_a_single_transform_of_long_ago_disturbs_nothing():
    buffer = TransformBuffer(keep_ns=5 * S)
    for second in range(90, 100):
        buffer.set("a", "b", second * S, IDENTITY, [second, 0, 0])
        buffer.set("a", "b", (second - 60) * S, IDENTITY, [0, 0, 0])  # of another publisher, whose clock is wrong
    np.testing.assert_allclose(buffer.lookup("a", "b", int(97.5 * S)).translation, [97.5, 0, 0])


def test_clear_forgets_what_moves_and_keeps_what_is_fixed(robot):
    robot.clear()
    np.testing.assert_allclose(robot.lookup("arm", "camera").translation, [0.5, 0, 0])
    with pytest.raises(TransformError):
        robot.lookup("base", "camera")


@given(st.integers(0, 2 * S))
def test_interpolation_stays_a_rotation_along_the_shorter_arc(stamp):
    buffer = TransformBuffer()
    buffer.set("a", "b", 0, quat("x", 170), [0, 0, 0])
    buffer.set("a", "b", 2 * S, -quat("x", 190), [1, 0, 0])  # the same turn by 190 degrees with flipped signs
    turn = Rotation.from_matrix(buffer.lookup("a", "b", stamp).rotation).as_euler("xyz", degrees=True)[0] % 360
    assert turn == pytest.approx(170 + 20 * stamp / (2 * S), abs=1e-6)


def test_quaternions_are_x_y_z_w():
    np.testing.assert_allclose(quaternion_matrix([0, 0, 1, 1]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_a_mirror_is_not_a_rotation():
    with pytest.raises(TransformError):
        Transform(np.diag([1.0, 1.0, -1.0]), np.zeros(3))


def test_a_late_transform_counts_as_standing_still_within_the_tolerance():
    buffer = TransformBuffer()
    for second in (1, 2):
        buffer.set("a", "b", second * S, IDENTITY, [second, 0, 0])
    late, early = 2 * S + S // 10, S - S // 10
    np.testing.assert_allclose(buffer.lookup("a", "b", late, S // 10).translation, [2, 0, 0])
    np.testing.assert_allclose(buffer.lookup("a", "b", early, S // 10).translation, [1, 0, 0])
    for stamp in (late + 1, early - 1):
        with pytest.raises(TransformError, match="does not cover"):
            buffer.lookup("a", "b", stamp, S // 10)


def test_an_hour_of_transforms_takes_few_bytes_each() -> None:
    import tracemalloc

    buffer = TransformBuffer(keep_ns=1 << 62)
    tracemalloc.start()
    try:
        for index in range(2000):
            buffer.set("map", "base", 1_700_000_000_000_000_000 + index * 10_000_000, (0, 0, 0, 1), (index, 0, 0))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / 2000 < 150  # 64 of a stamp and seven numbers, and room to grow
    later = buffer.lookup("map", "base", 1_700_000_000_000_000_000 + 1_995_000_000)
    np.testing.assert_allclose(later.translation, [199.5, 0, 0])


def test_transforms_that_come_out_of_order_are_put_in_their_place() -> None:
    buffer = TransformBuffer()
    for stamp in (30, 10, 20, 40, 20):
        buffer.set("map", "base", stamp, (0, 0, 0, 1), (stamp, 0, 0))
    buffer.set("map", "base", 20, (0, 0, 0, 1), (22, 0, 0))  # the last one of a time holds
    found = [buffer.lookup("map", "base", stamp).translation[0] for stamp in (10, 20, 25, 30, 40)]
    assert found == [10, 22, 26, 30, 40]
