"""Published benchmarks: a model answers their questions, and their own metric scores the answers.

Where a question names regions and its category is a quantity of this package, it is measured; everything else is asked
in words. Their cameras are not published, so a horizontal field of view is assumed and written into the result.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import EvaluationError, SpatialVLMError
from spatialvlm_ros.evaluation.asking import JudgedModel
from spatialvlm_ros.evaluation.bench import write_file
from spatialvlm_ros.evaluation.evaluate import RESULT_FILE, progress_bar
from spatialvlm_ros.evaluation.failing import Waiting, fault_of
from spatialvlm_ros.evaluation.identity import identity_of
from spatialvlm_ros.evaluation.readers.predictions import Prediction
from spatialvlm_ros.evaluation.readers.records import BenchItem, ItemKind
from spatialvlm_ros.evaluation.readers.registry import read_benchmark, reader_of, score_benchmark
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.query import Query, Region
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.scenes.observation import Observation

ASSUMED_HFOV_DEG = 60.0
PREDICTIONS_FILE = "predictions.jsonl"
_REGION = re.compile(r"[Rr]egion\s*\[?(\d+)\]?")


def evaluate_published(
    model: JudgedModel,
    name: str,
    path: str | Path | None,
    out: str | Path,
    limit: int | None = None,
    show_progress: bool = False,
    hfov_deg: float = ASSUMED_HFOV_DEG,
) -> str:
    """Ask a model a published benchmark and score it; an interrupted run goes on in ``out``.

    Args:
        model: what is judged.
        name: of the benchmark, see `readers.registry.READERS`.
        path: its files, or None for the hub.
        out: folder of the predictions and ``result.json``.
        limit: so many rows at most.
        show_progress: progress bar on stderr.
        hfov_deg: horizontal field of view that is assumed where the benchmark gives no camera.

    Returns:
        The scores as text.

    Raises:
        EvaluationError: the benchmark is unknown or unreadable, or ``out`` has predictions of something else (also of
            this model with other weights or another calibration); or the model failed on several items in a row.
    """
    benchmark = read_benchmark(name, path, limit)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    head = {"model": model.name, **identity_of(model), "benchmark": name, "hfov_deg": hfov_deg}
    file = out / PREDICTIONS_FILE
    known = _read(file, head)
    waiting = Waiting("items", answered=bool(known))
    with progress_bar(len(benchmark), name, show_progress) as report, file.open("a", encoding="utf-8") as stream:
        report(sum(item.id in known for item in benchmark))
        for item in benchmark:
            if item.id not in known:
                known[item.id], fault = predict(model, item, hfov_deg)
                stream.write(waiting.add(json.dumps({"id": item.id, "prediction": known[item.id]}) + "\n", fault))
                stream.flush()
                report(1)
        stream.write(waiting.rest())
    scores = score_benchmark(benchmark, [known[item.id] for item in benchmark])
    result = {**head, "items": len(benchmark), "skipped": dict(benchmark.skipped), "scores": scores}
    write_file(out / RESULT_FILE, (json.dumps(result, indent=1) + "\n").encode())
    title = f"{model.name} on {reader_of(name).title}: {len(benchmark)} items, field of view taken as {hfov_deg:g} deg"
    return "\n".join([title, *(f"  {key:40} {value:8.3f}" for key, value in scores.items())])


def predict(model: JudgedModel, item: BenchItem, hfov_deg: float = ASSUMED_HFOV_DEG) -> tuple[Prediction, str]:
    """What a model answers to one item, None where it does not; and the fault where it failed."""
    try:
        picture = _picture(item)
    except EvaluationError:  # no fault of the model
        return None, ""
    try:
        height, width = picture.shape[:2]
        camera = item.camera or Camera.from_hfov(width, height, np.radians(hfov_deg))
        looked = model.look(Observation(picture, camera))
        measured = _measured(looked, item)
        if measured is not None:
            return measured, ""
        answer = looked.ask(_question(item))
    except SpatialVLMError as error:
        return None, str(error)
    return (answer.text, "") if answer.valid else (None, fault_of([answer]))


def _picture(item: BenchItem) -> NDArray[np.uint8]:
    if item.images:
        return item.images[0].load()
    if item.video is None:
        raise EvaluationError("an item has neither picture nor video", item.id)
    frames = item.video.frames(3)
    return frames[len(frames) // 2]  # one picture is all that these models see


def _measured(looked: Any, item: BenchItem) -> Prediction:
    """A measurement between the item's regions, None where its category is none of the 43 families."""
    family = FAMILIES.get(item.category.removesuffix("_data"))
    if family is None:
        return None
    named = dict.fromkeys(int(k) for k in _REGION.findall(item.question))  # in the order of the question
    boxes = [item.regions[k].box for k in named if k < len(item.regions)]
    regions = [Region(box) for box in boxes if box is not None and box[0] < box[2] and box[1] < box[3]]
    if len(regions) != family.objects:
        return None
    query = Query(regions[0], regions[1] if family.objects == 2 else None, family.relation)
    estimate = looked.measure_many([query])[0]
    if not estimate.valid:
        return None
    if family.kind is Kind.CHOICE:
        return 0 if estimate.value > 0.5 else 1
    return float(estimate.value)


def _question(item: BenchItem) -> str:
    if item.kind is not ItemKind.CHOICE or not item.choices:
        return item.question
    options = " ".join(f"({chr(65 + k)}) {choice}" for k, choice in enumerate(item.choices))
    return f"{item.question} {options}"


def _read(file: Path, head: dict[str, Any]) -> dict[str, Prediction]:
    if not file.exists():
        write_file(file, (json.dumps(head) + "\n").encode())
        return {}
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) != len(content):
        write_file(file, whole)
    try:
        there, *rest = (json.loads(line) for line in whole.decode().splitlines())
        predictions = {r["id"]: r["prediction"] for r in rest}
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError("the file of predictions is damaged", str(file), "Delete it.") from error
    if there != head:
        different = sorted(key for key in {*there, *head} if there.get(key) != head.get(key))
        raise EvaluationError(
            f"these predictions are of another model or benchmark ({', '.join(different)})",
            str(file),
            "Use another --out.",
        )
    return predictions
