"""Models whose errors are known must get the scores that follow from them."""

import json
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from judged_models import OracleModel, in_words

from spatialvlm_ros.errors import ConfigError, EvaluationError, ModelError
from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.compare import as_table, compare
from spatialvlm_ros.evaluation.controls import Examples, median_answers
from spatialvlm_ros.evaluation.evaluate import (
    ANSWERS_FILE,
    RESULT_FILE,
    asked_items,
    chosen_views,
    evaluate,
    read_result,
)
from spatialvlm_ros.evaluation.item_table import ItemTable
from spatialvlm_ros.evaluation.items import ItemKind
from spatialvlm_ros.evaluation.report.page import page
from spatialvlm_ros.evaluation.rows import ROWS
from spatialvlm_ros.evaluation.score import Scorer
from spatialvlm_ros.evaluation.settings import EvaluationSettings
from spatialvlm_ros.evaluation.summary import summary
from spatialvlm_ros.evaluation.text_answers import parse_answers, rounding_oracle
from spatialvlm_ros.models.abstention import NO_READING
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES

PERFECT = [r for r in ROWS if r not in ("refuses_answerable", "crps_gain")]


def test_a_model_that_knows_the_truth_scores_everything(bench, settings, tmp_path):
    result = evaluate(OracleModel(bench.views), bench, tmp_path, settings)
    assert set(ROWS) == set(result["rows"])
    assert {r: result["rows"][r]["value"] for r in PERFECT} == dict.fromkeys(PERFECT, 1.0)
    assert result["rows"]["refuses_answerable"]["value"] == 0.0
    assert result["rows"]["crps_gain"]["value"] > 0.99
    assert {
        r: v["value"] for r, v in result["text"]["ask"]["rows"].items() if r in PERFECT and not r.startswith("refuses")
    } == {r: 1.0 for r in result["text"]["ask"]["rows"] if r in PERFECT and not r.startswith("refuses")}
    assert all(verdict["beaten"] for verdict in result["against_controls"].values())
    assert all(t["reached"] for t in result["targets"]["gpu"] if t["row"] not in ("coverage", "coverage_in_groups"))


def test_errors_of_known_size_give_the_scores_that_follow(bench, tmp_path):
    """Log-normal errors of 0.25: |error| within 25% is P(log 0.75 < e < log 1.25), and so on."""
    from scipy.stats import norm

    settings = EvaluationSettings.load(controls=(), bootstrap_draws=200, text_per_view=0)
    table = asked_items(bench.views, settings)
    rng = np.random.default_rng(0)
    repeated = table.take(np.tile(np.flatnonzero(table.by_ratio & table.answerable(256)), 60))
    std, z90 = 0.25, norm.ppf(0.95)
    said = repeated.value * np.exp(std * rng.standard_normal(len(repeated)))
    answers = Answers.of_values(said, said * np.exp(-z90 * std), said * np.exp(z90 * std))
    rows = Scorer(repeated, settings, np.full(len(repeated), 1.0)).rows(answers)
    expected = {
        "within_2x": norm.cdf(np.log(2) / std) * 2 - 1,
        "within_25": norm.cdf(np.log(1.25) / std) - norm.cdf(np.log(0.75) / std),
        "within_10": norm.cdf(np.log(1.1) / std) - norm.cdf(np.log(0.9) / std),
        "coverage": 0.9,
        "crps_gain": 1 - std / np.sqrt(np.pi),  # the mean CRPS of a calibrated normal
    }
    for row, value in expected.items():
        assert rows[row]["value"] == pytest.approx(value, abs=0.02), row


@pytest.mark.parametrize(("claimed", "low", "high"), [(1.0, 0.82, 0.97), (0.4, 0.3, 0.65), (3.0, 0.97, 1.0)])
def test_coverage_tells_honest_intervals_from_others(bench, settings, tmp_path, claimed, low, high):
    model = OracleModel(bench.views, log_noise=0.2, metre_noise=0.05, claimed=claimed)
    result = evaluate(model, bench, tmp_path, replace(settings, text_per_view=0))
    assert low <= result["rows"]["coverage"]["value"] <= high
    levels = {p["level"]: p["value"] for p in result["reliability"]["lengths"]}
    assert levels[0.9] == pytest.approx(np.mean(_covered(result)), abs=0.08)


def _covered(result):
    parts = [f["coverage"]["value"] for f in result["by_family"].values() if "coverage" in f]
    return parts


