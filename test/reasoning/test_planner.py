"""Each form on a scene whose lengths can be read off a table, and what is said of errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from noisy_friend import NoisyFriend
from reasoning_scenes import table_scene

from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.reasoning.planner.planner import Planner, known_forms, read_plan
from spatialvlm_ros.reasoning.reasoner import Reasoner
from spatialvlm_ros.reasoning.steps import StepKind
from spatialvlm_ros.scenes.relations import Relation


def solve(question, friend, **options):
    return Reasoner(Planner(), friend, **options).solve(question)


LABELLED = (
    ("Which of the mug, the bowl and the lamp is nearest to the tray?", ("bowl",)),
    ("Which is farthest from the mug: the bowl, the lamp or the tray?", ("lamp",)),
    ("Which of the lamp, the bowl and the mug is nearest to the camera?", ("bowl",)),
    ("Which is nearest, the can of beer or the mug?", ("mug",)),
    ("Which of the mug, the tray and the lamp is second nearest to the bowl?", ("mug",)),
    ("Which of the mug, the tray and the lamp is the second-farthest from the bowl?", ("mug",)),
    ("Which of the mug, the tray, the bowl and the lamp is the third tallest?", ("bowl",)),
    ("What is the second shortest: the mug, the lamp or the tray?", ("mug",)),
    ("Order the lamp, the mug and the tray by distance to the bowl.", ("tray", "mug", "lamp")),
    ("Rank the lamp, the mug and the tray from farthest to nearest from the bowl.", ("lamp", "mug", "tray")),
    ("Sort the mug, the lamp and the tray by height.", ("lamp", "mug", "tray")),
    ("Sort the mug, the lamp and the tray by increasing height.", ("tray", "mug", "lamp")),
    ("List the lamp, the bowl and the mug from left to right.", ("mug", "bowl", "lamp")),
    ("List the lamp, the bowl and the mug from right to left.", ("lamp", "bowl", "mug")),
    ("Order the tray, the can of beer and the bowl from front to back.", ("bowl", "tray", "can of beer")),
    ("What kind of triangle do the mug, the bowl and the lamp form?", ("scalene",)),
    ("What kind of triangle do the mug, the bowl and the can of beer form?", ("isosceles",)),
    ("Is the bowl between the mug and the lamp?", ("yes",)),
    ("Is the tray between the mug and the lamp?", ("no",)),
    ("Does the can of beer fit between the mug and the bowl?", ("yes",)),
    ("Is the tray too wide to go between the mug and the bowl?", ("yes",)),
    ("Can a robot that is 0.2 m wide pass between the mug and the bowl?", ("yes",)),
    ("Can a 40 cm wide robot pass between the mug and the bowl?", ("no",)),
    ("Can a gripper that is 20 cm wide pass between the mug and the bowl?", ("yes",)),
    ("Would a crate with a width of 30 cm fit between the mug and the bowl?", ("no",)),
    ("Does a 30 cm wide drawer fit between the mug and the bowl?", ("no",)),
    ("Will the can of beer fit into the mug?", ("no",)),
    ("Will the can of beer fit into the lamp?", ("yes",)),
    ("Does the mug fit in the bowl?", ("no",)),
    ("Does the mug fit on the bowl?", ("yes",)),
    ("Is there room for the bowl on the tray?", ("yes",)),
    ("Does the tray fit on top of the bowl?", ("no",)),
    ("Would a 30 cm wide box fit on the tray?", ("yes",)),
    ("Would a box that is 30 cm wide fit on the bowl?", ("no",)),
    ("Does a 10 cm tall tin fit into the bowl?", ("no",)),
    ("Can an arm with a reach of 0.5 m get to the mug from the bowl?", ("yes",)),
    ("Is the lamp out of reach for an arm of 0.5 m at the bowl?", ("yes",)),
    ("Is the lamp farther than 0.5 m from the bowl?", ("yes",)),
    ("Can I reach the mug with an arm of 1 m?", ("no",)),
    ("Which is taller, the mug or the lamp, and by how much?", ("lamp",)),
    ("Which is the shortest: the mug, the lamp or the tray?", ("tray",)),
    ("Which is wider, the mug or the tray, and by how much?", ("tray",)),
    ("Which is the biggest of the mug, the bowl and the can of beer?", ("bowl",)),
    ("Is the lamp taller than 40 cm?", ("yes",)),
    ("Is the lamp at least 30 cm taller than the mug?", ("yes",)),
    ("Is the lamp at least 40 cm taller than the mug?", ("no",)),
    ("Is the mug more than 30 cm shorter than the lamp?", ("yes",)),
    ("Is the lamp less than 40 cm taller than the mug?", ("yes",)),
    ("Is the lamp taller than the mug by more than 40 cm?", ("no",)),
    ("Is the lamp less than 20 cm to the left of the mug?", ("no",)),  # 1.2 m to its right
    ("Is the mug less than 50 cm to the left of the bowl?", ("yes",)),
    ("Is the mug taller than the lamp by less than 20 cm?", ("no",)),
    ("Is the mug at most 5 cm wider than the tray?", ("no",)),
    ("Is the mug up to 40 cm shorter than the lamp?", ("yes",)),
    ("Is the mug more than 30 cm left of the bowl?", ("yes",)),
    ("Is the mug more than 50 cm to the left of the bowl?", ("no",)),
    ("Is the bowl at least 10 cm left of the mug?", ("no",)),
    ("Is the tray more than 20 cm behind the bowl?", ("yes",)),
    ("Is the lamp more than 30 cm above the mug?", ("yes",)),
    ("Is the tray no more than 15 cm wider than the bowl?", ("no",)),
    ("How many of the mug, the bowl and the lamp are taller than 10 cm?", ("2",)),
    ("How many of the mug, the bowl and the lamp are less than 10 cm tall?", ("1",)),
    ("How many of the mug, the bowl and the tray are at least 15 cm wide?", ("2",)),
    ("Which is closer to the lamp, the bowl or the mug, and by how much?", ("bowl",)),
    ("Which two of the mug, the bowl, the lamp and the tray are closest together?", ("bowl", "tray")),
    ("Which two of the mug, the bowl, the lamp and the tray are farthest apart?", ("mug", "lamp")),
    ("What is the shortest of the distances between the mug, the bowl and the lamp?", ("mug", "bowl")),
    ("Are the bowl and the tray closer together than the mug and the lamp?", ("yes",)),
    ("Are the bowl and the tray farther apart than the mug and the lamp?", ("no",)),
    ("How many of the mug, the tray and the lamp are within 0.5 m of the bowl?", ("2",)),
    ("Where is the lamp relative to the mug?", ("right", "above")),
    ("Where is the can of beer relative to the mug?", ("behind",)),
    ("Is the mug left of the bowl?", ("yes",)),
    ("Is the bowl between the mug and the gripper?", ("yes",)),
)


@pytest.mark.parametrize(("question", "labels"), LABELLED, ids=[q for q, _ in LABELLED])
def test_what_is_decided(friend, question, labels):
    solution = solve(question, friend)
    assert solution.valid and solution.conclusion.labels == labels, solution
    assert solution.conclusion.probability > 0.99 and solution.reason is Reason.OK


NUMBERS = (
    (
        "What is the total distance from the mug to the bowl and from the mug to the lamp?",
        (0.4**2 + 0.02**2) ** 0.5 + (1.2**2 + 0.19**2) ** 0.5,
        "m",
    ),
    ("How far is the mug from the tray via the bowl?", 0.4 + (0.3**2 + 0.025**2) ** 0.5, "m"),
    ("How long is the path from the mug via the bowl to the tray?", 0.4 + (0.3**2 + 0.025**2) ** 0.5, "m"),
    (
        "How far is it from the mug to the lamp and then to the bowl in total?",
        (1.2**2 + 0.19**2) ** 0.5 + (0.8**2 + 0.21**2) ** 0.5,
        "m",
    ),
    ("How tall would a stack of the mug, the bowl and the tray be?", 0.23, "m"),
    (
        "How many times as far from the bowl is the lamp as the mug?",
        (0.8**2 + 0.21**2) ** 0.5 / (0.4**2 + 0.02**2) ** 0.5,
        "",
    ),
    ("Which is taller, the mug or the lamp, and by how much?", 0.38, "m"),
    ("Which of the mug, the lamp and the bowl is the tallest, and by how much?", 0.38, "m"),
    ("What is the average height of the mug, the bowl and the lamp?", 0.7 / 3, "m"),
    ("How tall are the mug and the lamp on average?", 0.31, "m"),
    ("What is the mean width of the mug and the tray?", 0.25, "m"),
    (
        "What is the average distance of the mug and the lamp to the bowl?",
        ((0.4**2 + 0.02**2) ** 0.5 + (0.8**2 + 0.21**2) ** 0.5) / 2,
        "m",
    ),
    (
        "What is the average distance between the mug, the bowl and the lamp?",
        ((0.4**2 + 0.02**2) ** 0.5 + (0.8**2 + 0.21**2) ** 0.5 + (1.2**2 + 0.19**2) ** 0.5) / 3,
        "m",
    ),
    ("How far is the mug from the bowl?", (0.4**2 + 0.02**2) ** 0.5, "m"),
    ("How tall is the lamp?", 0.5, "m"),
)


@pytest.mark.parametrize(("question", "value", "unit"), NUMBERS, ids=[q for q, _, _ in NUMBERS])
def test_what_is_measured(friend, question, value, unit):
    end = solve(question, friend).conclusion
    assert end.value == pytest.approx(value, rel=0.003) and end.unit == unit


def test_the_trace_tells_how(friend):
    solution = solve("Can a robot that is 0.2 m wide pass between the mug and the bowl?", friend)
    assert [s.kind.value for s in solution.steps] == ["think", "locate", "measure", "calculate", "answer"]
    assert [s.index for s in solution.steps] == [0, 1, 2, 3, 4] and all(s.seconds >= 0 for s in solution.steps)
    (measured,) = solution.steps[2].estimates
    assert measured.relation is Relation.FREE_WIDTH and measured.value == pytest.approx(0.25)
    assert measured.sources == {Source.GROUND_TRUTH}
    assert solution.steps[3].tool_input == "m1 > 0.2 m" and "true" in solution.steps[3].tool_output
    assert solution.steps[4].text == solution.text
    assert solution.text.startswith("Yes: the passage between the mug and the bowl is 0.25 m wide")


def test_errors_are_carried_to_the_answer(friend):
    text = solve("How long is the path from the mug via the bowl to the tray?", NoisyFriend(friend, 0.1)).text
    assert text.startswith("0.70 \u00b1 0.05 m")


def test_errors_that_are_shared_do_not_blur_a_ratio(friend):
    question = "How many times as far from the bowl is the lamp as the mug?"
    own = solve(question, NoisyFriend(friend, 0.2)).conclusion
    shared = solve(question, NoisyFriend(friend, 0.2, shared=0.2)).conclusion
    assert own.std > 0.4 and shared.std < 1e-6


def test_doubt_is_said(friend):
    question = "Which is closer to the bowl, the mug or the tray?"  # 0.400 and 0.301 m
    assert solve(question, NoisyFriend(friend, 0.05)).text.startswith("The tray: nearer to the bowl, ")
    assert solve(question, NoisyFriend(friend, 0.25)).text.startswith("Probably the tray (")
    tie = solve("Which is closer to the bowl, the mug or the gripper?", NoisyFriend(friend, 0.25))  # 0.400 m both
    assert tie.text.startswith("Too close to tell: ") and "if anything, the " in tie.text
    assert tie.valid and tie.conclusion.probability < 0.55


def test_what_fits_may_be_turned():
    """The tray is 0.40 m wide and 0.25 m deep, the shelf 0.30 m wide and 0.45 m deep."""
    scene = table_scene("shelf")
    shelf = next(thing for thing in scene.objects if thing.label == "shelf")
    shelf = replace(shelf, box3d=replace(shelf.box3d, sizes=np.array([[0.3, 0.1, 0.45]])))
    solution = solve(
        "Does the tray fit into the shelf?", ExactFriend(replace(scene, objects=(*scene.objects[:-1], shelf)))
    )
    assert solution.text == (
        "Yes: the tray is 0.40 m wide, 0.25 m deep and 0.030 m high, "
        "the shelf is 0.30 m wide, 0.45 m deep and 0.10 m high; walls are not subtracted."
    )


def test_what_fits_is_as_sure_as_the_depth(friend):
    class Shallow(NoisyFriend):
        def locate_many(self, subjects):
            found = self.exact.locate_many(subjects)
            return [replace(t, size_std=np.array([0.0, 0.05 if t.name == "bowl" else 0.0, 0.0])) for t in found]

    class Flat(NoisyFriend):
        def locate_many(self, subjects):
            return [replace(t, size=t.size * [1, np.nan, 1]) for t in self.exact.locate_many(subjects)]

    end = solve("Does the mug fit on the bowl?", Shallow(friend)).conclusion
    assert end.labels == ("yes",) and 0.96 < end.probability < 0.985  # 0.2 +- 0.05 m against 0.1 m
    assert solve("Does the mug fit on the bowl?", Flat(friend)).reason is Reason.NO_FRAME


def test_a_place_in_an_order(friend):
    text = "Which of the mug, the tray, the bowl and the lamp is the third tallest?"
    assert solve(text, friend).text.startswith("The bowl: the third tallest, with the lamp 0.50 m, the mug 0.12 m,")
    sure = solve("Which of the mug, the tray and the lamp is second nearest to the bowl?", NoisyFriend(friend, 0.05))
    assert sure.text.startswith("The mug: second nearest to the bowl, with the tray ")
    tie = solve("Which of the tray, the mug, the gripper is second nearest to the bowl?", NoisyFriend(friend, 0.02))
    assert tie.text.startswith("Too close to tell: ") and tie.conclusion.probability < 0.55  # 0.400 m both
    assert not solve("Which of the mug and the lamp is the third nearest to the bowl?", friend).valid


def test_an_order_is_said_as_far_as_it_can_be_told(friend):
    question = "Sort the mug, the lamp, the gripper and the tray by their distance to the bowl, nearest first."
    order = solve(question, NoisyFriend(friend, 0.05))  # 0.400, 0.827, 0.400 and 0.301 m
    assert order.text.startswith("Probably the tray, the ") and order.text.endswith(" are too close to tell apart.")
    assert {order.conclusion.labels[0], order.conclusion.labels[-1]} == {"tray", "lamp"}
    assert 0.45 < order.conclusion.probability < 0.55
    pair = "Sort the mug and the gripper by their distance to the bowl, nearest first."
    assert solve(pair, NoisyFriend(friend, 0.05)).text.startswith("Too close to tell: ")


def test_a_count_names_what_it_hangs_on(friend):
    question = "How many of the mug, the lamp and the tray are within 40 cm of the bowl?"
    count = solve(question, NoisyFriend(friend, 0.05))
    assert count.text.endswith("; the mug is too close to tell.") and count.conclusion.value in (1, 2)
    assert 0.45 < count.conclusion.probability < 0.55
    sure = solve("How many of the mug, the lamp and the tray are within 60 cm of the bowl?", NoisyFriend(friend, 0.05))
    assert sure.text.startswith("2 (the mug and the tray): ") and sure.conclusion.probability > 0.99


def test_errors_that_are_shared_do_not_blur_a_count(friend):
    """Two things at one distance are within reach all together or not at all."""
    question = "How many of the mug and the gripper are within 40 cm of the bowl?"
    own = solve(question, NoisyFriend(friend, 0.2)).conclusion
    shared = solve(question, NoisyFriend(friend, 0.2, shared=0.2)).conclusion
    assert own.value == 1 and own.probability < 0.55
    assert shared.value in (0, 2) and 0.45 < shared.probability < 0.56


def test_a_robot_is_told_how_sure_it_may_be(friend):
    end = solve(
        "Can a robot that is 0.24 m wide pass between the mug and the bowl?", NoisyFriend(friend, 0.2)
    ).conclusion
    assert 0.5 < end.probability < 0.65


def test_an_input_without_a_value_is_a_refusal_with_its_reason(friend):
    hidden = NoisyFriend(friend, missing=frozenset({"lamp"}))
    solution = solve("Which of the mug and the lamp is nearest to the bowl?", hidden)
    assert not solution.valid and solution.reason is Reason.NOT_VISIBLE and solution.text == ""
    assert "lamp" in solution.detail and solution.steps[-1].kind is StepKind.MEASURE


def test_a_side_is_as_sure_as_what_was_measured(friend):
    """The lamp is 0.19 m higher than the mug; which of them is the higher one is another measurement."""
    question = "Where is the lamp relative to the mug?"
    even = solve(question, NoisyFriend(friend, 0.02, probable={Relation.ABOVE: 0.6}))
    assert "probably (60%) 0.190 \u00b1 0.004 m above" in even.text
    assert even.conclusion.probability == pytest.approx(0.6, abs=0.01)
    below = solve(question, NoisyFriend(friend, 0.02, probable={Relation.ABOVE: 0.03}))
    assert "below" in below.conclusion.labels and below.conclusion.probability == pytest.approx(0.97, abs=0.01)
    unknown = solve(question, NoisyFriend(friend, 0.02, probable={Relation.ABOVE: 0.5}))
    assert unknown.conclusion.labels == ("right",)


def test_a_doubt_whether_a_thing_is_there_is_said_with_the_conclusion(friend):
    question = "Can a robot that is 0.2 m wide pass between the mug and the bowl?"
    sure = solve(question, NoisyFriend(friend, seen={"mug": 0.9}))
    assert "there at all" not in sure.text and sure.conclusion.presence == 0.9
    unsure = solve(question, NoisyFriend(friend, seen={"mug": 0.1}))
    assert unsure.text == f"{sure.text} That is, if the mug (10% sure) is there at all."
    assert unsure.conclusion.presence == 0.1 and unsure.conclusion.probability == sure.conclusion.probability
    both = solve(question, NoisyFriend(friend, seen={"mug": 0.1, "bowl": 0.4})).text
    assert both.endswith("That is, if the mug (10% sure) and the bowl (40% sure) are there at all.")
    assert solve("How far is the mug from the bowl?", NoisyFriend(friend, seen={"bowl": 0.4})).text.endswith("at all.")


def test_what_is_probably_not_there_is_not_concluded_from(friend):
    class Unsure(NoisyFriend):
        def locate_many(self, subjects):
            return [replace(t, score=0.05 if t.name == "lamp" else 0.9) for t in self.exact.locate_many(subjects)]

    question = "Which of the mug and the lamp is nearest to the bowl?"
    solution = solve(question, Unsure(friend))
    assert solution.reason is Reason.NOT_VISIBLE and "only 5% sure" in solution.detail
    assert Reasoner(Planner(least_presence=0.0), Unsure(friend)).solve(question).valid
    assert solve("Is the lamp farther than 10 m from the camera?", Unsure(friend)).reason is Reason.NOT_VISIBLE
    assert solve("Is the mug within 3 m of the camera?", Unsure(friend)).valid


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Which of the mug and the vase is nearest to the bowl?", Reason.NOT_VISIBLE),
        ("Is the vase between the mug and the bowl?", Reason.NOT_VISIBLE),
        ("Is the twin between the mug and the bowl?", Reason.AMBIGUOUS),
        ("How tall would a stack of the twin and the bowl be?", Reason.AMBIGUOUS),
        ("What colour is the mug?", Reason.NOT_CONFIGURED),
        ("Write a poem about the mug and the bowl.", Reason.NOT_CONFIGURED),
        ("How heavy is the mug?", Reason.NOT_CONFIGURED),
        ("Which of the mug, the bowl and the lamp is the most expensive?", Reason.NOT_CONFIGURED),
    ],
)
def test_what_cannot_be_answered_is_refused(question, reason):
    solution = solve(question, ExactFriend(table_scene("twin", "twin")))
    assert not solution.valid and solution.reason is reason and solution.detail


def test_a_frame_that_is_not_known_is_a_refusal(friend):
    from spatialvlm_ros.geometry.frames import CanonicalFrame

    blind = ExactFriend(replace(friend.scene, frame=CanonicalFrame.unknown()))
    assert solve("Which is taller, the mug or the lamp?", blind).reason is Reason.NO_FRAME
    assert solve("Which is nearest to the mug: the bowl or the lamp?", blind).valid


def test_every_form_reads_its_own_example():
    for form in known_forms():
        plan = read_plan(form.example)
        assert plan is not None and plan.form == form.name, form.example


def test_no_form_reads_the_wordings_file():
    """The planner does not know the benchmark: not its data, not its code."""
    import sys

    before = set(sys.modules)
    import spatialvlm_ros.reasoning.planner.planner as module

    sources = [module.__file__, *(sys.modules[f.read.__module__].__file__ for f in known_forms())]
    for source in sources:
        text = open(source, encoding="utf-8").read()
        assert "reasoning.bench" not in text and "wordings" not in text and ".yaml" not in text, source
    assert not {m for m in set(sys.modules) - before if m.startswith("spatialvlm_ros.reasoning.bench")}
