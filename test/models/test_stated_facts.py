"""What a robot states and cannot be: refused where the unit shows it, left out with a sentence where the rest does."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import Noise, Oracle, scenes

from spatialvlm_ros.errors import ObservationError, QueryError
from spatialvlm_ros.models.estimate import Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM

NOISE = Noise(shared=0.1, own=0.08, size=0.1, height=0.1)


def model_of(scene, **options):
    return SpatialVLM(Oracle({scene.observation.stamp_ns: scene}, NOISE, **options))


def whole(scene):
    """Whether its first object lies inside the picture, so that a known size tells its range."""
    return (scene.objects[0].box2d > 3).all() and (scene.objects[0].box2d < 117).all()


SCENE = next(s for s in scenes(20).values() if whole(s))
ITEM = SCENE.objects[0]
SIZE = ITEM.box3d.sizes[0][[1, 0, 2]]  # width, depth, height
BARE = replace(SCENE.observation, camera_height=None)


def with_depth(metres):
    camera = SCENE.observation.camera
    return replace(SCENE.observation, depth=np.full((camera.height, camera.width), metres, np.float32))


def measured(observation, **known):
    return (
        model_of(SCENE).look(observation, **known).measure_many([Query("mug", "camera"), Query("mug", None, "height")])
    )


# ---- refused: other units ----


@pytest.mark.parametrize("metres", [1500.0, 101.0])
def test_depth_in_millimetres_is_refused(metres):
    with pytest.raises(ObservationError, match="metres"):
        model_of(SCENE).look(with_depth(metres))


def test_depth_with_far_pixels_and_none_at_all_is_taken():
    model = model_of(SCENE)
    depth = with_depth(2.0).depth.copy()
    depth[:40] = 3000.0  # a sky
    model.look(replace(SCENE.observation, depth=depth))
    model.look(with_depth(np.nan))


def test_a_height_or_size_in_millimetres_is_refused():
    with pytest.raises(ObservationError, match="camera height"):
        model_of(SCENE).look(replace(BARE, camera_height=934.0))
    with pytest.raises(QueryError, match="metres"):
        model_of(SCENE).look(BARE, known_sizes={"mug": (80, 80, 100)})


@pytest.mark.parametrize("height", [np.array([1.0, 2.0]), [1.0], "high", np.nan])
def test_a_height_is_one_number(height):
    with pytest.raises(ObservationError, match="camera height"):
        replace(BARE, camera_height=height)


def test_a_principal_point_that_no_camera_has_is_refused():
    camera = SCENE.observation.camera
    with pytest.raises(ObservationError, match="principal point"):
        model_of(SCENE).look(replace(BARE, camera=replace(camera, cx=5000.0)))
    model_of(SCENE).look(replace(BARE, camera=replace(camera, cx=-300.0)))  # a part cut out of a larger picture


@pytest.mark.parametrize("sizes", [[("mug", (0.1, 0.1, 0.1))], {3: (0.1, 0.1, 0.1)}, {"": (0.1, 0.1, 0.1)}, "mug"])
def test_sizes_that_are_no_mapping_of_names_are_refused(sizes):
    with pytest.raises(QueryError, match="known size"):
        model_of(SCENE).look(BARE, known_sizes=sizes)


@pytest.mark.parametrize("gripper", [[[1], [2, 3]], "here", (1, 2), [None, 1, 2]])
def test_a_gripper_that_is_no_point_is_refused(gripper):
    with pytest.raises(QueryError, match="gripper"):
        model_of(SCENE).look(BARE, gripper=gripper)


# ---- left out: against all the rest ----


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_a_size_in_another_unit_is_left_out_and_said(factor):
    plain, wrong = measured(BARE), measured(BARE, known_sizes={"mug": SIZE * factor})
    for without, found in zip(plain, wrong, strict=True):
        assert found.value == pytest.approx(without.value) and found.std == pytest.approx(without.std)
        assert Source.KNOWN_SIZE not in found.sources
        assert "known size of the mug" in found.detail and not without.detail
    located = model_of(SCENE).look(BARE, known_sizes={"mug": SIZE * factor}).locate("mug")
    assert located.valid and "known size of the mug" in located.detail


def test_a_height_in_another_unit_is_left_out_and_said():
    plain = measured(BARE)
    wrong = measured(replace(BARE, camera_height=SCENE.observation.camera_height * 50))
    for without, found in zip(plain, wrong, strict=True):
        assert found.value == pytest.approx(without.value)
        assert Source.CAMERA_HEIGHT not in found.sources and "camera's height" in found.detail
    elevation = model_of(SCENE).look(replace(BARE, camera_height=50.0)).measure("mug", None, "elevation")
    assert abs(elevation.value) < 1.0 and Source.CAMERA_HEIGHT not in elevation.sources


def test_a_height_of_nothing_is_left_out_and_one_below_the_plane_scales_nothing():
    nothing, below, plain = (measured(replace(BARE, camera_height=h))[0] for h in (0.0, -0.5, None))
    for found in (nothing, below):
        assert found.value == pytest.approx(plain.value) and Source.CAMERA_HEIGHT not in found.sources
    assert "height of 0" in nothing.detail and not below.detail


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_statement_that_contradicts_the_model_by_half_is_believed(factor):
    """The model errs by a factor; what the robot states is true."""
    noise = replace(NOISE, bias=float(np.log(factor)))
    truth = np.linalg.norm(ITEM.box3d.centers[0])
    for observation, known in ((SCENE.observation, None), (BARE, {"mug": SIZE})):
        model = SpatialVLM(Oracle({SCENE.observation.stamp_ns: SCENE}, noise, says_direct=False))
        found = model.look(observation, known_sizes=known).measure("mug", "camera")
        assert not found.detail and found.sources & {Source.CAMERA_HEIGHT, Source.KNOWN_SIZE}
        assert abs(np.log(found.value / truth)) < 0.6 * abs(np.log(factor))


def test_a_wrong_size_does_not_take_a_right_height_with_it():
    right, both = measured(SCENE.observation), measured(SCENE.observation, known_sizes={"mug": SIZE * 100})
    assert both[0].value == pytest.approx(right[0].value)
    assert Source.CAMERA_HEIGHT in both[0].sources and "camera's height" not in both[0].detail


def test_two_statements_that_agree_are_stronger_than_the_model():
    noise = replace(NOISE, bias=float(np.log(8.0)))
    model = SpatialVLM(Oracle({SCENE.observation.stamp_ns: SCENE}, noise, says_direct=False))
    truth = np.linalg.norm(ITEM.box3d.centers[0])
    for observation, known in ((SCENE.observation, None), (BARE, {"mug": SIZE})):
        alone = model.look(observation, known_sizes=known).measure("mug", "camera")
        assert alone.value > 5 * truth and "left out" in alone.detail
    together = model.look(SCENE.observation, known_sizes={"mug": SIZE}).measure("mug", "camera")
    assert together.value == pytest.approx(truth, rel=0.25) and not together.detail
    assert {Source.CAMERA_HEIGHT, Source.KNOWN_SIZE} <= together.sources


# ---- names of known sizes ----


def test_a_size_is_known_whatever_its_article_and_capitals():
    plain = measured(BARE, known_sizes={"mug": SIZE})
    for name in ("the mug", "A Mug", " mug "):
        assert measured(BARE, known_sizes={name: SIZE}) == plain
    assert Source.KNOWN_SIZE in plain[1].sources
    sizes = {"mug": SIZE}
    view = model_of(SCENE).look(BARE, known_sizes=sizes)
    sizes["mug"] = (0.0, 0.0, 0.0)
    assert view.measure("the mug", None, "height").subject == "the mug"
    assert view.measure("mug", None, "height").value == pytest.approx(plain[1].value)


def test_answers_in_words_say_what_was_left_out_too():
    answer = model_of(SCENE).look(replace(BARE, camera_height=95.0)).ask("How tall is the mug?")
    assert answer.valid and "left out" in answer.detail and answer.detail == answer.estimate.detail
    assert "left out" not in model_of(SCENE).look(BARE).ask("How tall is the mug?").detail