def test_a_constant_model_is_the_median_control(bench, settings):
    """Whoever answers the family's median gets exactly the control's rows."""
    table = asked_items(bench.views, settings)
    train = Examples.of(table.take(table.of_kind(ItemKind.MEASURE)))
    control, histogram = median_answers(table, False, train)
    constant = np.full(len(table), np.nan)
    for code in np.unique(train.family):
        values, here = train.value[train.family == code], table.family == code
        family = FAMILIES[FAMILY_NAMES[code]]
        if family.qualitative:
            constant[here] = 0.75 if np.median(values) >= 0 else 0.25
        elif family.signed:
            constant[here] = np.median(values)
        else:
            constant[here] = np.exp(np.median(np.log(np.maximum(values, 1e-3))))
    scorer = Scorer(table, settings, histogram)
    mine, theirs = scorer.rows(Answers.of_values(constant)), scorer.rows(control)
    assert {k: theirs[k] for k in mine} == mine


def test_names_help_where_names_decide():
    """Widths that follow from the noun: the control by name knows them, the one by family does not."""
    rng = np.random.default_rng(0)
    nouns = np.array(["mug", "sofa", "desk", "pen"], dtype=object)
    which = rng.integers(4, size=800)
    truth = np.array([0.1, 2.0, 1.4, 0.15])[which] * np.exp(0.05 * rng.standard_normal(800))
    n, empty = 800, np.full(800, "", dtype=object)
    width = FAMILY_NAMES.index("width")
    zeros = np.zeros(n, np.int64)
    table = ItemTable(
        np.arange(n), np.arange(n), zeros, zeros, np.full(n, width), truth, np.ones(n), np.full(n, 0.5), zeros,
        nouns[which], empty, nouns[which], empty, empty, ("a",),
    )  # fmt: skip
    by_name, _ = median_answers(table, True)
    by_family, _ = median_answers(table, False)
    assert np.mean(np.abs(by_name.value / truth - 1) < 0.25) > 0.95
    assert np.mean(np.abs(by_family.value / truth - 1) < 0.25) < 0.6
    assert np.mean((by_name.low <= truth) & (truth <= by_name.high)) == pytest.approx(0.9, abs=0.05)


def test_controls_never_learn_from_the_scene_they_are_asked_about():
    """With one answer per scene a control that peeked would be right."""
    n = 40
    rng = np.random.default_rng(1)
    truth = np.exp(rng.normal(0, 1.5, n))
    names = np.array([f"thing {k}" for k in range(n)], dtype=object)
    empty, zeros = np.full(n, "", dtype=object), np.zeros(n, np.int64)
    family = np.full(n, FAMILY_NAMES.index("height"))
    table = ItemTable(
        np.arange(n), np.arange(n), zeros, zeros, family, truth, np.ones(n), np.ones(n), zeros,
        names, empty, names, empty, empty, ("a",),
    )  # fmt: skip
    by_name, _ = median_answers(table, True)
    by_family, _ = median_answers(table, False)
    assert by_name.value == pytest.approx(by_family.value)


def test_refusing_never_helps(bench, settings, tmp_path):
    """A model that refuses everything fails the numbers, and one that refuses nothing fails the refusals."""

    class Mute(OracleModel):
        def look(self, observation):
            view = super().look(observation)
            view.measure_many = lambda asked: [
                Estimate.invalid(q.kind, str(q.subject), "", Reason.NOT_VISIBLE) for q in asked
            ]
            view.locate_many = lambda names: [LocatedObject(name, reason=Reason.NOT_VISIBLE) for name in names]
            view.ask = lambda question, own_words=False: Answer(question, reason=Reason.NOT_VISIBLE)
            return view

    nothing = evaluate(Mute(bench.views, name="mute"), bench, tmp_path / "mute", settings)["rows"]
    assert {
        nothing[r]["value"]
        for r in ("within_2x", "within_10cm", "qualitative", "gives_number", "located")
        if r in nothing
    } == {0.0}
    assert nothing["refuses_answerable"]["value"] == 1.0 and nothing["refuses_absent"]["value"] == 1.0
    talker = OracleModel(bench.views, refuses=False, name="talker")
    rows = evaluate(talker, bench, tmp_path / "talker", settings)["rows"]
    assert {rows[f"refuses_{k}"]["value"] for k in ("absent", "ambiguous", "out_of_range")} == {0.0}


@dataclass
class Fragile(OracleModel):
    """Fails on the views from one number on, in one of the ways in which models do, until it is mended."""

    breaks: range = range(0)
    way: str = "look"

    def look(self, observation):
        broken = len(self.looked) in self.breaks
        view = super().look(observation)
        if broken and self.way == "look":
            raise ModelError("the server cannot be reached", "there")
        if broken and self.way == "measure":
            view.measure_many = self._raise
        if broken and self.way == "timeout":
            view.measure_many = lambda asked: [Estimate.invalid(q.kind, "", "", Reason.TIMEOUT) for q in asked]
        if broken and self.way == "answers":
            view.measure_many = lambda asked: [
                Estimate.invalid(q.kind, "", "", Reason.MODEL_ERROR, detail="RemoteError: refused") for q in asked
            ]
        return view

    def _raise(self, queries):
        raise ModelError("the server cannot be reached", "there")


