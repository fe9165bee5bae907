"""What a view answers, from which sources, and when it abstains."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import NOUNS, Noise, Oracle, make_scene, scenes, truth_of

from spatialvlm_ros.errors import ModelError, ObservationError, QueryError, RelationError, RemoteError
from spatialvlm_ros.models.backend import Backend
from spatialvlm_ros.models.calibration import Calibration, LengthCalibration, LocationCalibration
from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Reason, Source
from spatialvlm_ros.models.quantities import OVERFLOW_BIN
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.questions.parsing.answers import parse_length
from spatialvlm_ros.scenes.observation import Observation

SMALL = Noise(shared=0.02, own=0.01, size=0.02, center=0.3, direct=0.02, height=0.01)


def model_of(scene, noise=SMALL, calibration=None, **options):
    return SpatialVLM(Oracle({scene.observation.stamp_ns: scene}, noise, **options), calibration)


def blind(observation):
    return replace(observation, up=None, camera_height=None)


def test_the_oracle_is_a_backend():
    assert isinstance(Oracle({}), Backend)


def test_an_estimate_says_what_it_is():
    scene = make_scene(0)
    view = model_of(scene).look(scene.observation)
    found = view.measure("mug", "bowl")
    truth = truth_of(scene, Query("mug", "bowl"))
    assert found.valid and found.reason is Reason.OK and found.unit == "m"
    assert found.value == pytest.approx(truth, rel=0.1)
    assert found.interval[0] < found.value < found.interval[1]
    assert 0 < found.shared_std <= found.std
    assert len(found.quantiles) == len(QUANTILE_LEVELS) and list(found.quantiles) == sorted(found.quantiles)
    assert found.quantiles[9] == pytest.approx(found.value)
    left = view.measure("mug", "bowl", "left")
    assert left.unit == "probability" and 0 <= left.value <= 1 and left.quantiles == ()
    assert view.measure("mug", relation="volume").unit == "m3"


def test_many_queries_are_one_batch_and_the_same_as_single_ones():
    scene = make_scene(1)
    model = model_of(scene)
    view = model.look(scene.observation)
    queries = [Query("mug", "bowl", r) for r in ("distance", "left_diff", "behind", "gap")] + [
        Query("box", None, "height")
    ]
    together = view.measure_many(queries)
    assert model.backend.calls == [5]
    for query, answer in zip(queries, together, strict=True):
        alone = view.measure(query.subject, query.reference, query.relation)
        assert alone.value == pytest.approx(answer.value, rel=0.02, abs=0.01)
    assert view.measure_many([]) == []


def test_a_known_camera_height_corrects_the_scale_and_shrinks_the_shared_error():
    noise = Noise(shared=0.3, own=0.05, size=0.05, height=0.05)
    calibration = Calibration(location=LocationCalibration(shared_std=0.3))
    errors = {"blind": [], "known": []}
    for scene in scenes(25).values():
        model = model_of(scene, noise, calibration, says_direct=False)
        for what, observation in (("known", scene.observation), ("blind", blind(scene.observation))):
            found = model.look(observation).measure("mug", "camera")
            truth = truth_of(scene, Query("mug", "camera"))
            errors[what].append(np.log(found.value / truth))
            assert (Source.CAMERA_HEIGHT in found.sources) == (what == "known")
            shared = found.shared_std / found.value
            assert shared == pytest.approx(0.3 if what == "blind" else 0.049, rel=0.1)
    assert np.std(errors["blind"]) > 0.2 and np.std(errors["known"]) < 0.1


def test_the_scale_correction_reaches_the_direct_read_out_too():
    noise = Noise(shared=0.3, own=0.02, direct=0.02, height=0.02)
    calibration = Calibration(location=LocationCalibration(shared_std=0.3))
    errors = []
    for scene in scenes(15).values():
        view = model_of(scene, noise, calibration, grounds=False).look(scene.observation)
        errors.append(np.log(view.measure("mug", "bowl").value / truth_of(scene, Query("mug", "bowl"))))
    assert np.std(errors) < 0.08


def test_a_known_size_corrects_the_scale():
    noise = Noise(shared=0.3, own=0.05, size=0.3, height=0.3)
    calibration = Calibration(location=LocationCalibration(shared_std=0.3))
    plain, sized = [], []
    whole = [s for s in scenes(40).values() if (s.objects[0].box2d > 3).all() and (s.objects[0].box2d < 117).all()]
    assert len(whole) > 15
    for scene in whole:
        size = scene.objects[0].box3d.sizes[0]
        known = {"mug": (size[1], size[0], size[2])}
        truth = np.linalg.norm(scene.objects[0].box3d.centers[0])
        model = model_of(scene, noise, calibration, says_direct=False)
        observation = blind(scene.observation)
        plain.append(np.log(model.look(observation).measure("mug", "camera").value / truth))
        found = model.look(observation, known_sizes=known).measure("mug", "camera")
        sized.append(np.log(found.value / truth))
        assert Source.KNOWN_SIZE in found.sources
        height = model.look(observation, known_sizes=known).measure("mug", relation="height")
        assert height.value == pytest.approx(size[2], rel=0.08)
    assert np.sqrt(np.mean(np.square(sized))) < 0.5 * np.sqrt(np.mean(np.square(plain)))


def test_the_gripper_is_where_the_robot_says():
    scene = make_scene(2)
    point = np.array([0.1, -0.05, 0.8])
    view = model_of(scene, says_direct=False).look(scene.observation, gripper=point)
    assert view.measure("gripper", "camera").value == pytest.approx(np.linalg.norm(point))
    assert view.measure("gripper", "camera").sources == {Source.TF}
    found = view.measure("gripper", "mug")
    expected = np.linalg.norm(scene.objects[0].box3d.centers[0] - point)
    assert found.value == pytest.approx(expected, rel=0.1) and Source.TF in found.sources
    located = view.locate("gripper")
    np.testing.assert_allclose(located.position, point)
    np.testing.assert_allclose(located.covariance, 0, atol=1e-12)


def test_locating():
    scene = make_scene(3)
    found = model_of(scene).look(scene.observation).locate("mug")
    item = scene.objects[0]
    np.testing.assert_allclose(found.position, item.box3d.centers[0], rtol=0.1, atol=0.02)
    np.testing.assert_allclose(found.box2d, item.box2d)
    size = item.box3d.sizes[0]  # forward, left, up
    np.testing.assert_allclose(found.size, size[[1, 0, 2]], rtol=0.15)
    assert found.score == pytest.approx(0.95)
    sight = found.position / np.linalg.norm(found.position)
    assert np.linalg.eigh(found.covariance)[1][:, -1] @ sight == pytest.approx(1, abs=0.01) or (
        np.linalg.eigh(found.covariance)[1][:, -1] @ sight == pytest.approx(-1, abs=0.01)
    )


def test_several_are_located_in_order_and_once_each():
    scene = make_scene(3)
    view = model_of(scene).look(scene.observation)
    found = view.locate_many(["bowl", "mug", "bowl", "unicorn"])
    assert [f.name for f in found] == ["bowl", "mug", "bowl", "unicorn"]
    assert found[0] is found[2] and not found[3].valid and found[3].reason is Reason.NOT_VISIBLE


def test_absent_ambiguous_unknown_and_outside():
    scene = make_scene(4, labels=("mug", "mug", "bowl", "box"))
    oracle = dict(vocabulary=frozenset(NOUNS) - {"lamp"})
    view = model_of(scene, **oracle).look(scene.observation)
    assert view.measure("fan", "bowl").reason is Reason.NOT_VISIBLE
    assert view.measure("bowl", "mug").reason is Reason.AMBIGUOUS
    assert view.measure("lamp", "bowl").reason is Reason.UNKNOWN_NAME
    assert view.measure((500, 10, 520, 40), "bowl").reason is Reason.OUT_OF_VIEW
    assert view.locate((-50.0, 10.0)).reason is Reason.OUT_OF_VIEW
    for refused in (view.measure("fan", "bowl"), view.locate("mug")):
        assert not refused.valid and refused.detail
    assert np.isnan(view.measure("fan", "bowl").value)


def test_a_region_needs_no_presence():
    scene = make_scene(5)
    item = scene.objects[0]
    view = model_of(scene).look(scene.observation)
    found = view.measure(Region(tuple(item.box2d), "mug"), "bowl")
    assert found.valid and found.value == pytest.approx(truth_of(scene, Query("mug", "bowl")), rel=0.1)
    nameless = view.measure(tuple(item.box2d), "bowl")  # the oracle knows nothing of a box without a name
    assert not nameless.valid and nameless.reason is Reason.MODEL_ERROR


def test_without_a_vertical_what_needs_it_is_refused():
    scene = make_scene(6)
    nothing = model_of(scene, says_frame=False).look(blind(scene.observation))
    assert nothing.measure("mug", relation="height").reason is Reason.NO_FRAME
    assert nothing.measure("mug", relation="elevation").reason is Reason.NO_FRAME
    assert nothing.measure("mug", relation="width").valid
    up_only = model_of(scene, says_frame=False).look(replace(scene.observation, camera_height=None))
    assert up_only.measure("mug", relation="height").valid
    assert up_only.measure("mug", relation="elevation").reason is Reason.NO_FRAME
    seen = model_of(scene).look(blind(scene.observation))
    assert seen.measure("mug", relation="elevation").valid


def test_beyond_the_trained_range():
    scene = make_scene(7)
    limits = {"monocular": {"distance": LengthCalibration(high=0.01)}}
    view = model_of(scene, calibration=Calibration(lengths=limits)).look(scene.observation)
    assert view.measure("mug", "bowl").reason is Reason.OUT_OF_RANGE
    assert view.measure("mug", relation="height").valid

    class Overflowing(Oracle):
        def _answer(self, observation, query, bins, p_true):
            bins[:] = 0
            bins[OVERFLOW_BIN] = 1.0

    over = SpatialVLM(Overflowing({7: scene}, SMALL)).look(scene.observation)
    assert over.measure("mug", "bowl").reason is Reason.OUT_OF_RANGE


def test_one_bad_query_does_not_take_the_others_with_it():
    scene = make_scene(8)
    view = model_of(scene, broken="bowl").look(scene.observation)
    good, bad, other = view.measure_many([Query("mug", "box"), Query("mug", "bowl"), Query("box", None, "height")])
    assert good.valid and other.valid
    assert bad.reason is Reason.MODEL_ERROR and "broke" in bad.detail
    assert view.locate("bowl").reason is Reason.MODEL_ERROR
    answer = view.ask("How far is the mug from the bowl?")
    assert not answer.valid and answer.reason is Reason.MODEL_ERROR


def test_a_server_that_does_not_answer_in_time():
    scene = make_scene(8)

    class Late(Oracle):
        def read(self, observation, queries):
            self.calls.append(len(queries))
            raise RemoteError("no answer", 3.0, "Raise the timeout.") from TimeoutError()

    model = SpatialVLM(Late({8: scene}))
    found = model.look(scene.observation).measure_many([Query("mug", "bowl"), Query("mug", "box")])
    assert [f.reason for f in found] == [Reason.TIMEOUT] * 2
    assert model.backend.calls == [2]  # it is not asked again one by one


def test_a_model_that_cannot_encode():
    class Broken(Oracle):
        def encode(self, observation):
            raise RuntimeError("out of memory")

    scene = make_scene(0)
    with pytest.raises(ModelError, match="out of memory"):
        SpatialVLM(Broken({0: scene})).look(scene.observation)


def test_bad_input_is_named():
    scene = make_scene(0)
    model = model_of(scene)
    view = model.look(scene.observation)
    with pytest.raises(QueryError, match="500 words"):
        view.measure("mug " * 500, "bowl")
    with pytest.raises(RelationError, match="teleport"):
        view.measure("mug", "bowl", "teleport")
    with pytest.raises(QueryError, match="two objects"):
        view.measure("mug")
    with pytest.raises(ObservationError, match="uint8"):
        Observation(np.zeros((120, 160, 3)), scene.observation.camera)
    with pytest.raises(ObservationError, match="Observation"):
        model.look(scene.observation.rgb)
    with pytest.raises(QueryError, match="gripper"):
        model.look(scene.observation, gripper=(0, np.nan, 1))
    for size in ((0.1, 0.2), (0.1, -0.2, 0.1), "large"):
        with pytest.raises(QueryError, match="known size of 'mug'"):
            model.look(scene.observation, known_sizes={"mug": size})


def test_asking_tells_the_measurement():
    scene = make_scene(9)
    view = model_of(scene).look(scene.observation)
    answer = view.ask("How far is the mug from the bowl?")
    measured = view.measure("mug", "bowl")
    assert answer.valid and answer.estimate is not None and answer.estimate.value == pytest.approx(measured.value)
    said = parse_length(answer.text)
    assert said is not None and said.value_m == pytest.approx(measured.value, abs=max(0.5 * measured.std, 0.0051))
    own = view.ask("How far is the mug from the bowl?", own_words=True)
    assert own.valid and own.estimate == answer.estimate and own.text != answer.text
    absent = view.ask("How far is the unicorn from the bowl?")
    assert not absent.valid and not absent.text and absent.estimate is not None
    assert absent.reason is absent.estimate.reason and absent.detail
    assert view.ask("What colour is the mug?").estimate is None
    assert not view.ask("  ").valid


SIZE_RELATIONS = ("height", "width", "volume")


def test_the_camera_has_no_size():
    view = model_of(make_scene(0)).look(make_scene(0).observation)
    for name in ("camera", "the Camera"):
        for relation in SIZE_RELATIONS:
            with pytest.raises(QueryError, match="camera is a point"):
                view.measure(name, None, relation)
        for relation in ("tall", "thin", "big"):
            for pair in ((name, "mug"), ("mug", name)):
                with pytest.raises(QueryError, match="camera is a point"):
                    view.measure(*pair, relation)
    assert view.measure("mug", "camera").valid


@pytest.mark.parametrize(
    ("one", "other"),
    [("mug", "mug"), ("mug", "The  mug"), ("camera", "the camera"), ((1, 2, 30, 40), (1.0, 2.0, 30.0, 40.0))],
)
def test_an_object_is_not_compared_with_itself(one, other):
    for relation in ("distance", "left", "gap"):
        with pytest.raises(QueryError, match="with itself"):
            Query(one, other, relation)


@pytest.mark.parametrize("question", ["How tall is the camera?", "How far is the mug from the mug?"])
def test_a_question_that_cannot_be_asked_is_not_answered_in_words(question):
    scene = make_scene(0)
    answer = model_of(scene).look(scene.observation).ask(question)
    assert not answer.valid and not answer.text and ("point" in answer.detail or "itself" in answer.detail)


@pytest.mark.parametrize("question", [None, 3, ["How", "far?"]])
def test_a_question_is_text(question):
    scene = make_scene(0)
    with pytest.raises(QueryError, match="is text"):
        model_of(scene).look(scene.observation).ask(question)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((0.1, 0.2, 0.4, 0.5), Reason.NOT_VISIBLE),  # shares of the picture
        ((80.0, 60.0, 80.5, 90.0), Reason.NOT_VISIBLE),
        ((-1e6, -1e6, 1e6, 1e6), Reason.OUT_OF_VIEW),
        ((0.0, -400.0, 160.0, 500.0), Reason.OUT_OF_VIEW),
    ],
)
def test_a_box_that_shows_nothing_is_refused(box, reason):
    scene = make_scene(5)
    view = model_of(scene).look(scene.observation)
    for found in (view.measure(Region(box, "mug"), "camera"), view.locate(Region(box, "mug"))):
        assert not found.valid and found.reason is reason and found.detail


def test_boxes_at_the_border_and_of_all_the_picture_are_taken():
    scene = make_scene(5)
    view = model_of(scene).look(scene.observation)
    for box in ((0, 0, 160, 120), (-20.0, -10.0, 60.0, 70.0), (80, 60, 82, 62)):
        assert view.measure(Region(box, "mug"), "camera").valid


class Unsure(Oracle):
    """Says each edge of a box by itself, as a model does that is not sure of the place."""

    edges = (90.0, -7.0, 30.0, 130.0)

    def locate(self, observation, objects):
        found = super().locate(observation, objects)
        return replace(found, boxes=np.tile(self.edges, (len(objects), 1)))


@pytest.mark.parametrize(
    ("edges", "box"),
    [
        ((90.0, -7.0, 30.0, 130.0), (30.0, 0.0, 90.0, 120.0)),
        ((50.0, 60.0, 50.2, 59.9), (50.0, 59.9, 51.0, 60.9)),
        ((159.8, 119.9, 170.0, 125.0), (159.0, 119.0, 160.0, 120.0)),
        ((10.0, 20.0, 40.0, 50.0), (10.0, 20.0, 40.0, 50.0)),
    ],
)
def test_a_located_box_is_a_box_in_the_picture(edges, box):
    scene = make_scene(6)
    oracle = Unsure({6: scene})
    oracle.edges = edges
    found = SpatialVLM(oracle).look(scene.observation).locate("mug")
    assert found.valid and found.box2d == pytest.approx(box)
    assert Region(tuple(found.box2d)).pixels == pytest.approx(box), "it can be asked about"


@pytest.mark.parametrize("asked", ["mug", ("mug", "bowl"), None])
def test_what_is_no_query_is_refused_before_the_model_is_asked(asked):
    scene = make_scene(6)
    oracle = Oracle({6: scene})
    view = SpatialVLM(oracle).look(scene.observation)
    for ask in (view.measure_many, view.readouts, view.readings):
        with pytest.raises(QueryError, match="asked by `Query`s"):
            ask([Query("mug", "bowl"), asked])
    assert not oracle.calls
