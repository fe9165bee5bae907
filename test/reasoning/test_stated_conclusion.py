"""What the answer of a language model concludes: its numbers with their errors, and how sure a decision is."""

from __future__ import annotations

import math

import pytest
from noisy_friend import NoisyFriend
from scripted_chat import ScriptedChat

from spatialvlm_ros.reasoning.reasoner import Reasoner

# The friend says: mug to bowl 0.40 m, height of the mug 0.12 m, of the lamp 0.50 m, of the bowl 0.08 m.
DISTANCE = "MEASURE: distance | mug | bowl"
HEIGHTS = "MEASURE: height | mug\nMEASURE: height | lamp"
LONG = "How far is the mug from the bowl?"


def concluded(friend, question, *replies, error=0.1, **friendly):
    solution = Reasoner(ScriptedChat(*replies), NoisyFriend(friend, error, **friendly)).solve(question)
    assert solution.valid, solution.detail
    return solution, solution.conclusion


@pytest.mark.parametrize(
    "answer", ["It is 0.40 m.", "It is 0.4 m", "40 cm", "They are 400 millimetres apart.", "About 1.3 feet."]
)
def test_an_error_that_is_left_out_is_appended(friend, answer):
    solution, end = concluded(friend, LONG, DISTANCE, f"ANSWER: {answer}")
    assert solution.text == f"{answer.removesuffix('.')}. Measured: 0.40 \u00b1 0.04 m."
    assert (round(end.value, 2), round(end.std, 2), end.unit) == (0.4, 0.04, "m")
    assert end.text == solution.text == solution.steps[-1].text


@pytest.mark.parametrize(
    "answer",
    [
        "It is 0.40 \u00b1 0.04 m.",
        "40 +/- 4 cm",
        "0.40 m, with an error of 4 cm",
        "0.40 m, with an error of about 4 cm",
        "0.40 m, give or take 0.04 m.",
        "0.40 m plus or minus 4 cm",
        "0.40 m, and the uncertainty is 0.04 m.",
        "0.40 m, accurate to 4 cm.",
    ],
)
def test_an_error_that_is_stated_is_not_said_twice(friend, answer):
    solution, end = concluded(friend, LONG, DISTANCE, f"ANSWER: {answer}")
    assert solution.text == answer
    assert (round(end.value, 2), round(end.std, 2), end.unit) == (0.4, 0.04, "m")


def test_a_number_that_equals_an_error_does_not_state_it(friend):
    replies = ("MEASURE: distance | mug | bowl\nMEASURE: height | mug", "ANSWER: It is 0.40 m away and 0.12 m tall.")
    solution, _ = concluded(friend, "How far is the mug from the bowl, and how tall is it?", *replies, error=0.3)
    assert solution.text.endswith(" Measured: 0.40 \u00b1 0.12 m and 0.12 \u00b1 0.04 m.")


def test_a_stated_error_is_no_measurement(friend):
    replies = ("MEASURE: distance | mug | bowl\nMEASURE: height | mug", "ANSWER: 0.40 m, with an error of 0.12 m.")
    solution, end = concluded(friend, LONG, *replies, error=0.3)
    assert solution.text == "0.40 m, with an error of 0.12 m." and end.value == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize(
    "answer", ["0.12 and 0.50 \u00b1 0.01 and 0.05 m.", "0.12 \u00b1 0.01 and 0.50 \u00b1 0.05 m."]
)
def test_the_errors_of_a_list_are_stated(friend, answer):
    solution, end = concluded(friend, "How tall are they?", HEIGHTS, f"ANSWER: {answer}")
    assert solution.text == answer and math.isnan(end.value)


def test_the_sum_is_the_conclusion_of_several_numbers(friend):
    replies = (HEIGHTS, "CALCULATE: m2 - m1", "ANSWER: The lamp, by 0.38 m: 0.50 m against 0.12 \u00b1 0.01 m.")
    solution, end = concluded(friend, "Which is taller, the mug or the lamp?", *replies)
    assert solution.text.endswith(" Measured: 0.38 \u00b1 0.05 m and 0.50 \u00b1 0.05 m.")
    assert (round(end.value, 2), round(end.std, 2), end.unit) == (0.38, 0.05, "m")


def test_of_several_measurements_none_is_the_conclusion(friend):
    solution, end = concluded(friend, "How tall are they?", HEIGHTS, "ANSWER: 0.12 and 0.50 m.")
    assert math.isnan(end.value) and math.isnan(end.std) and end.unit == "" and end.estimate is None
    assert "0.12 \u00b1 0.01 m and 0.50 \u00b1 0.05 m" in solution.text


def test_numbers_of_the_question_conclude_nothing(friend):
    replies = ("MEASURE: free_width | mug | lamp", "CALCULATE: m1 > 0.4 m", "ANSWER: Yes, a robot 0.4 m wide passes.")
    solution, end = concluded(friend, "Does a robot 0.4 m wide pass between the mug and the lamp?", *replies)
    assert math.isnan(end.value) and solution.text == "Yes, a robot 0.4 m wide passes."
    assert end.labels == ("yes",) and end.probability > 0.9


