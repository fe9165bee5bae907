"""Every relation has words, a definition, and a reader for its answers."""

import numpy as np
import pytest

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.models.remote.wordings import object_words, wording
from spatialvlm_ros.models.wording import can_ask
from spatialvlm_ros.questions.families import Kind
from spatialvlm_ros.questions.parsing.answers import parse_answer
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

ASKED = [r for r, spec in RELATIONS.items() if spec.arity <= 2]


def query(relation):
    return Query("red mug", None if RELATIONS[relation].arity == 1 else "box", relation)


@pytest.mark.parametrize("relation", [r for r in ASKED if r is not Relation.VOLUME])
def test_each_relation_is_asked_for_and_read_back(relation):
    spec, words = RELATIONS[relation], wording(query(relation))

    def read(answer):
        return parse_answer(answer, words.family, words.subject, words.reference)

    assert "the red mug" in words.text and ("the box" in words.text) == (spec.arity == 2)
    assert (words.family.kind is Kind.PREDICATE) == spec.predicate
    if spec.predicate:
        assert "yes or no" in words.text
        assert [read(a).label for a in ("Yes.", "no", "No, it isn't")] == ["yes", "no", "no"]
        return
    assert "one number and its unit" in words.text and ("minus sign" in words.text) == spec.signed
    assert words.family.signed == spec.signed
    assert read("0.35 m").value.value_m == pytest.approx(0.35)
    if spec.signed:
        assert read("-0.35 m").value.value_m == pytest.approx(-0.35)


def test_each_question_differs():
    texts = [wording(query(r)).text for r in ASKED if r is not Relation.VOLUME]
    assert len(set(texts)) == len(texts)


def test_volumes_have_no_words():
    assert not can_ask(query(Relation.VOLUME)) and can_ask(query(Relation.GAP))


def test_the_camera_is_told_in_words():
    camera = Camera.from_hfov(640, 480, np.radians(60))
    text = wording(query(Relation.DISTANCE), camera).text
    assert "640 x 480" in text and "554 pixels" in text and "60 degrees" in text
    assert "focal length" not in wording(query(Relation.DISTANCE)).text


def test_names():
    assert object_words("mug", "red") == "the mug" and object_words("the mug", "red") == "the mug"
    assert "camera" in object_words("camera", "red") and "finger" in object_words("gripper", "red")
    assert object_words(Region((1, 2, 30, 40), "mug"), "red") == "the mug in the red box"
    assert object_words(Region((1, 2)), "blue") == "the object at the blue dot"


def test_regions_are_marked_in_two_colours():
    words = wording(Query((0, 0, 10, 10), Region((5, 5), "cup"), "distance"))
    assert [colour for colour, _ in words.marks] == ["red", "blue"]
    assert "red box" in words.text and "blue dot" in words.text
    assert wording(query(Relation.DISTANCE)).marks == ()
