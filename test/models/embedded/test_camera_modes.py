"""What a model learns of the camera: one camera for all pictures, the focal length as a token, rays at every pixel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import SHAPE, picture, save_tiny_model

from spatialvlm_ros.errors import ModelError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.embedded.folder import MARKER, read_marker
from spatialvlm_ros.models.embedded.picture import (
    CANONICAL,
    FOCAL_TOKEN,
    RAYS,
    Canvas,
    canonical_scale,
    pixel_values,
    place,
    relative_focal,
)

CAMERAS = [
    Camera(320, 240, 210.0, 250.0, 118.0, 139.0),  # wider than the canvas: cropped, unequal focal lengths
    Camera(640, 360, 900.0, 880.0, 401.0, 120.0),  # narrower: padded
    Camera(180, 300, 160.0, 160.0, 20.0, 280.0),  # upright, its principal point in a corner
    Camera(200, 150, 180.0, 170.0, 90.0, 80.0, "plumb_bob", (-0.25, 0.05, 0.001, 0.0, 0.0)),
]


@pytest.mark.parametrize("camera", CAMERAS)
def test_all_pictures_are_those_of_one_camera_and_their_pixels_come_back(camera: Camera) -> None:
    canvas = Canvas.of(camera, 192, 144, CANONICAL)
    assert canvas.camera == Canvas.of(CAMERAS[0], 192, 144, CANONICAL).camera
    assert (canvas.camera.cx, canvas.camera.cy) == (95.5, 71.5)
    size = np.array([camera.width, camera.height])
    pixels = np.random.default_rng(0).uniform(0.1 * size, 0.9 * size, (60, 2))
    on_canvas = canvas.to_canvas(pixels)
    np.testing.assert_allclose(on_canvas, canvas.camera.project(camera.rays(pixels)), rtol=0, atol=1e-3)
    np.testing.assert_allclose(canvas.to_picture(on_canvas), pixels, rtol=0, atol=1e-3)
    if camera.distortion_model == "none":
        np.testing.assert_allclose(on_canvas, canvas.camera.project(camera.rays(pixels)), rtol=0, atol=1e-9)
        np.testing.assert_allclose(canvas.to_picture(on_canvas), pixels, rtol=0, atol=1e-9)


@pytest.mark.parametrize("camera", CAMERAS[:3])
def test_the_placed_picture_shows_each_pixel_where_its_ray_is_seen(camera: Camera) -> None:
    canvas = Canvas.of(camera, 192, 144, CANONICAL)
    columns = np.linspace(0, 255, camera.width)[None]
    rows = np.linspace(0, 255, camera.height)[:, None]
    shape = (camera.height, camera.width)
    rgb = np.stack([np.broadcast_to(columns, shape), np.broadcast_to(rows, shape), np.zeros(shape)], -1)
    placed = place(rgb.round().astype(np.uint8), canvas).astype(float)
    filled = placed[..., 2] == 0
    x0, y0, x1, y1 = canvas.to_canvas([-0.5, -0.5, camera.width - 0.5, camera.height - 0.5])
    x, y = np.meshgrid(np.arange(192.0), np.arange(144.0))
    np.testing.assert_array_equal(filled, (x - 0.5 >= x0) & (x + 0.5 <= x1) & (y - 0.5 >= y0) & (y + 0.5 <= y1))
    inner = (x - 2 >= x0) & (x + 2 <= x1) & (y - 2 >= y0) & (y + 2 <= y1)
    pixels = np.stack([x[inner], y[inner]], -1)
    there = camera.project(canvas.camera.rays(pixels)) / (np.array([camera.width, camera.height]) - 1) * 255
    assert len(pixels) > 1000 and np.abs(placed[inner][:, :2] - there).max() < 2


def test_a_picture_that_the_one_camera_does_not_see_is_grey() -> None:
    camera = Camera(100, 80, 100.0, 100.0, 900.0, 40.0)
    canvas = Canvas.of(camera, 192, 144, CANONICAL)
    placed = place(np.zeros((80, 100, 3), np.uint8), canvas)
    assert (placed == 127).all()
    pixels = np.array([[10.0, 20.0]])
    np.testing.assert_allclose(canvas.to_picture(canvas.to_canvas(pixels)), pixels)


def test_only_the_token_tells_the_focal_length_where_no_ray_is_given() -> None:
    camera = Camera(320, 240, 300.0, 300.0, 150.0, 110.0)
    canvas = Canvas.of(camera, 64, 48, FOCAL_TOKEN)
    assert canvas == Canvas.of(camera, 64, 48, RAYS)
    placed = place(np.full((240, 320, 3), 40, np.uint8), canvas)
    with_rays, without = (pixel_values(placed, canvas.camera, mode) for mode in (RAYS, FOCAL_TOKEN))
    assert (without[3:] == 0).all() and np.ptp(with_rays[3]) > 1
    np.testing.assert_array_equal(with_rays[:3], without[:3])


def test_the_focal_length_and_the_canonical_metre_are_constants_of_the_one_camera() -> None:
    cameras = [Canvas.of(c, 192, 144, CANONICAL).camera for c in CAMERAS]
    assert len({relative_focal(c) for c in cameras}) == len({canonical_scale(c) for c in cameras}) == 1


@pytest.mark.parametrize("mode", [RAYS, FOCAL_TOKEN, CANONICAL])
def test_a_model_is_read_in_the_mode_that_its_folder_names(tmp_path: Path, mode: str) -> None:
    folder = save_tiny_model(tmp_path / "m")
    assert read_marker(folder).camera_mode == RAYS
    marker = json.loads((folder / MARKER).read_text())
    (folder / MARKER).write_text(json.dumps({**marker, "camera_mode": mode}))
    backend = EmbeddedBackend.from_pretrained(folder, dtype="float32", device="cpu")
    observation = picture()
    encoded = backend.encode(observation)
    assert encoded.canvas == Canvas.of(observation.camera, SHAPE.width, SHAPE.height, mode)
    found = backend.locate(encoded, ["red mug"])
    again = Canvas.of(observation.camera, SHAPE.width, SHAPE.height, mode).to_canvas(found.boxes - 0.5)
    assert np.isfinite(again).all()


def test_older_folders_have_rays_and_unknown_modes_are_named(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "m")
    marker = json.loads((folder / MARKER).read_text())
    del marker["camera_mode"]
    (folder / MARKER).write_text(json.dumps(marker))
    assert read_marker(folder).camera_mode == RAYS
    (folder / MARKER).write_text(json.dumps({**marker, "camera_mode": "fish"}))
    with pytest.raises(ModelError, match="fish"):
        read_marker(folder)
