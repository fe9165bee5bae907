"""A model with a memory: the names of things, the answers about them, and what is not answered."""

from dataclasses import replace

import numpy as np
import pytest
from analytic_scenes import Box
from oracle import Noise, Oracle
from table_scenes import BOOK, MUG, box_distance, moved, picture

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.models.spatial_vlm import SpatialVLM
from spatialvlm_ros.rewards.following.follower import Follower
from spatialvlm_ros.rewards.following.naming import Vote, Votes
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.scenes.relations import Relation
from spatialvlm_ros.scenes.scene import Scene, SceneObject

PICK = template("pick", target="mug").queries
GAP, LIFTED = Query("gripper", "mug", "gap"), Query("mug", None, "lifted")


class Episode:
    """Pictures of a mug and a book, and a model that knows the scene but errs by 20% in its ranges."""

    def __init__(self, pointed=None, noise=None):
        self.oracle = Oracle({}, noise or Noise(shared=0.2, own=0.1, center=3.0))
        self.model, self.follower, self.stamp = SpatialVLM(self.oracle), Follower(pointed), 0

    def look(self, mug, tcp, *others, depth=True, hide=()):
        solids = (mug, BOOK, *others)
        view, self.tcp = picture(solids, tcp)
        self.stamp += 1
        objects = []
        for name, solid, seen in zip(("mug", "book"), solids, view.detections, strict=False):
            c, s = np.cos(solid.yaw), np.sin(solid.yaw)
            turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            box = Boxes(view.optical(solid.center)[None], np.array(solid.size)[None], (view.rotation @ turn)[None])
            if name not in hide and seen.mask.any():
                objects.append(SceneObject(name, seen.box2d, box, camera_height=0.6))
        frame = CanonicalFrame.from_up(view.up, 0.6, "table")
        self.oracle.scenes[self.stamp] = Scene(None, tuple(objects), frame)
        observation = replace(view.observation, stamp_ns=self.stamp)
        self.view = self.model.look(observation if depth else replace(observation, depth=None), gripper=self.tcp)
        return self.view

    def measure(self, queries, *seen, **how):
        return self.follower.measure(self.look(*seen, **how), queries, self.tcp)


def by_kind(estimates):
    return {e.relation: e for e in estimates}


def test_the_terms_of_a_pick_follow_the_truth():
    episode = Episode()
    heights = [0.4, 0.25, 0.15, 0.11, 0.09, 0.09]
    for height in heights:
        tcp = (0.0, 0.0, height)
        found = by_kind(episode.measure(PICK, MUG, tcp))
        gap = found[Relation.GAP]
        assert gap.valid and gap.sources == {Source.DEPTH_SENSOR, Source.TF}
        assert gap.value == pytest.approx(box_distance(MUG, tcp), abs=0.005)
        assert gap.interval[0] <= gap.value <= gap.interval[1] and gap.interval[0] >= 0
        assert list(gap.quantiles) == sorted(gap.quantiles)
        assert found[Relation.ELEVATION].value == pytest.approx(0.0, abs=0.004)
        assert found[Relation.LIFTED].value < 0.05
    assert 0.2 < found[Relation.TOUCHING].value < 0.6  # it might have closed
    for rise in (0.03, 0.07, 0.12):
        found = by_kind(episode.measure(PICK, moved(MUG, dz=rise), (0.0, 0.0, 0.09 + rise)))
    assert found[Relation.TOUCHING].value > 0.9 and found[Relation.LIFTED].value > 0.99
    assert found[Relation.ELEVATION].value == pytest.approx(0.12, abs=0.006)
    assert found[Relation.GAP].value < 0.006


def test_a_hidden_object_is_not_answered():
    episode = Episode()
    episode.measure(PICK, MUG, (0.0, 0.0, 0.4))
    screen = Box((0.12, 0.0, 0.10), (0.01, 0.2, 0.2))
    found = episode.measure(PICK, MUG, (0.0, 0.0, 0.3), screen, hide=("mug",))
    assert {e.reason for e in found} == {Reason.NOT_VISIBLE} and not any(e.valid for e in found)
    assert all(np.isnan(e.value) for e in found)
    assert all(e.valid for e in episode.measure(PICK, MUG, (0.0, 0.0, 0.3)))


def test_the_name_stays_with_the_thing_that_is_carried():
    episode = Episode()
    for height in (0.4, 0.09):
        episode.measure(PICK, MUG, (0.0, 0.0, height))
    for rise in (0.03, 0.07, 0.12):  # the model does not see it any more
        found = by_kind(episode.measure(PICK, moved(MUG, dz=rise), (0.0, 0.0, 0.09 + rise), hide=("mug",)))
    assert found[Relation.ELEVATION].value == pytest.approx(0.12, abs=0.006)


def test_a_name_that_nobody_can_place_is_left_to_the_model():
    found = Episode().measure([GAP], MUG, (0.0, 0.0, 0.4), hide=("mug",))
    assert found[0].reason is Reason.NOT_VISIBLE


def test_what_is_pointed_at_counts_whatever_the_model_says():
    probe = Episode()
    probe.look(MUG, (0.0, 0.0, 0.4))
    book = probe.oracle.scenes[1].objects[1].box2d
    episode = Episode({"mug": book})  # somebody calls the book a mug
    tcp = (0.0, 0.0, 0.4)
    assert episode.measure([GAP], MUG, tcp)[0].value == pytest.approx(box_distance(BOOK, tcp), abs=0.005)


