"""Samples of the one camera: what training shows is what serving shows, and the truth lies where it is seen."""

from __future__ import annotations

import numpy as np
import pytest
from stored_scenes import CAMERA, COLOURS, stored_view

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.embedded.picture import CANONICAL, Canvas, place
from spatialvlm_ros.training.augmentation import Augmentation, Sample, augmented
from spatialvlm_ros.training.config import TrainConfig


def sample(seed: int, **settings: object) -> Sample:
    augmentation = Augmentation(**{"light": 0.0, **settings})  # type: ignore[arg-type]
    return augmented(stored_view(), 192, 144, 8, augmentation, np.random.default_rng(seed), CANONICAL)


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_all_samples_have_one_camera_and_the_truth_lies_where_it_is_seen(seed: int, mirrored: float) -> None:
    s = sample(seed, mirrored=mirrored, smallest_crop=0.6, changed_aspect=0.5)
    np.testing.assert_allclose([s.camera.fx, s.camera.fy], 0.6 * 192)
    np.testing.assert_allclose([s.camera.cx, s.camera.cy], [95.5, 71.5])
    centers = s.camera.project(s.scene.boxes().centers)
    checked = 0
    for k, colour in enumerate(COLOURS):
        x0, y0, x1, y1 = s.boxes[k]
        if min(x1 - x0, y1 - y0) < 8:
            continue
        checked += 1
        seen = s.pixels[round((y0 + y1 - 1) / 2), round((x0 + x1 - 1) / 2)].astype(int)
        assert np.abs(seen - colour).max() < 40
        rows, columns = np.nonzero(s.cells == k)
        assert (columns * 8 + 8 > x0 - 1).all() and (columns * 8 < x1 + 1).all()
        assert (rows * 8 + 8 > y0 - 1).all() and (rows * 8 < y1 + 1).all()
        u, v = centers[k]
        if s.visible[k] > 0.79 and x0 + 2 < u < x1 - 2 and y0 + 2 < v < y1 - 2:
            assert np.abs(s.pixels[round(v), round(u)].astype(int) - colour).max() < 40
    assert checked


def test_training_and_serving_show_the_same_canvas() -> None:
    s = augmented(stored_view(), 192, 144, 8, Augmentation.none(), np.random.default_rng(0), CANONICAL)
    canvas = Canvas.of(CAMERA, 192, 144, CANONICAL)
    served = place(stored_view().picture(), canvas)
    assert np.abs(s.pixels.astype(int) - served).mean() < 0.5
    np.testing.assert_allclose([s.camera.cx, s.camera.cy], [canvas.camera.cx, canvas.camera.cy])
    edges = np.array([o.box2d for o in stored_view().scene.objects])
    np.testing.assert_allclose(s.boxes, canvas.to_canvas(edges - 0.5) + 0.5, atol=0.6)


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(ConfigError, match="fisheye"):
        TrainConfig(camera_mode="fisheye")
