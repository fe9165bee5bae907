"""Objects measured in ray-cast depth: against analytic truth, fused with the model, and with bad depth."""

from dataclasses import replace

import numpy as np
import pytest
from analytic_scenes import FLOOR, Box, Cylinder, Flat, render
from oracle import Noise, Oracle, truth_of

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.calibration import Calibration, DepthCalibration
from spatialvlm_ros.models.calibration_examples import collect_readings
from spatialvlm_ros.models.calibration_fit import fit_calibration
from spatialvlm_ros.models.depth_reading import foreground, read_depth
from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.readings import CUT
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.scenes.lifting.detection import tight_box
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject

CAMERA = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
NAMES = ("crate", "can", "brick")
WALL = Flat((3.5, 0, 1), (-1, 0, 0))
SOLIDS = (
    Box((1.2, 0.25, 0.1), (0.2, 0.3, 0.2), 0.3),
    Cylinder((1.5, -0.2, 0.12), (0.16, 0.16, 0.24)),
    Box((0.9, -0.05, 0.04), (0.12, 0.06, 0.08), -0.4),
)
NOTHING = np.full(3, np.nan)


def seen(solids=SOLIDS, eye=(0.0, 0.0, 0.8), target=(1.2, 0.0, 0.1), stamp=1):
    """The ray-cast view as an observation and a true scene."""
    view = render(solids, eye, target, CAMERA, background=(FLOOR, WALL), give_up=True)
    observation = replace(view.observation, stamp_ns=stamp, camera_height=None)
    objects = []
    for name, solid, detection in zip(NAMES, solids, view.detections, strict=False):
        yaw = getattr(solid, "yaw", 0.0)
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])
        box = Boxes(view.optical(solid.center)[None], np.array(solid.size)[None], (view.rotation @ turn)[None])
        objects.append(SceneObject(name, tight_box(detection.mask), box, mask=detection.mask, camera_height=eye[2]))
    frame = CanonicalFrame.from_up(view.up, eye[2], "floor")
    return observation, Scene(None, tuple(objects), frame)


@pytest.fixture(scope="module")
def picture():
    return seen()


def boxes_of(scene):
    return np.array([o.box2d for o in scene.objects])


def test_the_foreground_of_a_box_is_the_object(picture):
    observation, scene = picture
    for item in scene.objects:
        mask = foreground(observation.depth, CAMERA, item.box2d, float("nan"), float("nan"))
        union = (mask | item.mask).sum()
        assert (mask & item.mask).sum() / union > 0.85, item.label


@pytest.mark.parametrize("slack", [0.0, 0.08])
def test_boxes_are_measured_to_centimetres(picture, slack):
    """Also with 2D boxes that are a little off."""
    observation, scene = picture
    boxes = boxes_of(scene)
    wide = np.tile(boxes[:, 2:] - boxes[:, :2], 2) * [-slack, slack / 2, slack, -slack / 2]
    found = read_depth(observation, boxes + wide, NOTHING, NOTHING)
    assert found.known.all()
    for k, item in enumerate(scene.objects):
        error = np.linalg.norm(found.centers[k] - item.box3d.centers[0])
        assert error < 0.035, item.label
        up = scene.frame.up
        assert found.sizes[k, 2] == pytest.approx(item.box3d.extent_along(up)[0], abs=0.012)
        assert found.camera_heights[k] == pytest.approx(0.8, abs=0.01)


def test_the_model_decides_between_two_things_in_one_box():
    """A box that holds a near and a far object: the model's range picks."""
    solids = (Box((1.0, 0.1, 0.1), (0.1, 0.1, 0.2)), Box((2.2, -0.12, 0.25), (0.3, 0.3, 0.5)))
    observation, scene = seen(solids)
    both = boxes_of(scene)
    box = np.concatenate([both[:, :2].min(axis=0), both[:, 2:].max(axis=0)])
    for item in scene.objects:
        distance = np.log(np.linalg.norm(item.box3d.centers[0]))
        found = read_depth(observation, box[None], np.array([distance]), np.array([0.1]))
        assert np.log(np.linalg.norm(found.centers[0])) == pytest.approx(distance, abs=0.12)


def test_what_the_border_cuts_is_marked():
    observation, scene = seen((Box((1.0, 0.55, 0.15), (0.3, 0.3, 0.3)),))
    found = read_depth(observation, boxes_of(scene), NOTHING[:1], NOTHING[:1])
    assert found.buckets[0] == CUT


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_depth_without_a_valid_pixel_falls_back_to_the_model(picture, bad):
    observation, scene = picture
    broken = replace(observation, depth=np.full_like(observation.depth, bad))
    assert not read_depth(broken, boxes_of(scene), NOTHING, NOTHING).known.any()
    found = SpatialVLM(Oracle({1: scene})).look(broken).measure("crate", "can")
    assert found.valid and found.sources == {Source.MONOCULAR}


