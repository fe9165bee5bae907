"""A sentence means a template with its objects, or it is refused."""

from __future__ import annotations

import phrasings_after
import phrasings_before
import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.sentences import meaning_of
from spatialvlm_ros.rewards.templates import task_of, template

MEANT = phrasings_before.MEANT + phrasings_after.MEANT
NOT_MEANT = phrasings_before.NOT_MEANT + phrasings_after.NOT_MEANT


def test_there_are_many_and_half_of_them_are_older_than_the_rules():
    assert len(MEANT) >= 50 and len(phrasings_before.MEANT) >= 25
    assert {name for _, name, _ in MEANT} == {"reach", "pick", "place_in", "place_on", "push_to", "insert"}


@pytest.mark.parametrize("sentence,name,objects", MEANT)
def test_a_sentence_is_understood(sentence, name, objects):
    meaning = meaning_of(sentence)
    assert (meaning.template, dict(meaning.objects)) == (name, objects)


@pytest.mark.parametrize("sentence,name,objects", MEANT)
def test_and_makes_a_task(sentence, name, objects):
    assert task_of(sentence) == template(name, **objects)


@pytest.mark.parametrize("sentence", NOT_MEANT)
def test_what_no_template_does_is_refused(sentence):
    with pytest.raises(ConfigError):
        meaning_of(sentence)


@pytest.mark.parametrize(
    "sentence,why",
    [
        ("open the drawer", "no template begins with 'open'"),
        ("don't pick up the apple", "says what not to do"),
        ("pick it up", "does not say what 'it' is"),
        ("pick up the apple, then push the car to the wall", "more than one task"),
        ("put the apple", "not understood"),
        ("hold the apple still", "not understood"),
        ("take hold of the apple using the gripper", "not understood"),
    ],
)
def test_a_refusal_says_why_and_what_could_be_said(sentence, why):
    with pytest.raises(ConfigError, match=f"{why}.*put the apple into the bowl"):
        meaning_of(sentence)


def test_upper_case_and_blanks_do_not_matter():
    assert meaning_of("  PUT the   Apple into THE bowl!! ") == meaning_of("put the apple into the bowl")
