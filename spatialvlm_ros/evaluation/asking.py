"""Asks a model everything about a bench, view by view, and keeps what it says: a run that is stopped goes on."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spatialvlm_ros.errors import EvaluationError, SpatialVLMError
from spatialvlm_ros.evaluation.answers import ViewAnswers, entry
from spatialvlm_ros.evaluation.bench import Bench, write_file
from spatialvlm_ros.evaluation.controls import PICTURES
from spatialvlm_ros.evaluation.failing import Waiting, fault_of
from spatialvlm_ros.evaluation.identity import identity_of
from spatialvlm_ros.evaluation.items import Item, ItemKind, TruthView
from spatialvlm_ros.evaluation.readouts import measured, read_out
from spatialvlm_ros.evaluation.score import named_objects
from spatialvlm_ros.evaluation.settings import EvaluationSettings
from spatialvlm_ros.models.estimate import Answer, Estimate, LocatedObject, Reason
from spatialvlm_ros.models.query import ObjectRef, Query
from spatialvlm_ros.scenes.observation import Observation

logger = logging.getLogger(__name__)


class JudgedView(Protocol):
    """What the judge needs of a `View`."""

    def measure_many(self, queries: Sequence[Query]) -> list[Estimate]: ...

    def locate_many(self, objects: Sequence[ObjectRef]) -> list[LocatedObject]: ...

    def ask(self, question: str, own_words: bool = False) -> Answer: ...


class JudgedModel(Protocol):
    """What the judge needs of a `SpatialVLM`."""

    @property
    def name(self) -> str: ...

    def look(self, observation: Observation) -> Any: ...


def ask_bench(
    model: JudgedModel,
    bench: Bench,
    views: Sequence[TruthView],
    path: Path,
    settings: EvaluationSettings,
    control: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[ViewAnswers]:
    """The answers about ``views``; those that ``path`` has already are not asked again.

    Args:
        model: what is judged.
        bench, views: what it is asked about.
        path: JSONL file of the answers; its first line says what was asked of whom: of which model, with which weights
            and calibration.
        settings: how much is asked.
        control: a picture control: it sees another picture, and is asked for measurements only.
        progress: called with the number of views that became complete.

    Raises:
        EvaluationError: the file has the answers of another model (or of the same with other weights or another
            calibration), bench or settings; or the model failed on several views in a row (its server stopped, its key
            is refused): they are asked again by the next run.
    """
    head = {"model": model.name, **identity_of(model), "bench": bench.sha256, "control": control, **settings.asking()}
    known = _read(path, head)
    report = progress or (lambda count: None)
    report(sum(v.view_id in known for v in views))
    numbers = {v.view_id: k for k, v in enumerate(bench.views)}
    waiting = Waiting("views", answered=bool(known))
    with path.open("a", encoding="utf-8") as file:
        for view in views:
            if view.view_id in known:
                continue
            record, fault = _ask_view(model, bench, view, numbers[view.view_id], settings, control)
            known[view.view_id] = ViewAnswers.from_json(record.to_json())  # rounded, as a resumed run reads it
            file.write(waiting.add(json.dumps(record.to_json()) + "\n", fault))
            file.flush()
            report(1)
        file.write(waiting.rest())
    return [known[v.view_id] for v in views]


def read_answers(path: Path) -> dict[str, ViewAnswers]:
    """The answers of a file, by view.

    Raises:
        EvaluationError: the file is missing or damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise EvaluationError("there are no answers", str(path), "Run: spatialvlm evaluate.") from error
    return _parse(path, lines)[1]


def _parse(path: Path, lines: Sequence[str]) -> tuple[dict[str, Any], dict[str, ViewAnswers]]:
    try:
        head, *rest = map(json.loads, lines)
        return head, {r.view_id: r for r in map(ViewAnswers.from_json, rest)}
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            "the file of answers is damaged", str(path), "Delete it; they are asked again."
        ) from error


def _read(path: Path, head: dict[str, Any]) -> dict[str, ViewAnswers]:
    """The answers that are there; a last line that was cut off is removed."""
    if not path.exists():
        write_file(path, (json.dumps(head) + "\n").encode())
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        os.truncate(path, len(whole))
    there, answers = _parse(path, whole.decode(errors="replace").splitlines())
    if there != head:
        different = sorted(name for name in {*there, *head} if there.get(name) != head.get(name))
        raise EvaluationError(
            f"these answers are of another model, bench or settings ({', '.join(different)})",
            str(path),
            "Use another --out.",
        )
    return answers