def test_a_flat_face_in_sparse_depth_is_no_thing_without_a_volume():
    """A scanner's depth: few pixels, here of a wall that is straight ahead."""
    depth = np.full((240, 320), np.nan, np.float32)
    depth[::6, ::6] = 2.0
    observation = Observation(np.zeros((240, 320, 3), np.uint8), CAMERA, depth)
    face = np.array([[60.0, 60.0, 160.0, 160.0]])
    measured = read_depth(observation, face, NOTHING[:1], NOTHING[:1])
    assert measured.known.all() and (measured.sizes > 0).all()
    level = CanonicalFrame.from_up(np.array([0.0, -1.0, 0.0]), 1.0, "floor")
    view = SpatialVLM(Oracle({0: Scene(None, (), level)}, says_direct=False)).look(observation)
    volume = view.measure(tuple(face[0]), relation="volume")
    assert volume.valid and volume.value > 0 and volume.interval[0] < volume.value < volume.interval[1]


def test_holes_over_one_object_leave_the_others_measured(picture):
    observation, scene = picture
    depth = observation.depth.copy()
    depth[scene.objects[0].mask] = np.nan
    view = SpatialVLM(Oracle({1: scene}, Noise(shared=0.05, own=0.05))).look(replace(observation, depth=depth))
    x0, y0, x1, y1 = scene.objects[0].box2d.astype(int)
    assert view.measure("can", "camera").sources >= {Source.DEPTH_SENSOR}
    found = view.measure("crate", "camera")
    truth = truth_of(scene, Query("crate", "camera"))
    assert found.valid and found.value == pytest.approx(truth, rel=0.3)


@pytest.mark.parametrize("bias", [-0.5, 0.5])
def test_what_the_picture_looks_like_does_not_move_what_depth_measures_where_the_caller_points(picture, bias):
    """The model is as sure as the sensor, and its ranges are wrong by a factor of 1.6."""
    observation, scene = picture
    crate = scene.objects[0]
    oracle = Oracle({1: scene}, Noise(shared=0.0, own=0.02, size=0.05, bias=bias))
    found = SpatialVLM(oracle, Calibration(depth=DepthCalibration(center_std=((0.2,) * 3,) * 3)))
    distance = found.look(observation).measure("camera", Region(tuple(crate.box2d), "crate"))
    assert distance.value == pytest.approx(np.linalg.norm(crate.box3d.centers[0]), rel=0.03)


def test_a_thing_over_its_support_is_not_put_down():
    """Seen from above, depth takes a thing that is held 20 cm over a table for one that stands on it and is 32 cm high;
    the model knows that it is 12 cm high."""
    observation, scene = seen((Box((1.0, 0.0, 0.26), (0.12, 0.12, 0.12), 0.3),), eye=(0.2, 0.0, 1.3))
    item = scene.objects[0]
    measured = read_depth(observation, item.box2d[None], NOTHING[:1], NOTHING[:1])
    assert measured.sizes[0, 2] == pytest.approx(0.32, abs=0.03), "a scene that this test needs"
    sure = Noise(shared=0.02, own=0.02, size=0.01, direct=0.5, center=2.0)
    found = SpatialVLM(Oracle({1: scene}, sure)).look(observation).locate("crate")
    above_table = 1.3 + scene.frame.up @ found.position
    assert above_table > 0.16


def test_odd_boxes_are_not_measured(picture):
    observation, _ = picture
    boxes = np.array([[-50, -50, -10, -10], [10, 10, 10.2, 10.2], [np.nan] * 4, [400, 10, 500, 90]])
    found = read_depth(observation, boxes, np.full(4, np.nan), np.full(4, np.nan))
    assert not found.known.any()


def many_views(n):
    """The three solids moved about, from several places."""
    for stamp in range(1, n + 1):
        rng = np.random.default_rng([3, stamp])
        solids = []
        for solid, (x, y) in zip(SOLIDS, rng.permutation([(1.0, 0.3), (1.5, -0.25), (1.1, -0.2)]), strict=True):
            place = (x + rng.uniform(-0.08, 0.08), y + rng.uniform(-0.08, 0.08), solid.center[2])
            turned = {"yaw": rng.uniform(0, np.pi)} if isinstance(solid, Box) else {}
            solids.append(replace(solid, center=place, **turned))
        eye = (rng.uniform(-0.2, 0.2), rng.uniform(-0.3, 0.3), rng.uniform(0.6, 1.2))
        observation, scene = seen(tuple(solids), eye, stamp=stamp)
        if all(o.mask.sum() > 150 for o in scene.objects):
            yield observation, scene


