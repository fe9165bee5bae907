"""A model is asked published benchmarks, and their own metric scores it."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent / "readers"))

from published_files import rgpt_row, write_lines, write_picture

from spatialvlm_ros.errors import EvaluationError, ModelError
from spatialvlm_ros.evaluation.published import PREDICTIONS_FILE, evaluate_published
from spatialvlm_ros.models.calibration import Calibration
from spatialvlm_ros.models.estimate import Answer, Estimate, Reason
from spatialvlm_ros.scenes.relations import Relation

BOTH = "Region [0] and Region [1]"


class Reciting:
    """Answers from two dictionaries; notes what it was shown."""

    name = "reciting"

    def __init__(self, words=None, values=None):
        self.words, self.values, self.cameras, self.queries = words or {}, values or {}, [], []

    def look(self, observation):
        self.cameras.append(observation.camera)
        return self

    def ask(self, question):
        for part, text in self.words.items():
            if part in question:
                return Answer(question, text, True, Reason.OK)
        return Answer(question)

    def measure_many(self, queries):
        self.queries += queries
        return [
            Estimate(q.kind, str(q.subject), value=self.values[q.kind], valid=True, reason=Reason.OK)
            if q.kind in self.values
            else Estimate.invalid(q.kind, str(q.subject), "", Reason.NOT_VISIBLE)
            for q in queries
        ]


@pytest.fixture
def q_spatial(tmp_path):
    folder = tmp_path / "q"
    rows = []
    for i, (value, unit) in enumerate([(96, "centimeter"), (1.5, "meter"), (3, "feet")]):
        write_picture(folder / "images" / f"{i}.jpg")
        rows.append(
            {
                "question": f"What is the distance between thing {i} and the wall?",
                "answer_value": value,
                "answer_unit": unit,
                "question_type": "direct_distance",
                "image_path": f"{i}.jpg",
                "image": None,
            }
        )
    write_lines(folder / "QSpatial_plus.jsonl", rows)
    return folder


def test_words_are_scored_by_the_benchmarks_metric(q_spatial, tmp_path):
    model = Reciting({"thing 0": "About 1 meter.", "thing 1": "4 m", "thing 2": "I cannot tell."})
    text = evaluate_published(model, "q_spatial", q_spatial, tmp_path / "out")
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["scores"]["success"] == pytest.approx(1 / 3) and result["items"] == 3
    assert "Q-Spatial Bench: 3 items" in text and "60 deg" in text
    assert model.cameras[0].hfov() == pytest.approx(1.0472, abs=1e-3)


def test_regions_are_measured_in_the_order_of_the_question(tmp_path):
    rows = [
        rgpt_row(0, "distance_data", f"How far apart are {BOTH}?", f"{BOTH} are 2 meters apart."),
        rgpt_row(1, "left_predicate", "Is Region [1] left of Region [0]?", "Yes, Region [1] is left of Region [0]."),
        rgpt_row(2, "tall_choice", f"Which is taller, {BOTH}?", "Standing taller is Region [1]."),
        rgpt_row(3, "width_data", "What is the width of Region [0]?", "The width of Region [0] is 80 centimeters."),
    ]
    (tmp_path / "SpatialRGPT-Bench_v1.json").write_text(json.dumps(rows))
    write_picture(tmp_path / "images" / "a" / "0.png", size=(9, 7))
    values = {Relation.DISTANCE: 2.2, Relation.LEFT: 0.8, Relation.TALL: 0.3}
    model = Reciting({"width": "0.75 m"}, values)
    evaluate_published(model, "spatial_rgpt", tmp_path, tmp_path / "out")
    scores = json.loads((tmp_path / "out" / "result.json").read_text())["scores"]
    assert scores["quantitative"] == 1.0 and scores["qualitative"] == 1.0
    left = next(q for q in model.queries if q.kind is Relation.LEFT)
    assert left.subject.pixels == (0, 0, 9, 7) and left.reference.pixels == (2, 1, 6, 5)
    width = next(q for q in model.queries if q.kind is Relation.WIDTH)
    assert width.reference is None  # not measured by this model: asked in words instead


def test_a_run_goes_on_where_it_stopped(q_spatial, tmp_path):
    class Failing(Reciting):
        def look(self, observation):
            if len(self.cameras) == 2:
                raise KeyboardInterrupt
            return super().look(observation)

    words = {"thing": "1 meter"}
    with pytest.raises(KeyboardInterrupt):
        evaluate_published(Failing(words), "q_spatial", q_spatial, tmp_path / "out")
    with (tmp_path / "out" / PREDICTIONS_FILE).open("a") as file:
        file.write('{"id": "cut')
    model = Reciting(words)
    evaluate_published(model, "q_spatial", q_spatial, tmp_path / "out")
    assert len(model.cameras) == 1
    other = Reciting(words)
    other.name = "other"
    with pytest.raises(EvaluationError, match="another model"):
        evaluate_published(other, "q_spatial", q_spatial, tmp_path / "out")


def test_two_shards_are_asked_apart(q_spatial, tmp_path):
    lines = (q_spatial / "QSpatial_plus.jsonl").read_text().splitlines(keepends=True)
    (q_spatial / "QSpatial_plus.jsonl").unlink()
    for number, line in enumerate(lines):
        (q_spatial / f"QSpatial_plus-{number}-of-3.jsonl").write_text(line)
    model = Reciting({"thing 0": "96 cm", "thing 1": "1.5 m", "thing 2": "3 feet"})
    evaluate_published(model, "q_spatial", q_spatial, tmp_path / "out")
    assert len(model.cameras) == 3
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scores"]["success"] == 1.0


def test_predictions_of_other_weights_or_another_calibration_are_refused(q_spatial, tmp_path):
    def model(weights, views):
        made = Reciting({"thing": "1 meter"})
        made.backend, made.calibration = SimpleNamespace(fingerprint=weights), Calibration(views=views)
        return made

    evaluate_published(model("one", 3), "q_spatial", q_spatial, tmp_path / "out")
    again = model("one", 3)
    evaluate_published(again, "q_spatial", q_spatial, tmp_path / "out")
    assert not again.cameras
    for other, what in ((model("two", 3), "weights"), (model("one", 4), "calibration")):
        with pytest.raises(EvaluationError, match=what):
            evaluate_published(other, "q_spatial", q_spatial, tmp_path / "out")


def test_a_model_that_has_gone_is_asked_again(tmp_path):
    """Its server stopped: the items that it did not answer are no wrong answers."""

    class Gone(Reciting):
        def ask(self, question):
            if len(self.cameras) > 2:
                return Answer(question, reason=Reason.MODEL_ERROR, detail="RemoteError: the server cannot be reached")
            return super().ask(question)

    rows = []
    for i in range(9):
        write_picture(tmp_path / "q" / "images" / f"{i}.jpg")
        question = f"What is the distance between thing {i} and the wall?"
        rows.append({"question": question, "answer_value": 1, "answer_unit": "meter", "image_path": f"{i}.jpg"})
    write_lines(tmp_path / "q" / "QSpatial_plus.jsonl", rows)
    words = {"thing": "1 meter"}
    with pytest.raises(EvaluationError, match="failed on 5 items in a row"):
        evaluate_published(Gone(words), "q_spatial", tmp_path / "q", tmp_path / "out")
    assert len((tmp_path / "out" / PREDICTIONS_FILE).read_text().splitlines()) == 1 + 2
    evaluate_published(Reciting(words), "q_spatial", tmp_path / "q", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scores"]["success"] == 1.0


def test_a_model_that_fails_now_and_then_gives_no_answer(q_spatial, tmp_path):
    class Broken(Reciting):
        def look(self, observation):
            if len(super().look(observation).cameras) > 1:
                raise ModelError("out of memory", 1)
            return self

    evaluate_published(Broken({"thing": "1 meter"}), "q_spatial", q_spatial, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scores"]["success"] == pytest.approx(1 / 3)


def test_a_model_that_never_answers_is_not_scored(q_spatial, tmp_path):
    """A key is wrong, and there are but three items: the next run asks them again."""

    class Refused(Reciting):
        def look(self, observation):
            raise ModelError("the server refuses the key", 401)

    with pytest.raises(EvaluationError, match="failed on 3 items in a row.*refuses the key"):
        evaluate_published(Refused(), "q_spatial", q_spatial, tmp_path / "out")
    evaluate_published(Reciting({"thing": "1 meter"}), "q_spatial", q_spatial, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "result.json").read_text())["scores"]["success"] > 0


def test_a_benchmark_that_does_not_exist_leaves_no_folder(tmp_path):
    with pytest.raises(EvaluationError, match="unknown benchmark"):
        evaluate_published(Reciting(), "q_spatail", None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
