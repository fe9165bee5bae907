"""The rules: for each item and answer, is it a hit. No aggregation here.

An answer that is missing where one was asked for is no hit, in every rule: a model cannot gain by refusing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.answers import Answers

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

MRA_THRESHOLDS = np.arange(0.5, 0.96, 0.05)  # of VSI-Bench


def within_factor(value: Float, truth: Float, factor: float) -> Bool:
    """(N,) max(value / truth, truth / value) <= factor, for positive truths."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (value > 0) & (value <= factor * truth * (1 + 1e-9)) & (value * factor * (1 + 1e-9) >= truth)


def within_share(value: Float, truth: Float, part: float) -> Bool:
    """(N,) |value - truth| <= part * truth."""
    with np.errstate(invalid="ignore"):
        return np.abs(value - truth) <= part * np.abs(truth) + 1e-12


def within_metres(value: Float, truth: Float, metres: float) -> Bool:
    """(N,) |value - truth| <= metres."""
    with np.errstate(invalid="ignore"):
        return np.abs(value - truth) <= metres + 1e-12


def mean_relative_accuracy(value: Float, truth: Float) -> Float:
    """(N,) share of the thresholds t in 0.5, 0.55, ..., 0.95 with |value - truth| / truth <= 1 - t."""
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(value - truth) / np.abs(truth)
    relative = np.where(np.isfinite(relative), relative, np.inf)
    return (relative[:, None] <= 1 - MRA_THRESHOLDS[None] + 1e-9).mean(axis=1)


def right_side(answers: Answers, truth: Float) -> Bool:
    """(N,) whether P(true) is on the side of the truth's sign; exactly 0.5 takes no side."""
    with np.errstate(invalid="ignore"):
        return answers.valid & ((answers.value > 0.5) & (truth > 0) | (answers.value < 0.5) & (truth < 0))


def covered(answers: Answers, truth: Float) -> Bool:
    """(N,) whether the truth lies in the 90% interval."""
    with np.errstate(invalid="ignore"):
        return answers.valid & (answers.low <= truth + 1e-12) & (truth - 1e-12 <= answers.high)
