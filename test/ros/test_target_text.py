"""What a sentence names, and sentences that name nothing."""

from __future__ import annotations

import csv

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.ros.target_text import target_of
from spatialvlm_ros.simulation.assets.splits import INDEX_PATH

# Written down before there were any rules.
BEFORE_THE_RULES = (
    ("go to the red mug", "red mug"),
    ("pick up the apple, please", "apple"),
    ("could you move over to the wooden chair?", "wooden chair"),
    ("red mug", "red mug"),
    ("Please fetch me a can of beer.", "can of beer"),
    ("Drive to the table!", "table"),
    ("I want you to bring me the banana", "banana"),
    ("move your gripper above the blue cube", "blue cube"),
    ("hey robot, grab that green bottle", "green bottle"),
    ("the yellow bowl", "yellow bowl"),
    ("Can you please go and stand in front of the sofa", "sofa"),
    ("approach the fridge slowly", "fridge"),
    ("reach for the pair of scissors", "pair of scissors"),
    ("hover over the pear", "pear"),
    ("let's go to the door", "door"),
    ("I would like you to pick the orange up", "orange"),
    ("take the ketchup from the table", "ketchup"),
    ("touch the lemon with your hand", "lemon"),
    ("go 20 cm above the cereal box", "cereal box"),
    ("find my phone and go there", "phone"),
)

# Written after them.
AFTER_THE_RULES = (
    ("navigate to the big, red mug", "big red mug"),
    ("Robot, please move your arm over to the white plate.", "white plate"),
    ("go from the table to the chair", "chair"),
    ("stop half a metre in front of the door", "door"),
    ("don't go to the bowl, go to the mug", "mug"),
    ("Go to the mug, but do not touch it.", "mug"),
    ("put the apple into the bowl", "apple"),
    ("hold the gripper 0.15 m over the soccer ball", "soccer ball"),
    ("can of beer", "can of beer"),
    ("where is the remote control?", "remote control"),
    ("go to the right mug", "right mug"),
    ("take me to the washing machine", "washing machine"),
    ("I need the mug which is next to the bowl", "mug"),
    ("open the gripper, then reach for the pear", "pear"),
    ("go to the left side of the kitchen table", "kitchen table"),
    ("grab salt and pepper shaker", "salt and pepper shaker"),
    ("get the child\u2019s chair", "child's chair"),
    ("to the coffee maker", "coffee maker"),
    ('"Move towards the trash can"', "trash can"),
    ("you should look for an umbrella now", "umbrella"),
    ("watch", "watch"),
    ("Move the robot arm next to the rubik's cube, thanks", "rubik's cube"),
)

NAME_NOTHING = (
    "",
    "   ",
    "?!",
    "go to it",
    "go there",
    "go",
    "stop",
    "please",
    "go home",
    "pick that up",
    "grab something",
    "go to the",
    "bring it to the table",  # what is "it"?
    "don't go to the red mug",
    "you must not touch the bowl",
    "stay away from the stove",
    "never approach the dog",
    "what is the meaning of life?",
    "how far is the red mug",
    "polish the table",  # no verb that it knows
    "my hovercraft is full of eels",
    "one two three four five six seven eight nine",
)


@pytest.mark.parametrize(("sentence", "name"), [*BEFORE_THE_RULES, *AFTER_THE_RULES])
def test_the_object_of_a_sentence(sentence: str, name: str) -> None:
    assert target_of(sentence) == name


@pytest.mark.parametrize(("sentence", "name"), BEFORE_THE_RULES + AFTER_THE_RULES)
def test_a_name_is_its_own_name(sentence: str, name: str) -> None:
    assert target_of(name) == name
    assert target_of(f"The {name.upper()}!") == name
    assert target_of(f"go to the {name}, please") == name


@pytest.mark.parametrize("sentence", NAME_NOTHING)
def test_sentences_that_name_nothing_are_refused(sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        target_of(sentence)
    assert caught.value.value == sentence
    assert "go to the red mug" in caught.value.remedy


@pytest.mark.parametrize("sentence", ["go to the mug and the bowl", "the mug or the bowl", "fetch an apple and a pear"])
def test_two_objects_are_one_too_many(sentence: str) -> None:
    with pytest.raises(ConfigError, match="two objects"):
        target_of(sentence)


def test_every_name_of_the_asset_index_is_understood() -> None:
    labels = {f"{row['attributes']} {row['noun']}".strip() for row in csv.DictReader(INDEX_PATH.open(encoding="utf-8"))}
    assert len(labels) > 100
    wrong = {label: got for label in labels if (got := target_of(f"go to the {label}")) != label}
    assert not wrong
