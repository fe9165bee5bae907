"""Single behaviours of the parser, each with the reading that a person would give."""

from __future__ import annotations

import math

import pytest

from spatialvlm_ros.errors import QuestionError
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.questions.parsing.answers import ParseReason, parse_answer, parse_length
from spatialvlm_ros.questions.parsing.lengths import ParsedLength

INCH, FOOT = 0.0254, 0.3048

LENGTHS = {
    "a metre and twenty": 1.2,
    "six-and-a-half inches": 6.5 * INCH,
    "forty-five hundredths of a metre": 0.45,
    "a few dozen centimetres": 0.36,
    "10^2 cm": 1.0,
    "3 x 10^{-2} m": 0.03,
    "6'-2\"": 74 * INCH,
    "1ft2in": 14 * INCH,
    "2ft 5-5/8 inches": (29 + 5 / 8) * INCH,
    "\\text{distance} = 0.45~\\text{m}": 0.45,
    '{"answer": "5\'10\\""}': 70 * INCH,
    "1.5 м": 1.5,
    "1.5 m": 1.5,
}


@pytest.mark.parametrize("text", LENGTHS)
def test_unusual_spellings(text: str) -> None:
    length = parse_length(text)
    assert length is not None and length.value_m == pytest.approx(LENGTHS[text], rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "0.3 m/s",
        "5 m2",
        "2 m²",
        "3 metres per second",
        "1e999 m",
        "9" * 400 + " m",
        "10 in the picture",
        "1.2.3 m",
        "4:5 cm",
    ],
)
def test_what_only_looks_like_a_length_is_none(text: str) -> None:
    assert parse_length(text) is None


@pytest.mark.parametrize("family", ["distance", "gap", "elevation", "left_diff"])
@pytest.mark.parametrize("text", ["", "None", "null", "n/a", "nothing", "I can't see it", "{}", "nan"])
def test_no_answer_is_never_zero(text: str, family: str) -> None:
    answer = parse_answer(text, family, "mug", "bowl")
    assert answer.value is None and not answer.ok


def test_zero_is_said_in_words_that_fit_the_family() -> None:
    assert parse_answer("They are touching.", "gap").value == ParsedLength(0, 0, 0, "", "they are touching .", False)
    assert parse_answer("They are touching.", "height").value is None
    assert parse_answer("They are not touching.", "gap").value is None
    assert parse_answer("At the same height.", "above_diff").value.value_m == 0
    assert parse_answer("At the same height.", "left_diff").value is None


def test_a_length_keeps_its_unit_bounds_and_words() -> None:
    assert parse_length("It is less than about 50 cm wide") == ParsedLength(
        0.5, 0.0, 0.5, "cm", "less than about 50 cm", True
    )
    over = parse_length("2 feet or more")
    assert (over.low_m, over.high_m, over.unit) == (2 * FOOT, math.inf, "ft")
    assert parse_length("exactly 50 cm").approximate is False
    assert parse_length("50 cm or so").approximate is True


def test_a_signed_bound_is_mirrored() -> None:
    length = parse_answer("more than 2 m to the right", "left_diff").value
    assert (length.value_m, length.low_m, length.high_m) == (-2, -math.inf, -2)


@pytest.mark.parametrize(
    ("text", "family", "metres"),
    [
        ("Mug: 30 cm, bowl: 50 cm, difference: 20 cm", "distance", 0.2),
        ("The bottle is 25 cm tall and 7 cm wide.", "height", 0.25),
        ("The bottle is 25 cm tall and 7 cm wide.", "width", 0.07),
        ("1 ft = 30.48 cm, so the answer is 61 cm", "distance", 0.61),
        ("30 cm (1 ft)", "distance", 0.3),
        ("1 ft (30 cm)", "distance", FOOT),
        ("It is 2 m. The chair beside it is 45 cm wide.", "distance", 2.0),
        ("The chair is 45 cm wide. Two would fit. It is 90 cm.", "distance", 0.9),
        ("The chair is 45 cm wide. Final answer: 90 cm. (A chair is 45 cm wide.)", "distance", 0.9),
        ("<think>maybe 3 m</think>2 m", "distance", 2.0),
        ("It was 3 m, I thought, but it is 2 m.", "distance", 2.0),
        ("Given that a tile is 30 cm, it is about 90 cm.", "distance", 0.9),
        ("About 90 cm, assuming that a tile is 30 cm.", "distance", 0.9),
        ("rather than 3 m I would say 2 m", "distance", 2.0),
        ("The top of the mug is at 15 cm and that of the bowl at 10 cm, so it is 5 cm higher.", "above_diff", 0.05),
        ("The bowl is 20 cm to the left of the mug", "left_diff", -0.2),
        ("20 cm left of the mug", "left_diff", -0.2),
        ("5 cm shorter", "above_diff", -0.05),
        ("5 cm further down", "elevation", -0.05),
    ],
)
def test_of_several_lengths_the_answer_is_taken(text: str, family: str, metres: float) -> None:
    value = parse_answer(text, family, "mug", "bowl").value
    assert value is not None and value.value_m == pytest.approx(metres)


