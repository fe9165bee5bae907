"""Words that turn the meaning of a question: they are read, or the question is refused."""

from __future__ import annotations

import pytest

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.planner.planner import read_plan
from spatialvlm_ros.reasoning.planner.sentence import read_sentence
from spatialvlm_ros.reasoning.planner.turns import COMPARISONS, SIZES, may_be_a_name, points, unread
from spatialvlm_ros.reasoning.reasoner import Reasoner

REFUSED = (
    "Which of the mug, the bowl and the tray is not the nearest to the lamp?",
    "Which of the mug, the bowl and the lamp is farthest to the left of the tray?",
    "Which of the mug, the bowl and the lamp is horizontally nearest to the tray?",
    "How many of the mug, the bowl and the tray are nearest to the lamp?",
    "Why is the mug nearer to the bowl than the lamp?",
    "Which of the mug, the bowl and the lamp is the tallest without its lid?",
    "Which of the mug, the bowl and the red tray is nearest to the lamp but not behind it?",
    "Can a robot 0.1 m wide not pass between the mug and the bowl?",
    "Can two robots 0.2 m wide pass side by side between the mug and the bowl?",
    "Can a robot 0.2 m tall pass between the mug and the bowl?",
    "Is the gap between the mug and the bowl at most 0.3 m wide?",
    "Is the mug not between the bowl and the lamp?",
    "Which of the mug, the bowl and the tray is second from the left?",
    "How far is the mug from the line between the bowl and the lamp?",
    "What is the difference between the height of the mug and the width of the lamp?",
    "Is the mug exactly halfway between the bowl and the lamp?",
    "Is the distance between the mug and the bowl exactly 0.4 m?",
    "Is the distance between the mug and the bowl the same as between the mug and the tray?",
    "Which is wider than the mug, the bowl or the lamp?",
    "Does a robot that is 0.6 m long fit between the mug and the bowl?",
    "How long does it take to walk from the mug via the bowl to the lamp?",
    "Who is nearest to the lamp, the mug or the bowl, from the view of the tray?",
    "Where should I put the mug relative to the bowl?",
    "Can an arm of 0.8 m reach the mug over the bowl?",
    "Where is the mug on the left relative to the bowl?",
    "Sort the mug on the left, the bowl and the lamp by distance.",
    "Is anything within 0.5 m of the mug?",
    "Is there less than 0.3 m of space between the mug and the bowl?",
    "How far apart are the mug, the bowl and the tray?",
    "How large is the triangle that the mug, the bowl and the lamp form?",
    "Will the mug and the bowl fit onto the tray?",
    "Does the mug not fit on the tray?",
    "Would a 30 cm tall box fit on the tray?",
    "Would a 30 cm wide box not fit on the tray?",
    "What is the median height of the mug, the bowl and the lamp?",
    "Which of the mug, the bowl and the lamp is taller than the average?",
    "Sort the mug, the bowl and the lamp by their average height.",
    "Is the lamp 20 cm taller than the mug?",
    "Is the mug at least 20 cm closer to the bowl than the lamp?",
    "How much more than 30 cm is the mug left of the bowl?",
    "How many of the mug, the bowl and the lamp are more than 10 cm left of the tray?",
    "How many of the mug, the bowl and the lamp are bigger than 10 cm?",
    "Is the mug twice as far from the bowl as the tray?",
    "Is the bowl twice as far from the mug as from the tray?",
    "Does the tray not fit between the mug and the lamp?",
    "Is the lamp not taller than 40 cm?",
    "Would a stack of the mug and the bowl be taller than the lamp?",
    "How long is the path from the mug via the tray to the lamp without passing the bowl?",
    "How long is the way from the mug to the bowl to the tray and back?",
    "Sort the mug, the bowl and the tray from left to right as seen from the lamp.",
    "Sort the mug, the bowl and the tray by height, without the lamp.",
    "Is the triangle of the mug, the bowl and the lamp right-angled?",
    "Which is heaviest and nearest to the lamp, the mug or the bowl?",
    "How far is the second nearest mug from the bowl?",
    "Is the tallest mug within 0.5 m of the bowl?",
    "Which two of the mug, the bowl and the tray are nearest to the lamp?",
    "Which two of the mug, the bowl and the lamp are the tallest?",
    "What are the two tallest of the mug, the bowl and the lamp?",
    "Name two of the mug, the bowl and the lamp that are widest.",
    "Which pair of the mug, the bowl and the tray is nearest to the lamp?",
    "Which of the mug and the bowl is nearer to the lamp than the tray?",
    "Which of the bowl and the tray is nearer to the lamp than the mug is?",
    "What is nearer to the lamp than the tray, the mug or the bowl?",
    "Are the mug and the bowl nearer to the lamp than the tray?",
    "Is the mug nearer to the lamp than the bowl and the tray?",
    "Which are closer together, the mug and the bowl or the lamp and the tray?",
    "Which are farther apart, the mug and the bowl or the lamp and the tray?",
    "Can I reach the mug and the bowl with an arm of 0.8 m?",
    "Are the mug and the bowl each within 2 m?",
    "Are the mug and the bowl within 2 m?",
    "Is each of the mug and the bowl within 2 m?",
    "Is the mug or the bowl within 2 m?",
    "Is the gap between the mug and the lamp at most 1.1 m?",
    "Is the space between the mug and the lamp less than 1.1 m?",
    "How many of the mug, the bowl and the tray are within 0.6 m of each other?",
    "How many of the mug, the bowl and the tray are less than 0.6 m apart?",
    "How many of the mug, the bowl and the tray are within 0.6 m of one another?",
    "What is the distance from the mug to the bowl, and from the lamp to the tray?",
    "How far is it from the mug to the bowl and from the lamp to the tray?",
    "How far is the lamp from the mug, the bowl and the tray?",
    "What is the total distance of the mug, the bowl and the tray to the lamp?",
    "What is the distance between the mug, the bowl and the tray?",
    "How far is it from the mug to the bowl and to the lamp?",
    "What is the sum of the distances from the lamp to the mug, the bowl and the tray?",
    "What is the average height of the tallest of the mug, the bowl and the lamp?",
    "What is the average height of the two tallest of the mug, the bowl and the lamp?",
    "What is the average width and depth of the mug and the tray?",
    "What is the average depth of the mug and the tray?",
    "What is the average height of the shortest of the mug, the bowl and the lamp?",
    "What is the average thickness and width of the mug and the tray?",
    "What is the average height of the mug and the lamp, and which is taller?",
    "What is the average height of the mug and the lamp, and how big is the difference?",
    "How many of the mug, the bowl and the lamp are taller or wider than 15 cm?",
    "How many of the mug, the bowl and the lamp are wider and taller than 15 cm?",
    "How many of the mug, the bowl and the lamp are taller than 15 cm in depth?",
    "How many of the mug, the bowl and the lamp are at least 10 cm shorter?",
    "How many of the mug, the bowl and the lamp are more than 10 cm taller?",
    "How many of the mug, the bowl and the lamp are over 10 cm too tall?",
    "How many of the mug, the bowl and the lamp are over 10 cm low?",
    "Is the lamp at least 10 cm short?",
    "Is the lamp more than 10 cm too short?",
    "Is the mug at least 10 cm taller?",
    "Sort the mug, the bowl and the tray by width and then by height.",
    "Sort the mug, the bowl and the tray by height and then by width.",
    "Sort the mug, the bowl and the tray by height and distance.",
    "Sort the mug, the bowl and the tray by distance and then by size.",
    "Sort the mug, the bowl and the tray by depth.",
    "Where is the mug relative to the bowl if seen from behind?",
    "Where is the mug relative to the bowl when viewed from the back?",
    "Where is the mug relative to the bowl as seen from the left?",
    "Sort the mug, the bowl and the tray from left to right as seen from behind.",
    "Is the bowl halfway between the mug and the lamp?",
)