def test_what_is_exact_gets_no_error(friend):
    solution, end = concluded(friend, LONG, DISTANCE, "ANSWER: 0.40 m", error=0.0)
    assert solution.text == "0.40 m" and end.value == pytest.approx(0.4, abs=0.01) and end.std == 0.0


def test_of_two_that_are_rounded_alike_the_less_certain_one_is_meant(friend):
    replies = ("MEASURE: height | mug\nCALCULATE: m1 * 1.0 + 0 * 1 m", "ANSWER: 0.12 m")
    _, end = concluded(friend, "How tall is the mug?", *replies)
    assert end.std == pytest.approx(0.012, rel=0.1)


# ---- decisions ----


def test_the_probability_of_the_only_comparison(friend):
    replies = ("MEASURE: height | mug\nMEASURE: height | bowl", "CALCULATE: m1 > m2", "ANSWER: The mug is taller.")
    _, end = concluded(friend, "Which is taller, the mug or the bowl?", *replies, error=0.4)
    assert end.labels == ("mug",) and end.object == "mug" and 0.6 < end.probability < 0.95
    _, sure = concluded(friend, "Which is taller, the mug or the bowl?", *replies, error=0.01)
    assert sure.probability > 0.95


@pytest.mark.parametrize("said", ["bowl", "Bowl, surely.", "Probably the bowl.", "The bowl"])
def test_the_other_candidate_may_be_what_was_asked_for(friend, said):
    replies = ("MEASURE: height | mug\nMEASURE: height | bowl", "CALCULATE: m1 > m2", f"ANSWER: {said}")
    _, end = concluded(friend, "Which is lower, the mug or the bowl?", *replies)
    assert end.labels == ("bowl",) and end.object == "bowl" and end.probability > 0.9


@pytest.mark.parametrize(
    "replies",
    [
        (DISTANCE, "ANSWER: The mug is 0.40 m away."),  # a number, and no decision
        (HEIGHTS, "CALCULATE: m1 > m2\nCALCULATE: m1 < m2", "ANSWER: The lamp."),  # which of the two comparisons?
        (HEIGHTS, "CALCULATE: m1 > 0.3 m", "ANSWER: The lamp."),  # nothing was compared with another thing
        (HEIGHTS, "CALCULATE: m1 > m2", "ANSWER: A mug and a lamp differ."),
        (HEIGHTS, "CALCULATE: m1 > m2", "ANSWER: The mug is not taller."),
        (HEIGHTS, "CALCULATE: m1 > m2", "ANSWER: The mug is as tall as the lamp."),
        (HEIGHTS, "CALCULATE: m1 > m2", "ANSWER: Taller is the lamp."),
    ],
)
def test_what_is_not_a_candidate_of_the_only_comparison_is_left_out(friend, replies):
    _, end = concluded(friend, "Which is it?", *replies)
    assert math.isnan(end.probability) and end.labels == () and end.object == ""


# Bowl and lamp are 0.40 and 1.21 m from the mug.
NEARER = ("MEASURE: distance | mug | bowl\nMEASURE: distance | mug | lamp", "CALCULATE: m1 < m2")
TALLER = (HEIGHTS, "CALCULATE: m1 > m2")


@pytest.mark.parametrize(
    ("question", "steps", "answer"),
    [
        (
            "Which is nearer to the mug, the bowl or the lamp?",
            NEARER,
            "The lamp is farther away, so the bowl is nearer.",
        ),
        (
            "Which is nearer to the mug, the bowl or the lamp?",
            NEARER,
            "The lamp is farther from the mug than the bowl.",
        ),
        ("Which is nearer to the mug, the bowl or the lamp?", NEARER, "The lamp is farther away."),
        ("Which is nearer to the mug, the bowl or the lamp?", NEARER, "The lamp is nearer."),
        ("Which is nearer to the mug, the bowl or the lamp?", NEARER, "The bowl is farther."),
        ("Which is nearer to the mug, the bowl or the lamp?", NEARER, "The bowl is close, the other one is nearer."),
        ("Which is taller, the mug or the lamp?", TALLER, "The mug is taller."),
        ("Which is taller, the mug or the lamp?", TALLER, "The mug."),
        ("Which is taller, the mug or the lamp?", TALLER, "The mug is shorter than the lamp."),
        ("Which is taller, the mug or the lamp?", TALLER, "Mug: 0.12 m. Lamp: 0.50 m, so the lamp."),
        ("Which is shorter, the mug or the lamp?", TALLER, "The lamp is taller."),
        ("Which is not the taller one, the mug or the lamp?", TALLER, "The lamp."),
        ("Which one fits under the shelf, the mug or the lamp?", TALLER, "The lamp is taller."),
        ("Which is the nearest, the mug or the lamp?", TALLER, "The lamp."),  # heights do not tell it
        ("What is the tallest thing?", TALLER, "The lamp."),  # there may be more than the two
    ],
)
def test_no_object_is_decided_for_where_the_words_leave_a_doubt(friend, question, steps, answer):
    _, end = concluded(friend, question, *steps, f"ANSWER: {answer}")
    assert end.labels == () and math.isnan(end.probability) and end.object == ""


