"""Text with either of OpenCV's renderers: a true ±, an outline that fits, and parts of it at the border."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spatialvlm_ros.ros import text_drawing
from spatialvlm_ros.ros.text_drawing import TextStyle, darken, paste, text_mask

LARGE = TextStyle(2.0, 2)
needs_strokes = pytest.mark.skipif(int(cv2.__version__.split(".")[0]) >= 5, reason="OpenCV 5 draws such letters itself")


def bars(text: str) -> int:
    """Horizontal strokes of the only letter in a text, counted along its middle column."""
    fill = text_mask(text, LARGE).fill[..., 0]
    columns = np.flatnonzero(fill.max(axis=0) > 0.5)
    quarter = columns[0] + (columns[-1] - columns[0]) // 5  # beside the upright of a +
    ink = fill[:, quarter] > 0.5
    return int((np.diff(ink.astype(int)) == 1).sum())


def test_plus_minus_is_a_plus_over_a_line() -> None:
    assert (bars("+"), bars("±"), bars("=")) == (1, 2, 2)


def test_strokes_make_a_plus_minus_too() -> None:
    """OpenCV 4's way, which also works with OpenCV 5's letters."""
    canvas = np.zeros((80, 80), np.uint8)
    text_drawing._put_strokes(canvas, "±", (10, 60), LARGE)
    plus = np.zeros_like(canvas)
    text_drawing._put_strokes(plus, "+", (10, 60), LARGE)
    extra = np.argwhere(canvas.astype(int) - plus > 128)
    assert len(extra) > 10 and np.ptp(extra[:, 0]) <= 4 and extra[:, 0].min() >= 58  # one line, at the foot


def test_letters_that_strokes_have_not() -> None:
    assert text_drawing._plain("Tässchen à 5 ±1 m") == "Tasschen a 5 ±1 m"
    assert text_drawing._plain("红杯") == "??"


@needs_strokes
def test_accents_are_left_out() -> None:
    assert np.array_equal(text_mask("tässe", LARGE).fill, text_mask("tasse", LARGE).fill)


def test_text_is_light_with_a_dark_rim_on_any_ground() -> None:
    mask = text_mask("0.42 m", TextStyle(0.6))
    for ground in (0, 128, 255):
        picture = np.full((30, 120, 3), ground, np.uint8)
        paste(picture, mask, (4, 4), (255, 255, 255))
        assert (picture > 230).all(axis=2).sum() > 60
        rim = cv2.dilate((mask.fill[..., 0] > 0.5).astype(np.uint8), np.ones((3, 3))) - (mask.fill[..., 0] > 0)
        inside = picture[4 : 4 + mask.height, 4 : 4 + mask.width][rim == 1]
        assert inside.mean() < 90


def test_pasting_beyond_the_border_cuts_the_text() -> None:
    mask = text_mask("mug", TextStyle(0.6))
    whole = np.zeros((100, 200, 3), np.uint8)
    paste(whole, mask, (50, 50), (255, 255, 255))
    for x, y in ((-10, 5), (30, -7), (-mask.width, 0), (70, 20), (500, 500)):
        part = np.zeros((40, 80, 3), np.uint8)
        paste(part, mask, (x, y), (255, 255, 255))
        expected = np.zeros_like(part)
        for row in range(40):
            for column in range(80):
                source = (row - y + 50, column - x + 50)
                if 0 <= source[0] < 100 and 0 <= source[1] < 200:
                    expected[row, column] = whole[source]
        assert np.array_equal(part, expected)


def test_darkening_keeps_to_its_rectangle() -> None:
    picture = np.full((20, 30, 3), 200, np.uint8)
    darken(picture, (-5, 3, 10, 50), 0.5)
    darken(picture, (100, 100, 120, 120), 0.5)
    assert (picture[3:, :10] == 100).all()
    assert (picture[:3] == 200).all() and (picture[:, 10:] == 200).all()


def test_masks_of_one_style_are_equally_high() -> None:
    style = TextStyle(0.45)
    assert {text_mask(t, style).height for t in ("a", "gap", "0.42 m ±0.05")} == {style.line_height}
