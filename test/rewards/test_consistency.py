"""Tasks that contradict themselves are refused; those that only look like it are not."""

from __future__ import annotations

import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.templates import parse_task

TASK = """
name: t
objects: {{cup: cup, box: {box}}}
phases:
  - name: near
    terms:
      - {{gap: gripper | cup, at_most: 0}}
      {more_terms}
    done:
      - {{gap: gripper | cup, at_most: 0.02}}
      {more_done}
  - name: {last_name}
    terms:
      - {{{last}}}
    {last_done}
success:
  when:
    - {{left: cup | box}}
    {more_success}
"""


def task(
    box="box",
    more_terms="",
    more_done="",
    last_name="far",
    last="distance: cup | box, at_least: 0.3",
    last_done="",
    more_success="",
):
    return parse_task(
        TASK.format(
            box=box,
            more_terms=more_terms,
            more_done=more_done,
            last_name=last_name,
            last=last,
            last_done=last_done,
            more_success=more_success,
        )
    )


def test_the_plain_one_is_fine():
    assert task().name == "t"


@pytest.mark.parametrize(
    "change,expected",
    [
        (dict(box="Cup"), "two objects have the same name"),
        (dict(last="gap: cup | cup, at_most: 0"), "relates an object to itself"),
        (dict(last_name="near"), "two phases have the same name"),
        (dict(last="distance: cup | box, at_least: 0.3, at_most: 0.1"), "can never be in this range"),
        (dict(last="distance: cup | box, at_most: -0.1"), "is never negative"),
        (dict(last="distance: cup | box, at_least: 0"), "is always at least 0"),
        (dict(more_terms="- {gap: gripper | cup, at_least: 0.1}"), "two terms of the same quantity"),
        (dict(more_done="- {gap: gripper | cup, at_least: 0.1}"), "exclude each other"),
        (dict(more_success="- {right: cup | box}"), "success asks for two things that exclude"),
        (dict(more_success="- {left: box | cup}"), "exclude each other"),
        (dict(more_success="- {left: cup | box, is: false}"), "exclude each other"),
        (dict(more_done="- {inside: cup | box}\n      - {on: cup | box}"), "done of the phase near .*exclude"),
        (dict(last_done="done: [{left: cup | box}]"), "last phase .far. ends with the success"),
        (dict(more_success="- {distance: cup | box, at_most: 0.1}"), "draws distance: cup . box to where the success"),
        (
            dict(last="gap: gripper | camera, at_most: 1", more_success="- {gap: gripper | camera, at_most: 0.5}"),
            "draw",
        ),
    ],
)
def test_contradictions_are_refused(change, expected):
    with pytest.raises(ConfigError, match=expected):
        task(**change)


def test_a_phase_that_is_rewarded_for_not_ending_is_refused():
    with pytest.raises(ConfigError, match="a term draws gap: gripper . cup to where the phase near ends not"):
        parse_task(TASK.replace("at_most: 0}}", "at_most: 0.3}}").format(**DEFAULTS))


