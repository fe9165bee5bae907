"""Votes for a name: what a box counts, and where many of them are together."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_scenes import BOOK, MUG, picture

from spatialvlm_ros.models.estimate import LocatedObject, Reason
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.following.follower import Follower
from spatialvlm_ros.rewards.following.naming import Vote, middle_box, vote_of
from spatialvlm_ros.rewards.recordings.measuring import not_measured

BOX = np.array([10.0, 20.0, 50.0, 90.0])


def test_a_box_counts_as_likely_as_it_shows_what_was_named():
    found = LocatedObject("mug", valid=True, reason=Reason.OK, box2d=BOX, score=0.9, recognition=0.2)
    assert vote_of(found).weight == 0.2 and vote_of(found).is_cast
    assert vote_of(replace(found, recognition=float("nan"))).weight == 0.9
    assert not vote_of(LocatedObject("mug")).is_cast


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=9), st.floats(0.01, 1.0))
def test_boxes_that_count_alike_have_the_median_between_them(offsets, weight):
    boxes = [BOX + offset * np.array([1.0, -1.0, 0.5, 2.0]) for offset in offsets]
    middle = middle_box([Vote(box, weight) for box in boxes])
    np.testing.assert_allclose(middle, np.median(boxes, axis=0), atol=1e-9)


def test_a_box_that_counts_more_than_the_others_together_is_the_middle():
    sure, others = Vote(BOX, 0.9), [Vote(BOX + offset, 0.02) for offset in (100.0, 110.0, 120.0)]
    assert np.abs(middle_box([*others, sure]) - BOX).max() < 15
    assert np.abs(middle_box([replace(sure, weight=0.02), *others]) - BOX).max() > 90
    np.testing.assert_array_equal(middle_box([Vote(BOX, 0.0)]), BOX)


@dataclass(frozen=True)
class Told:
    """A picture, and where a model says the mug is."""

    observation: object
    found: LocatedObject

    def measure_many(self, queries):
        return not_measured(queries, Reason.STALE, "Only what is followed is asked.")

    def locate_closer(self, subjects):
        return [self.found for _ in subjects]


@pytest.mark.parametrize("wrong_recognition", [0.05, float("nan")])
def test_a_name_goes_to_what_is_recognised_not_to_what_is_said_loudest(wrong_recognition):
    view, tcp = picture((MUG, BOOK), (0.0, 0.0, 0.5))
    mug, book = (detection.box2d for detection in view.detections[:2])
    follower = Follower()
    said = [(book, 0.95, wrong_recognition)] * 3 + [(mug, 0.6, 0.9)] * 2
    for stamp, (box, score, recognition) in enumerate(said, start=1):
        found = LocatedObject("mug", True, Reason.OK, box, score, recognition=recognition)
        observation = replace(view.observation, stamp_ns=stamp)
        follower.measure(Told(observation, found), [Query("gripper", "mug", "gap")], tcp)
    off = [np.linalg.norm(follower.where("mug") - view.optical(solid.center)) for solid in (MUG, BOOK)]
    assert np.argmin(off) == (0 if np.isfinite(wrong_recognition) else 1)
