"""Labels keep apart, stay inside, and take the best candidate that is free."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.ros.label_placement import Placement


def test_the_first_candidate_is_taken_where_it_is_free() -> None:
    placement = Placement(640, 480)
    assert placement.place(50, 20, [(100, 100), (200, 200)]) == (100, 100)
    assert placement.place(50, 20, [(120, 110), (200, 200)]) == (200, 200)
    assert placement.place(50, 20, [(150, 100), (0, 0)]) == (150, 100)  # it touches, and covers nothing


def test_the_one_that_covers_least_is_taken_where_none_is_free() -> None:
    placement = Placement(100, 100)
    placement.reserve((0, 0, 100, 100))
    placement.reserve((0, 0, 40, 40))
    assert placement.place(20, 20, [(10, 10), (60, 60)]) == (60, 60)


def test_things_of_little_weight_are_covered_rather_than_text() -> None:
    placement = Placement(200, 100)
    placement.reserve((0, 0, 50, 20), 0.5)
    placement.reserve((100, 0, 150, 20))
    assert placement.place(50, 20, [(100, 0), (0, 0)]) == (0, 0)


def test_candidates_are_moved_into_the_picture() -> None:
    assert Placement(100, 50).place(30, 10, [(90, -5)]) == (70, 0)
    assert Placement(20, 10).place(30, 40, [(5, 5)]) == (0, 0)  # larger than the picture


corner = st.tuples(st.floats(-50, 400), st.floats(-50, 400))


@given(
    st.lists(st.tuples(st.integers(1, 80), st.integers(1, 30), st.lists(corner, min_size=1, max_size=6)), max_size=8)
)
def test_labels_are_always_inside(wanted: list[tuple[int, int, list[tuple[float, float]]]]) -> None:
    placement = Placement(320, 240)
    for width, height, corners in wanted:
        x, y = placement.place(width, height, corners)
        assert 0 <= x <= 320 - width and 0 <= y <= 240 - height
