"""Every relation of metres has one question, and both kinds of models are asked it."""

from __future__ import annotations

import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.hub.grounding import names_in
from spatialvlm_ros.models.hub.numbers import NumberGrammar
from spatialvlm_ros.models.hub.wording import presence_words, query_words
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.remote.wordings import wording
from spatialvlm_ros.models.wording import LENGTHS, PREDICATES, bare_name, can_ask, name_words, question_words
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

CAMERA = Camera.from_hfov(640, 480, 1.0)
ASKED = [r for r, spec in RELATIONS.items() if spec.arity <= 2 and r is not Relation.VOLUME]


@pytest.mark.parametrize("relation", ASKED)
def test_hub_and_remote_models_are_asked_the_same(relation):
    spec = RELATIONS[relation]
    query = Query("red mug", "a box" if spec.arity == 2 else None, relation)
    question = question_words(relation, "the red mug", "a box")
    assert can_ask(query) and relation in (PREDICATES if spec.predicate else LENGTHS)
    assert query_words(query, CAMERA, NumberGrammar(2, signed=spec.signed)).startswith(question)
    assert question in wording(query, CAMERA).text
    assert question.endswith(("?", ".")) and ("a box" in question) == (spec.arity == 2)


def test_no_two_relations_are_asked_alike():
    questions = [question_words(relation, "x", "y") for relation in ASKED]
    assert len(set(questions)) == len(questions) == len(LENGTHS) + len(PREDICATES)


@pytest.mark.parametrize(
    ("name", "words", "bare"),
    [
        ("mug", "the mug", "mug"),
        ("my cup", "my cup", "cup"),
        ("The tall cup", "The tall cup", "tall cup"),
        ("a", "a", "a"),
        ("theatre ticket", "the theatre ticket", "theatre ticket"),
        ("Camera", "the camera that took this picture", "Camera"),
    ],
)
def test_names_have_one_article(name, words, bare):
    assert name_words(name) == words and bare_name(name) == bare


def test_the_camera_and_the_gripper_are_told_by_what_they_are():
    assert name_words("the camera") == name_words("camera") and "between the finger pads" in name_words("Gripper")
    assert presence_words("gripper") == "Is there a robot gripper in the picture? Answer yes or no."
    assert names_in(["camera", "the camera", "Camera", "mug", None, "mug"]) == ["mug"]
