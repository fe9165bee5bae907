"""Which names mean a kind of object that the model knows."""

from __future__ import annotations

import pytest

from spatialvlm_ros.models.embedded.known_names import KnownNames

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
