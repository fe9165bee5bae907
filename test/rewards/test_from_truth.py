"""Estimates from exact scenes, and the true potential of every template along a course of things."""

from __future__ import annotations

import numpy as np
import pytest
from rewarding import scene

from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Reason, Source
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.rewards.from_truth import estimates_of_scene
from spatialvlm_ros.rewards.reward import RewardEngine
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.scenes.scene import Scene

CUP = ((0.1, 0.05, 0.8), (0.06, 0.1, 0.06))
BOX = ((0.4, 0.1, 0.8), (0.2, 0.2, 0.2))


def value(query: Query, **options):
    things = options.pop("things", {"cup": CUP, "box": BOX})
    (estimate,) = estimates_of_scene(scene(options.pop("gripper", (0.1, 0.3, 0.8)), things, **options), [query])
    return estimate


def test_lengths_are_those_of_the_scene_without_error():
    gap = value(Query("gripper", "cup", "gap"))
    assert gap.value == pytest.approx(0.2) and (gap.std, gap.interval) == (0.0, (gap.value, gap.value))
    assert gap.sources == {Source.GROUND_TRUTH} and gap.valid
    assert value(Query("cup", "box", "horizontal_distance")).value == pytest.approx(0.3)
    assert value(Query("cup", None, "elevation")).value == pytest.approx(0.0)
    assert value(Query("box", "cup", "above_diff")).value == pytest.approx(0.1)
    assert value(Query("camera", "cup", "vertical_distance")).value == pytest.approx(0.55)


def test_predicates_are_zero_or_one():
    right = value(Query("box", "cup", "right"))
    assert (right.value, right.unit, right.std) == (1.0, "probability", 0.0)
    assert value(Query("cup", "box", "right")).value == 0.0
    assert value(Query("gripper", "cup", "touching"), contacts=[("gripper", "cup")]).value == 1.0
    assert value(Query("gripper", "cup", "touching")).value == 0.0


def test_what_the_gripper_alone_touches_is_lifted():
    up = {"cup": ((0.1, 0.25, 0.8), CUP[1]), "box": BOX}
    lifted = Query("cup", None, "lifted")
    assert value(lifted, things=up, contacts=[("gripper", "cup")]).value == 1.0
    assert value(lifted, things=up, contacts=[("gripper", "cup"), ("box", "cup")]).value == 0.0
    assert value(lifted, contacts=[("gripper", "cup")]).value == 0.0  # still on the table


@pytest.mark.parametrize(
    "query,options,reason",
    [
        (Query("lamp", "cup"), {}, Reason.UNKNOWN_NAME),
        (Query("cup", "box"), {"hidden": ["box"]}, Reason.NOT_VISIBLE),
        (Query("cup", "gripper"), {"things": {"cup": CUP, "CUP": BOX}}, Reason.AMBIGUOUS),
        (Query("cup", None, "elevation"), {"frame": CanonicalFrame.unknown()}, Reason.NO_FRAME),
        (Query(Region((1, 1)), "cup"), {}, Reason.UNKNOWN_NAME),
    ],
)
def test_there_is_no_answer_where_a_model_would_have_none(query, options, reason):
    estimate = value(query, **options)
    assert (estimate.valid, estimate.reason) == (False, reason) and np.isnan(estimate.value) and estimate.detail


def test_a_hidden_gripper_is_known_all_the_same():
    assert value(Query("gripper", "cup", "gap"), hidden=["gripper"]).valid


def test_a_half_hidden_object_may_count_as_not_seen():
    (estimate,) = estimates_of_scene(scene((0, 0, 1), {"cup": CUP}), [Query("cup", None, "height")], least_visible=1.0)
    assert estimate.reason is Reason.NOT_VISIBLE


# ---- courses of things ----

OPEN_BOX = ((0.4, 0.04, 0.8), (0.2, 0.08, 0.2))
SAUCER = ((0.4, 0.01, 0.8), (0.16, 0.02, 0.16))
PEG, HOLE = (0.03, 0.10, 0.03), ((0.4, 0.05, 0.8), (0.06, 0.10, 0.06))


def line(start, end, steps=8):
    return [tuple(np.array(start) + (np.array(end) - start) * k / steps) for k in range(1, steps + 1)]