@pytest.mark.parametrize("question", REFUSED)
def test_what_is_not_read_is_refused(friend, question):
    solution = Reasoner("planner", friend).solve(question)
    assert solution.reason is Reason.NOT_CONFIGURED, solution
    assert "It knows questions like" in solution.detail


READ = (
    ("Isn't the bowl between the mug and the lamp?", "between"),
    ("Is the bowl between the mug and the lamp or not?", "between"),
    ("Is it right that the bowl is between the mug and the lamp?", "between"),
    ("Is the bowl right between the mug and the lamp?", "between"),
    ("Which of the two is nearer to the tray, the mug or the bowl?", "nearest"),
    ("Which of the three is nearest to the lamp: the mug, the bowl or the tray?", "nearest"),
    ("Which of these three objects is the tallest: the mug, the bowl or the tray?", "tallest"),
    ("Are the mug and the bowl closer together than the lamp is to the tray?", "closer_pair"),
    ("Is the mug closer to the bowl than the lamp is to the tray?", "closer_pair"),
    ("Is the distance from the mug to the bowl shorter than between the lamp and the tray?", "closer_pair"),
    ("Is the opening between the mug and the lamp more than 1.1 m?", "robot_passes"),
    ("Is the mug no more than 0.5 m from the bowl?", "reach"),
    ("What is the mean width of the mug and the tray?", "average"),
    ("How high are the mug and the lamp on average?", "average"),
    ("How many of the mug, the bowl and the lamp are taller than 10 cm?", "count_size"),
    ("How many of the mug, the bowl and the lamp are over 10 cm tall?", "count_size"),
    ("How many of the mug, the bowl and the lamp have a height of at least 10 cm?", "count_size"),
    ("How many of the mug, the bowl and the lamp have a width below 10 cm?", "count_size"),
    ("How many of the mug, the bowl and the lamp are less than 10 cm high?", "count_size"),
    ("Sort the mug, the bowl and the tray by height, from tall to short.", "order"),
    ("Sort the mug, the bowl and the tray by distance, the nearest first.", "order"),
    ("Where is the mug as seen from the bowl?", "relative_position"),
    ("How long is the way from the mug to the bowl and the tray?", "path_length"),
    ("What is the total distance from the mug to the bowl and from the lamp to the tray?", "path_length"),
    ("Add the distance from the mug to the bowl and the distance from the lamp to the tray.", "path_length"),
    ("How far do I walk from the mug to the bowl, the tray and the lamp?", "path_length"),
    ("How far is the mug from the tray via the bowl?", "path_length"),
    ("How far is it from the mug to the bowl to the tray?", "path_length"),
    ("Are the mug and the bowl within 0.5 m of each other?", "reach"),
    ("Are the mug and the bowl less than 0.5 m apart?", "reach"),
    ("Is the distance between the mug and the bowl less than 0.5 m?", "reach"),
    ("Are the mug and the bowl at least 0.5 m away from each other?", "reach"),
    ("Does a 0.5 m cable reach between the mug and the bowl?", "reach"),
    ("How many of the mug, the bowl and the tray are more than 0.5 m apart from the lamp?", "count_within"),
    ("Is the mug not within 0.5 m of the bowl?", "reach"),
    ("Is there enough room left between the mug and the bowl for a robot of 0.2 m?", "robot_passes"),
    ("Does a 30 cm wide drawer fit between the mug and the bowl?", "robot_passes"),
    ("Are the mug and the bowl far enough apart for a robot 0.2 m wide to pass?", "robot_passes"),
)


