from __future__ import annotations

import copy
import re

import pytest
import yaml

from spatialvlm_ros.errors import TemplateError
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES, Kind
from spatialvlm_ros.questions.templates import (
    DEFAULT_TEMPLATES,
    answer_cases,
    compile_template,
    load_templates,
    parse_templates,
)

TEMPLATES = load_templates()


def all_of(name):
    entry = TEMPLATES[name]
    return [*entry.questions, *(t for group in entry.answers.values() for t in group)]


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_enough_wordings_in_training_and_reserved(name):
    entry = TEMPLATES[name]
    reserved = [t for t in entry.questions if t.id in entry.evaluation]
    assert len(entry.questions) - len(reserved) >= 20 and len(reserved) >= 5
    for case, group in entry.answers.items():
        train = [t for t in group if t.id not in entry.evaluation]
        if case in ("uncertain", "zero"):
            assert len(train) >= 3 and len(group) - len(train) >= 1
        else:
            assert len(train) >= 10 and len(group) - len(train) >= 3


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_no_wording_twice_and_stable_ids(name):
    texts = [t.text.lower() for t in TEMPLATES[name].questions]
    assert len(set(texts)) == len(texts)
    ids = [t.id for t in all_of(name)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(rf"{name}\.[a-z]\d\d", i) for i in ids)


def test_no_two_families_ask_the_same_with_the_objects_swapped():
    swap = {"a": "b", "b": "a"}
    seen: dict[str, str] = {}
    for entry in TEMPLATES.values():
        for t in entry.questions:
            for text in {t.text, re.sub(r"\{(?:an_)?([ab])\}", lambda m: "{" + swap[m[1]] + "}", t.text)}:
                assert seen.setdefault(text, t.id) == t.id


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_slots_and_sentence_shape(name):
    family = FAMILIES[name]
    for t in TEMPLATES[name].questions:
        assert t.roles == set("ab"[: family.objects])
    for t in all_of(name):
        text = t.fill(a="mug", b="bowl", win="mug", lose="bowl", value="20 cm")
        assert text[0].isupper() or text[0].isdigit(), text
        assert text[-1] in ".?" and "  " not in text and "{" not in text
        assert " ," not in text and " ." not in text
        assert not re.search(r"[.?] [a-z]", text), text


@pytest.mark.parametrize("name", [n for n in FAMILY_NAMES if FAMILIES[n].signed])
def test_negative_answers_tell_the_direction(name):
    """A negative answer differs from every positive one, so that the sign can be read back."""
    positive, negative = FAMILIES[name].words
    of = {
        "left": ("left",),
        "right": ("right",),
        "above": ("above", "higher") if name != "elevation" else ("above",),
        "below": ("below", "lower", "beneath", "under"),
        "behind": ("behind", "further back"),
        "front": ("front",),
    }
    for t in TEMPLATES[name].answers["negative"]:
        words = t.text.lower()
        # "above" and "below" are said as "higher" and "lower" of tops and bottoms.
        assert any(w in words for w in of[negative]) or "other way round" in words, t.text
        assert "other way round" in words or not any(w in words for w in of[positive]) or name == "elevation", t.text
    for t in TEMPLATES[name].answers["positive"]:
        assert not any(w in t.text.lower() for w in of[negative]), t.text


def test_verbs_agree_with_plural_names():
    question = compile_template("x.q01", "Where is {a} if {b} is on the table?")
    assert question.fill(a="scissors", b="mug") == "Where are the scissors if the mug is on the table?"
    assert question.fill(a="mug", b="books") == "Where is the mug if the books are on the table?"
    # The subject of the verb is the top, not the scissors.
    assert (
        compile_template("x.q02", "The top of {a} is higher.").fill(a="scissors")
        == "The top of the scissors is higher."
    )
    assert (
        compile_template("x.a01", "{a} is {value} wide.").fill(a="scissors", value="1 m")
        == "The scissors are 1 m wide."
    )
    behind = compile_template("x.q03", "How far behind {b} is {a}?")
    assert behind.fill(a="mug", b="scissors") == "How far behind the scissors is the mug?"


def test_capitals_after_a_sentence_and_of_values():
    t = compile_template("x.q04", "Which is taller? {a} or {an_b}?")
    assert t.fill(a="mug", b="apple") == "Which is taller? The mug or an apple?"
    assert compile_template("x.a01", "{value}.").fill(value="half a meter") == "Half a meter."
    assert compile_template("x.a02", "About {value}.").fill(value="half a meter") == "About half a meter."


def test_missing_filling_is_named():
    with pytest.raises(TemplateError, match="'b'"):
        TEMPLATES["distance"].questions[0].fill(a="mug")


@pytest.mark.parametrize(("text", "match"), [("Is {c} here?", "unknown slot"), ("Is {a here?", "brace"), ("", "text")])
def test_bad_wordings(text, match):
    with pytest.raises(TemplateError, match=match):
        compile_template("x.q01", text)


def _data():
    return copy.deepcopy(yaml.load(DEFAULT_TEMPLATES.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def _change(data, what):
    entry = data["distance"]
    if what == "missing family":
        del data["gap"]
    elif what == "wrong slots":
        entry["questions"]["q01"] = "How far is {a}?"
    elif what == "same wording":
        entry["questions"]["q02"] = entry["questions"]["q01"]
    elif what == "value missing":
        entry["answers"]["positive"]["a02"] = "Far."
    elif what == "unknown case":
        entry["answers"]["maybe"] = {"m01": "Maybe."}
    elif what == "id twice":
        entry["answers"]["zero"]["a01"] = "No distance."
    elif what == "unknown reserved":
        entry["evaluation"].append("q99")
    elif what == "nothing reserved":
        entry["evaluation"] = []


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("missing family", "43 families"),
        ("wrong slots", r"distance\.q01 has the wrong slots"),
        ("same wording", "same wording"),
        ("value missing", r"distance\.a02"),
        ("unknown case", "answer cases"),
        ("id twice", "used twice"),
        ("unknown reserved", r"distance\.q99"),
        ("nothing reserved", "for evaluation"),
    ],
)
def test_mistakes_of_an_editor_are_named(what, match):
    data = _data()
    _change(data, what)
    with pytest.raises(TemplateError, match=match):
        parse_templates(data)


def test_file_errors(tmp_path):
    with pytest.raises(TemplateError, match="cannot be read"):
        load_templates(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(TemplateError, match="not valid YAML"):
        load_templates(tmp_path / "bad.yaml")


def test_cases_by_kind():
    assert answer_cases(FAMILIES["left_predicate"]) == ("affirm", "deny", "uncertain")
    assert answer_cases(FAMILIES["left_right_classify"]) == ("left", "right", "uncertain")
    assert all("zero" not in TEMPLATES[n].answers for n in ("height", "width"))
    assert all(
        set(TEMPLATES[n].answers) == {"name", "uncertain"} for n in FAMILY_NAMES if FAMILIES[n].kind is Kind.CHOICE
    )
