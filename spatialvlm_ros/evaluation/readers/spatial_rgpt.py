"""SpatialRGPT-Bench: questions about numbered regions (boxes and masks), with the answer as a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spatialvlm_ros.evaluation.readers import fields
from spatialvlm_ros.evaluation.readers.masks import BenchRegion
from spatialvlm_ros.evaluation.readers.media import MediaRoot
from spatialvlm_ros.evaluation.readers.predictions import (
    Prediction,
    check_lengths,
    mean,
    predicted_choice,
    predicted_metres,
    predicted_truth,
)
from spatialvlm_ros.evaluation.readers.records import BenchItem, ItemKind, Unusable
from spatialvlm_ros.evaluation.readers.tables import Row
from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.questions.parsing.answers import parse_answer

HUB = "a8cheng/SpatialRGPT-Bench"
PATTERNS = ("SpatialRGPT*", "*.jsonl", "*")
TOLERANCE = 0.25
DIRECTION = "direction"
# Category of a numeric question -> family whose reader fits its answers.
LENGTHS = {
    "distance_data": "distance",
    "horizontal_distance_data": "horizontal_distance",
    "vertical_distance_data": "vertical_distance",
    "width_data": "width",
    "height_data": "height",
}
_REGION = re.compile(r"[Rr]egion\s*\[?(\d+)\]?")
_CLOCK = re.compile(r"\b(1[0-2]|[1-9])(?:\s*:\s*00)?\s*o\W?\s?clock", re.IGNORECASE)
_GROUPS = (
    ("tall/short", ("tall", "short")),
    ("left/right", ("left", "right")),
    ("above/below", ("above", "below")),
    ("behind/front", ("behind", "front")),
    ("big/small", ("big", "small")),
    ("wide/thin", ("wide", "thin")),
)


def item_of(row: Row, media: MediaRoot) -> BenchItem:
    """One row: id, image_info {file_path, height, width}, text_q, qa_info {type, category}, bbox, rle, conversations
    (of which the second turn holds the answer)."""
    values = row.values
    info, about = values.get("qa_info"), values.get("image_info")
    if not isinstance(info, Mapping) or not isinstance(about, Mapping):
        raise Unusable("no qa_info or image_info")
    question, said = _turns(values)
    category = fields.text(info, "category")
    shared: dict[str, Any] = {
        "id": str(values.get("id", row.number)),
        "images": (fields.picture(values, "image", fields.text(about, "file_path"), media),),
        "question": question,
        "category": category,
        "split": str(info.get("type", "")),
        "regions": _regions(values, about),
        "extra": {"answer": said, "width": about.get("width"), "height": about.get("height")},
    }
    if category == DIRECTION:
        hour = clock_hour(said)
        if hour is None:
            raise Unusable("answer cannot be read")
        return BenchItem(kind=ItemKind.NUMBER, answer_value=float(hour), answer_unit="o'clock", **shared)
    if category in LENGTHS:
        return _length(said, category, shared)
    if category in FAMILIES:
        return _qualitative(said, category, shared)
    raise Unusable("unknown category")


def _turns(values: Mapping[str, Any]) -> tuple[str, str]:
    """(question, answer)."""
    turns = values.get("conversations")
    rows = [t for t in turns if isinstance(t, Mapping)] if isinstance(turns, list) else []
    if len(rows) < 2:
        raise Unusable("no conversations")
    asked = values.get("text_q") or re.sub(r"<image>|<mask>|<depth>", "", str(rows[0].get("value", "")))
    if not isinstance(asked, str) or not asked.strip():
        raise Unusable("no question")
    return asked.strip(), fields.text(rows[1], "value")


def _length(said: str, category: str, shared: dict[str, Any]) -> BenchItem:
    value = parse_answer(plain_names(said), LENGTHS[category]).value
    if value is None:
        raise Unusable("answer cannot be read")
    return BenchItem(kind=ItemKind.NUMBER, answer_value=value.value_m, answer_unit="m", **shared)


def _qualitative(said: str, category: str, shared: dict[str, Any]) -> BenchItem:
    family = FAMILIES[category]
    if family.kind is Kind.PREDICATE:
        label = parse_answer(plain_names(said), family).label
        if label not in ("yes", "no"):
            raise Unusable("answer cannot be read")
        return BenchItem(kind=ItemKind.PREDICATE, answer_truth=label == "yes", **shared)
    options = tuple(dict.fromkeys(f"Region [{k}]" for k in _REGION.findall(shared["question"])))
    if len(options) != 2:
        options = ("Region [0]", "Region [1]")
    index = named_region(said, options, category)
    if index is None:
        raise Unusable("answer cannot be read")
    return BenchItem(kind=ItemKind.CHOICE, choices=options, answer_index=index, **shared)


def plain_names(text: str) -> str:
    """ "Region [0]" as "object A": a number in brackets reads like one of the answer."""
    return _REGION.sub(lambda m: f"object {chr(65 + int(m.group(1)) % 26)}", text)


def named_region(said: str, options: Sequence[str], category: str) -> int | None:
    """Which of two regions a sentence answers with: the only one that it names, else as its grammar says."""
    named = {f"Region [{k}]" for k in _REGION.findall(said)} & set(options)
    if len(named) == 1:
        return list(options).index(named.pop())
    first, second = (plain_names(o) for o in options[:2])
    label = parse_answer(plain_names(said), category, first, second).label
    return {first: 0, second: 1}.get(label or "")


def clock_hour(text: str) -> int | None:
    """1 to 12 of "around the 2 o'clock direction"; the last one that is named."""
    hours = _CLOCK.findall(text)
    return int(hours[-1]) if hours else None


def _regions(values: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[BenchRegion, ...]:
    boxes, masks = values.get("bbox") or [], values.get("rle") or []
    if not isinstance(boxes, list) or not isinstance(masks, list):
        raise Unusable("regions cannot be read")
    width, height = (fields.number(about.get(k), k) for k in ("width", "height"))
    regions = []
    for i in range(max(len(boxes), len(masks))):
        box = _box(boxes[i], width, height) if i < len(boxes) else None
        rle = _rle(masks[i]) if i < len(masks) else None
        regions.append(BenchRegion(box, rle))
    return tuple(regions)


def _box(value: object, width: float, height: float) -> tuple[float, float, float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise Unusable("regions cannot be read")
    x0, y0, x1, y1 = (fields.number(v, "bbox") for v in value)
    return min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height)


def _rle(value: object) -> tuple[int, int, str | tuple[int, ...]]:
    size = value.get("size") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(size, (list, tuple)) or len(size) != 2:
        raise Unusable("regions cannot be read")
    counts = value.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, list) and all(isinstance(c, int) for c in counts):
        counts = tuple(counts)
    if not isinstance(counts, (str, tuple)):
        raise Unusable("regions cannot be read")
    return int(fields.number(size[0], "rle")), int(fields.number(size[1], "rle")), counts


def within_tolerance(predicted: float | None, truth: float, tolerance: float = TOLERANCE) -> bool:
    """Whether a length lies within 75% to 125% of the truth; no answer is a failure."""
    return predicted is not None and (1 - tolerance) * truth <= predicted <= (1 + tolerance) * truth


def clock_error(predicted: int, truth: int) -> int:
    """Hours between two directions on the clock face, 0 to 6."""
    apart = abs(predicted - truth) % 12
    return min(apart, 12 - apart)


def score(items: Sequence[BenchItem], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Accuracy of qualitative answers by pair of words and over all; success and relative error of numbers by category.

    A direction succeeds within one hour. Errors are means over the items with an answer, relative to the truth (hours
    for directions). Predictions are text, metres, hours, the index of a choice or P(true).
    """
    check_lengths(items, predictions)
    results: dict[str, list[float]] = {}
    for item, prediction in zip(items, predictions, strict=True):
        for key, value in _scored(item, prediction):
            results.setdefault(key, []).append(value)
    return {key: mean(found) for key, found in sorted(results.items())}


