"""Rows of miniature benchmarks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from published_files import rgpt_row, write_picture  # noqa: E402


@pytest.fixture
def q_spatial_rows(tmp_path):
    """Four rows, their pictures in tmp_path/images."""
    rows = []
    units = [(96, "centimeter"), (1.5, "meter"), (12, "inches"), (3, "feet")]
    for i, (value, unit) in enumerate(units):
        write_picture(tmp_path / "images" / f"{i}.jpg", colour=(40 * i, 0, 0))
        rows.append(
            {
                "question": f"What is the distance between thing {i} and the wall?",
                "answer_value": value,
                "answer_unit": unit,
                "question_type": "direct_distance" if i % 2 else "object_width",
                "image_path": f"{i}.jpg",
                "image": None,
            }
        )
    return rows


@pytest.fixture
def rgpt_rows():
    both = "Region [0] and Region [1]"
    return [
        rgpt_row(0, "distance_data", f"How far apart are {both}?", f"{both} are 11.4 feet apart."),
        rgpt_row(1, "width_data", "What is the width of Region [0]?", "The width of Region [0] is 77.56 centimeters."),
        rgpt_row(2, "vertical_distance_data", f"Vertical distance of {both}?", "They are 20 inches apart vertically."),
        rgpt_row(
            3, "direction", "Where is Region [1] from Region [0]?", "Region [1] is around the 11 o'clock direction."
        ),
        rgpt_row(4, "left_predicate", "Is Region [0] left of Region [1]?", "Yes, Region [0] is left of Region [1]."),
        rgpt_row(5, "tall_predicate", "Is Region [0] taller than Region [1]?", "No, Region [0] is not taller."),
        rgpt_row(6, "tall_choice", f"Which is taller, {both}?", "Standing taller between the two is Region [1]."),
        rgpt_row(7, "behind_choice", f"Which is behind, {both}?", "Region [0] is behind Region [1]."),
    ]