@pytest.mark.parametrize("way", ["look", "measure", "timeout", "answers"])
def test_a_model_that_has_gone_is_not_judged_and_asked_again(bench, settings, tmp_path, way):
    """A server that stops leaves no refusals behind: what it did not answer is asked by the next run."""
    bench = replace(bench, views=tuple(v.with_items([i for i in v.items if i.zoom == 1]) for v in bench.views))
    settings = replace(settings, controls=())
    whole = evaluate(OracleModel(bench.views), bench, tmp_path / "whole", settings)
    with pytest.raises(EvaluationError, match="failed on 5 views in a row.*run again"):
        evaluate(Fragile(bench.views, breaks=range(7, 99), way=way), bench, tmp_path / "out", settings)
    assert len((tmp_path / "out" / ANSWERS_FILE).read_text().splitlines()) == 1 + 7
    assert evaluate(OracleModel(bench.views), bench, tmp_path / "out", settings) == whole


def test_a_model_that_never_answers_is_not_judged(bench, settings, tmp_path):
    """The first try has but a few views, and the wrong key."""
    settings = replace(settings, controls=(), limit=2)
    with pytest.raises(EvaluationError, match="failed on 2 views in a row: the server cannot be reached"):
        evaluate(Fragile(bench.views, breaks=range(99)), bench, tmp_path, settings)
    assert evaluate(OracleModel(bench.views), bench, tmp_path, settings)["rows"]["gives_number"]["value"] == 1