def _scored(item: BenchItem, prediction: Prediction) -> list[tuple[str, float]]:
    if item.kind is ItemKind.NUMBER:
        return _scored_number(item, prediction)
    if item.kind is ItemKind.PREDICATE:
        text = plain_names(prediction) if isinstance(prediction, str) else prediction
        right = predicted_truth(item, text, item.category) == item.answer_truth
    elif isinstance(prediction, str):
        right = named_region(prediction, item.choices, item.category) == item.answer_index
    else:
        right = predicted_choice(item, prediction) == item.answer_index
    group = next(name for name, words in _GROUPS if any(w in item.category for w in words))
    return [("qualitative", float(right)), (f"qualitative/{group}", float(right))]


def _scored_number(item: BenchItem, prediction: Prediction) -> list[tuple[str, float]]:
    assert item.answer_value is not None
    truth, name = item.answer_value, item.category.removesuffix("_data")
    if item.category == DIRECTION:
        hour = clock_hour(prediction) if isinstance(prediction, str) else _hour(prediction)
        error = None if hour is None else float(clock_error(hour, int(truth)))
        success = error is not None and error <= 1
    else:
        text = plain_names(prediction) if isinstance(prediction, str) else prediction
        metres = predicted_metres(item, text, LENGTHS[item.category])
        error = None if metres is None else abs(metres - truth) / (truth + 1e-4)
        success = within_tolerance(metres, truth)
    scored = [("quantitative", float(success)), (f"quantitative/{name}", float(success))]
    return scored if error is None else [*scored, (f"error/{name}", error)]


def _hour(prediction: Prediction) -> int | None:
    return int(prediction) if isinstance(prediction, (int, float)) and 1 <= prediction <= 12 else None
