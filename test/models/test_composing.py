"""The composed read-out against the relations module and against analytic errors."""

import numpy as np
import pytest
from oracle import Noise, Oracle, make_scene, truth_of

from spatialvlm_ros.models.calibration import Calibration, LocationCalibration
from spatialvlm_ros.models.composing import N_SAMPLES, compose, draw, normal_design
from spatialvlm_ros.models.distributions import RELATION_INDEX, quantile_at
from spatialvlm_ros.models.located import locate_objects
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

EXACT = Noise(shared=1e-4, own=1e-4, size=1e-4, center=1e-3, direct=1e-4, height=1e-4)
ALL = [r for r in Relation if RELATIONS[r].arity <= 2]


def view_of(scene, noise, observation=None, **options):
    model = SpatialVLM(Oracle({scene.observation.stamp_ns: scene}, noise, **options))
    return model.look(observation or scene.observation)


def query(relation, a="mug", b="bowl"):
    return Query(a, None if RELATIONS[relation].arity == 1 else b, relation)


@pytest.mark.parametrize("stamp", [0, 1, 2])
def test_without_errors_every_relation_is_the_true_one(stamp):
    scene = make_scene(stamp)
    queries = [query(r) for r in ALL]
    readouts = view_of(scene, EXACT, says_direct=False).readouts(queries)
    truth = np.array([truth_of(scene, q) for q in queries])
    lengths = np.array([not RELATIONS[q.kind].predicate for q in queries])
    found = quantile_at(readouts.composed, 0.5)
    np.testing.assert_allclose(found[lengths], truth[lengths], rtol=5e-3, atol=2e-3)
    clear = ~lengths & (np.abs(truth) > 0.01)
    assert clear.sum() > 8
    np.testing.assert_array_equal(readouts.p_combined[clear] > 0.5, truth[clear] > 0)


def test_the_camera_is_an_object_at_the_origin():
    scene = make_scene(3)
    view = view_of(scene, EXACT, says_direct=False)
    distance = np.linalg.norm(scene.objects[0].box3d.centers[0])
    assert view.measure("mug", "camera").value == pytest.approx(distance, rel=5e-3)
    assert view.measure("camera", "mug").value == pytest.approx(distance, rel=5e-3)
    height = view.measure("camera", relation="elevation")
    assert height.value == pytest.approx(scene.frame.camera_height, abs=1e-3)


def test_the_error_of_a_range_is_the_stated_one():
    scene = make_scene(4, level=0)
    noise = Noise(shared=0.15, own=0.08, size=0.1, center=1e-3)
    readouts = view_of(scene, noise, says_direct=False).readouts([Query("mug", "camera", "distance")])
    logs = np.log(readouts.composed[0])
    assert logs.std() == pytest.approx(np.hypot(0.15, 0.08), rel=0.05)


def test_two_lengths_of_a_view_share_their_scale_error():
    """The log ratio of two ranges varies with the objects' own errors alone."""
    scene = make_scene(5, level=0)
    noise = Noise(shared=0.2, own=0.05, size=0.1, center=1e-3)
    queries = [Query("mug", "camera"), Query("bowl", "camera")]
    readings = view_of(scene, noise, says_direct=False).readings(queries)
    location = LocationCalibration(shared_std=0.2)
    draws = draw(locate_objects(readings, location, Calibration().depth))
    samples = compose(draws, readings.relations, readings.subjects, readings.references)
    ratio = np.log(samples[0] / samples[1])
    assert ratio.std() == pytest.approx(np.sqrt(2) * 0.05, rel=0.25)
    assert np.log(samples[0]).std() == pytest.approx(np.hypot(0.2, 0.05), rel=0.05)


def test_the_fixed_samples_are_normal_and_independent():
    view, objects = normal_design(12)
    columns = np.concatenate([view, objects.transpose(1, 0, 2).reshape(N_SAMPLES, -1)], axis=1)
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(columns.std(axis=0), 1, rtol=1e-6)
    off_diagonal = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(off_diagonal).max() < 0.08
    again = normal_design(12)[1]
    np.testing.assert_array_equal(again, objects)


def test_more_objects_than_one_block_holds():
    _, objects = normal_design(45)
    assert objects.shape == (45, N_SAMPLES, 6) and np.isfinite(objects).all()


def test_an_object_that_is_not_located_gives_no_number():
    scene = make_scene(6)
    readings = view_of(scene, EXACT, grounds=False, says_direct=False).readings([query(Relation.DISTANCE)])
    calibration = Calibration()
    draws = draw(locate_objects(readings, calibration.location, calibration.depth))
    samples = compose(draws, np.array([RELATION_INDEX[Relation.DISTANCE]]), np.array([0]), np.array([1]))
    assert np.isnan(samples).all()
