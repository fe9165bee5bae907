"""The sensor noise has the statistics it claims."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.simulation.noise import CameraNoise, DepthNoise

CAMERA = Camera.from_hfov(320, 240, np.radians(69))
GREY = np.full((240, 320, 3), 128, np.uint8)


def _noisy(depth: np.ndarray, rgb: np.ndarray = GREY, seed: int = 0, **changes: float) -> np.ndarray:
    return DepthNoise(**changes).apply(depth.astype(np.float32), rgb, CAMERA, np.random.default_rng(seed))


def test_axial_noise_grows_with_the_square_of_the_distance() -> None:
    spread = {z: np.nanstd(_noisy(np.full((240, 320), z))) for z in (1.0, 2.0, 4.0)}
    expected = 1.0**2 * 0.08 / (CAMERA.fx * 0.05)
    assert spread[1.0] == pytest.approx(expected, rel=0.1)
    assert spread[2.0] / spread[1.0] == pytest.approx(4, rel=0.15)
    assert spread[4.0] / spread[2.0] == pytest.approx(4, rel=0.2)


def test_disparity_comes_in_steps() -> None:
    noisy = _noisy(np.full((240, 320), 2.0))
    steps = CAMERA.fx * 0.05 / noisy[np.isfinite(noisy)].astype(np.float64) * 32
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)


def test_range_is_limited_and_nothing_invalid_becomes_valid() -> None:
    depth = np.full((240, 320), 1.0)
    depth[:60], depth[60:120], depth[120:180] = 0.1, 9.0, np.nan
    noisy = _noisy(depth)
    assert np.isnan(noisy[:55]).all() and np.isnan(noisy[65:115]).all() and np.isnan(noisy[125:175]).all()
    assert np.isfinite(noisy[190:]).mean() > 0.99


def test_edges_lose_pixels_and_let_some_fly() -> None:
    depth = np.full((240, 320), 1.0)
    depth[:, 160:] = 2.0
    noisy = _noisy(depth)
    edge = noisy[:, 159:161]
    assert 0.3 < np.isnan(edge).mean() < 0.6
    flying = (edge > 1.15) & (edge < 1.85)
    assert 0.05 < flying.mean() < 0.3
    assert np.isfinite(noisy[:, 20:140]).all()


def test_dark_and_grazing_surfaces_have_holes() -> None:
    dark = GREY.copy()
    dark[:, 160:] = 3
    noisy = _noisy(np.full((240, 320), 1.0), dark)
    assert np.isnan(noisy[:, 165:]).mean() > 0.2 and np.isfinite(noisy[:, :155]).all()
    columns = np.linspace(0, 1, 320)[None].repeat(240, axis=0)
    assert np.isnan(_noisy(1.0 + 0.1 * columns)).mean() < 0.01  # a gentle slope
    # 5 m of depth over the picture's width: tilted by more than 78 degrees where it is nearer than 0.77 m.
    steep = np.isnan(_noisy(0.5 + 5.0 * columns))
    assert steep[:, 1:16].mean() > 0.4 and steep[:, 24:].mean() < 0.02


def test_noise_repeats_with_its_seed_only() -> None:
    depth = np.full((240, 320), 1.5)
    np.testing.assert_array_equal(_noisy(depth, seed=1), _noisy(depth, seed=1))
    assert (_noisy(depth, seed=1) != _noisy(depth, seed=2)).any()
    assert _noisy(depth).dtype == np.float32


def test_camera_noise_changes_light_and_adds_grain() -> None:
    plain = CameraNoise(exposure=(0.5, 0.5), gain_noise=(0, 0), blur_px=(0, 0), jpeg_quality=(95, 95))
    assert plain.apply(GREY, np.random.default_rng(0)).mean() == pytest.approx(64, abs=1)
    grainy = CameraNoise(exposure=(1, 1), gain_noise=(8, 8), blur_px=(0, 0), jpeg_quality=(100, 100))
    picture = grainy.apply(GREY, np.random.default_rng(0))
    assert picture.dtype == np.uint8 and picture.shape == GREY.shape
    assert 4 < picture.astype(float).std() < 10
