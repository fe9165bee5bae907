"""Dense supervision weighs objects, not areas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spatialvlm_ros.training.dense import DenseTargets, cell_weights, dense_losses


def cells() -> np.ndarray:
    """A wardrobe of 240 cells, a mug of one, 59 cells of background."""
    ids = np.full((15, 20), -1)
    ids[:, :16] = 0
    ids[3, 18] = 1
    return ids


def test_small_things_weigh_nearly_as_much_as_large_ones() -> None:
    ids = cells()
    weights = cell_weights(ids, 2)
    large, small = weights[ids == 0].sum(), weights[ids == 1].sum()
    assert small == pytest.approx(1.0)
    assert large == pytest.approx((ids == 0).sum() ** 0.25, rel=1e-4)
    assert weights[ids == -1].sum() < small


def test_a_view_without_objects_has_background_alone() -> None:
    weights = cell_weights(np.full((4, 5), -1), 0)
    assert (weights > 0).all() and np.ptp(weights) == 0


def test_a_fault_on_the_mug_costs_what_one_on_the_wardrobe_costs_per_weight() -> None:
    ids = cells()[None]
    weights = cell_weights(ids[0], 2)[None]
    words = np.where(ids == 0, 1, np.where(ids == 1, 2, 0))
    targets = DenseTargets(words, np.zeros_like(words), np.zeros((*ids.shape, 11), np.float32), weights)

    def center_loss(wrong: int) -> float:
        numbers = torch.zeros(*ids.shape, 11)
        numbers[torch.from_numpy(ids == wrong)] = 1.0
        heads = (torch.zeros(*ids.shape, 3), torch.zeros(*ids.shape, 1), numbers)
        return float(dense_losses(heads, targets)["center"])

    expected = weights[ids == 0].sum() / weights[ids == 1].sum()
    assert center_loss(0) / center_loss(1) == pytest.approx(expected, rel=1e-4)
    assert expected < 5  # of 240 times the cells


def test_depth_counts_every_cell() -> None:
    ids = cells()[None]
    words = np.zeros_like(ids)
    numbers = np.zeros((*ids.shape, 11), np.float32)
    numbers[..., 0] = np.where(ids == 1, np.nan, 0.0)
    targets = DenseTargets(words, words, numbers, cell_weights(ids[0], 2)[None])
    said = torch.zeros(*ids.shape, 11)
    said[..., 0] = 1.05
    heads = (torch.zeros(*ids.shape, 3), torch.zeros(*ids.shape, 1), said)
    assert float(dense_losses(heads, targets)["depth"]) == pytest.approx(1.0)
