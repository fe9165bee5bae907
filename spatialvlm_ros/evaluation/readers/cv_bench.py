"""CV-Bench-3D: which of two things is nearer to the camera, or to a third, by multiple choice."""

from __future__ import annotations

from collections.abc import Sequence

from spatialvlm_ros.evaluation.readers import fields
from spatialvlm_ros.evaluation.readers.media import MediaRoot
from spatialvlm_ros.evaluation.readers.predictions import Prediction, check_lengths, mean, predicted_choice
from spatialvlm_ros.evaluation.readers.records import BenchItem, ItemKind, Unusable
from spatialvlm_ros.evaluation.readers.tables import Row

HUB, HUB_CONFIG = "nyu-visionx/CV-Bench", "3D"
PATTERNS = ("test_3d*", "test*", "*")
TYPE = "3D"
OTHER_TYPE = "not a 3D question"
_KEPT = ("prompt", "source", "source_dataset", "source_filename", "bbox")


def item_of(row: Row, media: MediaRoot) -> BenchItem:
    """One row: idx, type, task, image or filename, question, choices, answer as "(A)", source, bbox."""
    values = row.values
    if values.get("type") != TYPE:
        raise Unusable(OTHER_TYPE if values.get("type") == "2D" else "unknown type")
    choices = fields.choices(values.get("choices"))
    name = values.get("filename")
    return BenchItem(
        id=str(values.get("idx", row.number)),
        images=(fields.picture(values, "image", name if isinstance(name, str) else None, media),),
        question=fields.text(values, "question"),
        kind=ItemKind.CHOICE,
        category=fields.text(values, "task"),
        split=str(values.get("source_dataset") or values.get("source") or ""),
        choices=choices,
        answer_index=fields.letter_index(values.get("answer"), len(choices)),
        extra={key: values[key] for key in _KEPT if values.get(key) is not None},
    )


def score(items: Sequence[BenchItem], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Accuracy over all items (the published number, as all of them come from Omni3D), by task and by source.

    Predictions are text or the index of a choice; no choice, or several, count as wrong.
    """
    check_lengths(items, predictions)
    results: dict[str, list[float]] = {}
    for item, prediction in zip(items, predictions, strict=True):
        right = float(predicted_choice(item, prediction) == item.answer_index)
        for key in ("accuracy", f"accuracy/{item.category}", f"accuracy/{item.split}"):
            results.setdefault(key, []).append(right)
    return {key: mean(found) for key, found in sorted(results.items())}