def test_lengths_inside_a_name_are_not_the_answer() -> None:
    value = parse_answer("The 12 inch ruler is 2 m from the mug.", "distance", "12 inch ruler", "mug").value
    assert value is not None and value.value_m == 2
    assert parse_answer("The 12 inch ruler.", "distance", "12 inch ruler", "mug").value is None


@pytest.mark.parametrize(
    ("text", "family", "label"),
    [
        ("I'm afraid not", "left_predicate", "no"),
        ("I'm not so sure about that", "left_predicate", "uncertain"),
        ("Yes and no", "left_predicate", "uncertain"),
        ("It's hard to say, but I'd go with yes", "left_predicate", "yes"),
        ("The bowl is on the left and the mug is on the right", "left_predicate", "no"),
        ("The mug, by a small margin", "big_choice", "mug"),
        ("bowl < mug", "big_choice", "mug"),
        ("bowl < mug", "small_choice", "bowl"),
        ("Of the mug and the bowl, the bowl.", "big_choice", "bowl"),
        ("the bowl isn't as big as the mug", "big_choice", "mug"),
        ("left of the bowl", "left_choice", "mug"),
        ("further to the left", "behind_front_classify", None),
        ("further away", "behind_front_classify", "behind"),
        ("That's right, it is on the left.", "left_right_classify", "left"),
        ("The answer is right.", "left_right_classify", "right"),
        ("The bowl is not as tall as the mug", "tall_short_classify", "tall"),
    ],
)
def test_labels(text: str, family: str, label: str | None) -> None:
    assert parse_answer(text, family, "mug", "bowl").label == label


def test_a_choice_is_returned_as_the_name_that_was_given() -> None:
    assert parse_answer("the red one", "tall_choice", "the red mugs", "a blue mug").label == "the red mugs"
    assert parse_answer("the mug", "tall_choice", "red mug", "blue mug").reason is ParseReason.UNPARSABLE
    assert parse_answer("the mug or the bowl", "tall_choice", "mug", "bowl").label is None
    assert parse_answer("the mug", "tall_choice").label is None


def test_a_clause_in_a_name_is_no_direction() -> None:
    near, far = "cup nearer to the camera", "cup further from the camera"
    assert parse_answer("the one further from the camera", "tall_choice", near, far).label == far
    said = "The hammer is 2 m further right than the cup further from the camera."
    assert parse_answer(said, "left_diff", "hammer", far).value.value_m == -2
    assert (
        parse_answer("It is 20 cm lower down.", "above_diff", "cup lower down", "cup higher up").value.value_m == -0.2
    )


def test_reasons() -> None:
    assert parse_answer("0.4", "distance").reason is ParseReason.NO_UNIT
    assert parse_answer("I can't tell from the picture", "distance").reason is ParseReason.REFUSAL
    assert parse_answer("banana", "distance").reason is ParseReason.UNPARSABLE
    assert parse_answer("40 cm", FAMILIES["distance"]).kind is Kind.NUMBER


def test_a_written_unit_beats_the_default_one() -> None:
    assert parse_length("40 cm", default_unit="m").value_m == 0.4
    assert parse_length("40", default_unit="m").value_m == 40
    assert parse_length("3 mugs", default_unit="m") is None


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(QuestionError, match="furlong"):
        parse_length("3", default_unit="furlong")
    with pytest.raises(QuestionError, match="colour"):
        parse_answer("red", "colour")


def test_only_the_end_of_an_endless_text_is_read() -> None:
    assert parse_length("1 m. " * 20_000 + "Final answer: 2 m").value_m == 2
