"""The vertical and the camera's height from frames and IMU."""

from types import SimpleNamespace

import numpy as np
import pytest

from spatialvlm_ros.bags.gravity import height_over, up_from_frames, up_from_imu
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


def imu(acceleration: tuple, orientation: tuple = (0, 0, 0, 1), known: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        orientation=SimpleNamespace(**dict(zip("xyzw", orientation, strict=True))),
        orientation_covariance=[0.0 if known else -1.0],
        linear_acceleration=SimpleNamespace(**dict(zip("xyz", acceleration, strict=True))),
    )


def test_up_from_an_imu() -> None:
    turn = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # x forward, y left, z up -> optical
    np.testing.assert_allclose(up_from_imu(imu((0, 0, 9.81)), turn), [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(up_from_imu(imu((9.81 * 0.6, 0, 9.81 * 0.8)), turn), [0, -0.8, 0.6], atol=1e-12)
    assert up_from_imu(imu((0, 3, 12)), turn) is None  # shaken
    assert up_from_imu(imu((0, 0, float("nan"))), turn) is None
    # Pitched nose down by 2 asin(0.6) about y: the orientation wins over the acceleration.
    pitched = up_from_imu(imu((0, 0, 30), (0, 0.6, 0, 0.8), known=True), turn)
    angle = 2 * np.arcsin(0.6)
    np.testing.assert_allclose(pitched, turn @ [-np.sin(angle), 0, np.cos(angle)], atol=1e-12)
    assert up_from_imu(imu((0, 0, 9.81), (0, 0, 0, 0), known=True), np.eye(3))[2] == pytest.approx(1)
