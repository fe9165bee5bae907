"""A second look at where things are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Noise, Oracle
from test_depth_fusion import CAMERA, SOLIDS, seen

from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.closer import Window, better_recognised
from spatialvlm_ros.models.estimate import LocatedObject
from spatialvlm_ros.models.query import Region
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

SIDE = st.floats(-50, 700, allow_nan=False)


@given(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), min_size=1, max_size=4))
def test_a_window_lies_in_the_picture_and_holds_the_boxes(edges: list[tuple[float, ...]]) -> None:
    given_edges = np.array(edges)
    boxes = np.concatenate(
        [np.minimum(given_edges[:, :2], given_edges[:, 2:]), np.maximum(given_edges[:, :2], given_edges[:, 2:])], axis=1
    )
    window = Window.around(boxes, 640, 480)
    if window is None:
        return
    assert 0 <= window.x0 and window.x0 + window.width <= 640
    assert 0 <= window.y0 and window.y0 + window.height <= 480
    assert 0.49 * 640 <= window.width <= 0.9 * 640
    low = np.clip(boxes[:, :2].min(axis=0), 0, [640, 480])
    high = np.clip(boxes[:, 2:].max(axis=0), 0, [640, 480])
    assert (low >= [window.x0 - 1, window.y0 - 1]).all()
    assert (high <= [window.x0 + window.width + 1, window.y0 + window.height + 1]).all()


def test_there_is_no_window_around_nothing_and_around_everything() -> None:
    assert Window.around(np.full((2, 4), np.nan), 640, 480) is None
    assert Window.around(np.zeros((0, 4)), 640, 480) is None
    assert Window.around(np.array([[10.0, 10, 630, 100]]), 640, 480) is None


def test_the_window_sees_the_same_rays() -> None:
    observation, _ = seen()
    window = Window(60, 40, 200, 150)
    part = window.of(observation)
    pixel = np.array([[17.0, 93.0]])
    np.testing.assert_allclose(part.camera.rays(pixel), CAMERA.rays(pixel + [60, 40]))
    assert part.depth is not None and observation.depth is not None
    assert part.depth[93, 17] == observation.depth[133, 77]
    found = window.in_picture(LocatedObject("mug", box2d=np.array([1.0, 2, 3, 4])))
    np.testing.assert_array_equal(found.box2d, [61, 42, 63, 44])


@pytest.mark.parametrize(("far", "near", "wins"), [(0.2, 0.7, 1), (0.7, 0.2, 0), (np.nan, 0.9, 0), (0.1, np.nan, 0)])
def test_the_look_that_recognises_better_counts(far: float, near: float, wins: int) -> None:
    looks = [LocatedObject("mug", box2d=np.full(4, k), recognition=r) for k, r in enumerate((far, near))]
    assert better_recognised(looks[:1], looks[1:])[0].box2d[0] == wins


class Cropped(Oracle):
    """An oracle whose scenes are cut as its pictures are, and which sees large things better."""

    def locate(self, encoded: Any, objects: Any) -> Any:
        found = super().locate(encoded, objects)
        shift = np.array([CAMERA.cx - encoded.camera.cx, CAMERA.cy - encoded.camera.cy])
        off = 0.0 if encoded.camera.width < CAMERA.width else 9.0  # pixels by which the whole picture is misread
        return replace(found, boxes=found.boxes - np.tile(shift, 2) + off, centers=found.centers - shift + off)


@pytest.mark.parametrize("broken", [False, True])
def test_things_are_located_in_pixels_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    observation, scene = seen(tuple(SOLIDS))
    oracle = Cropped({1: scene}, Noise(shared=0.0, own=0.01, size=0.0, center=0.0))
    model = SpatialVLM(oracle, Calibration())
    monkeypatch.setattr("spatialvlm_ros.models.view.better_recognised", lambda far, near: list(near))
    view = model.look(observation)
    if broken:
        monkeypatch.setattr(oracle, "encode", lambda observation: 1 / 0)
    names = ["can", "brick"]
    for name, found in zip(names, view.locate_closer(names), strict=True):
        box = next(o.box2d for o in scene.objects if o.label == name)
        np.testing.assert_allclose(found.box2d, box + (9.0 if broken else 0.0), atol=1e-6)


def test_a_region_is_not_looked_for() -> None:
    observation, scene = seen()
    oracle = Oracle({1: scene})
    view = SpatialVLM(oracle, Calibration()).look(observation)
    region = Region(tuple(scene.objects[0].box2d), "crate")
    (found,) = view.locate_closer([region])
    np.testing.assert_array_equal(found.box2d, view.locate(region).box2d)
