"""From answers to a result: rows, breakdowns, calibration and confusion, as plain values for one JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.answers import Answers
from spatialvlm_ros.evaluation.crps import Z90
from spatialvlm_ros.evaluation.intervals import Bootstrap, median, share
from spatialvlm_ros.evaluation.item_table import ItemTable
from spatialvlm_ros.evaluation.rows import BREAKDOWN, Boxes2D, Column, columns, measure_rows
from spatialvlm_ros.evaluation.settings import EvaluationSettings
from spatialvlm_ros.questions.families import FAMILIES, FAMILY_NAMES

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Json = dict[str, Any]

LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
_CELLS = 10  # of the reliability diagram of probabilities


class Scorer:
    """Scores answers to one set of items, always with the same resamples.

    Args:
        table: the items that were asked.
        settings: widths, bands and resamples.
        histogram_crps: (M,) of the control "median by family".
    """

    def __init__(self, table: ItemTable, settings: EvaluationSettings, histogram_crps: Float) -> None:
        self.table, self.settings, self.histogram_crps = table, settings, histogram_crps
        clusters = int(table.cluster.max()) + 1 if len(table) else 1
        self.bootstrap = Bootstrap(clusters, settings.bootstrap_draws, settings.seed)
        self.band = np.searchsorted(settings.bands_m, np.nan_to_num(table.range_m), side="right")

    def columns(self, answers: Answers, boxes: Boxes2D | None = None) -> dict[str, Column]:
        """The columns of all rows."""
        return columns(self.table, answers, self.settings.model_width, self.histogram_crps, boxes)

    def rows(self, answers: Answers, boxes: Boxes2D | None = None) -> Json:
        """The rows alone: for controls and other read-outs."""
        return {k: m.to_json() for k, m in measure_rows(self.columns(answers, boxes), self.bootstrap).items()}

    def full(self, answers: Answers, boxes: Boxes2D | None = None) -> Json:
        """Everything about a model's answers."""
        made = self.columns(answers, boxes)
        splits = {name: self.table.split == k for k, name in enumerate(self.table.splits)}
        bands = {name: self.band == k for k, name in enumerate(self.settings.band_names())}
        return {
            "rows": {k: m.to_json() for k, m in measure_rows(made, self.bootstrap).items()},
            "by_family": self._by_family(answers, made),
            "by_split": {name: self._part(made, answers, mask) for name, mask in splits.items()},
            "by_band": {name: self._part(made, answers, mask) for name, mask in bands.items()},
            "sharpness": self._sharpness(answers),
            "reliability": {"lengths": self._interval_levels(answers), "probabilities": self._cells(answers)},
            "reasons": self._reasons(answers),
        }

    # ---- parts ----

    def _asked(self, answers: Answers) -> Bool:
        return self.table.answerable(self.settings.model_width) & answers.asked

    def _part(self, made: dict[str, Column], answers: Answers, mask: Bool) -> Json:
        parts = {name: made[name].where(mask) for name in BREAKDOWN if name in made}
        rows = {k: c.measured(self.bootstrap).to_json() for k, c in parts.items() if len(c.rows)}
        numbers = mask & self._asked(answers) & self.table.numeric & answers.valid
        error = np.abs(answers.value - self.table.value)[numbers]
        lengths = mask & self._asked(answers) & self.table.by_ratio & answers.valid
        relative = np.abs(answers.value[lengths] - self.table.value[lengths]) / self.table.value[lengths]
        return {**rows, "absolute_error_m": median(error).to_json(), "relative_error": median(relative).to_json()}

    def _by_family(self, answers: Answers, made: dict[str, Column]) -> Json:
        asked, result = self._asked(answers), {}
        for code, name in enumerate(FAMILY_NAMES):
            here = asked & (self.table.family == code)
            if not here.any():
                continue
            shares = {}
            for row in (*BREAKDOWN, "within_2cm", "within_10cm"):
                if row in made:
                    column = made[row].where(here)
                    if len(column.rows):
                        shares[row] = share(column.numerator > 0.5).to_json()
            entry: Json = {"n": int(here.sum()), "answered": share(answers.valid[here]).to_json(), **shares}
            if FAMILIES[name].qualitative:
                entry["confusion"] = _confusion(answers, self.table.value, here)
            else:
                error = np.abs(answers.value - self.table.value)[here & answers.valid]
                entry["absolute_error_m"] = median(error).to_json()
            result[name] = entry
        return result

    def _sharpness(self, answers: Answers) -> Json:
        """Width of the 90% interval over the median, of numbers judged in per cent; metres for the others."""
        asked, valid = self._asked(answers), answers.valid
        width = answers.high - answers.low
        ratio, metres = asked & self.table.by_ratio & valid, asked & self.table.by_metres & valid
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = (width / np.abs(answers.value))[ratio]
        medians = [
            np.median(relative[self.table.family[ratio] == f]) for f in np.unique(self.table.family[ratio]).tolist()
        ]
        macro = float(np.mean(medians)) if medians else float("nan")
        return {
            "relative_width": median(relative).to_json(),
            "relative_width_macro": None if not np.isfinite(macro) else round(macro, 6),
            "width_m": median(width[metres]).to_json(),
        }

    def _interval_levels(self, answers: Answers) -> list[Json]:
        """How often central intervals of each level hold the truth: the normal (in log metres where the number is
        judged in per cent) with the given median and 90% interval, each half with its own width."""
        use = self._asked(answers) & self.table.numeric & answers.valid & np.isfinite(answers.low + answers.high)
        if not use.any():
            return []
        logarithmic = self.table.by_ratio[use] & (answers.low[use] > 0) & (answers.value[use] > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            pick = [np.where(logarithmic, np.log(v[use]), v[use]) for v in (answers.value, answers.low, answers.high)]
            truth = np.where(logarithmic, np.log(self.table.value[use]), self.table.value[use])
            value, low, high = pick
            scale = np.where(truth >= value, high - value, value - low) / Z90
            z = np.where(truth == value, 0.0, np.abs(truth - value) / scale)
        from scipy.stats import norm

        return [{"level": float(p), **share(z <= norm.ppf(0.5 + p / 2) + 1e-9).to_json()} for p in LEVELS]

    def _cells(self, answers: Answers) -> list[Json]:
        """Given P(true) in ten cells: how often it is true."""
        use = self._asked(answers) & ~self.table.numeric & answers.valid
        p, true = answers.value[use], self.table.value[use] > 0
        cell = np.clip((p * _CELLS).astype(int), 0, _CELLS - 1)
        return [
            {"probability": round(float(p[cell == k].mean()), 4), **share(true[cell == k]).to_json()}
            for k in range(_CELLS)
            if (cell == k).any()
        ]

    def _reasons(self, answers: Answers) -> Json:
        """For each kind of item: how often each reason was given."""
        from spatialvlm_ros.evaluation.items import ItemKind

        result: Json = {}
        for kind in ItemKind:
            mask = self.table.of_kind(kind) & answers.asked
            if str(kind) == "measure":
                mask &= self.table.answerable(self.settings.model_width)
            names, counts = np.unique(answers.reason[mask].astype(str), return_counts=True)
            result[str(kind)] = dict(zip(names.tolist(), counts.tolist(), strict=True))
        return result


def _confusion(answers: Answers, truth: Float, here: Bool) -> Json:
    """Counts: the truth is the first side ("yes", the first object, the first word) or the second; so is the answer,
    or there is none."""
    true = truth > 0
    with np.errstate(invalid="ignore"):
        first, second = answers.valid & (answers.value > 0.5), answers.valid & (answers.value < 0.5)
    said = {"first": first, "second": second, "none": ~first & ~second}
    return {
        f"{side} as {name}": int((here & is_true & picked).sum())
        for side, is_true in (("first", true), ("second", ~true))
        for name, picked in said.items()
    }


def located_boxes(views: Any, records: Any, clusters: dict[str, int], least_side: float) -> Boxes2D | None:
    """True and found boxes of all objects that were asked for, shorter side at least ``least_side`` of the width."""
    truth, found, cluster = [], [], []
    for view, record in zip(views, records, strict=True):
        boxes = named_objects(view)
        for name, box in record.located.items():
            true = np.array(view.objects[boxes[name]].box2d)
            if min(true[2] - true[0], true[3] - true[1]) < least_side * view.camera[0]:
                continue
            truth.append(true)
            found.append(np.full(4, np.nan) if box is None else np.array([np.nan if b is None else b for b in box]))
            cluster.append(clusters[view.scene])
    if not truth:
        return None
    return Boxes2D(np.array(truth), np.array(found, float), np.array(cluster, np.int64))


def named_objects(view: Any) -> dict[str, int]:
    """Name -> index of every object of a view that a measurement names: each is there once."""
    from spatialvlm_ros.evaluation.items import ItemKind

    result: dict[str, int] = {}
    for item in view.items:
        if item.kind is ItemKind.MEASURE:
            for name, index in ((item.subject, item.subject_index), (item.reference, item.reference_index)):
                if index >= 0:
                    result[name] = index
    return result
