"""Question trees: who sees whom, where positions count from, and that a packed question reads as it would alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialvlm_ros.training.packing import ROOT, Target, Tree, pack


def chain() -> Tree:
    """An object with two relations below it, and another object beside it."""
    tree = Tree()
    first = tree.add(ROOT, [10, 11, 12])
    tree.add(first, [20], [Target.LENGTH], [3.5])
    tree.add(first, [21, 22])
    tree.add(ROOT, [30, 31])
    return tree


def test_a_token_sees_the_picture_its_own_piece_and_the_pieces_above() -> None:
    packed = pack([chain()], [[1, 1, 2]], pad=0, multiple=1)
    sees = {int(i): set(packed.ids[0][packed.allowed[0, k]].tolist()) for k, i in enumerate(packed.ids[0])}
    assert sees[12] == {1, 2, 10, 11, 12}
    assert sees[20] == {1, 2, 10, 11, 12, 20}
    assert sees[22] == {1, 2, 10, 11, 12, 21, 22}
    assert sees[31] == {1, 2, 30, 31}


def test_positions_count_along_the_way_from_the_picture() -> None:
    packed = pack([chain()], [[1, 1, 2]], pad=0, multiple=1)
    assert packed.positions[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 7, 3, 4]


def test_targets_stand_where_they_were_put() -> None:
    packed = pack([chain()], [[1, 1, 2]], pad=0, multiple=8)
    assert packed.ids.shape == (1, 16)
    at = np.flatnonzero(packed.targets[0])
    assert packed.ids[0, at].tolist() == [20] and packed.values[0, at].tolist() == [3.5]


def test_every_row_of_the_mask_has_a_column() -> None:
    short = Tree()
    short.add(ROOT, [5])
    packed = pack([chain(), short], [[1], [1]], pad=0)
    assert packed.allowed.any(axis=2).all()
    assert not packed.allowed[1, 1, 2:].any()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=12))
def test_no_token_sees_a_later_position_or_another_branch(pieces: list[tuple[int, int]]) -> None:
    tree = Tree()
    owner: list[int] = []
    for number, (above, length) in enumerate(pieces):
        parent = ROOT if number == 0 or above == 0 else (above - 1) % number
        tree.add(parent, [100 + number] * length)
        owner += [number] * length
    packed = pack([tree], [[1, 2]], pad=0, multiple=1)
    for i, j in np.argwhere(packed.allowed[0]):
        assert packed.positions[0, j] <= packed.positions[0, i]
        if i >= 2 and j >= 2:
            line = {owner[i - 2]}
            while tree.parents[min(line)] != ROOT:
                line.add(tree.parents[min(line)])
            assert owner[j - 2] in line


@pytest.mark.parametrize("multiple", [1, 16, 64])
def test_length_is_rounded_up(multiple: int) -> None:
    assert pack([chain()], [[1]], pad=0, multiple=multiple).ids.shape[1] % multiple == 0
