"""Answers in few words, and where each is shown."""

from __future__ import annotations

import pytest

from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.ros.labels import estimate_text, full_text, grouped_labels, name_text, value_text
from spatialvlm_ros.scenes.relations import Relation


def answer(relation: Relation, value: float, std: float, unit: str = "m", ends: tuple[str, str] = ("mug", "bowl")):
    return Estimate(relation, *ends, value, std, (value, value), unit, valid=True, reason=Reason.OK)


@pytest.mark.parametrize(
    ("value", "std", "unit", "text"),
    [
        (0.42, 0.05, "m", "0.42 m ±0.05"),
        (0.0224, 0.0016, "m", "0.022 m ±0.002"),
        (12.34, 1.56, "m", "12.3 m ±1.6"),
        (-0.32, 0.04, "m", "-0.32 m ±0.04"),
        (0.0012, 0.0003, "m3", "1.20 L ±0.30"),
        (2.5, 0.25, "m3", "2.50 m3 ±0.25"),
        (0.42, float("nan"), "m", "0.42 m"),
        (0.993, 0.08, "probability", "99%"),
    ],
)
def test_values_have_digits_that_their_error_allows(value: float, std: float, unit: str, text: str) -> None:
    assert value_text(answer(Relation.DISTANCE, value, std, unit)) == text


@pytest.mark.parametrize(
    ("relation", "ends", "text"),
    [
        (Relation.DISTANCE, ("mug", "bowl"), "0.42 m ±0.05"),
        (Relation.GAP, ("mug", "bowl"), "gap 0.42 m ±0.05"),
        (Relation.HEIGHT, ("mug", ""), "height 0.42 m ±0.05"),
        (Relation.LEFT_DIFF, ("mug", "bowl"), "mug: left 0.42 m ±0.05"),
        (Relation.HORIZONTAL_DISTANCE, ("mug", "bowl"), "horizontal 0.42 m ±0.05"),
        (Relation.DISTANCE, ("mug", "camera"), "to camera 0.42 m ±0.05"),
        (Relation.GAP, ("the camera", "mug"), "gap to camera 0.42 m ±0.05"),
        (Relation.BELOW_DIFF, ("mug", "camera"), "mug below camera: 0.42 m ±0.05"),
    ],
)
def test_labels_name_what_the_place_does_not_tell(relation: Relation, ends: tuple[str, str], text: str) -> None:
    assert estimate_text(answer(relation, 0.42, 0.05, ends=ends)) == text


def test_a_line_in_a_list_names_everything() -> None:
    known = answer(Relation.DISTANCE, 0.42, 0.05)
    assert full_text(known) == "distance mug - bowl: 0.42 m ±0.05"
    assert full_text(known.refused(Reason.NOT_VISIBLE)) == "distance mug - bowl: not visible"
    assert full_text(answer(Relation.HEIGHT, 1, 0.1, ends=("mug", ""))) == "height mug: 1.00 m ±0.10"


def test_names_have_their_id_where_there_is_one() -> None:
    assert (name_text("mug", 0), name_text("mug")) == ("mug #0", "mug")


def test_each_answer_has_one_place() -> None:
    between = answer(Relation.DISTANCE, 1, 0.1)
    back = answer(Relation.LEFT_DIFF, 1, 0.1, ends=("bowl", "mug"))
    alone = answer(Relation.HEIGHT, 1, 0.1, ends=("mug", ""))
    camera = answer(Relation.DISTANCE, 1, 0.1, ends=("camera", "bowl"))
    unseen = answer(Relation.GAP, 1, 0.1, ends=("gripper", "mug"))
    nothing = answer(Relation.ELEVATION, 1, 0.1, ends=("camera", ""))
    refused = between.refused(Reason.STALE)
    labels = grouped_labels([between, back, alone, camera, unseen, nothing, refused], {"mug", "bowl"})
    assert labels.at_line == {("mug", "bowl"): [between, back]}
    assert labels.at_object == {"mug": [alone], "bowl": [camera]}
    assert labels.listed == [unseen, nothing, refused]
