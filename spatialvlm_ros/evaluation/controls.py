"""What must be beaten: answers that need no picture. Medians by family and by name, and pictures that show nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.crps import crps_grid
from spatialvlm_ros.evaluation.item_table import ItemTable
from spatialvlm_ros.models.quantities import N_BINS, SMALLEST_M, bin_index
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MEDIANS = ("median by family", "median by name")
FOLDS = 5
_SHRINK = 4.0  # a group of that many examples counts half
_HISTOGRAM_FLOOR = 1e-6  # examples per bin that nobody has seen

# Name -> the observation that the model sees instead; the second argument is another view's, the third the mean
# colour of the bench.
Picture = Callable[[Observation, Observation, NDArray[np.uint8]], Observation]


def _other(mine: Observation, other: Observation, color: NDArray[np.uint8]) -> Observation:
    """Another picture of the bench, at this one's size, with this one's camera."""
    height, width = mine.rgb.shape[:2]
    rows = np.arange(height) * other.rgb.shape[0] // height
    columns = np.arange(width) * other.rgb.shape[1] // width
    return replace(mine, rgb=np.ascontiguousarray(other.rgb[rows][:, columns]), depth=None)


PICTURES: dict[str, Picture] = {
    "no picture": lambda mine, other, color: replace(
        mine, rgb=np.broadcast_to(color, mine.rgb.shape).copy(), depth=None
    ),
    "black picture": lambda mine, other, color: replace(mine, rgb=np.zeros_like(mine.rgb), depth=None),
    "another picture": _other,
}


@dataclass(frozen=True)
class Examples:
    """N questions with their truth, from which a control learns.

    Attributes:
        family: (N,) index in `FAMILY_NAMES`.
        value: (N,) metres.
        names: four columns of N words: subject, its noun, reference, its noun.
    """

    family: Int
    value: Float
    names: tuple[NDArray[np.object_], ...]

    @staticmethod
    def of(table: ItemTable) -> Examples:
        """The items of a table that have a truth."""
        names = (table.subject, table.subject_noun, table.reference, table.reference_noun)
        return Examples(table.family, table.value, names)

    def take(self, index: NDArray[np.bool_] | Int) -> Examples:
        """The rows at ``index``."""
        return Examples(self.family[index], self.value[index], tuple(n[index] for n in self.names))


def median_answers(
    table: ItemTable, by_name: bool, train: Examples | None = None, folds: int = FOLDS
) -> tuple[Answers, Float]:
    """Answers of a control that knows the family (and the names) and no picture.

    Args:
        table: what is asked.
        by_name: whether the names count.
        train: examples of the training split; without them the control learns from the bench itself, from the scenes
            that are not asked about (in ``folds`` parts).

    Returns:
        The answers, with the 90% interval of the family's residuals, and (M,) the CRPS in log metres of the family's
        histogram (NaN for values without a logarithm).
    """
    wanted = Examples.of(table)
    if train is not None:
        return _answers(table, *_predict(train, wanted, table, by_name))
    parts = table.cluster % folds
    value, low, high, crps = (np.full(len(table), np.nan) for _ in range(4))
    for part in np.unique(parts).tolist():
        asked = parts == part
        known = ~asked if len(np.unique(parts)) > 1 else asked
        known = known & np.isfinite(table.value)
        made = _predict(wanted.take(known), wanted.take(asked), table.take(asked), by_name)
        for column, values in zip((value, low, high, crps), made, strict=True):
            column[asked] = values
    return _answers(table, value, low, high, crps)


def _answers(table: ItemTable, value: Float, low: Float, high: Float, crps: Float) -> tuple[Answers, Float]:
    predicted = np.where(table.numeric, value, np.where(value >= 0, 0.75, 0.25))  # without a side it takes the first
    predicted = np.where(np.isfinite(value), predicted, np.nan)
    return Answers.of_values(predicted, low, high), crps


def _predict(train: Examples, asked: Examples, table: ItemTable, by_name: bool) -> tuple[Float, Float, Float, Float]:
    logarithmic = table.numeric & ~table.signed
    value, low, high, crps = (np.full(len(asked.family), np.nan) for _ in range(4))
    for family in np.unique(asked.family).tolist():
        rows, known = np.flatnonzero(asked.family == family), np.flatnonzero(train.family == family)
        if len(known) == 0:
            continue
        is_log = bool(logarithmic[rows[0]])
        truth = train.value[known]
        t = np.log(np.maximum(truth, SMALLEST_M)) if is_log else truth
        level = float(np.median(t))
        fitted, predicted = np.full(len(t), level), np.full(len(rows), level)
        if by_name:
            _add_names(train.take(known), asked.take(rows), t, fitted, predicted)
        spread = np.quantile(t - fitted, [0.05, 0.95])
        back = np.exp if is_log else np.asarray
        value[rows] = back(predicted)
        low[rows], high[rows] = back(predicted + spread[0]), back(predicted + spread[1])
        if is_log:
            crps[rows] = _histogram_crps(truth, asked.value[rows])
    return value, low, high, crps


def _add_names(train: Examples, asked: Examples, t: Float, fitted: Float, predicted: Float) -> None:
    """Medians by name, from the coarse to the fine: what the nouns, the labels and the pair explain one after
    another, each shrunk towards nothing where there are few examples. Changes ``fitted`` and ``predicted``."""
    subject, subject_noun, reference, reference_noun = range(4)
    for columns in ((subject_noun,), (reference_noun,), (subject,), (reference,), (subject_noun, reference_noun)):
        keys = _join(train, columns)
        groups, inverse = np.unique(keys, return_inverse=True)
        effect = _group_medians(t - fitted, inverse, len(groups))
        fitted += effect[inverse]
        new = _join(asked, columns)
        at = np.minimum(np.searchsorted(groups, new), len(groups) - 1)
        predicted += np.where(groups[at] == new, effect[at], 0.0)


def _join(examples: Examples, columns: tuple[int, ...]) -> NDArray[np.str_]:
    words = [examples.names[c].astype(str) for c in columns]
    return words[0] if len(words) == 1 else np.char.add(np.char.add(words[0], "|"), words[1])


def _group_medians(values: Float, group: Int, groups: int) -> Float:
    """(groups,) medians, shrunk by their counts."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=groups)
    starts = np.cumsum(counts) - counts
    ordered = values[order]
    lower, upper = ordered[starts + (counts - 1) // 2], ordered[starts + counts // 2]
    return (lower + upper) / 2 * counts / (counts + _SHRINK)


def _histogram_crps(train: Float, truth: Float) -> Float:
    counts = np.bincount(bin_index(train), minlength=N_BINS) + _HISTOGRAM_FLOOR
    return crps_grid(np.broadcast_to(counts, (len(truth), N_BINS)), truth) if len(truth) else np.zeros(0)