@pytest.mark.parametrize(
    ("question", "steps", "answer", "label"),
    [
        ("Which is nearer to the mug, the bowl or the lamp?", NEARER, "The bowl is closer to the mug.", "bowl"),
        ("Which is farther from the mug, the bowl or the lamp?", NEARER, "The lamp.", "lamp"),
        ("Which is taller, the mug or the lamp?", TALLER, "The lamp, by a lot.", "lamp"),
        ("Which is shorter, the mug or the lamp?", TALLER, "Mug", "mug"),
    ],
)
def test_the_object_that_is_asked_for_and_that_the_comparison_finds(friend, question, steps, answer, label):
    _, end = concluded(friend, question, *steps, f"ANSWER: {answer}")
    assert end.labels == (label,) and end.object == label and end.probability > 0.99


def test_about_even_odds_decide_for_no_object(friend):
    replies = ("MEASURE: height | mug\nMEASURE: height | can of beer", "CALCULATE: m1 < m2", "ANSWER: The can of beer.")
    _, end = concluded(friend, "Which is taller, the mug or the can of beer?", *replies, error=5.0)
    assert end.labels == () and math.isnan(end.probability)


@pytest.mark.parametrize(("answer", "known"), [("No, it is not.", True), ("Yes, it is.", False)])
def test_yes_or_no_has_a_probability_where_the_comparison_says_the_same(friend, answer, known):
    replies = (HEIGHTS, "CALCULATE: m1 > m2", f"ANSWER: {answer}")
    _, end = concluded(friend, "Is the mug taller than the lamp?", *replies)
    assert end.labels == (answer[: answer.index(",")].lower(),) and math.isnan(end.probability) is not known


@pytest.mark.parametrize(
    "answer",
    [
        "No doubt the mug is shorter.",
        "No object is taller than the lamp, so yes.",
        "No more than the lamp.",
        "No-one can tell.",
        "Yes and no.",
        "Yes/no: the lamp.",
        "Nothing is taller.",
    ],
)
def test_no_before_a_noun_is_no_answer(friend, answer):
    _, end = concluded(friend, "Is the mug shorter than the lamp?", HEIGHTS, "CALCULATE: m1 < m2", f"ANSWER: {answer}")
    assert end.labels == () and math.isnan(end.probability)


@pytest.mark.parametrize(
    "answer",
    [
        "Yes",
        "Yes!",
        '"Yes"',
        "**Yes**, it is.",
        "Yes it is.",
        "Yes the mug is shorter.",
        "Yes (0.12 m against 0.50 m).",
        "Yes - by far.",
        "Yes\u2014by far.",
        "Yes because it is lower.",
    ],
)
def test_yes_before_punctuation_or_a_clause_is_one(friend, answer):
    _, end = concluded(friend, "Is the mug shorter than the lamp?", HEIGHTS, "CALCULATE: m1 < m2", f"ANSWER: {answer}")
    assert end.labels == ("yes",) and end.probability > 0.99


def test_it_rests_on_what_was_located(friend):
    replies = ("LOCATE: mug\nLOCATE: bowl\n" + DISTANCE, "ANSWER: 0.40 m")
    _, end = concluded(friend, LONG, *replies, seen={"bowl": 0.3})
    assert end.presence == pytest.approx(0.3) and end.object == ""


# ---- counts ----


def test_a_count_is_no_measurement(friend):
    replies = ("MEASURE: distance | camera | mug\nMEASURE: distance | camera | lamp", "ANSWER: 2 of them.")
    solution, end = concluded(friend, "How many of the mug and the lamp are within 3 m of the camera?", *replies)
    assert solution.text == "2 of them." and math.isnan(end.value) and math.isnan(end.std) and end.unit == ""


def test_a_whole_number_may_be_a_ratio(friend):
    replies = (HEIGHTS, "CALCULATE: m2 / m1", "ANSWER: About 4 times.")
    _, end = concluded(friend, "How many times as tall as the mug is the lamp?", *replies)
    assert end.value == pytest.approx(4.17, abs=0.02) and end.unit == "" and end.std > 0.1


def test_a_whole_number_of_a_list_shares_its_unit(friend):
    replies = ("MEASURE: distance | camera | mug\nMEASURE: distance | camera | tray", "ANSWER: 2 and 2.5 m.")
    solution, end = concluded(friend, "How far are the mug and the tray?", *replies)
    assert "2.23 \u00b1 0.22 m" in solution.text and "2.50 \u00b1 0.25 m" in solution.text and math.isnan(end.value)
