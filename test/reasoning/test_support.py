"""What a language model may say: numbers that it was told, and an answer instead of an announcement."""

from __future__ import annotations

import pytest
from noisy_friend import NoisyFriend
from scripted_chat import ScriptedChat

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.llm.chat_model import ChatReply, ToolCall
from spatialvlm_ros.reasoning.reasoner import Reasoner
from spatialvlm_ros.reasoning.stated_numbers import stated_numbers
from spatialvlm_ros.scenes.relations import Relation

QUESTION = "How far is the mug from the bowl, and can a robot that is 0.6 m wide pass?"
MEASURED = (
    "MEASURE: distance | mug | bowl\nMEASURE: free_width | mug | bowl\nMEASURE: touching | mug | bowl"  # 0.40, 0.25
)


def answered(friend, *replies, question=QUESTION, **options):
    chat = ScriptedChat(*replies, **options)
    return Reasoner(chat, NoisyFriend(friend, 0.05, probable={Relation.TOUCHING: 0.17})).solve(question), chat


# ---- what passes ----

TOLD = (
    "It is 0.40 m.",
    "It is 0.4 m.",
    "It is 40 cm.",
    "It is 400 mm.",
    "Forty centimetres.",
    "About 1.3 ft, or 15.7 inches.",
    "0.40 \u00b1 0.02 m.",
    "Between 0.38 and 0.42 m.",
    "38 to 42 cm.",
    "0,40 m.",
    "The distance is 0.40 m and the passage 0.25 m, so no robot of 60 cm passes.",
    "0.40 and 0.25 m.",
    "40, 25 and 60 cm.",
    "**0.40 m**",
    "\\(0.40\\,\\mathrm{m}\\)",
    "The mug stands 0.40 m in front.",
    "They do not touch (83% sure).",
    "They touch with a probability of 17%.",
    "No: 2 of the 3 measurements say so.",
    "The mug is the nearer one.",
    "It is the 2nd one.",
    "Step 5: m1 = 0.40 m. Step 6: done.",
    "1. The distance is 0.40 m. 2. The passage is 0.25 m. 3. No touch. 4. So no robot passes.",
    "0.40m +/- 0.02m (m1), i.e. ~0.4 m.",
    "A 60 cm-wide robot does not pass: 0.25 m < 0.6 m.",
)


@pytest.mark.parametrize("said", TOLD)
def test_what_was_told_may_be_said_in_other_words(friend, said):
    solution, chat = answered(friend, MEASURED, f"ANSWER: {said}")
    assert solution.valid and len(chat.heard) == 2, solution.detail


CALCULATED = (
    ("m1 + m2", "0.65 m in all."),
    ("m1 + m2", "65 cm in all."),
    ("m1 / m2", "1.6 times as far."),
    ("m1 / m2", "60% more."),
    ("m2 / m1", "62% of it, 38% less."),
    ("m1 * m2", "0.10 square metres."),
    ("m1 < 0.7 m", "Yes, it is less than 0.7 m."),
    ("abs(m1 - m2) < 0.1 * max(m1, m2)", "No, they are not within 0.1 of each other."),
    ("2 * 0.6", "Two robots need 1.2 m."),
    ("0.6 m - m1", "0.2 m are missing."),
)


@pytest.mark.parametrize(("expression", "said"), CALCULATED)
def test_what_was_calculated_may_be_said(friend, expression, said):
    solution, _ = answered(friend, MEASURED, f"CALCULATE: {expression}", f"ANSWER: {said}")
    assert solution.valid, solution.detail


def test_what_the_friend_says_and_where_things_are_may_be_said(friend):
    located, _ = answered(friend, "LOCATE: mug", "ANSWER: 2.00 m ahead, 30 cm to the left.")
    asked, _ = answered(friend, "ASK: How far is the mug from the bowl?", "ANSWER: 0.40 m")
    assert located.valid and asked.valid


def test_numbers_of_names_are_no_measurements(friend):
    solution, _ = answered(friend, MEASURED, "ANSWER: box 17 on shelf A4.", question="Which is nearer, box 17 or B2?")
    assert solution.valid, solution.detail


# ---- what does not ----

INVENTED = (
    "It is exactly 7.000 m.",
    "It is 0.41 m.",
    "It is 0.5 m.",
    "It is 41 cm.",
    "It is 4 m.",
    "It is 0.40 km.",
    "Seven metres.",
    "7 m.",
    "0.40 m, and the mug is 12.345 m tall.",
    "It is 0.40 m, I am 100% sure.",
    "0.40 square metres.",
    "0.40, 0.77 and 0.25 m.",
    "5 of them.",
    "It is 7.",
    "It is 7. That is far.",
)