def carried(name, size, way, other, rest, let_go=True):
    """Frames in which the gripper comes, takes a thing along a way of middles, and leaves."""
    start, away = (0.0, 0.4, 0.7), np.array([0.0, 0.25, 0.0])
    here = way[0]
    frames: list[Scene] = []

    def add(gripper, middle, *contacts):
        things = {name: (middle, size), **other}
        frames.append(scene(gripper, things, contacts))

    for gripper in line(start, here):
        add(gripper, here, (name, "table"))
    add(here, here, (name, "table"), (name, "gripper"))
    for goal in way[1:]:
        for middle in line(here, goal):
            add(middle, middle, (name, "gripper"))
        here = goal
    add(here, here, (name, "gripper"), (name, rest))
    if let_go:
        for gripper in line(here, tuple(np.array(here) + away)):
            add(gripper, here, (name, rest))
    frames.append(frames[-1])
    frames.append(frames[-1])
    return frames


def pushed():
    frames = [scene(g, {"cup": CUP, "box": BOX}, [("cup", "table")]) for g in line((0, 0.4, 0.7), (0.05, 0.05, 0.8))]
    for x in np.linspace(0.1, 0.27, 9):
        moved = ((float(x), 0.05, 0.8), CUP[1])
        frames.append(scene((float(x) - 0.05, 0.05, 0.8), {"cup": moved, "box": BOX}, [("cup", "table")]))
    return [*frames, frames[-1], frames[-1]]


COURSES = {
    "reach": ({"target": "cup"}, lambda: carried("cup", CUP[1], [CUP[0]], {}, "table", let_go=False)),
    "pick": (
        {"target": "cup"},
        lambda: carried("cup", CUP[1], [CUP[0], (0.1, 0.2, 0.8)], {}, "gripper", let_go=False),
    ),
    "place_in": (
        {"target": "cup", "container": "bin"},
        lambda: carried(
            "cup", CUP[1], [CUP[0], (0.1, 0.25, 0.8), (0.4, 0.25, 0.8), (0.4, 0.06, 0.8)], {"bin": OPEN_BOX}, "bin"
        ),
    ),
    "place_on": (
        {"target": "cup", "support": "saucer"},
        lambda: carried(
            "cup", CUP[1], [CUP[0], (0.1, 0.25, 0.8), (0.4, 0.25, 0.8), (0.4, 0.07, 0.8)], {"saucer": SAUCER}, "saucer"
        ),
    ),
    "insert": (
        {"target": "peg", "socket": "hole"},
        lambda: carried(
            "peg", PEG, [CUP[0], (0.1, 0.25, 0.8), (0.4, 0.25, 0.8), (0.4, 0.06, 0.8)], {"hole": HOLE}, "hole", False
        ),
    ),
    "push_to": ({"target": "cup", "goal": "box"}, pushed),
}


def played(name, frames):
    engine = RewardEngine(template(name, **COURSES[name][0]), gamma=0.99)
    return [engine.step(estimates_of_scene(frame, engine.queries())) for frame in frames]


@pytest.mark.parametrize("name", COURSES)
def test_the_potential_rises_to_one_along_the_course_that_is_meant(name):
    frames = played(name, COURSES[name][1]())
    values = np.array([f.progress for f in frames])
    assert all(f.valid for f in frames)
    assert np.diff(values).min() > -0.02, values.round(2)
    assert values[0] < 0.35 and values[-1] == pytest.approx(1.0, abs=0.05)
    assert frames[-1].success and not any(f.success for f in frames[: len(frames) // 2])
    passed = list(dict.fromkeys(f.phase for f in frames))
    assert passed == [phase.name for phase in template(name, **COURSES[name][0]).phases]


@pytest.mark.parametrize("name", ["place_in", "place_on", "insert", "push_to"])
def test_half_of_the_course_is_no_success(name):
    frames = COURSES[name][1]()
    half = played(name, frames[: len(frames) // 2])
    assert half[-1].progress < 0.75 and not any(f.success for f in half)


def test_a_thing_set_down_beside_its_goal_is_no_success():
    way = [CUP[0], (0.1, 0.25, 0.8), (0.1, 0.25, 0.5), (0.1, 0.05, 0.5)]
    for name, other in (("place_in", {"bin": OPEN_BOX}), ("place_on", {"saucer": SAUCER})):
        frames = played(name, carried("cup", CUP[1], way, other, "table"))
        assert not any(f.success for f in frames) and frames[-1].progress < 0.3
