"""Many pictures at once, also with models that encode them one by one."""

import pytest
from oracle import Oracle, make_scene, truth_of

from spatialvlm_ros.errors import ModelError, ObservationError, QueryError
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

SCENES = [make_scene(k) for k in (3, 1, 2)]
OBSERVATIONS = [scene.observation for scene in SCENES]


def model_of(kind: type[Oracle] = Oracle) -> SpatialVLM:
    return SpatialVLM(kind({scene.observation.stamp_ns: scene for scene in SCENES}))


def test_each_view_answers_for_its_own_picture():
    views = model_of().look_many(OBSERVATIONS)
    for scene, view in zip(SCENES, views, strict=True):
        assert view.observation is scene.observation
        assert view.measure("mug", "bowl").value == pytest.approx(truth_of(scene, Query("mug", "bowl")), rel=0.5)
        alone = model_of().look(scene.observation).measure("mug", "bowl")
        assert view.measure("mug", "bowl").value == alone.value


def test_a_backend_that_can_is_asked_once():
    class Together(Oracle):
        def encode_many(self, observations):
            self.calls.append(len(observations))
            return [self.encode(o) for o in observations]

    model = model_of(Together)
    views = model.look_many(OBSERVATIONS)
    assert [v.observation for v in views] == OBSERVATIONS
    assert model.backend.calls == [3]


def test_known_sizes_hold_in_all_pictures():
    with pytest.raises(QueryError, match="known size of 'mug'"):
        model_of().look_many(OBSERVATIONS, known_sizes={"mug": (0.1, 0.2)})
    views = model_of().look_many(OBSERVATIONS, known_sizes={"mug": (0.08, 0.08, 0.1)})
    assert all("known_size" in {str(s) for s in v.measure("mug", relation="height").sources} for v in views)


def test_what_is_wrong_is_named():
    with pytest.raises(ObservationError, match="Observation"):
        model_of().look_many([OBSERVATIONS[0], OBSERVATIONS[1].rgb])

    class Few(Oracle):
        def encode_many(self, observations):
            return [self.encode(observations[0])]

    with pytest.raises(ModelError, match="failed on a picture"):
        model_of(Few).look_many(OBSERVATIONS)