def test_reset_forgets():
    episode = Episode()
    episode.measure(PICK, MUG, (0.0, 0.0, 0.4))
    episode.follower.reset()
    elsewhere = moved(MUG, dx=-0.1, dy=-0.15)
    tcp = (0.0, 0.0, 0.3)
    found = episode.measure([GAP], elsewhere, tcp)[0]
    assert found.value == pytest.approx(box_distance(elsewhere, tcp), abs=0.005)


def test_without_depth_and_a_stated_hand_and_for_sizes_the_model_answers():
    episode = Episode()
    height = Query("mug", None, "height")
    for depth, gripper, queries in ((False, None, [*PICK, height]), (True, (0.0, 0.0, 0.4), [height])):
        view = episode.look(MUG, (0.0, 0.0, 0.4), depth=depth)
        tcp = None if gripper is None else episode.tcp
        assert episode.follower.measure(view, queries, tcp) == view.measure_many(queries)


def test_relations_of_two_things_and_their_order():
    episode = Episode()
    queries = [Query("mug", "book", "above"), Query("book", "mug", "above"), Query("book", "gripper", "gap")]
    for rise in (0.0, 0.1, 0.2):
        tcp = (0.0, 0.0, 0.09 + rise)
        found = episode.measure([*queries, LIFTED], moved(MUG, dz=rise), tcp)
    assert found[0].value > 0.9 and found[1].value < 0.1
    assert found[2].value == pytest.approx(box_distance(BOOK, tcp), abs=0.006)
    assert (found[2].subject, found[2].reference) == ("book", "gripper")


def test_one_vote_does_not_take_a_name_away():
    votes, boxes = Votes(), np.array([[0, 0, 10, 10], [20, 0, 30, 10.0]])
    votes.cast(Vote(np.full(4, np.nan), 1.0), [4, 7], boxes)
    assert votes.chosen is None and votes.pictures == 0
    for _ in range(3):
        votes.cast(Vote(boxes[1] + 1, 0.8), [4, 7], boxes)
    assert votes.chosen == 7
    votes.cast(Vote(boxes[0], 1.0), [4, 7], boxes)
    assert votes.chosen == 7
    for _ in range(3):
        votes.cast(Vote(boxes[0], 1.0), [4, 7], boxes)
    assert votes.chosen == 4


def test_the_tip_of_a_moving_hand_stands_for_a_tool_centre_point_that_nobody_states():
    """The palm of these pictures ends 5 cm over its tool centre point: its lowest end is what can be seen."""
    episode = Episode()
    for height in np.linspace(0.5, 0.1, 11):
        episode.look(MUG, (0.0, 0.0, float(height)))
        found = episode.follower.measure(episode.view, [GAP], None)[0]
    tip = (0.0, 0.0, 0.1 + 0.05)
    assert found.sources == {Source.DEPTH_SENSOR} and found.value == pytest.approx(box_distance(MUG, tip), abs=0.015)
    assert found.std >= 0.01


POSE = Transform.from_quaternion([0.1, -0.3, 0.2, 0.9], [1.2, -0.4, 0.7])


def test_the_tip_is_found_where_tf_tells_the_pose_of_a_camera_that_stands_still():
    episode, alone = Episode(), Episode()
    for height in np.linspace(0.5, 0.1, 11):
        episode.look(MUG, (0.0, 0.0, float(height)))
        alone.look(MUG, (0.0, 0.0, float(height)))
        found = episode.follower.measure(episode.view, [GAP], None, POSE)[0]
        expected = alone.follower.measure(alone.view, [GAP], None)[0]
    assert found.sources == {Source.DEPTH_SENSOR} and found.value == pytest.approx(expected.value, abs=1e-3)


def test_the_gripper_has_several_names():
    episode = Episode()
    found = episode.measure([GAP, Query("the gripper", "mug", "gap")], MUG, (0.0, 0.0, 0.4))
    assert found[1].value == found[0].value and Source.TF in found[1].sources


def test_while_the_camera_moves_there_is_no_tip():
    episode = Episode()
    for step, height in enumerate(np.linspace(0.5, 0.1, 11)):
        episode.look(MUG, (0.0, 0.0, float(height)))
        moving = Transform(POSE.rotation, POSE.translation + [0.01 * step, 0, 0])
        found = episode.follower.measure(episode.view, [GAP], None, moving)[0]
    assert found.sources != {Source.DEPTH_SENSOR}


def test_a_carried_thing_is_followed_without_a_stated_hand():
    episode = Episode()
    for height in (0.4, 0.25, 0.09):
        episode.look(MUG, (0.0, 0.0, height))
        episode.follower.measure(episode.view, PICK, None)
    for rise in (0.04, 0.08, 0.12):
        episode.look(moved(MUG, dz=rise), (0.0, 0.0, 0.09 + rise))
        found = by_kind(episode.follower.measure(episode.view, PICK, None))
    assert found[Relation.ELEVATION].value == pytest.approx(0.12, abs=0.006)
    assert found[Relation.LIFTED].value > 0.99
