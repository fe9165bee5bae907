"""Q-Spatial Bench: distances and sizes in photographs, with a unit; a success is an answer within a factor of two."""

from __future__ import annotations

from collections.abc import Sequence

from spatialvlm_ros.evaluation.readers import fields
from spatialvlm_ros.evaluation.readers.media import MediaRoot
from spatialvlm_ros.evaluation.readers.predictions import Prediction, check_lengths, mean, predicted_metres
from spatialvlm_ros.evaluation.readers.records import BenchItem, ItemKind, Unusable
from spatialvlm_ros.evaluation.readers.tables import Row

HUB = "andrewliao11/Q-Spatial-Bench"
PATTERNS = ("QSpatial_*", "*spatial*", "*")
SPLITS = ("QSpatial_plus", "QSpatial_scannet")
DELTA = 2.0


def item_of(row: Row, media: MediaRoot) -> BenchItem:
    """One row: question, answer_value, answer_unit, question_type, image_path, image (empty for ScanNet pictures)."""
    values = row.values
    value = fields.number(values.get("answer_value"), "answer_value")
    if value <= 0:
        raise Unusable("answer_value is not positive")
    name = values.get("image_path")
    split = next((s for s in SPLITS if row.table.startswith(s)), row.table)
    return BenchItem(
        id=f"{split}/{row.number}",
        images=(fields.picture(values, "image", name if isinstance(name, str) else None, media),),
        question=fields.text(values, "question"),
        kind=ItemKind.NUMBER,
        category=str(values.get("question_type") or "distance"),
        split=split,
        answer_value=value,
        answer_unit=fields.unit(values.get("answer_unit")),
    )


def within_factor(predicted: float | None, truth: float, factor: float = DELTA) -> bool:
    """Whether neither is ``factor`` times the other, or more; no answer and answers of 0 or less are failures."""
    return predicted is not None and predicted > 0 and max(predicted / truth, truth / predicted) < factor


def score(items: Sequence[BenchItem], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Success rates: over all items, by split, and by kind of question. Predictions are metres or text."""
    check_lengths(items, predictions)
    results: dict[str, list[float]] = {}
    for item, prediction in zip(items, predictions, strict=True):
        truth = item.metres
        assert truth is not None
        success = float(within_factor(predicted_metres(item, prediction), truth))
        for key in ("success", f"success/{item.split}", f"success/{item.category}"):
            results.setdefault(key, []).append(success)
        results.setdefault("success_1.25", []).append(
            float(within_factor(predicted_metres(item, prediction), truth, 1.25))
        )
    return {key: mean(found) for key, found in sorted(results.items())}
