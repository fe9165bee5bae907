"""Reward tasks as YAML: what is read is what was meant, and what is wrong is said with its place."""

from __future__ import annotations

import pickle
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.task_file import to_yaml
from spatialvlm_ros.rewards.templates import parse_task, read_task, task_names, task_of, template, template_names
from spatialvlm_ros.scenes.relations import Relation

STACK = """
name: stack_cups
instruction: Put the red cup on the blue cup.
objects:
  red: red cup
  blue: blue cup
phases:
  - name: reach
    weight: 2
    terms:
      - {gap: gripper | red, at_most: 0, half: 0.2, weight: 3}
      - {left: gripper | blue, is: false}
    done:
      - {gap: gripper | red, at_most: 0.02}
  - name: stack
    terms:
      - {above_diff: red | blue, at_least: 0.05, at_most: 0.10, shape: linear}
success:
  when:
    - on: red | blue
    - {height: red, at_least: 0.01}
  hold: 3
  reward: 10
"""

NAMES = {role: f"{role} thing" for role in ("target", "container", "support", "goal", "socket")}


def filled(name):
    for roles in (("target",), *((("target", r)) for r in ("container", "support", "goal", "socket"))):
        try:
            return template(name, **{r: NAMES[r] for r in roles})
        except ConfigError:
            continue
    raise AssertionError(name)


def test_everything_that_is_written_arrives():
    task = parse_task(STACK)
    reach, stack = task.phases
    assert (task.name, dict(task.objects)) == ("stack_cups", {"red": "red cup", "blue": "blue cup"})
    assert (reach.weight, reach.terms[0].half, reach.terms[0].weight, reach.terms[0].shape) == (2, 0.2, 3, "reciprocal")
    assert (reach.terms[0].goal.low, reach.terms[0].goal.high) == (-np.inf, 0)
    assert reach.terms[1].goal.expected is False and reach.done[0].goal.high == 0.02
    assert (stack.terms[0].goal.low, stack.terms[0].goal.high, stack.terms[0].shape) == (0.05, 0.10, "linear")
    assert stack.done == () and (task.success.hold, task.success.reward) == (3, 10)
    assert task.success.when[0].quantity.relation is Relation.ON  # not the YAML 1.1 boolean


def test_the_queries_carry_the_names_of_the_objects_and_each_comes_once():
    assert parse_task(STACK).queries == (
        Query("gripper", "red cup", "gap"),
        Query("gripper", "blue cup", "left"),
        Query("red cup", "blue cup", "above_diff"),
        Query("red cup", "blue cup", "on"),
        Query("red cup", None, "height"),
    )


@pytest.mark.parametrize("name", template_names())
def test_templates_survive_being_written_and_read(name):
    task = filled(name)
    assert parse_task(to_yaml(task)) == task
    assert pickle.loads(pickle.dumps(task)) == task


def test_so_do_tasks_with_every_setting():
    task = parse_task(STACK)
    assert parse_task(to_yaml(task)) == task
    text = to_yaml(task)
    assert "half: 0.2" in text and "enter" not in text  # what is the default is not written


def test_the_tasks_of_the_paper_are_there_with_their_objects():
    assert set(task_names()) == {"pick_orange_tea_bottle", "apple_into_bowl", "pick_apple"}
    assert task_of("pick_orange_tea_bottle").objects["target"] == "orange tea bottle"
    assert dict(task_of("apple_into_bowl").objects) == {"target": "apple", "container": "bowl"}
    assert task_of("pick_apple").objects["target"] == "apple"
    assert set(template_names()) == {"reach", "pick", "place_in", "place_on", "push_to", "insert"}


def test_a_file_may_use_a_template_and_change_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("template: pick\nobjects: {target: 'the  duck'}\nsuccess: {hold: 5, reward: 2}\n", encoding="utf-8")
    mine, plain = read_task(path), template("pick", target="the duck")
    assert mine.phases == plain.phases and mine.success.when == plain.success.when
    assert (mine.success.hold, mine.success.reward, plain.success.hold) == (5, 2, 2)
    assert mine.objects["target"] == "the duck" and "the  duck" in mine.instruction
    assert task_of(str(path)) == task_of(path) == task_of(path.read_text()) == mine


def test_plain_values_and_tasks_are_taken_as_they_are():
    values = {"template": "reach", "objects": {"target": "apple"}}
    assert task_of(values) == template("reach", target="apple") == task_of(template("reach", target="apple"))
    assert task_of("{template: reach, objects: {target: apple}}") == template("reach", target="apple")


