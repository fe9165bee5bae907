"""Objects far outside the trained ranges are refused, unless a depth sensor measures them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import picture, save_tiny_model

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.abstention import RANGE_MARGIN
from spatialvlm_ros.models.embedded.backend import EmbeddedBackend
from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SpatialVLM:
    return SpatialVLM(EmbeddedBackend.from_pretrained(save_tiny_model(tmp_path_factory.mktemp("model")), "float32"))


def through(zoom: float) -> object:
    seen = picture()
    c = seen.camera
    return replace(seen, camera=Camera(c.width, c.height, c.fx * zoom, c.fy * zoom, c.cx, c.cy))


def test_a_longer_lens_moves_the_same_picture_out_of_range(model: SpatialVLM) -> None:
    backend = model.backend
    low, high = backend.ranges_m  # type: ignore[attr-defined]
    for zoom in (0.01, 1.0, 1000.0):
        observation = through(zoom)
        metres = float(np.exp(backend.locate(backend.encode(observation), ["mug"]).log_ranges[0]))  # type: ignore[arg-type]
        inside = low / RANGE_MARGIN <= metres <= high * RANGE_MARGIN
        located = model.look(observation).locate("mug")  # type: ignore[arg-type]
        estimate = model.look(observation).measure("mug", "camera")  # type: ignore[arg-type]
        if not inside and located.reason not in (Reason.NOT_VISIBLE, Reason.AMBIGUOUS):
            assert located.reason is Reason.OUT_OF_RANGE and estimate.reason is Reason.OUT_OF_RANGE
            assert f"{high:g} m" in estimate.detail
        else:
            assert located.reason is not Reason.OUT_OF_RANGE


def test_the_shipped_model_refuses_what_a_very_long_lens_shows() -> None:
    model = SpatialVLM.from_pretrained("embedded")
    far = replace(picture(640, 480), camera=Camera(640, 480, 40_000.0, 40_000.0, 320.0, 240.0))
    assert model.look(far).measure("mug", "table").reason in (Reason.OUT_OF_RANGE, Reason.NOT_VISIBLE, Reason.AMBIGUOUS)
    assert not model.look(far).locate((100, 100, 200, 200)).valid


def test_the_camera_is_meant_with_and_without_its_article(model: SpatialVLM) -> None:
    view = model.look(picture())
    for name in ("the camera", "Camera"):
        assert view.locate(name).reason is view.locate("camera").reason
        assert view.measure("mug", name).reason is view.measure("mug", "camera").reason is not Reason.UNKNOWN_NAME


def test_a_depth_without_a_valid_pixel_decides_nothing() -> None:
    shipped = SpatialVLM.from_pretrained("embedded")
    far = replace(picture(640, 480), camera=Camera(640, 480, 40_000.0, 40_000.0, 320.0, 240.0))
    box, queries = (100, 100, 200, 200), [Query((100, 100, 200, 200), "camera"), Query((100, 100, 200, 200), "mug")]
    blind = shipped.look(replace(far, depth=np.full((480, 640), np.nan, np.float32)))
    for with_depth, without in zip(blind.measure_many(queries), shipped.look(far).measure_many(queries), strict=True):
        assert not with_depth.valid and with_depth.reason is without.reason
    assert blind.locate(box).reason is shipped.look(far).locate(box).reason is Reason.OUT_OF_RANGE


def test_each_object_is_measured_or_not_by_itself() -> None:
    shipped = SpatialVLM.from_pretrained("embedded")
    depth = np.full((480, 640), np.nan, np.float32)
    depth[:, 320:] = 4.0
    far = replace(picture(640, 480), camera=Camera(640, 480, 40_000.0, 40_000.0, 320.0, 240.0), depth=depth)
    view = shipped.look(far)
    unmeasured, measured = view.measure_many(
        [Query((50, 100, 200, 200), "camera"), Query((400, 100, 600, 300), "camera")]
    )
    assert unmeasured.reason is Reason.OUT_OF_RANGE
    assert measured.reason is not Reason.OUT_OF_RANGE


def test_with_depth_the_sensor_decides(model: SpatialVLM) -> None:
    depth = np.full((150, 200), 40.0, np.float32)
    located = model.look(replace(picture(), depth=depth)).locate((50, 40, 120, 110))
    assert located.reason is not Reason.OUT_OF_RANGE