def _ask_view(
    model: JudgedModel,
    bench: Bench,
    view: TruthView,
    number: int,
    settings: EvaluationSettings,
    control: str | None,
) -> tuple[ViewAnswers, str]:
    """What the model says, and the fault where it failed on everything."""
    record = ViewAnswers(view.view_id)
    observation = bench.observation(view, settings.given)
    if control is not None:
        observation = _shown(control, bench, observation, number)
    usual = [(k, i) for k, i in enumerate(view.items) if i.zoom == 1 and asked(k, i, settings)]
    far = [(k, i) for k, i in enumerate(view.items) if i.zoom != 1] if control is None else []
    began = time.perf_counter()
    looked, fault = _look(model, observation, record, usual)
    record.seconds["look"] = time.perf_counter() - began
    if looked is not None:
        fault = _measure(looked, usual, record, everything=control is None)
        if control is None:
            _say(looked, usual, record, settings.text_per_view)
            _locate(looked, view, record)
    if far:
        zoomed = bench.observation(view, settings.given, far[0][1].zoom)
        through, _ = _look(model, zoomed, record, far)
        if through is not None:
            _measure(through, far, record, timed=False)
    return record, fault


def asked(position: int, item: Item, settings: EvaluationSettings) -> bool:
    """Whether an item is among those that are measured: the first ``queries_per_view``, and all to be refused."""
    return item.kind is not ItemKind.MEASURE or position < settings.queries_per_view


def _shown(control: str, bench: Bench, mine: Observation, number: int) -> Observation:
    other = bench.views[(number + len(bench.views) // 2) % len(bench.views)]  # half the bench away: another shift
    return PICTURES[control](mine, bench.observation(other), bench.mean_color)


def _look(
    model: JudgedModel, observation: Observation, record: ViewAnswers, items: list[tuple[int, Item]]
) -> tuple[Any, str]:
    """The view, or None and the fault where the model refuses the whole picture: then every item is refused."""
    try:
        return model.look(observation), ""
    except SpatialVLMError as error:
        logger.warning("%s: the model cannot look: %s", record.view_id, error)
        for position, _ in items:
            record.measured[position] = _refused(Reason.MODEL_ERROR)
        return None, str(error)


def _refused(reason: Reason) -> tuple[float, float, float, float, str]:
    nan = float("nan")
    return nan, nan, nan, nan, str(reason)


def _measure(
    looked: JudgedView, items: list[tuple[int, Item]], record: ViewAnswers, everything: bool = True, timed: bool = True
) -> str:
    """Fills the record; the fault where the model failed on everything."""
    queries = [item.query() for _, item in items]
    began = time.perf_counter()
    try:
        estimates, made = measured(looked, queries)
    except SpatialVLMError as error:
        logger.warning("%s: the model cannot measure: %s", record.view_id, error)
        record.measured.update({k: _refused(Reason.MODEL_ERROR) for k, _ in items})
        return str(error)
    finally:
        if timed:
            record.seconds["measure"] = time.perf_counter() - began
    wanted = everything or not all(e.valid for e in estimates)  # a control's best guess stands in where it abstains
    behind = read_out(made if wanted else None, queries, [item.value for _, item in items])
    for (position, _), estimate, score in zip(items, estimates, behind.crps, strict=True):
        record.measured[position] = entry(estimate, float(score))
    for name, values in behind.values.items():
        record.readouts.setdefault(name, {}).update(
            {k: float(v) for (k, _), v in zip(items, values, strict=True) if np.isfinite(v)}
        )
    return fault_of(estimates)


def _say(looked: JudgedView, items: list[tuple[int, Item]], record: ViewAnswers, count: int) -> None:
    began = time.perf_counter()
    for position, item in items:
        if item.kind is not ItemKind.MEASURE or position >= count or not item.question:
            continue
        try:
            answer = looked.ask(item.question, own_words=True)  # the measurement is judged beside it
        except SpatialVLMError as error:
            logger.warning("%s: the model cannot answer: %s", record.view_id, error)
            record.said[position] = ""
            continue
        record.said[position] = answer.text if answer.valid else ""
    if record.said:
        record.seconds["ask"] = time.perf_counter() - began


def _locate(looked: JudgedView, view: TruthView, record: ViewAnswers) -> None:
    names = sorted(named_objects(view))
    began = time.perf_counter()
    try:
        found = looked.locate_many(names)
    except SpatialVLMError as error:
        logger.warning("%s: the model cannot locate: %s", record.view_id, error)
        record.located.update(dict.fromkeys(names))
        return
    record.seconds["locate"] = time.perf_counter() - began
    for name, thing in zip(names, found, strict=True):
        good = thing.valid and np.isfinite(thing.box2d).all()
        record.located[name] = [float(v) for v in thing.box2d] if good else None
