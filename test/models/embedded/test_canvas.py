"""Pixels on the canvas are those of the canvas's camera, at any picture size."""

from __future__ import annotations

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.embedded.picture import Canvas
from spatialvlm_ros.models.embedded.slots import locations
from spatialvlm_ros.models.embedded.vocabulary import N_PLACES, place_values
from spatialvlm_ros.models.quantities import N_BINS

SIZES = [(101, 57), (1241, 376), (333, 517), (61, 47), (7, 211), (640, 360)]


def _odd(width: int, height: int) -> Camera:
    """Unequal focal lengths, the principal point far off the centre."""
    return Camera(width, height, 0.9 * width, 1.3 * width, 0.31 * width, 0.77 * height)


@pytest.mark.parametrize("size", SIZES)
def test_a_pixel_lies_where_the_canvas_camera_sees_its_ray(size: tuple[int, int]) -> None:
    camera = _odd(*size)
    canvas = Canvas.fit(camera, 64, 48)
    pixels = np.random.default_rng(0).uniform((-0.5, -0.5), np.array(size) - 0.5, (50, 2))
    seen = canvas.camera.project(camera.rays(pixels))
    np.testing.assert_allclose(canvas.to_canvas(pixels), seen, rtol=0, atol=1e-9)
    np.testing.assert_allclose(canvas.to_picture(seen), pixels, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_the_pictures_edges_are_the_edges_of_its_part_of_the_canvas(size: tuple[int, int]) -> None:
    canvas = Canvas.fit(_odd(*size), 64, 48)
    edges = canvas.to_canvas([-0.5, -0.5, size[0] - 0.5, size[1] - 0.5]) + 0.5
    right, bottom = canvas.left + canvas.inner_width, canvas.top + canvas.inner_height
    np.testing.assert_allclose(edges, [canvas.left, canvas.top, right, bottom], rtol=0, atol=1e-9)


def test_spreads_come_back_in_the_pictures_pixels_along_each_axis() -> None:
    canvas = Canvas.fit(_odd(7, 211), 64, 48)
    places = np.zeros((1, 6, N_PLACES))
    places[..., [10, 20]] = 0.5
    found = locations(np.array([[1.0, 0.0, 0.0]]), places, np.full((1, 4, N_BINS), 1 / N_BINS), canvas)
    half = (place_values()[20] - place_values()[10]) / 2 * canvas.width
    wanted = [half * 7 / canvas.inner_width, half * 211 / canvas.inner_height]
    np.testing.assert_allclose(found.box_stds[0], wanted * 2, rtol=1e-9)
    np.testing.assert_allclose(found.center_stds[0], wanted, rtol=1e-9)
