"""`evaluate`: ask, score, control, judge; one JSON and the answers it rests on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros import progress_bars
from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.answers import Answers, ViewAnswers, collect, collect_readout
from spatialvlm_ros.evaluation.asking import JudgedModel, ask_bench
from spatialvlm_ros.evaluation.bench import Bench, write_file
from spatialvlm_ros.evaluation.controls import MEDIANS, PICTURES, Examples, median_answers
from spatialvlm_ros.evaluation.identity import identity_of
from spatialvlm_ros.evaluation.item_table import MODEL_SIDE_PX, ItemTable
from spatialvlm_ros.evaluation.items import ItemKind, TruthView
from spatialvlm_ros.evaluation.readouts import READ_OUTS
from spatialvlm_ros.evaluation.score import Scorer, located_boxes
from spatialvlm_ros.evaluation.settings import EvaluationSettings
from spatialvlm_ros.evaluation.text_answers import parse_answers, rounding_oracle
from spatialvlm_ros.evaluation.verdicts import against_controls, against_targets
from spatialvlm_ros.questions.parsing.answers import ParseReason

logger = logging.getLogger(__name__)

Json = dict[str, Any]
RESULT_FORMAT = 1
RESULT_FILE, ANSWERS_FILE, SPEED_FILE = "result.json", "answers.jsonl", "speed.json"
UNGATED = "combined"  # the read-out that stands in where a picture control abstains


def evaluate(
    model: JudgedModel,
    bench: Bench,
    out: str | Path,
    settings: EvaluationSettings,
    train: Examples | None = None,
    show_progress: bool = False,
) -> Json:
    """Judge a model on a bench.

    Args:
        model: has ``name`` and ``look(observation)``.
        bench: what it is asked about.
        out: folder of ``result.json``, ``speed.json`` and the answers; an interrupted run goes on there.
        settings: how much is asked, and how it is scored.
        train: examples of the training split for the medians; without them they are taken from the other scenes of the
            bench.
        show_progress: progress bars on stderr.

    Returns:
        What is in ``result.json``: the same for the same answers, however often the run was interrupted.

    Raises:
        EvaluationError: ``out`` has the answers of another model, bench or settings, or of the same model with other
            weights or another calibration; a picture is damaged.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    views = chosen_views(bench, settings.limit)
    records = _asked(model, bench, views, out, settings, None, show_progress)
    pictures = [c for c in PICTURES if c in settings.controls]
    controls = {c: _asked(model, bench, views, out, settings, c, show_progress) for c in pictures}
    result = score_answers(bench, views, model.name, records, controls, settings, train)
    result["identity"] = identity_of(model)
    write_file(out / RESULT_FILE, (json.dumps(result, indent=1) + "\n").encode())
    write_file(out / SPEED_FILE, (json.dumps(speed_of(records), indent=1) + "\n").encode())
    return result


def score_answers(
    bench: Bench,
    views: Sequence[TruthView],
    name: str,
    records: Sequence[ViewAnswers],
    control_records: dict[str, list[ViewAnswers]],
    settings: EvaluationSettings,
    train: Examples | None = None,
) -> Json:
    """The result of answers that are there."""
    table = asked_items(views, settings)
    answers = collect(records, table.view, table.position)
    by_family, histogram = median_answers(table, False, train)
    scorer = Scorer(table, settings, histogram)
    boxes = located_boxes(views, records, _clusters(views), MODEL_SIDE_PX / settings.model_width)
    result = scorer.full(answers, boxes)
    controls: dict[str, Json] = {}
    for control, made in control_records.items():
        gated = collect(made, table.view, table.position)
        guess = collect_readout(made, UNGATED, table.view, table.position)
        rows = scorer.rows(gated)
        rows.update({k: v for k, v in scorer.rows(_best_guess(gated, guess)).items() if not k.startswith("refuses")})
        controls[control] = {"rows": rows}
    if MEDIANS[0] in settings.controls:
        controls[MEDIANS[0]] = {"rows": _without_refusals(scorer.rows(by_family))}
    if MEDIANS[1] in settings.controls:
        controls[MEDIANS[1]] = {"rows": _without_refusals(scorer.rows(median_answers(table, True, train)[0]))}
    verdicts = against_controls(result, controls, settings)
    return {
        "format": RESULT_FORMAT,
        "model": name,
        "bench": {"name": bench.name, "sha256": bench.sha256, "committed": bench.committed, "views": len(bench.views)},
        "views": len(views),
        "scenes": len(_clusters(views)),
        "items": {str(kind): int(table.of_kind(kind).sum()) for kind in ItemKind},
        "answerable": int(table.answerable(settings.model_width).sum()),
        "settings": settings.to_json(),
        "medians_from": "training split" if train is not None else "other scenes of the bench",
        **result,
        "controls": controls,
        "against_controls": verdicts,
        "targets": against_targets(result, verdicts, settings),
        "readouts": _readouts(scorer, records, table),
        "text": _text(records, table, answers, settings, histogram),
    }


