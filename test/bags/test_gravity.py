"""The vertical and the camera's height from frames and IMU."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spatialvlm_ros.bags.gravity import height_over, read_imu, up_from_frames
from spatialvlm_ros.geometry.transforms import TransformBuffer


def camera_on_a_mast() -> TransformBuffer:
    """map -> base (turned about z) -> camera looking along base's x axis, 30 degrees downwards, 1.2 m high."""
    buffer = TransformBuffer()
    buffer.set("map", "base_footprint", 100, (0, 0, np.sin(0.4), np.cos(0.4)), (5, 6, 0))
    buffer.set("map", "base_footprint", 200, (0, 0, np.sin(0.6), np.cos(0.6)), (7, 6, 0))
    tilt = np.radians(30)
    # Columns: the camera's x, y, z axes in base coordinates (x forward, y left, z up).
    z = np.array([np.cos(tilt), 0, -np.sin(tilt)])
    x = np.array([0.0, -1, 0])
    from scipy.spatial.transform import Rotation

    quaternion = Rotation.from_matrix(np.stack([x, np.cross(z, x), z], axis=1)).as_quat()
    buffer.set("base_footprint", "camera", 0, quaternion, (0.1, 0.0, 1.2), static=True)
    return buffer


def test_up_and_height_from_frames() -> None:
    buffer = camera_on_a_mast()
    up = up_from_frames(buffer, "camera", 150)
    np.testing.assert_allclose(up, [0, -np.cos(np.radians(30)), -np.sin(np.radians(30))], atol=1e-9)
    assert height_over(buffer, "camera", "base_footprint", 150) == pytest.approx(1.2)
    assert up_from_frames(buffer, "camera", 500) is None  # no extrapolation
    assert up_from_frames(buffer, "other", 150) is None
    assert height_over(buffer, "camera", "nowhere", 150) is None
    np.testing.assert_allclose(up_from_frames(buffer, "camera", 500, ("base_footprint",)), up, atol=1e-9)


def imu(acceleration: tuple, orientation: tuple = (0, 0, 0, 1), covariance: float = -1.0, felt: float = 0.0) -> Any:
    """A sensor_msgs/Imu; the covariance is the variance of roll and pitch, -1 for no orientation."""
    return SimpleNamespace(
        orientation=SimpleNamespace(**dict(zip("xyzw", map(float, orientation), strict=True))),
        orientation_covariance=[covariance, 0.0, 0.0, 0.0, abs(covariance), 0.0, 0.0, 0.0, abs(covariance)],
        linear_acceleration=SimpleNamespace(**dict(zip("xyz", map(float, acceleration), strict=True))),
        linear_acceleration_covariance=[felt, *[0.0] * 8],
    )


def up_from_imu(message: Any, camera_from_imu: np.ndarray) -> np.ndarray | None:
    """(3,) up in the camera's frame, given the rotation from the IMU's."""
    up = read_imu(message).up
    return None if up is None else camera_from_imu @ up


TURN = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x forward, y left, z up -> optical
NOSE_DOWN = (0, 0.6, 0, 0.8)  # by 2 asin(0.6) about y
UP_WHEN_NOSE_DOWN = [-0.96, 0, 0.28]


def test_up_from_an_imu_at_rest() -> None:
    np.testing.assert_allclose(up_from_imu(imu((0, 0, 9.81)), TURN), [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(up_from_imu(imu((9.81 * 0.6, 0, 9.81 * 0.8)), TURN), [0, -0.8, 0.6], atol=1e-12)
    for silent in (imu((0, 3, 12)), imu((0, 0, float("nan"))), imu((0, 0, 9.81), felt=-1.0)):
        assert up_from_imu(silent, TURN) is None and "not at rest" in read_imu(silent).fault


@pytest.mark.parametrize("covariance", [0.0, 0.0025])
def test_an_orientation_that_is_known_wins_over_the_acceleration(covariance: float) -> None:
    """Zeros are what many drivers give whose orientation is good."""
    pitched = up_from_imu(imu((0, 0, 30), NOSE_DOWN, covariance), TURN)
    np.testing.assert_allclose(pitched, TURN @ UP_WHEN_NOSE_DOWN, atol=1e-12)
    # Gravity as felt while the robot brakes: 15 degrees off, and still it looks like rest.
    braked = 9.81 * np.array([-np.sin(np.radians(15)), 0, np.cos(np.radians(15))])
    np.testing.assert_allclose(up_from_imu(imu(braked, covariance=0.0025), np.eye(3)), [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    "orientation",
    [
        {"covariance": 0.0},  # as a message of ROS 2 is made: identity, nothing known of it
        {"covariance": 1e6},
        {"covariance": float("nan")},
        {"covariance": 1e6, "orientation": NOSE_DOWN},
        {"covariance": 0.0025, "orientation": (0, 0, 0, 0)},
    ],
)
def test_an_orientation_that_is_not_known_gives_way_to_gravity(orientation: dict[str, Any]) -> None:
    on_its_side = imu((-9.81, 0, 0), **orientation)
    np.testing.assert_allclose(up_from_imu(on_its_side, np.eye(3)), [-1, 0, 0], atol=1e-12)
    assert up_from_imu(imu((0, 3, 12), **orientation), np.eye(3)) is None


def test_a_poor_heading_does_not_matter_for_the_vertical() -> None:
    message = imu((0, 0, 30), NOSE_DOWN, 0.0025)
    message.orientation_covariance[8] = 1e6  # no magnetometer
    np.testing.assert_allclose(up_from_imu(message, np.eye(3)), UP_WHEN_NOSE_DOWN, atol=1e-12)


def test_an_imu_that_contradicts_itself_tells_nothing() -> None:
    wrong = imu((-9.81, 0, 0), covariance=0.0025)  # the orientation was never filled, its covariance was
    assert up_from_imu(wrong, np.eye(3)) is None and "contradict" in read_imu(wrong).fault
