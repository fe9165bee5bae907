"""The rows of a result: which items count, what each contributes, and how they are averaged. Defined once, for the
result, its controls, its breakdowns and comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation import metrics
from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.crps import crps_log_interval
from spatialvlm_ros.evaluation.intervals import Bootstrap, Measured, wilson
from spatialvlm_ros.evaluation.item_table import ItemTable
from spatialvlm_ros.evaluation.items import ItemKind
from spatialvlm_ros.geometry.boxes2d import iou

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """How a row is shown.

    Attributes:
        title: for people.
        macro: averaged over families first; else all items count alike.
        share: between 0 and 1, shown in per cent.
    """

    title: str
    macro: bool = True
    share: bool = True


ROWS: dict[str, Row] = {
    "within_2x": Row("number within [50, 200]% (ratio up to 2)"),
    "within_ratio_1_25": Row("number within a ratio of 1.25"),
    "within_25": Row("number within 25%"),
    "within_10": Row("number within 10%"),
    "mra": Row("mean relative accuracy"),
    "within_2cm": Row("signed or near zero: within 2 cm"),
    "within_5cm": Row("signed or near zero: within 5 cm"),
    "within_10cm": Row("signed or near zero: within 10 cm"),
    "gives_number": Row("gives a number (answerable)", macro=False),
    "refuses_absent": Row("refuses what is not there", macro=False),
    "refuses_ambiguous": Row("refuses what is there several times", macro=False),
    "refuses_out_of_range": Row("refuses what is out of range", macro=False),
    "refuses_answerable": Row("refuses what is answerable", macro=False),
    "qualitative": Row("qualitative, balanced labels"),
    "coverage": Row("90% interval covers the truth"),
    "crps_gain": Row("CRPS in log metres: better than the family's histogram by"),
    "located": Row("located box with IoU > 0.5", macro=False),
}
TITLE_WIDTH = max(len(row.title) for row in ROWS.values())  # letters, in tables for a terminal
GROUPS_ROW = "coverage_in_groups"  # of targets: coverage in each shift and distance band
BREAKDOWN = ("within_2x", "within_25", "within_10", "within_5cm", "qualitative", "coverage")


@dataclass(frozen=True)
class Column:
    """What N items contribute to a row.

    Attributes:
        rows: (N,) items in the table.
        numerator, denominator: (N,).
        group: (N,) family; zeros where all count alike.
        cluster: (N,) scene.
    """

    rows: Int
    numerator: Float
    denominator: Float
    group: Int
    cluster: Int

    def where(self, mask: Bool) -> Column:
        """Only the items of the table that ``mask`` (M,) selects."""
        keep = mask[self.rows]
        return Column(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def measured(self, bootstrap: Bootstrap) -> Measured:
        """The row's value and interval."""
        return bootstrap.macro(self.numerator, self.denominator, self.group, self.cluster)


@dataclass(frozen=True)
class Boxes2D:
    """K objects to be located: true and found boxes (K, 4) pixels (NaN where not found) and scenes (K,)."""

    truth: Float
    found: Float
    cluster: Int


def columns(
    table: ItemTable, answers: Answers, model_width: int, histogram_crps: Float, boxes: Boxes2D | None = None
) -> dict[str, Column]:
    """All rows of ``ROWS`` that the answers allow.

    Args:
        table: M items that were asked.
        answers: M answers.
        model_width: see `ItemTable.answerable`.
        histogram_crps: (M,) of the control "median by family".
        boxes: what was located, if that was asked.
    """
    ask = table.answerable(model_width) & answers.asked
    ratio, metres, numeric = ask & table.by_ratio, ask & table.by_metres, ask & table.numeric
    truth, value, valid = table.value, answers.value, answers.valid

    def column(mask: Bool, hits: NDArray[np.generic], macro: bool = True) -> Column:
        rows = np.flatnonzero(mask)
        group = table.family[rows] if macro else np.zeros(len(rows), np.int64)
        return Column(rows, np.asarray(hits, float)[rows], np.ones(len(rows)), group, table.cluster[rows])

    made = {
        "within_2x": column(ratio, valid & metrics.within_factor(value, truth, 2.0)),
        "within_ratio_1_25": column(ratio, valid & metrics.within_factor(value, truth, 1.25)),
        "within_25": column(ratio, valid & metrics.within_share(value, truth, 0.25)),
        "within_10": column(ratio, valid & metrics.within_share(value, truth, 0.10)),
        "mra": column(ratio, np.where(valid, metrics.mean_relative_accuracy(value, truth), 0.0)),
        "within_2cm": column(metres, valid & metrics.within_metres(value, truth, 0.02)),
        "within_5cm": column(metres, valid & metrics.within_metres(value, truth, 0.05)),
        "within_10cm": column(metres, valid & metrics.within_metres(value, truth, 0.10)),
        "gives_number": column(numeric, valid, macro=False),
        "refuses_answerable": column(ask, ~valid, macro=False),
        "qualitative": column(ask & ~table.numeric, metrics.right_side(answers, truth)),
    }
    for kind in (ItemKind.ABSENT, ItemKind.AMBIGUOUS, ItemKind.OUT_OF_RANGE):
        made[f"refuses_{kind}"] = column(table.of_kind(kind) & answers.asked, ~valid, macro=False)
    with_interval = valid & np.isfinite(answers.low) & np.isfinite(answers.high)
    if with_interval.any():
        made["coverage"] = column(numeric & valid, metrics.covered(answers, truth))
        made["crps_gain"] = _crps_column(table, answers, ratio, histogram_crps)
    if boxes is not None:
        hits = iou(boxes.found, boxes.truth) > 0.5
        none = np.zeros(len(hits), np.int64)
        made["located"] = Column(none, hits.astype(float), np.ones(len(hits)), none, boxes.cluster)
    return {name: made[name] for name in ROWS if name in made and len(made[name].rows)}


def _crps_column(table: ItemTable, answers: Answers, ratio: Bool, histogram: Float) -> Column:
    """1 - CRPS / CRPS of the histogram, as a ratio of sums; a refusal scores what the histogram does."""
    rows = np.flatnonzero(ratio & np.isfinite(histogram))
    a = answers.take(rows)
    mine = np.where(np.isfinite(a.crps), a.crps, crps_log_interval(a.value, a.low, a.high, table.value[rows]))
    mine = np.where(a.valid & np.isfinite(mine), mine, histogram[rows])
    return Column(rows, histogram[rows] - mine, histogram[rows], table.family[rows], table.cluster[rows])


def measure_rows(made: Mapping[str, Column], bootstrap: Bootstrap) -> dict[str, Measured]:
    """Value and interval of each row: Wilson where all items count alike, the bootstrap for macro-averages."""
    result = {}
    for name, column in made.items():
        if ROWS[name].macro:
            result[name] = column.measured(bootstrap)
        else:
            n, hits = len(column.numerator), column.numerator.sum()
            low, high = wilson(hits, n)
            result[name] = Measured(float(hits / n), float(low), float(high), n)
    return result