@pytest.mark.parametrize(("question", "form"), READ, ids=[q for q, _ in READ])
def test_words_that_turn_nothing(question, form):
    plan = read_plan(question)
    assert plan is not None and plan.form == form


def test_a_denied_limit_is_turned(friend):
    solve = Reasoner("planner", friend).solve
    assert solve("Is the mug within 0.5 m of the bowl?").conclusion.labels == ("yes",)
    assert solve("Is the mug not within 0.5 m of the bowl?").conclusion.labels == ("no",)


def test_a_gap_against_a_thing(friend):
    """The mug and the bowl leave 0.25 m between them; the tray is 0.40 m wide, the can of beer 0.07 m."""
    solve = Reasoner("planner", friend).solve
    for question, label in (
        ("Is the tray wider than the gap between the mug and the bowl?", "yes"),
        ("Is the can of beer wider than the gap between the mug and the bowl?", "no"),
        ("Is the can of beer narrower than the gap between the mug and the bowl?", "yes"),
        ("Is the gap between the mug and the bowl wider than the tray?", "no"),
    ):
        assert solve(question).conclusion.labels == (label,), question
    assert not solve("Is the gap between the mug and the bowl narrower than the tray?").valid


def test_unread_words():
    sentence = read_sentence("Which is taller than the rest, the mug or the bowl?")
    assert unread(sentence, ()) == "taller" and unread(sentence, (SIZES,)) == "than"
    assert unread(sentence, (SIZES, COMPARISONS)) == ""
    strange = read_sentence("Which of the mug and the bowl is purple?")
    assert unread(strange, ()) == "purple"


def test_names_that_name_and_names_that_ask():
    assert may_be_a_name("cup on the table") and not may_be_a_name("lamp, and by how much")
    assert not may_be_a_name("bowl without passing the lamp") and not may_be_a_name("bowl or the lamp")
    assert points("second nearest mug") and not points("tall lamp")