DEFAULTS = dict(
    box="box", more_terms="", more_done="", last_name="far", last="left: cup | box", last_done="", more_success=""
)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("objects: {{cup: cup, box: {box}, lamp: lamp}}", "objects that no quantity names .*lamp"),
        ("objects: {{cup: cup, box: {box}, gripper: hand}}", "'gripper' needs no name"),
        ("objects: {{cup: a b c d e f g h i j k l m, box: {box}}}", "no usable name"),
    ],
)
def test_objects_that_cannot_be_meant_are_refused(text, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_task(TASK.replace("objects: {{cup: cup, box: {box}}}", text).format(**DEFAULTS))


def test_a_phase_without_an_end_is_refused():
    text = TASK.format(**DEFAULTS)
    start, end = text.index("    done:"), text.index("  - name: far")
    with pytest.raises(ConfigError, match="the phase near never ends"):
        parse_task(text[:start] + text[end:])


def test_relations_of_three_objects_are_no_part_of_a_task():
    with pytest.raises(ConfigError, match="unknown key"):
        task(last="between: cup | box | gripper")


def test_opposites_of_different_objects_and_denied_ones_are_fine():
    assert task(more_success="- {right: gripper | box}").name == "t"
    assert task(more_success="- {right: cup | box, is: false}").name == "t"
    assert task(more_success="- {distance: cup | box, at_least: 0.2}").name == "t"


def success(*conditions):
    """The plain task with another success."""
    text = TASK.format(**{**DEFAULTS, "last": "distance: gripper | box, at_least: 0.3"})
    start = text.index("    - {left: cup | box}")
    return parse_task(text[:start] + "".join(f"    - {{{c}}}\n" for c in conditions) + text[start + 23 :])


@pytest.mark.parametrize(
    "first,second",
    [
        ("gap: cup | box, at_most: 0.02", "gap: box | cup, at_least: 0.05"),
        ("touching: box | cup", "touching: cup | box, is: false"),
        ("touching: box | cup", "gap: cup | box, at_least: 0.05"),
        ("lifted: cup", "elevation: cup, at_most: 0"),
        ("inside: cup | box", "distance: cup | box, at_least: 5"),
        ("inside: cup | box", "distance: box | cup, at_least: 5"),
        ("inside: cup | box", "free_width: cup | box, at_least: 0.1"),
        ("inside: cup | box", "below_diff: cup | box, at_least: 0.1"),
        ("inside: cup | box", "inside: box | cup"),
        ("inside: cup | box", "on: cup | box"),
        ("on: cup | box", "touching: box | cup, is: false"),
        ("on: cup | box", "gap: cup | box, at_least: 0.05"),
        ("on: cup | box", "below: cup | box"),
        ("on: cup | box", "above: box | cup"),
        ("on: cup | box", "on: box | cup"),
        ("on: cup | box", "vertical_distance: box | cup, at_most: 0"),
        ("left: cup | box", "right: cup | box"),
        ("left: cup | box", "left: box | cup"),
        ("left: cup | box", "right: box | cup, is: false"),
        ("left: cup | box", "left_diff: cup | box, at_most: 0"),
        ("left: cup | box", "right_diff: cup | box, at_least: 0.1"),
        ("behind: cup | box", "behind_diff: box | cup, at_least: 0"),
        ("behind: cup | box", "front: cup | box"),
        ("tall: cup | box", "short: cup | box"),
        ("wide: cup | box", "thin: box | cup, is: false"),
        ("big: cup | box", "big: box | cup"),
        ("left_diff: cup | box, at_least: 0.2", "right_diff: cup | box, at_least: 0.1"),
        ("left_diff: cup | box, at_least: 0.2", "left_diff: box | cup, at_least: -0.1"),
        ("above_diff: cup | box, at_least: 0.2", "above_diff: box | cup, at_least: 0.1"),
        ("left_diff: cup | box, at_least: 0.2", "distance: box | cup, at_most: 0.1"),
        ("gap: cup | box, at_least: 0.2", "distance: box | cup, at_most: 0.1"),
        ("free_width: cup | box, at_least: 0.2", "distance: box | cup, at_most: 0.1"),
        ("above: cup | box", "vertical_distance: cup | box, at_most: 0"),
        ("gap: box | cup, at_most: 0", "touching: cup | box, is: false"),
        ("touching: cup | box, is: false", "on: box | cup"),
    ],
)
def test_conditions_that_exclude_each_other_are_refused_however_they_are_written(first, second):
    for pair in ((first, second), (second, first)):
        with pytest.raises(ConfigError, match="exclude each other"):
            success(*pair)


@pytest.mark.parametrize(
    "first,second",
    [
        ("gap: cup | box, at_most: 0.02", "gap: box | cup, at_least: 0.02"),
        ("gap: cup | box, at_most: 0.02", "touching: box | cup, is: false"),
        ("gap: cup | box, at_most: 0.02", "distance: cup | box, at_least: 0.5"),
        ("inside: cup | box", "distance: cup | box, at_least: 0.1"),
        ("inside: cup | box", "touching: cup | box, is: false"),
        ("inside: cup | box, is: false", "on: cup | box, is: false"),
        ("on: cup | box", "above: cup | box"),
        ("lifted: cup", "elevation: cup, at_least: 0.1"),
        ("lifted: cup, is: false", "elevation: cup, at_least: 0.5"),  # it stands on something high
        ("lifted: cup", "elevation: box, at_most: 0"),
        ("left: cup | box, is: false", "right: cup | box, is: false"),
        ("left: cup | box", "right: box | cup"),
        ("left: cup | box", "left_diff: cup | box, at_least: 0.1"),
        ("left: cup | box", "above: cup | box"),
        ("above_diff: cup | box, at_least: 0.1", "below_diff: cup | box, at_least: 0.1"),
    ],
)
def test_conditions_that_can_be_met_together_are_fine(first, second):
    for pair in ((first, second), (second, first)):
        assert len(success(*pair).success.when) == 2


def test_the_order_of_the_objects_does_not_hide_a_contradiction_with_a_term():
    with pytest.raises(ConfigError, match="two terms of the same quantity"):
        task(more_terms="- {gap: cup | gripper, at_least: 0.1}")
    with pytest.raises(ConfigError, match="draws gap: gripper . cup to where the phase near ends not"):
        text = TASK.format(**DEFAULTS)
        parse_task(text.replace("gap: gripper | cup, at_most: 0.02", "gap: cup | gripper, at_least: 0.1"))
    with pytest.raises(ConfigError, match="draws left_diff: cup . box to where the success not"):
        task(last="left_diff: cup | box, at_least: 0.3", more_success="- {right_diff: cup | box, at_least: -0.2}")


def drawn(term, needed):
    """A task whose only phase has one term, and one condition of success."""
    return parse_task(
        f"""
name: t
objects: {{cup: cup, box: box}}
phases:
  - name: only
    terms:
      - {{{term}}}
success:
  when:
    - {{{needed}}}
    - {{gap: gripper | cup, at_least: 0.01}}
    - {{gap: gripper | box, at_least: 0.01}}
"""
    )


AWAY = [
    ("gap: cup | box, at_least: 1", "inside: cup | box"),
    ("gap: cup | box, at_least: 1", "on: box | cup"),
    ("gap: cup | box, at_least: 0.01", "touching: box | cup"),
    ("gap: cup | box, at_least: 0.2", "distance: cup | box, at_most: 0.1"),
    ("distance: cup | box, at_least: 1", "touching: cup | box"),
    ("distance: box | cup, at_least: 1", "gap: cup | box, at_most: 0"),
    ("distance: cup | box, at_least: 1", "inside: cup | box"),
    ("touching: cup | box, is: false", "on: cup | box"),
    ("inside: cup | box", "on: cup | box"),
    ("left_diff: cup | box, at_least: 0.3", "right: cup | box"),
    ("elevation: cup, at_most: 0", "lifted: cup"),
]


@pytest.mark.parametrize("term,needed", AWAY)
def test_a_term_that_draws_away_from_what_follows_from_the_success_is_refused(term, needed):
    with pytest.raises(ConfigError, match="a term draws .* to where the success not"):
        drawn(term, needed)


@pytest.mark.parametrize("needed,term", AWAY)
def test_so_is_one_that_draws_to_what_the_success_excludes(term, needed):
    with pytest.raises(ConfigError, match="a term draws .* to where the success not"):
        drawn(term, needed)


@pytest.mark.parametrize(
    "term,needed",
    [
        ("distance: cup | box, at_least: 0.3", "touching: cup | box"),  # of large things the middles are so far apart
        ("distance: cup | box, at_most: 0", "inside: cup | box"),
        ("gap: cup | box, at_most: 0", "on: cup | box"),
        ("vertical_distance: cup | box, at_most: 0", "inside: cup | box"),
        ("above: cup | box", "on: cup | box"),
        ("elevation: cup, at_least: 0.1", "lifted: cup"),
        ("horizontal_distance: cup | box, at_most: 0", "above: cup | box"),
    ],
)
def test_a_term_that_draws_there_is_fine(term, needed):
    assert drawn(term, needed).name == "t"
