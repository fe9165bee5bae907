"""Questions in words become the measurement they ask for."""

import pytest

from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.question_reading import read_question
from spatialvlm_ros.questions.ambiguity import CLAUSES
from spatialvlm_ros.questions.families import FAMILIES
from spatialvlm_ros.questions.templates import load_templates


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_wording_is_read_back(family):
    for template in load_templates()[family].questions:
        for a, b in (("red mug", "pair of scissors"), ("scissors", "tall glass of water")):
            query = read_question(template.fill(a=a, b=b))
            expected = Query(a, b if FAMILIES[family].objects == 2 else None, FAMILIES[family].relation)
            assert query == expected, template.fill(a=a, b=b)


@pytest.mark.parametrize("clauses", list(CLAUSES.values()))
@pytest.mark.parametrize("family", list(FAMILIES))
def test_two_of_a_name_are_told_apart_by_their_clauses(family, clauses):
    """What the questions of the training add to two things of one name, and a name that ends in an article's noun."""
    for a, b in ((f"mug {clauses[0]}", f"mug {clauses[1]}"), ("box with a lid", f"mug {clauses[0]}")):
        for template in load_templates()[family].questions:
            read = read_question(template.fill(a=a, b=b))
            assert read is not None and read.subject == a, template.fill(a=a, b=b)
            assert read.reference == (b if FAMILIES[family].objects == 2 else None), template.fill(a=a, b=b)


def test_capitals_blanks_and_full_stops_do_not_matter():
    expected = Query("red mug", "bowl", "distance")
    for text in (
        "how far is the red mug from the bowl",
        "  How far is  the red mug from the bowl??",
        "HOW FAR IS THE red mug FROM THE bowl?",
    ):
        assert read_question(text) == expected


def test_the_camera_may_be_named():
    assert read_question("How far is the mug from the camera?") == Query("mug", "camera", "distance")


@pytest.mark.parametrize("text", ["What colour is the mug?", "", "How are you?", "mug", "Is it?", "the the the?"])
def test_other_questions_are_left_alone(text):
    assert read_question(text) is None


def test_a_name_of_500_words_is_no_query():
    assert read_question(f"How far is the {'very ' * 500}red mug from the bowl?") is None


@pytest.mark.parametrize("unit", ["in inches", "in cm", ", in metres", "in centimeters", "in feet"])
def test_the_unit_that_a_question_asks_for_is_no_part_of_a_name(unit):
    assert read_question(f"How far is the mug from the bowl {unit}?") == Query("mug", "bowl")
    assert read_question(f"How tall is the mug {unit}?") == Query("mug", None, "height")