def test_fused_distances_are_no_worse_than_the_better_source():
    """Of the model alone, the depth alone (composed), and both, calibrated on other views; the model errs by 20%."""
    noise = Noise(shared=0.2, own=0.1, size=0.1, direct=0.15, center=4.0)
    views = list(many_views(28))
    oracle = Oracle({o.stamp_ns: s for o, s in views}, noise)
    assert len(views) > 20
    calibration = fit_calibration(collect_readings(SpatialVLM(oracle), views[:12], pairs=1), "oracle", "0123abcd")
    model = SpatialVLM(oracle, calibration)
    errors = {"distance": [], "height": []}
    for observation, scene in views[12:]:
        asked = [Query("crate", "can"), Query("can", "brick"), Query("crate", "camera"), Query("brick", "camera")]
        asked += [Query(name, None, "height") for name in NAMES]
        truth = np.array([truth_of(scene, q) for q in asked])
        regions = {o.label: Region(tuple(o.box2d)) for o in scene.objects}
        boxes = [Query(regions[q.subject], regions.get(q.reference, q.reference), q.relation) for q in asked]
        answers = (
            model.look(replace(observation, depth=None)).measure_many(asked),
            model.look(observation).measure_many(boxes),
            model.look(observation).measure_many(asked),
        )
        assert all(e.valid for estimates in answers for e in estimates)
        assert all(e.sources == {Source.DEPTH_SENSOR} for e in answers[1])
        assert all(Source.DEPTH_SENSOR in e.sources for e in answers[2])
        logs = np.abs(np.log([[e.value for e in estimates] for estimates in answers]) - np.log(truth))
        for what, rows in errors.items():
            rows.append(logs[:, [q.kind.value == what for q in asked]])
    for what, rows in errors.items():
        alone, depth, fused = np.sqrt(np.mean(np.square(np.concatenate(rows, axis=1)), axis=1))
        assert fused <= 1.05 * min(alone, depth), (what, alone, depth, fused)
        assert fused < (0.2 if what == "distance" else 0.8) * alone


def test_depth_shrinks_the_shared_error(picture):
    observation, scene = picture
    model = SpatialVLM(Oracle({1: scene}, Noise(shared=0.2, own=0.05)))
    with_depth, without = (
        model.look(o).measure("crate", "camera") for o in (observation, replace(observation, depth=None))
    )
    assert with_depth.std < 0.35 * without.std
    assert with_depth.shared_std < 0.2 * without.shared_std


def test_models_that_do_not_ground_are_asked_where_things_are(picture):
    observation, scene = picture
    view = SpatialVLM(Oracle({1: scene}, grounds=False)).look(observation)
    found = view.measure("crate", "can")
    assert Source.DEPTH_SENSOR in found.sources
    assert found.value == pytest.approx(truth_of(scene, Query("crate", "can")), rel=0.1)


def test_the_vertical_comes_from_the_planes_in_depth(picture):
    observation, scene = picture
    oracle = Oracle({1: scene}, Noise(shared=0.05, own=0.05), says_frame=False, says_direct=False)
    blind = replace(observation, up=None)
    found = SpatialVLM(oracle).look(blind).measure("crate", relation="height")
    assert found.valid and found.value == pytest.approx(0.2, abs=0.03)
    above = SpatialVLM(oracle).look(blind).measure("crate", relation="elevation")
    assert above.valid and above.value == pytest.approx(0.0, abs=0.02)
    neither = SpatialVLM(oracle).look(replace(blind, depth=None)).measure("crate", relation="height")
    assert neither.reason is Reason.NO_FRAME


def test_an_object_is_measured_in_depth_once(picture, monkeypatch):
    observation, scene = picture
    calls = []

    def counted(observation, boxes, *said):
        calls.append(int(np.isfinite(boxes).all(axis=1).sum()))
        return read_depth(observation, boxes, *said)

    monkeypatch.setattr("spatialvlm_ros.models.gathering.read_depth", counted)
    view = SpatialVLM(Oracle({1: scene})).look(observation)
    first = view.measure("crate", "can")
    assert view.measure("crate", "can").value == first.value
    view.measure("crate", "brick")
    view.locate_many(NAMES)
    assert calls == [2, 1]
