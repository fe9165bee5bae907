"""Is the new checkpoint better: two results on the same bench, compared scene by scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.answers import collect
from spatialvlm_ros.evaluation.asking import read_answers
from spatialvlm_ros.evaluation.bench import Bench
from spatialvlm_ros.evaluation.controls import median_answers
from spatialvlm_ros.evaluation.evaluate import ANSWERS_FILE, asked_items, chosen_views, read_result
from spatialvlm_ros.evaluation.item_table import MODEL_SIDE_PX
from spatialvlm_ros.evaluation.rows import ROWS, TITLE_WIDTH, Column
from spatialvlm_ros.evaluation.score import Scorer, located_boxes
from spatialvlm_ros.evaluation.settings import EvaluationSettings


@dataclass(frozen=True)
class Difference:
    """How much better B is than A in one row.

    Attributes:
        row: name in ``ROWS``.
        a, b: the two values.
        difference, low, high: b - a with its 95% interval from a paired bootstrap over scenes.
        probability: share of the resamples in which B is better (ties count half).
    """

    row: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    probability: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def compare(out_a: str | Path, out_b: str | Path, bench: Bench) -> list[Difference]:
    """Compare two folders of `evaluate`.

    The pictures that both were asked about count, and the same resamples of scenes are used for both, so what is hard
    for both cancels.

    Raises:
        EvaluationError: the results are of other benches or other questions.
    """
    a, b = read_result(out_a), read_result(out_b)
    for key in ("bench", "settings"):
        left, right = _comparable(a[key]), _comparable(b[key])
        different = {n: [left.get(n), right.get(n)] for n in {**left, **right} if left.get(n) != right.get(n)}
        if different:
            raise EvaluationError(f"the two results differ in their {key}", different, "Evaluate again alike.")
    if a["bench"]["sha256"] != bench.sha256:
        raise EvaluationError("the results are of another bench", a["bench"]["name"], f"This one is {bench.name}.")
    settings = EvaluationSettings.load(None, **a["settings"])
    views = chosen_views(bench, settings.limit)
    table = asked_items(views, settings)
    _, histogram = median_answers(table, False)
    scorer = Scorer(table, settings, histogram)
    clusters = {scene: k for k, scene in enumerate(dict.fromkeys(v.scene for v in views))}
    made: list[dict[str, Column]] = []
    for out in (out_a, out_b):
        known = read_answers(Path(out) / ANSWERS_FILE)
        missing = [v.view_id for v in views if v.view_id not in known]
        if missing:
            raise EvaluationError("answers are missing", missing[0], "Let the evaluation end first.")
        records = [known[v.view_id] for v in views]
        boxes = located_boxes(views, records, clusters, MODEL_SIDE_PX / settings.model_width)
        made.append(scorer.columns(collect(records, table.view, table.position), boxes))
    return [_difference(row, made[0][row], made[1][row], scorer) for row in ROWS if row in made[0] and row in made[1]]


def _difference(row: str, a: Column, b: Column, scorer: Scorer) -> Difference:
    averages = [scorer.bootstrap.macros(c.numerator, c.denominator, c.group, c.cluster) for c in (a, b)]
    change = averages[1] - averages[0]
    low, high = np.nanquantile(change[1:], [0.025, 0.975])
    better = float(np.mean(change[1:] > 0) + 0.5 * np.mean(change[1:] == 0))
    if row == "refuses_answerable":  # less is better
        better = 1 - better
    first, second = float(averages[0][0]), float(averages[1][0])
    return Difference(row, first, second, float(change[0]), float(low), float(high), better)


def as_table(differences: Sequence[Difference]) -> str:
    """The differences for a terminal."""
    lines = [f"{'':{TITLE_WIDTH}} {'A':>7} {'B':>7} {'B - A':>7}   95% interval      B better"]
    for d in differences:
        star = " *" if d.decided else ""
        lines.append(
            f"{ROWS[d.row].title:{TITLE_WIDTH}} {d.a:7.3f} {d.b:7.3f} {d.difference:+7.3f}"
            f"   [{d.low:+.3f}, {d.high:+.3f}]  {d.probability:5.1%}{star}"
        )
    return "\n".join(lines)


def _comparable(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if k not in ("controls",)}
