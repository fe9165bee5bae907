"""The settings of the benchmark, what is kept of them, and the tables."""

from __future__ import annotations

import json

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.reasoning.bench.page import PART, read_results, tables
from spatialvlm_ros.reasoning.bench.scenes import geometric_scenes
from spatialvlm_ros.reasoning.bench.suite import Asking, Setting, missing, reported, run_setting
from spatialvlm_ros.reasoning.bench.truths import MAKERS
from spatialvlm_ros.reasoning.planner.planner import Planner

EXACT = Setting("exact", "exact")
ASKING = Asking("planner", ("known", "held_out"), 1, 12, "", 4)


@pytest.fixture(scope="module")
def scenes():
    return list(geometric_scenes(ASKING.scenes, ASKING.seed))


def test_what_is_finished_is_not_asked_again(scenes, tmp_path):
    assert list(missing([EXACT], ASKING, tmp_path)) == [EXACT]
    summaries = run_setting(EXACT, ASKING, scenes, Planner(), tmp_path / "exact")
    assert list(summaries) == ["known", "held_out"] and summaries["known"].right.n == len(MAKERS)
    assert not list(missing([EXACT], ASKING, tmp_path))
    other = Asking("planner", ("known", "held_out"), 2, 12, "", 4)
    assert list(missing([EXACT], other, tmp_path)) == [EXACT]
    answers = [json.loads(line) for line in (tmp_path / "exact" / "answers.jsonl").read_text().splitlines()]
    assert {a["half"] for a in answers} == {"known", "held_out"} and all(a["question"] for a in answers)


def test_stopped_halfway_it_leaves_nothing_that_looks_finished(scenes, tmp_path):
    def stopped(asked, name):
        for number, question in enumerate(asked):
            if number == 3:
                raise KeyboardInterrupt
            yield question

    with pytest.raises(KeyboardInterrupt):
        run_setting(EXACT, ASKING, scenes, Planner(), tmp_path / "exact", track=stopped)
    assert list(missing([EXACT], ASKING, tmp_path)) == [EXACT]


def test_a_model_sees_what_it_is_given(scenes, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    asking = Asking("planner", ("known",), 1, 12, "", 4)
    settings = reported("embedded")
    for setting in settings:
        run_setting(setting, asking, scenes, Planner(), tmp_path / setting.name)
    assert not list(missing(settings, asking, tmp_path))
    results = read_results(tmp_path)
    assert list(results) == ["exact", "picture", "depth", "grey"]
    assert results["exact"]["weights"] == "" and len(results["grey"]["weights"]) == 64
    shares = {name: result["halves"]["known"]["right"]["value"] for name, result in results.items()}
    assert shares["exact"] > 0.9 and shares["grey"] < 0.2
    text = tables(results)
    assert f"{len(MAKERS)} answerable questions" in text and "| no answer: absent |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {6, 7}  # the forms, and the numbers with what is wanted


def test_unknown_things_to_give():
    with pytest.raises(ConfigError, match="cannot be given"):
        Setting("x", "embedded", ("sonar",))


def test_tables_go_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{PART.begin}\nold\n{PART.end}\nafter\n", encoding="utf-8")
    PART.write(page, "new\n")
    assert page.read_text(encoding="utf-8") == f"before\n{PART.begin}\nnew\n{PART.end}\nafter\n"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no place for the tables"):
        PART.write(page, "new\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        PART.write(tmp_path / "none.md", "new\n")