def broken(**changes):
    """`STACK` with some lines changed."""
    text = STACK
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    "old,new,expected",
    [
        ("half: 0.2", "halff: 0.2", r"line 11: .*phases, reach, terms: unknown key \(got 'halff'\). Did you mean half"),
        ("gap: gripper | red, at_most: 0,", "gapp: gripper | red, at_most: 0,", "unknown key .*Did you mean gap"),
        (
            "gripper | red",
            "gripper | reed",
            r"unknown object \(got 'reed'\). Did you mean red\? Known: red, blue, grip",
        ),
        ("weight: 3", "weight: -3", "line 11: .*weight of gap.* is not over 0"),
        ("weight: 3", "weight: heavy", r"weight is not a number \(got 'heavy'\)"),
        ("half: 0.2", f"half: 1{400 * '0'}", "line 11: .*half is too large"),
        ("half: 0.2", f"half: 0x1{4000 * '0'}", "half is too large"),
        ("half: 0.2", f"half: 1{5000 * '0'}", "a value of this YAML cannot be read"),
        ("name: stack_cups", "name: 2001-13-01", "a value of this YAML cannot be read"),
        ("half: 0.2", "half: .inf", "half is not a number"),
        ("half: 0.2", "half: 0", "half of gap.* is not over 0"),
        ("half: 0.2", "shape: round", r"unknown shape \(got 'round'\)"),
        ("at_most: 0, half: 0.2", "half: 0.2", "needs a goal"),
        ("is: false", "at_most: 0.1", "is true or false and has no metres"),
        ("is: false", "is: 3", "'is' is neither true nor false"),
        ("is: false", "half: 0.1", "is true or false .*Leave half and shape out"),
        ("on: red | blue", "on: red", "on is about 2 objects"),
        ("height: red,", "height: red | blue,", "height is about 1 object"),
        ("on: red | blue", "{on: red | blue, above: red | blue}", "there must be one relation"),
        ("hold: 3", "hold: 0", "hold is not a whole number"),
        ("hold: 3", "hold: 2.5", "hold is not a whole number"),
        ("reward: 10", "leave: 0.9", "enter and leave of the success"),
        ("name: stack_cups\n", "", "something is missing .*'name'"),
        ("objects:\n", "objects: 3\nthings:\n", "unknown key .*things"),
        ("  red: red cup\n", "  red:\n", "the object 'red' has no name"),
        ("    terms:\n      - {above", "    termss:\n      - {above", "line 16: .*stack: unknown key .*termss"),
        ("weight: 2", "weight: 2\n    weight: 3", "a key stands twice, again in line 10"),
        ("name: stack_cups", "name: [", "this is not YAML .* line"),
        ("success:\n  when:", "success:\n  whenn:", "unknown key .*Did you mean when"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old, new, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_task(broken(one=(old, new)))


@pytest.mark.parametrize(
    "given,expected",
    [
        ("no_such_task", "no reward task of that name .*pick_apple"),
        ("pick", "a template alone is no task .*Name its objects"),
        ("nowhere.yaml", "cannot read a reward task"),
        (3, "this is no reward task"),
        ("name: 3\nobjects: {}", "something is missing"),
        ("- a\n- b", "this must be a mapping"),
        ({"template": "juggle", "objects": {}}, "no such template .*place_in"),
        ({"template": "pick", "objects": {"targett": "apple"}}, "has other objects .*target"),
        ({"template": "place_in", "objects": {"target": "apple"}}, "Name all of them"),
        ({"template": "pick", "objects": "apple"}, "must be a mapping"),
        ({"template": "pick", "objects": {"target": "Camera"}}, "target is the camera that looks"),
        ("template: pick\nobjects: {target: ' camera '}", "target is the camera that looks"),
        ({"template": "pick", "objects": {"target": "the\n camera"}}, "target is the camera that looks"),
        ({"template": "place_in", "objects": {"target": "apple", "container": "gripper"}}, "own hand"),
        ({"template": "place_in", "objects": {"target": "apple", "container": " the  gripper"}}, "own hand"),
    ],
)
def test_what_is_no_task_is_refused(given, expected):
    with pytest.raises(ConfigError, match=expected):
        task_of(given)


def test_the_examples_of_the_documentation_are_tasks():
    page = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n)+", page, flags=re.M)
    tasks = [parse_task(textwrap.dedent(b)) for b in blocks if b.startswith(("    name:", "    template:"))]
    assert [task.name for task in tasks] == ["apple_into_bowl", "pick_orange_tea_bottle"]


def test_a_text_that_is_nested_too_deeply_is_refused():
    for text in ("name: " + "[" * 3000, "name: " + "{a: " * 3000):
        with pytest.raises(ConfigError, match="nested too deeply"):
            parse_task(text)
