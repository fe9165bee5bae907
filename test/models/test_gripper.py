"""A tool centre point that the robot knows: geometry alone, whatever the model reads from the picture."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import Noise, Oracle, make_scene

from spatialvlm_ros.models.backend import Locations
from spatialvlm_ros.models.calibration import GROUPS, Calibration, LengthCalibration, PredicateCalibration
from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

# The oracle knows no gripper: whatever it is asked of it, it says about 0.3 m, and is sure of it.
SURE = Noise(shared=0.001, own=0.001, size=0.001, center=0.1, direct=0.01)


def measured(relation, away):
    scene = make_scene(3)
    target = scene.objects[0]
    up = scene.frame.up
    point = target.box3d.centers[0] + up * (target.box3d.extent_along(up)[0] / 2 + away)
    view = SpatialVLM(Oracle({3: scene}, SURE)).look(scene.observation, gripper=point)
    return view.measure_many([Query("gripper", target.label, relation)])[0]


@pytest.mark.parametrize("away", [0.02, 0.08, 1.2])
def test_the_gap_to_the_tool_centre_point_is_that_of_the_geometry(away):
    found = measured("gap", away)
    assert found.valid and found.value == pytest.approx(away, rel=0.1, abs=0.008)
    assert Source.TF in found.sources


@pytest.mark.parametrize("away", [-0.01, 0.25])
def test_a_touch_follows_the_same_geometry(away):
    assert (measured("touching", away).value > 0.5) == (away < 0)


def test_objects_without_the_gripper_are_read_both_ways_as_before():
    scene = make_scene(3)
    names = [o.label for o in scene.objects[:2]]
    for gripper in (None, np.array([0.0, 0.0, 0.5])):
        readouts = SpatialVLM(Oracle({3: scene})).look(scene.observation, gripper=gripper).readouts([Query(*names)])
        assert 0.05 < readouts.direct_weight[0] < 0.95


@pytest.mark.parametrize("name", ["the gripper", "Gripper", "robot gripper", "the robot's gripper"])
def test_it_is_meant_with_its_article_and_as_the_robots(name):
    scene = make_scene(3)
    view = SpatialVLM(Oracle({3: scene}, SURE)).look(scene.observation, gripper=(0.1, 0.0, 0.5))
    plain, found = view.measure("mug", "gripper"), view.measure("mug", name)
    assert found.value == plain.value and Source.TF in found.sources
    np.testing.assert_allclose(view.locate(name).position, (0.1, 0.0, 0.5))
    assert view.ask(f"How far is the mug from {name}?").estimate.value == plain.value


@pytest.mark.parametrize("relation", ["height", "width", "volume"])
def test_a_point_has_no_size(relation):
    scene = make_scene(3)
    view = SpatialVLM(Oracle({3: scene}, SURE)).look(scene.observation, gripper=(0.1, 0.0, 0.5))
    found, other = view.measure_many([Query("gripper", None, relation), Query("mug", None, relation)])
    assert not found.valid and found.reason is Reason.MODEL_ERROR and "point" in found.detail
    assert other.valid
    assert not view.measure("mug", "gripper", "big").valid


# What is fitted on things that a model locates.
FITTED = Calibration(
    lengths={g: {"": LengthCalibration(composed_bias=0.1, composed_factor=2.0, interval=3.0)} for g in GROUPS},
    predicates={g: {"": PredicateCalibration(composed_alone=0.3)} for g in GROUPS},
)


def test_what_is_known_of_both_ends_is_not_calibrated():
    """Camera and tool centre point have no errors of a model, so none are taken off."""
    scene = make_scene(3)
    point = np.array([0.1, 0.05, 0.5])
    view = SpatialVLM(Oracle({3: scene}), FITTED).look(scene.observation, gripper=point)
    asked = [Query("gripper", "camera", r) for r in ("distance", "gap", "left_diff", "vertical_distance")]
    found = view.measure_many([*asked, Query("camera", "gripper", "right"), Query("gripper", "camera", "touching")])
    distance = np.linalg.norm(point)
    for estimate in found[:2]:
        assert estimate.value == pytest.approx(distance, rel=1e-6)
        assert estimate.interval == pytest.approx((distance, distance), rel=1e-3)
    truth = point @ scene.frame.left, abs(point @ scene.frame.up)
    assert [e.value for e in found[2:4]] == pytest.approx(truth, rel=1e-3)
    assert found[4].value < 0.01 and found[5].value < 0.01
    elevation = point @ scene.frame.up + scene.observation.camera_height
    found = view.measure("gripper", relation="elevation")
    assert found.interval == pytest.approx((elevation, elevation), rel=1e-3)
    unknown_plane = replace(scene.observation, camera_height=None)
    found = (
        SpatialVLM(Oracle({3: scene}), FITTED).look(unknown_plane, gripper=point).measure("gripper", None, "elevation")
    )
    assert found.interval[1] > 1.1 * found.value, "the plane is the model's"
    other = view.measure("gripper", scene.objects[0].label)
    assert other.interval[1] > 1.1 * other.value, "a located thing keeps its calibration"


class BoxesOnly(Oracle):
    """As hub and remote models: numbers from the picture, boxes when asked for them, no ranges."""

    located = 0

    def locate(self, observation, objects):
        self.located += len(objects)
        found = super().locate(observation, objects)
        nothing = Locations.unknown(len(objects))
        return replace(nothing, presence=found.presence, boxes=found.boxes, box_stds=found.box_stds)


def boxes_only(scene):
    return SpatialVLM(BoxesOnly({scene.observation.stamp_ns: scene}, SURE, grounds=False))


def inside(scene):
    return (scene.objects[0].box2d > 3).all() and (scene.objects[0].box2d < 117).all()


def test_a_model_that_does_not_say_where_things_are_measures_nothing_from_it():
    scene = make_scene(3)
    for point in ((0.0, 0.0, 0.3), (0.0, 0.0, 5.0)):
        view = boxes_only(scene).look(scene.observation, gripper=point)
        found = view.measure_many(
            [Query("mug", "gripper", r) for r in ("distance", "gap", "left", "vertical_distance")]
        )
        assert [f.valid for f in found] == [False] * 4
        assert all("gripper" in f.detail for f in found)
        assert view.measure("mug", "bowl").valid  # what has nothing to do with it


def test_with_a_known_size_it_does_from_boxes_alone():
    errors = []
    for scene in (make_scene(k) for k in range(25)):
        if not inside(scene):
            continue
        center = scene.objects[0].box3d.centers[0]
        size = scene.objects[0].box3d.sizes[0][[1, 0, 2]]
        point = center + 0.3 * scene.frame.left
        model = boxes_only(scene)
        view = model.look(scene.observation, known_sizes={"the mug": size}, gripper=point)
        near, far = view.measure("mug", "gripper"), view.measure("mug", "camera")
        assert model.backend.located == 2  # of each query the object whose size is known, and no other
        assert {Source.TF, Source.KNOWN_SIZE} <= near.sources and Source.KNOWN_SIZE in far.sources
        errors.append(np.log(near.value / 0.3))
    assert len(errors) > 5 and np.sqrt(np.mean(np.square(errors))) < 0.35


def test_the_size_of_an_object_that_is_known_says_so():
    scene = make_scene(3)
    size = scene.objects[0].box3d.sizes[0][[1, 0, 2]]
    found = boxes_only(scene).look(scene.observation, known_sizes={"mug": size}).measure("mug", None, "width")
    assert found.valid and Source.KNOWN_SIZE in found.sources
