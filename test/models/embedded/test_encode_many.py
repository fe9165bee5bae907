"""Pictures encoded together are what they are alone."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import picture, save_tiny_model

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.observation import Observation

PICTURES = [picture(200, 150, 0), picture(320, 180, 1), picture(150, 200, 2)]  # of three cameras
QUERIES = [Query("red mug", "plate", "distance"), Query("plate", None, "height"), Query("mug", "plate", "left")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SpatialVLM:
    folder = save_tiny_model(tmp_path_factory.mktemp("model"))
    return SpatialVLM.from_pretrained(str(folder), dtype="float32", device="cpu")


def test_views_of_many_pictures_answer_like_views_of_one(model: SpatialVLM) -> None:
    together = model.look_many(PICTURES)
    heights = []
    for observation, view in zip(PICTURES, together, strict=True):
        alone = model.look(observation)
        assert view.observation is observation
        one, many = alone.readouts(QUERIES), view.readouts(QUERIES)
        np.testing.assert_allclose(many.combined, one.combined, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(many.p_combined, one.p_combined, atol=1e-3)
        here, there = model.backend.frame(view._encoded), model.backend.frame(alone._encoded)
        assert here is not None and there is not None
        np.testing.assert_allclose(here.up, there.up, atol=1e-4)
        assert here.log_height == pytest.approx(there.log_height, abs=1e-4)
        heights.append(here.log_height)
    assert len(set(np.round(heights, 3))) == 3  # no picture has the answer of another


def test_asking_of_one_view_leaves_the_others_alone(model: SpatialVLM) -> None:
    first, second, _ = model.look_many(PICTURES)
    before = second.readouts(QUERIES)
    first.measure_many(QUERIES)
    first.ask("How far is the mug from the plate?")
    np.testing.assert_array_equal(second.readouts(QUERIES).combined, before.combined)
    assert [len(v._encoded.cache.layers[0].keys) for v in (first, second)] == [1, 1]


def test_one_picture_and_none(model: SpatialVLM) -> None:
    assert model.look_many([]) == []
    (view,) = model.look_many(iter(PICTURES[:1]))  # type: ignore[arg-type]
    assert isinstance(view.observation, Observation)
