"""Which names mean a kind of object that the model knows."""

from __future__ import annotations

import json

import pytest

from spatialvlm_ros.models.embedded.known_names import KnownNames
from spatialvlm_ros.models.embedded.synonyms import synonyms_of
from spatialvlm_ros.models.embedded.weights import shipped_folder

NAMES = KnownNames(("mug", "plate", "table", "coffee table", "pile of clothes", "rubik's cube", "pen holder", "glass"))


@pytest.mark.parametrize(
    "name",
    [
        *("mug", "The mug", "red coffee mug", "my old mug", "Mug?", "left mug", "black and white mug"),
        *("mug on the left", "the red mug nearer to the camera", "plate further from the camera", "mug higher up"),
        *("mug lower down", "mug between the plate and the glass", "glass of water", "coffee table", "wooden table"),
        *("pile of clothes", "pile of clothes on the table", "Rubik's Cube", "small pen holder", "mug with a handle"),
        *("white mug with a red and blue handle", "mug left of the plate", "mug that stands on the table"),
    ],
)
def test_a_noun_with_attributes_and_clauses(name: str) -> None:
    assert NAMES.known(name)


@pytest.mark.parametrize(
    "name",
    [
        *("mug holder", "table leg", "mug rack", "leg of the table", "handle of the mug", "mug's handle"),
        *("not a table", "no mug", "a red the mug", "unicorn", "unicorn on the table", ""),
        *("table and pile of clothes", "mug and plate", "mug or plate", "mug, plate", "mug on the table and plate"),
        *("mug in inches", "mug in metres", "mug from the table", "mug than the plate", "<find> mug", "mugs"),
    ],
)
def test_another_thing_two_things_or_none(name: str) -> None:
    assert not NAMES.known(name)


@pytest.mark.parametrize("name", ["toy mouse", "piano keys", "soap bin", "bin lid", "ice cream cone", "wine glasses"])
def test_words_that_mean_another_thing_in_a_compound_stay_unknown(name: str) -> None:
    nouns = ("computer mouse", "set of keys", "box", "traffic cone", "pair of glasses", "can")
    assert not KnownNames(nouns).known(name)


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        *(("fridge", "refrigerator"), ("The white fridge by the door", "white refrigerator by the door")),
        *(("Scissors", "pair of scissors"), ("yellow bin", "yellow box"), ("trash bin", "trash can")),
        *(
            ("my cellphone on the left", "my phone on the left"),
            ("carton of milk", "milk carton"),
            ("photo frame", "picture frame"),
        ),
    ],
)
def test_other_words_are_said_in_those_that_the_model_knows(name: str, trained: str) -> None:
    names = KnownNames(
        ("refrigerator", "pair of scissors", "box", "trash can", "phone", "picture frame", "milk carton")
    )
    assert names.known(name)
    assert names.in_trained_words(name) == trained


def test_what_the_model_knows_already_and_what_nobody_knows_stay_as_they_are() -> None:
    names = KnownNames(("box", "bin", "coffee cup", "mug"))
    for name in ("yellow bin", "red coffee mug", "coffee cup", "fridge", "bin and fridge", "box and bin"):
        assert names.in_trained_words(name) == name
    assert not names.known("fridge") and not names.known("box and bin")
    assert KnownNames(("vase",)).known("vase with black and white flowers")
    assert not KnownNames(("box",)).known("bin lid")


def test_every_synonym_of_the_shipped_model_is_a_word_that_it_lacks() -> None:
    nouns = json.loads((shipped_folder() / "spatialvlm.json").read_text())["nouns"]
    synonyms = synonyms_of(nouns)
    assert len(synonyms) > 75
    assert not {word for word in synonyms if KnownNames(nouns).in_trained_words(word) == word}