def test_the_last_views_of_a_run_may_fail_whenever_they_are_asked(bench, settings, tmp_path):
    """A run that was stopped before them ends all the same."""
    bench = replace(bench, views=tuple(v.with_items([i for i in v.items if i.zoom == 1]) for v in bench.views))
    settings = replace(settings, controls=())
    stopped = OracleModel(bench.views, fails_after=len(bench.views) - 2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(stopped, bench, tmp_path, settings)
    rows = evaluate(Fragile(bench.views, breaks=range(99)), bench, tmp_path, settings)["rows"]
    assert 0.5 < rows["gives_number"]["value"] < 1


def test_a_view_that_a_model_fails_on_now_and_then_counts_as_refused(bench, settings, tmp_path):
    settings = replace(settings, controls=())
    bench = replace(bench, views=tuple(v.with_items([i for i in v.items if i.zoom == 1]) for v in bench.views))
    model = Fragile(bench.views, breaks=range(3, 7))
    result = evaluate(model, bench, tmp_path, settings)
    assert 0 < result["rows"]["gives_number"]["value"] < 1
    assert len((tmp_path / ANSWERS_FILE).read_text().splitlines()) == 1 + len(bench.views)


def test_a_model_that_has_nothing_to_say_is_judged(bench, settings, tmp_path):
    class Wordless(OracleModel):
        def look(self, observation):
            view = super().look(observation)
            view.measure_many = lambda asked: [
                Estimate.invalid(q.kind, "", "", Reason.MODEL_ERROR, detail=NO_READING) for q in asked
            ]
            return view

    rows = evaluate(Wordless(bench.views), bench, tmp_path, replace(settings, controls=()))["rows"]
    assert rows["gives_number"]["value"] == 0


def test_a_value_that_is_not_finite_is_no_value(bench, settings, tmp_path):
    class Infinite(OracleModel):
        def look(self, observation):
            view = super().look(observation)
            original = view.measure_many
            view.measure_many = lambda queries: [
                e.with_(value=np.inf) if isinstance(e, Estimate) and e.valid else e for e in original(queries)
            ]
            return view

    result = evaluate(Infinite(bench.views), bench, tmp_path, settings)
    assert result["rows"]["gives_number"]["value"] == 0.0
    assert set(result["reasons"]["measure"]) == {str(Reason.MODEL_ERROR)}


def test_a_run_that_was_interrupted_ends_with_the_same_json(bench, settings, tmp_path):
    settings = replace(settings, controls=("no picture", "another picture", "median by family"))
    noise = {"log_noise": 0.3, "metre_noise": 0.1, "wrong_sides": 0.2}
    whole = evaluate(OracleModel(bench.views, **noise), bench, tmp_path / "whole", settings)
    for fails_after in (5, 17, 23):
        with pytest.raises(KeyboardInterrupt):
            evaluate(OracleModel(bench.views, fails_after=fails_after, **noise), bench, tmp_path / "parts", settings)
        with (tmp_path / "parts" / ANSWERS_FILE).open("a") as file:
            file.write('{"view_id": "cut o')
    last = OracleModel(bench.views, **noise)
    evaluate(last, bench, tmp_path / "parts", settings)
    assert (tmp_path / "whole" / RESULT_FILE).read_bytes() == (tmp_path / "parts" / RESULT_FILE).read_bytes()
    assert len(last.looked) < 3 * len(bench.views)
    again = OracleModel(bench.views, **noise)
    assert evaluate(again, bench, tmp_path / "parts", settings) == whole and again.looked == []


@pytest.mark.parametrize("what", ["model", "settings", "damage"])
def test_answers_of_something_else_are_refused(bench, settings, tmp_path, what):
    settings = replace(settings, limit=2)
    evaluate(OracleModel(bench.views), bench, tmp_path, settings)
    model = OracleModel(bench.views, name="other" if what == "model" else "oracle")
    if what == "settings":
        settings = replace(settings, text_per_view=1)
    if what == "damage":
        path = tmp_path / ANSWERS_FILE
        path.write_text(path.read_text().replace('"measured"', '"meas', 1))
    with pytest.raises(EvaluationError):
        evaluate(model, bench, tmp_path, settings)


def test_a_blind_control_is_asked_with_another_picture(bench, settings, tmp_path):
    seen = {}

    class Watching(OracleModel):
        def look(self, observation):
            view = super().look(observation)
            seen.setdefault(view.view.view_id, []).append(observation.rgb)
            return view

    views = chosen_views(bench, 3)
    settings = replace(settings, limit=3, controls=("no picture", "black picture", "another picture"))
    evaluate(Watching(bench.views), bench, tmp_path, settings)
    for view in views:
        true = bench.rgb(view)
        shown = [rgb for rgb in seen[view.view_id] if not (rgb == true).all()]
        assert len(shown) == 3 and all(rgb.shape == true.shape for rgb in shown)
        assert sorted(rgb.reshape(-1, 3).std(axis=0).max() == 0 for rgb in shown) == [False, True, True]
        assert (shown[1] == 0).all()


def test_abstaining_does_not_make_a_control_easy_to_beat(bench, settings, tmp_path):
    """Where a model abstains without a picture, its read-out stands in."""

    class Shy(OracleModel):
        def look(self, observation):
            view = super().look(observation)
            if observation.rgb.std() > 0:
                return view
            original = view.measure_many

            class Made:
                pass

            def readouts(queries):
                values = np.array([e.value for e in original(queries)])
                made = Made()
                chance = np.array([q.unit == "probability" for q in queries])
                for name in ("direct", "composed", "combined"):
                    setattr(made, name, np.where(chance[:, None], np.nan, np.tile(values[:, None], (1, 60))))
                    setattr(made, f"p_{name}", np.where(chance, values, np.nan))
                return made

            view.readouts = readouts
            view.measure_many = lambda queries: [e.refused(Reason.NOT_VISIBLE) for e in original(queries)]
            return view

    settings = replace(settings, controls=("black picture",))
    result = evaluate(Shy(bench.views), bench, tmp_path, settings)
    control = result["controls"]["black picture"]["rows"]
    assert control["within_25"]["value"] == 1.0 and control["qualitative"]["value"] == 1.0
    assert control["refuses_absent"]["value"] == 1.0
    assert not any(v["beaten"] for v in result["against_controls"].values())
    reached = {t["row"]: t["reached"] for t in result["targets"]["cpu"]}
    assert not reached["within_25"] and not reached["qualitative"] and reached["within_10"]


def test_words_are_read_and_the_oracle_rounds(bench, settings):
    table = asked_items(bench.views, settings)
    table = table.take(table.of_kind(ItemKind.MEASURE))
    items = [i for v in bench.views for i in v.items if i.kind is ItemKind.MEASURE]
    answers = parse_answers([in_words(i) for i in items], table)
    assert answers.valid.all()
    numeric = table.numeric
    assert answers.value[numeric] == pytest.approx(table.value[numeric], abs=1e-4)
    assert ((answers.value[~numeric] == 1) == (table.value[~numeric] > 0)).all()
    said = rounding_oracle(table)
    long = table.by_ratio
    assert (np.abs(said.value[long] / table.value[long] - 1) <= 0.271).all()
    assert np.mean(np.abs(said.value[long] / table.value[long] - 1) > 0.1) > 0.02
    unread = parse_answers(["I cannot tell.", "", None], table.take(np.arange(3)))
    assert unread.asked.tolist() == [True, True, False] and not unread.valid.any()


def test_smaller_pictures_have_fewer_answerable_objects(bench):
    table = ItemTable.of(bench.views)
    counts = [int(table.answerable(width).sum()) for width in (96, 192, 256, 320)]
    assert counts == sorted(counts) and counts[0] < counts[-1]
    assert counts[-1] == int(table.of_kind(ItemKind.MEASURE).sum())


def test_a_better_checkpoint_is_told_from_a_worse_one(bench, settings, tmp_path):
    for name, noise in (("a", 0.5), ("b", 0.1)):
        evaluate(OracleModel(bench.views, log_noise=noise, metre_noise=noise / 3), bench, tmp_path / name, settings)
    better = {d.row: d for d in compare(tmp_path / "a", tmp_path / "b", bench)}
    assert better["within_25"].difference > 0.1 and better["within_25"].decided
    assert better["within_25"].probability > 0.99
    same = {d.row: d for d in compare(tmp_path / "a", tmp_path / "a", bench)}
    assert {(d.low, d.high, d.probability) for d in same.values()} == {(0.0, 0.0, 0.5)}
    assert "number within 25%" in as_table(list(better.values()))
    a, b = read_result(tmp_path / "a"), read_result(tmp_path / "b")
    assert better["within_25"].difference == pytest.approx(
        b["rows"]["within_25"]["value"] - a["rows"]["within_25"]["value"], abs=1e-5
    )


def test_results_of_other_questions_are_not_compared(bench, settings, tmp_path):
    evaluate(OracleModel(bench.views), bench, tmp_path / "a", settings)
    evaluate(OracleModel(bench.views), bench, tmp_path / "b", replace(settings, limit=4))
    with pytest.raises(EvaluationError, match=r"differ in their settings \(got {'limit': \[None, 4\]}"):
        compare(tmp_path / "a", tmp_path / "b", bench)
    with pytest.raises(EvaluationError, match="no result"):
        compare(tmp_path / "a", tmp_path / "nothing", bench)


def test_page_and_summary_say_what_is_in_the_result(bench, settings, tmp_path):
    pytest.importorskip("matplotlib")
    model = OracleModel(bench.views, log_noise=0.3, metre_noise=0.1, wrong_sides=0.1, name="<a model>")
    result = json.loads(json.dumps(evaluate(model, bench, tmp_path, settings)))
    text = page(result)
    assert "<h1>&lt;a model&gt;</h1>" in text and "<a model>" not in text
    assert "not one of the committed ones" in text and text.count("<svg") == 5
    shown = f"{100 * result['rows']['within_25']['value']:.1f}"
    assert shown in text and shown in summary(result)
    assert all(r.title in summary(result) for name, r in ROWS.items() if name in result["rows"])  # none is cut
    assert "nan" not in text.lower().replace("finance", "")


def test_a_page_needs_no_row_that_controls_decide(bench, settings, tmp_path):
    """A few views may ask for none of them, and settings may name none."""
    pytest.importorskip("matplotlib")
    result = evaluate(OracleModel(bench.views), bench, tmp_path, replace(settings, limit=4, controlled_rows=()))
    assert "none of these rows" in page(result)


def test_a_page_does_not_say_no_where_nothing_was_measured(bench, settings, tmp_path):
    """No shift and no band has a million answers."""
    pytest.importorskip("matplotlib")
    result = evaluate(OracleModel(bench.views), bench, tmp_path, replace(settings, least_in_group=10**6))
    (line,) = re.findall(r"<tr><td[^>]*>\.\.\. in each shift and distance band.*?</tr>", page(result))
    assert "not measured" in line and "80 to 97" in line and "no</span>" not in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"controls": ("guessing",)}, "controls"),
        ({"limit": 0}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"bands_m": (2.0, 1.0)}, "bands"),
        ({"bands_m": ()}, "bands"),
        ({"bands_m": 2.0}, "bands"),
        ({"model_width": 0}, "model_width"),
        ({"bootstrap_draws": "many"}, "bootstrap_draws"),
        ({"beat_by": "much"}, "beat_by"),
        ({"targets": {"mine": {"within_25": 0.5}}}, "within_25.*least, greatest"),
        ({"targets": {"mine": {"within_26": [0.5, 1]}}}, "within_26"),
        ({"targets": ["within_25"]}, "targets"),
        ({"controlled_rows": ("within_26",)}, "within_26"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_asked(change, said):
    with pytest.raises(ConfigError, match=said):
        EvaluationSettings.load(**change)