@pytest.mark.parametrize("said", INVENTED)
def test_an_invented_number_is_sent_back_once_and_then_refused(friend, said):
    solution, chat = answered(friend, MEASURED, f"ANSWER: {said}")
    assert not solution.valid and solution.reason is Reason.MODEL_ERROR and len(chat.heard) == 3
    assert "a number that neither the question nor" in solution.detail and solution.estimate is None
    told = chat.heard[-1][0][-1].content
    assert told.startswith("RULES: the answer has a number") and "Measure or calculate it, or leave it out." in told


def test_the_repair_may_calculate_what_was_missing(friend):
    solution, chat = answered(friend, MEASURED, "ANSWER: 0.65 m.", "CALCULATE: m1 + m2", "ANSWER: 0.65 m.")
    assert solution.valid and len(chat.heard) == 4


def test_a_second_invention_is_refused_also_after_a_good_move(friend):
    solution, chat = answered(friend, MEASURED, "ANSWER: 7 m.", "CALCULATE: m1 + m2", "ANSWER: 8 m.")
    assert not solution.valid and "8 m" in solution.detail and len(chat.heard) == 4


@pytest.mark.parametrize("expression", ["7 m", "7", "3.5 * 2", "max(7, 6)", "7 m - 0.1 m"])
def test_calculating_with_invented_numbers_alone_does_not_make_them_told(friend, expression):
    solution, _ = answered(friend, MEASURED, f"CALCULATE: {expression}", "ANSWER: It is 7 m.")
    assert not solution.valid


def test_a_number_of_its_own_thoughts_is_not_told(friend):
    solution, _ = answered(friend, f"THOUGHT: mugs are 9.87 m apart.\n{MEASURED}", "ANSWER: 9.87 m")
    assert not solution.valid and "9.87 m" in solution.detail


def test_after_looking_for_a_thing_its_height_is_not_known(friend):
    solution, _ = answered(friend, "LOCATE: mug", "ANSWER: The mug is 12.345 m tall, I am certain.")
    assert not solution.valid and "12.345 m" in solution.detail


# ---- announcements ----

CALL = ChatReply("", (ToolCall("measure", '{"relation":"distance","subject":"mug","reference":"bowl"}', "a"),), 5)


@pytest.mark.parametrize(
    "said",
    [
        "I will now measure the second distance.",
        "Next, I'll calculate the ratio:",
        "The first distance is 0.40 m. Now I need to measure the second one.",
        "Let me check the bowl...",
        "Okay, let's compare them",
    ],
)
def test_an_announcement_is_no_answer(friend, said):
    solution, chat = answered(friend, CALL, said, "It is 0.40 m.", calls_tools=True)
    assert solution.text.startswith("It is 0.40 m.") and len(chat.heard) == 3
    assert "announces a step" in chat.heard[-1][0][-1].content
    again, _ = answered(friend, CALL, said, calls_tools=True)
    assert not again.valid and "announces a step" in again.detail


@pytest.mark.parametrize(
    "said",
    [
        "I measured 0.40 m.",
        "As we will see from the calculation, the mug is nearer.",
        "0.40 m. Let me know if you need more.",
        "Let me answer: 0.40 m.",
        "The mug; I would measure again to be sure.",
    ],
)
def test_an_answer_in_many_words_is_an_answer(friend, said):
    solution, _ = answered(friend, CALL, said, calls_tools=True)
    assert solution.valid, solution.detail


# ---- numbers of a text ----


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("m1 = 0.40 \u00b1 0.02 m", ["0.40", "0.02 m"]),
        ("c12 = true (83% sure)", ["83 %"]),
        ("a 3D model, the 2nd one, A4", []),
        ("one of them, a few, a dozen or so", []),
        ("half a metre, or fifty-two cm", ["half a metre", "fifty - two cm"]),
        ("0.003 m\u00b3 is 3 litres", ["0.003 m ^ 3", "3 litres"]),
        ("-0.3 m", ["0.3 m"]),
    ],
)
def test_the_numbers_of_a_text(text, wanted):
    assert [number.text for number in stated_numbers(text)] == wanted


def test_what_numbers_of_a_list_may_be_in():
    first, second, third = stated_numbers("62, 60 and 95 cm")
    assert first.scales == second.scales == (None, *third.scales)
    assert third.scales[0].factor == pytest.approx(0.01) and (third.half, stated_numbers("0.40 m")[0].half) == (
        0.5,
        0.005,
    )
