"""VSI-Bench: questions about videos of rooms; numbers are scored by mean relative accuracy, choices by their letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatialvlm_ros.evaluation.readers import fields
from spatialvlm_ros.evaluation.readers.media import MediaRoot
from spatialvlm_ros.evaluation.readers.predictions import (
    Prediction,
    check_lengths,
    mean,
    predicted_choice,
    predicted_number,
)
from spatialvlm_ros.evaluation.readers.records import BenchItem, ItemKind, Unusable
from spatialvlm_ros.evaluation.readers.tables import Row

HUB = "nyu-visionx/VSI-Bench"
PATTERNS = ("test*.jsonl", "test*.parquet", "*.parquet", "*.jsonl", "*")
# Numeric question types and the unit that their questions ask for.
NUMBERS = {
    "object_abs_distance": "m",
    "object_counting": "count",
    "object_size_estimation": "cm",
    "room_size_estimation": "m2",
}
DIRECTIONS = tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard"))
CHOICES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def item_of(row: Row, media: MediaRoot) -> BenchItem:
    """One row: id, dataset, scene_name, question_type, question, ground_truth, options; the video is
    <dataset>/<scene_name>.mp4."""
    values = row.values
    kind = fields.text(values, "question_type")
    place = f"{fields.text(values, 'dataset')}/{fields.text(values, 'scene_name')}.mp4"
    video = media.video(place)
    if video is None:
        raise Unusable("missing video")
    item = BenchItem(
        id=str(values.get("id", row.number)),
        images=(),
        question=fields.text(values, "question"),
        kind=ItemKind.NUMBER if kind in NUMBERS else ItemKind.CHOICE,
        category=kind,
        split=str(values["dataset"]),
        video=video,
    )
    return _answered(item, values.get("ground_truth"), values.get("options"))


def _answered(item: BenchItem, truth: object, options: object) -> BenchItem:
    if item.category in NUMBERS:
        value = fields.number(truth, "ground_truth")
        return replace(item, answer_value=value, answer_unit=NUMBERS[item.category])
    if item.category in CHOICES:
        choices = fields.choices(options)
        return replace(item, choices=choices, answer_index=fields.letter_index(truth, len(choices)))
    raise Unusable("unknown question type")


def mean_relative_accuracy(predicted: float | None, truth: float) -> float:
    """Share of the thresholds 0.50, 0.55 .. 0.95 for which the relative error is at most one minus the threshold; 0 for
    no answer."""
    if predicted is None:
        return 0.0
    if truth == 0:
        return float(predicted == 0)
    return float(np.mean(abs(predicted - truth) / abs(truth) <= 1 - THRESHOLDS))


def score(items: Sequence[BenchItem], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Score of each task, and their mean over the tasks that are there ("overall").

    The three levels of relative direction count as one task, the mean of their means. Predictions are text; metres,
    counts or square metres; or the index of a choice.
    """
    check_lengths(items, predictions)
    results: dict[str, list[float]] = {}
    for item, prediction in zip(items, predictions, strict=True):
        if item.kind is ItemKind.NUMBER:
            assert item.answer_value is not None
            value = mean_relative_accuracy(predicted_number(item, prediction), item.answer_value)
        else:
            value = float(predicted_choice(item, prediction) == item.answer_index)
        results.setdefault(item.category, []).append(value)
    means = {kind: mean(found) for kind, found in results.items()}
    levels = [means.pop(level) for level in DIRECTIONS if level in means]
    if levels:
        means["object_rel_direction"] = mean(levels)
    overall = mean(list(means.values()))
    detail = {f"{level}": mean(results[level]) for level in DIRECTIONS if level in results}
    return {"overall": overall, **dict(sorted({**means, **detail}.items()))}
