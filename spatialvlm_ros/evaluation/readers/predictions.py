"""What a model said to an item, read by exact rules: a length, a number, one of the choices, yes or no."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from spatialvlm_ros.errors import EvaluationError
from spatialvlm_ros.evaluation.readers.records import LENGTH_UNITS, BenchItem
from spatialvlm_ros.questions.parsing.answers import parse_answer

# A text, or what was measured: metres of a length, a number in the item's unit, the index of a choice, P(true).
Prediction = str | float | int | bool | None

_NUMBER = re.compile(r"[-+]?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+")
_WORDS = {
    w: float(i) for i, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}


def predicted_metres(item: BenchItem, prediction: Prediction, family: str = "distance") -> float | None:
    """Metres, or None where the model gives no length. A text needs a unit."""
    if isinstance(prediction, str):
        value = parse_answer(prediction, family).value
        return None if value is None else value.value_m
    return _finite(prediction)


def predicted_number(item: BenchItem, prediction: Prediction) -> float | None:
    """A number in the item's unit. A text is read up to its first number, with a unit of length taken into account; a
    measured length is in metres."""
    length = item.answer_unit in LENGTH_UNITS
    scale = LENGTH_UNITS[item.answer_unit] if length and item.answer_unit is not None else 1.0
    if not isinstance(prediction, str):
        found = _finite(prediction)
        return None if found is None else found / scale
    said = prediction.strip()
    if length:
        parsed = parse_answer(said, "distance", default_unit=item.answer_unit).value
        return None if parsed is None else parsed.value_m / scale
    match = _NUMBER.search(said)
    if match:
        return float(match.group().replace(",", ""))
    return next((_WORDS[w] for w in re.findall(r"[a-z]+", said.lower()) if w in _WORDS), None)


def predicted_choice(item: BenchItem, prediction: Prediction) -> int | None:
    """Index of the choice, or None where the model names none or several."""
    if isinstance(prediction, str):
        return read_choice(prediction, item.choices)
    found = _finite(prediction)
    return int(found) if found is not None and 0 <= found < len(item.choices) else None


def predicted_truth(item: BenchItem, prediction: Prediction, family: str) -> bool | None:
    """Yes or no, or None where the model says neither. A probability counts as yes from one half on."""
    if isinstance(prediction, str):
        label = parse_answer(prediction, family).label
        return {"yes": True, "no": False}.get(label or "")
    found = _finite(prediction)
    return None if found is None else found >= 0.5


def read_choice(said: str, choices: Sequence[str]) -> int | None:
    """The one of some choices that a text names, by letter or by its words; None where it names none or several.

    In this order: the whole text is a choice; a letter stands alone or first ("B", "(B) left", "B. left"); "answer is
    B"; a letter in brackets, all of which agree; the only choice whose words occur.
    """
    text = " ".join(said.rpartition("</think>")[2].replace("*", " ").split())
    lowered = text.lower().strip(" .'\"")
    whole = [i for i, c in enumerate(choices) if lowered == c.lower().strip(" .")]
    if len(whole) == 1:
        return whole[0]
    last = chr(64 + len(choices))
    letter = f"[A-{last}]"
    for pattern in (
        rf"^\(?({letter})(?:[).:](?:\s|$)|$)",
        rf"answer\s*(?:is|:)\s*(?:option|choice)?\s*\(?({letter})\b",
    ):
        match = re.search(pattern, text, re.IGNORECASE if "answer" in pattern else 0)
        if match:
            return ord(match.group(1).upper()) - 65
    named = set(re.findall(rf"\(({letter})\)", text))
    if len(named) == 1:
        return ord(named.pop()) - 65
    worded = [i for i, c in enumerate(choices) if re.search(rf"\b{re.escape(c.lower())}\b", lowered)]
    return worded[0] if len(worded) == 1 else None


def check_lengths(items: Sequence[BenchItem], predictions: Sequence[Prediction]) -> None:
    """Raises:
    EvaluationError: not one prediction an item, or nothing to score.
    """
    if len(items) != len(predictions) or not items:
        raise EvaluationError(
            "a score needs one prediction for each item", (len(items), len(predictions)), "Use None for no answer."
        )


def _finite(value: object) -> float | None:
    if isinstance(value, (bool, int, float)) and math.isfinite(value):
        return float(value)
    return None


def mean(values: Sequence[float]) -> float:
    """NaN when there are none."""
    return float(sum(values) / len(values)) if values else float("nan")
