"""Boxes out of text, as models write it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.models.remote.grounding import parse_boxes

SIZE, ORIGINAL = (500, 250), (1000, 500)
BOX = [[100, 100, 300, 400]]  # in pixels of the observation


@pytest.mark.parametrize(
    "text",
    [
        '{"boxes": [[100, 200, 300, 800]]}',
        '```json\n{"boxes": [[100, 200, 300, 800]]}\n```',
        'Here it is: {"boxes": [[100, 200, 300, 800]]} (the red mug).',
        '[{"bbox_2d": [100, 200, 300, 800], "label": "mug"}]',
        '{"objects": [{"label": "mug", "box": [100.0, 200.0, 300.0, 800.0]}]}',
        "[100, 200, 300, 800]",
        '{"boxes": [[300, 800, 100, 200]]}',
        '<think>{"boxes": [[1, 2, 3, 4]]}</think>{"boxes": [[100, 200, 300, 800]]}',
        '{"boxes": [[100, 200, 300, 800], [101, 201, 301, 801]]}',
        'First {"boxes": [[100, 200, 300, 800]]} and {"boxes": [[400, 40',
        "\\n[ [100, 200, 300, 800] ]",
    ],
)
def test_the_box_is_found(text):
    np.testing.assert_allclose(parse_boxes(text, "thousand", SIZE, ORIGINAL), BOX)


def test_scales():
    np.testing.assert_allclose(parse_boxes("[50, 50, 150, 200]", "pixels", SIZE, ORIGINAL), BOX)
    np.testing.assert_allclose(parse_boxes("[0.1, 0.2, 0.3, 0.8]", "fraction", SIZE, ORIGINAL), BOX)


@pytest.mark.parametrize("text", ['{"boxes": []}', "[]", '```json\n{"boxes": []}```', '{"boxes": [[5, 5, 5, 9]]}'])
def test_none_there(text):
    found = parse_boxes(text, "thousand", SIZE, ORIGINAL)
    assert found is not None and found.shape == (0, 4)


@pytest.mark.parametrize(
    "text",
    ["", "I cannot see it.", "{", '{"answer": 5}', "[1, 2]", '{"boxes": "many"}', "[true, true, true, true]"]
    + ["[NaN, 1, 2, 3]", "[" * 5000, '{"a":' * 5000, "[[[[[[[[[[1,2,3,4]]]]]]]]]]"],
)
def test_nothing_readable_is_none_not_empty(text):
    assert parse_boxes(text, "thousand", SIZE, ORIGINAL) is None


def test_boxes_outside_are_clipped_or_dropped():
    found = parse_boxes("[[-50, -50, 500, 500], [1100, 0, 1200, 50]]", "thousand", SIZE, ORIGINAL)
    np.testing.assert_allclose(found, [[0, 0, 500, 250]])


def test_two_objects_are_two():
    assert len(parse_boxes('{"boxes": [[0,0,100,100],[500,500,600,600]]}', "thousand", SIZE, ORIGINAL)) == 2


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=200) | st.recursive(st.none() | st.integers() | st.floats(), lambda c: st.lists(c)).map(json.dumps)
)
def test_no_text_raises_and_boxes_lie_in_the_picture(text):
    found = parse_boxes(text, "thousand", SIZE, ORIGINAL)
    if found is not None and len(found):
        assert (found[:, :2] < found[:, 2:]).all() and (found >= 0).all() and (found <= [1000, 500] * 2).all()