def chosen_views(bench: Bench, limit: int | None) -> tuple[TruthView, ...]:
    """All views, or so many spread evenly over the bench (and so over its parts)."""
    total = len(bench.views)
    if limit is None or limit >= total:
        return bench.views
    return tuple(bench.views[int(k)] for k in np.linspace(0, total - 1, limit).round())


def asked_items(views: Sequence[TruthView], settings: EvaluationSettings) -> ItemTable:
    """The items that are measured."""
    table = ItemTable.of(views)
    return table.take(~table.of_kind(ItemKind.MEASURE) | (table.position < settings.queries_per_view))


def speed_of(records: Sequence[ViewAnswers]) -> Json:
    """Medians of the seconds that a view took, by step; they are no part of the result."""
    steps = sorted({step for r in records for step in r.seconds})
    return {step: float(np.median([r.seconds[step] for r in records if step in r.seconds])) for step in steps}


def _clusters(views: Sequence[TruthView]) -> dict[str, int]:
    return {scene: k for k, scene in enumerate(dict.fromkeys(v.scene for v in views))}


def _best_guess(gated: Answers, guess: Answers) -> Answers:
    """Where a control abstains, the value that it would have given: abstaining must not make it easy to beat."""
    stands_in = ~gated.valid & guess.valid & gated.asked
    value = np.where(stands_in, guess.value, gated.value)
    return Answers(gated.valid | stands_in, value, gated.low, gated.high, gated.crps, gated.reason, gated.asked)


def _without_refusals(rows: Json) -> Json:
    return {k: v for k, v in rows.items() if not k.startswith("refuses") and k != "gives_number"}


def _readouts(scorer: Scorer, records: Sequence[ViewAnswers], table: ItemTable) -> Json:
    result: Json = {}
    for name in READ_OUTS:
        answers = collect_readout(records, name, table.view, table.position)
        if answers.valid.any():
            result[name] = {"rows": _without_refusals(scorer.rows(answers))}
    return result


def _text(
    records: Sequence[ViewAnswers],
    table: ItemTable,
    measured: Answers,
    settings: EvaluationSettings,
    histogram: NDArray[np.float64],
) -> Json:
    """Answers in words, `measure` on the same questions, and the oracle that rounds the truth as people do."""
    pairs = zip(table.view.tolist(), table.position.tolist(), strict=True)
    said = [records[v].said.get(k) for v, k in pairs]
    rows = np.array([text is not None for text in said], bool)
    if not rows.any():
        return {}
    part, texts = table.take(rows), [text for text in said if text is not None]
    scorer = Scorer(part, settings, histogram[rows])
    read = parse_answers(texts, part)
    return {
        "questions": len(texts),
        "declined": int((read.reason == str(ParseReason.REFUSAL.value)).sum()),
        "ask": {"rows": scorer.rows(read)},
        "measure": {"rows": _without_refusals(scorer.rows(measured.take(rows)))},
        "rounding oracle": {"rows": _without_refusals(scorer.rows(rounding_oracle(part, settings.seed)))},
    }


def _asked(
    model: JudgedModel,
    bench: Bench,
    views: Sequence[TruthView],
    out: Path,
    settings: EvaluationSettings,
    control: str | None,
    show_progress: bool,
) -> list[ViewAnswers]:
    name = ANSWERS_FILE if control is None else f"answers-{control.replace(' ', '-')}.jsonl"
    with progress_bar(len(views), control or "bench", show_progress) as report:
        return ask_bench(model, bench, views, out / name, settings, control, report)


@contextmanager
def progress_bar(total: int, what: str, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that is moved by calling it with a number of views; nothing where ``show`` is false."""
    if not show:
        yield lambda count: None
        return
    with progress_bars.progress_bar(total=total, desc=what, unit="view") as bar:
        yield bar.update


def read_result(folder: str | Path) -> Json:
    """The result in a folder of `evaluate`.

    Raises:
        EvaluationError: there is none, or it is of another format.
    """
    path = Path(folder)
    path = path / RESULT_FILE if path.is_dir() else path
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError("there is no result", str(path), "Run: spatialvlm evaluate.") from error
    if result.get("format") != RESULT_FORMAT:
        raise EvaluationError("the result has another format", result.get("format"), "Evaluate again.")
    return dict(result)
