"""Oriented boxes and the canonical frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialvlm_ros.errors import FrameError, GeometryError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame, horizontal_axes

ANGLES = st.floats(-3.0, 3.0)


def turned_box(rotation: Rotation) -> Boxes:
    return Boxes(np.array([[0.1, -0.2, 2.0]]), np.array([[0.3, 0.5, 0.9]]), rotation.as_matrix()[None])


def test_extents_of_an_aligned_box_are_its_sizes():
    box = turned_box(Rotation.identity())
    for axis, size in enumerate((0.3, 0.5, 0.9)):
        assert box.extent_along(np.eye(3)[axis])[0] == pytest.approx(size)
    assert box.top_along([0, 1, 0])[0] == pytest.approx(-0.2 + 0.25)
    assert box.bottom_along([0, 0, 1])[0] == pytest.approx(2.0 - 0.45)
    assert box.volumes()[0] == pytest.approx(0.3 * 0.5 * 0.9)


@given(ANGLES, ANGLES, ANGLES)
def test_extent_equals_that_of_the_corners(a, b, c):
    box = turned_box(Rotation.from_euler("xyz", [a, b, c]))
    direction = np.array([0.36, -0.48, 0.8])
    along = box.corners()[0] @ direction
    assert box.extent_along(direction)[0] == pytest.approx(np.ptp(along))
    assert box.top_along(direction)[0] == pytest.approx(along.max())


def test_transforming_a_box_transforms_its_corners():
    rotation, shift = Rotation.from_euler("xyz", [0.3, -0.7, 1.1]).as_matrix(), np.array([1.0, -2.0, 0.5])
    box = turned_box(Rotation.from_euler("z", 0.4))
    np.testing.assert_allclose(box.transformed(rotation, shift).corners(), box.corners() @ rotation.T + shift)


def test_quaternions_are_in_the_ros_order():
    quarter = turned_box(Rotation.from_euler("z", 90, degrees=True))
    np.testing.assert_allclose(quarter.quaternions(), [[0, 0, np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-12)


def test_malformed_boxes_are_refused():
    with pytest.raises(GeometryError):
        Boxes(np.zeros((2, 3)), np.zeros((1, 3)), np.zeros((2, 3, 3)))
    with pytest.raises(GeometryError, match="negative"):
        Boxes(np.zeros((1, 3)), np.array([[1.0, -0.1, 1.0]]), np.eye(3)[None])


def pitched_up(pitch_deg: float, roll_deg: float = 0.0) -> np.ndarray:
    """Up in the optical frame of a camera pitched down by pitch_deg and rolled about its axis."""
    pitch = np.deg2rad(pitch_deg)
    up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    return Rotation.from_euler("z", roll_deg, degrees=True).apply(up)


def test_level_camera():
    frame = CanonicalFrame.from_up([0, -1, 0], camera_height=1.4)
    assert frame.level == 2
    np.testing.assert_allclose(frame.forward, [0, 0, 1])
    np.testing.assert_allclose(frame.left, [-1, 0, 0])
    # 2 m ahead, 0.5 m to the right, 1 m below the camera
    np.testing.assert_allclose(frame.to_canonical([[0.5, 1.0, 2.0]]), [[2.0, -0.5, 0.4]])


@pytest.mark.parametrize("pitch", [-89, -60, -10, 0, 15, 45, 80, 89, 90])
@pytest.mark.parametrize("roll", [-30, 0, 10])
def test_axes_are_a_right_handed_frame_at_any_tilt(pitch, roll):
    frame = CanonicalFrame.from_up(pitched_up(pitch, roll))
    np.testing.assert_allclose(frame.rotation() @ frame.rotation().T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(frame.forward, frame.left), frame.up, atol=1e-12)
    assert frame.forward @ frame.up == pytest.approx(0, abs=1e-12)


def test_looking_straight_down_forward_is_the_top_of_the_picture():
    frame = CanonicalFrame.from_up([0, 0, -1], camera_height=1.0)
    np.testing.assert_allclose(frame.forward, [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(frame.left, [-1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("pitch", [80, 85, -80, 89.9])
@pytest.mark.parametrize("roll", [0, 40, 90, 150, -100])
def test_nearly_straight_down_left_is_left_in_the_picture_however_the_camera_is_rolled(pitch, roll):
    """A camera over a table is never exactly vertical, and its pictures have an upper edge like all others."""
    frame = CanonicalFrame.from_up(pitched_up(pitch, roll))
    assert frame.left @ np.array([-1.0, 0.0, 0.0]) > 0.98
    tilted = CanonicalFrame.from_up(pitched_up(60, 10))  # as people see it: along the floor
    assert tilted.forward @ np.array([0.0, 0.0, 1.0]) == pytest.approx(0.5)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_frame_does_not_jump_as_the_camera_tilts_to_the_vertical(sign):
    near, straight = (CanonicalFrame.from_up(pitched_up(sign * p)) for p in (79.3, 79.7))
    assert near.forward @ straight.forward > 0.999
    assert near.left @ straight.left > 0.999


def test_many_frames_at_once_equal_one_by_one():
    ups = np.stack([pitched_up(p, r) for p in (0, 30, 90) for r in (0, 20)])
    forward, left = horizontal_axes(ups)
    for i, up in enumerate(ups):
        frame = CanonicalFrame.from_up(up)
        np.testing.assert_allclose(forward[i], frame.forward)
        np.testing.assert_allclose(left[i], frame.left)


def test_unknown_up_falls_back_to_the_camera_axes():
    frame = CanonicalFrame.from_up(None)
    assert frame.level == 0
    np.testing.assert_allclose(frame.rotation(), [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def test_nonsense_is_refused():
    with pytest.raises(GeometryError):
        CanonicalFrame.from_up([0.0, 0.0, 0.0])
    with pytest.raises(FrameError):
        CanonicalFrame.from_up([0, -1, 0], camera_height=float("nan"))
