"""Questions of the 43 families, in the words of the package's own generator: the planner reads what the question reader
reads, and concludes what its measurement says."""

from __future__ import annotations

from collections import Counter

import pytest

from spatialvlm_ros.models.question_reading import read_family_question, read_question
from spatialvlm_ros.questions.ambiguity import CLAUSES
from spatialvlm_ros.questions.families import FAMILY_NAMES, Kind
from spatialvlm_ros.questions.generator import QuestionGenerator
from spatialvlm_ros.reasoning.bench.exact_friend import ExactFriend
from spatialvlm_ros.reasoning.bench.scenes import geometric_scenes
from spatialvlm_ros.reasoning.planner.planner import read_plan
from spatialvlm_ros.reasoning.reasoner import Reasoner

SCENES, PER_SCENE, SEED = 10, 60, 3


def asked_of_scenes():
    for number, scene in enumerate(geometric_scenes(SCENES, SEED)):
        friend = ExactFriend(scene)
        for pair in QuestionGenerator().generate([scene], per_scene=PER_SCENE, seeds=[number])[0]:
            yield friend, pair


def wanted(read, friend):
    """Label and value that the measurement of the reader gives; None where the scene does not define it."""
    (estimate,) = friend.measure_many([read.query])
    if not estimate.valid:
        return None
    holds = estimate.value >= 0.5
    names = [str(read.query.subject), str(read.query.reference)]
    answers = {
        Kind.PREDICATE: lambda: ("yes" if holds else "no", None),
        Kind.CHOICE: lambda: (names[0 if holds else 1], None),
        Kind.CLASSIFY: lambda: (read.family.words[0 if holds else 1], None),
        Kind.NUMBER: lambda: (None, estimate.value),
    }
    return answers[read.family.kind]()


def test_questions_of_the_generator_are_answered_as_their_family():
    asked = Counter()
    for friend, pair in asked_of_scenes():
        read = read_family_question(pair.question)
        truth = None if read is None else wanted(read, friend)
        if truth is None:
            continue
        asked[read.family.name] += 1
        end = Reasoner("planner", friend).solve(pair.question).conclusion
        label, value = truth
        assert end is not None, pair.question
        if label is None:
            assert end.value == pytest.approx(value, abs=1e-9), (pair.question, end.text)
        elif abs(friend.value(read.query.kind, str(read.query.subject), str(read.query.reference))) > 1e-6:  # no tie
            assert end.labels == (label,), (pair.question, end.text)
    assert sum(asked.values()) > 0.9 * SCENES * PER_SCENE and len(asked) > 0.9 * len(FAMILY_NAMES)


def test_of_two_alike_the_one_that_is_meant_is_asked_about():
    """ "The mug on the left", "the mug nearer to the camera": the clauses by which the generator tells two apart."""
    clauses = [clause for pair in CLAUSES.values() for clause in pair]
    for number, (friend, pair) in enumerate(asked_of_scenes()):
        name = friend.scene.objects[pair.subject].label
        question = pair.question.replace(name, f"{name} {clauses[number % len(clauses)]}")
        query, plan = read_question(question), read_plan(question)
        assert plan is not None, question
        assert set(plan.names) == {str(n) for n in (query.subject, query.reference) if n is not None}, question


FAMILIES = (
    ("Which is further to the left, the bowl or the mug?", ("mug",)),
    ("Which is further to the right, the bowl or the mug?", ("bowl",)),
    ("In this view, which is further forward, the tray or the bowl?", ("bowl",)),
    ("Is the tray placed in front of or behind the bowl?", ("behind",)),
    ("Say left or right: where is the lamp compared with the mug?", ("right",)),
    ("Which is taller, the mug or the lamp?", ("lamp",)),
    ("Which is less wide, the mug or the tray?", ("mug",)),
    ("Comparing the lamp and the mug, is the first one shorter?", ("no",)),
)


@pytest.mark.parametrize(("question", "labels"), FAMILIES, ids=[q for q, _ in FAMILIES])
def test_what_a_family_decides(friend, question, labels):
    end = Reasoner("planner", friend).solve(question).conclusion
    assert end is not None and end.labels == labels and end.probability > 0.99


def test_a_choice_is_said_in_words(friend):
    solve = Reasoner("planner", friend).solve
    assert solve("Which is further to the left, the bowl or the mug?").text == (
        "The mug: farther to the left than the bowl."
    )
    assert solve("Which is taller, the mug or the lamp?").text == (
        "The lamp: taller, with the lamp 0.50 m and the mug 0.12 m."
    )
    assert solve("Is the tray placed in front of or behind the bowl?").text == (
        "Behind: the tray, compared with the bowl."
    )


MORE_STEPS = (
    ("Which is taller, the mug or the lamp, and by how much?", "tallest"),
    ("How far is the mug from the bowl and from the lamp?", None),
    ("How far is the mug from the bowl without passing the lamp?", None),
    ("How far is the second nearest mug from the bowl?", None),
    ("How tall is the cup on the table?", "single_described"),
    ("Is the mug left of the bowl or the lamp?", None),
)


@pytest.mark.parametrize(("question", "form"), MORE_STEPS, ids=[q for q, _ in MORE_STEPS])
def test_what_only_begins_like_a_family_is_none(question, form):
    plan = read_plan(question)
    assert (None if plan is None else plan.form) == form
