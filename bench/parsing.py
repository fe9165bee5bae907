"""Parses per second: answers as the templates write them, and as people do. One process, medians of five runs.

python bench/parsing.py [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from spatialvlm_ros.questions.families import FAMILIES, Kind
from spatialvlm_ros.questions.parsing.answers import parse_answer
from spatialvlm_ros.questions.rounding import UNIFORMS, round_lengths
from spatialvlm_ros.questions.templates import load_templates

PHRASES = Path(__file__).parents[1] / "test" / "questions" / "data" / "phrases_dev.yaml"
RUNS = 5
NAMES = ("red coffee mug", "bowl")
_SUFFIX = {"yes_no": "_predicate", "choice": "_choice", "classify": "_classify", "number": ""}

Question = tuple[str, str]  # text, family


def template_answers() -> dict[str, list[Question]]:
    """Every answer template once, by kind of family, filled with rounded lengths from 1 mm to 50 m."""
    rng = np.random.default_rng(0)
    answers: dict[str, list[Question]] = {}
    for name, templates in load_templates().items():
        filled = [t for group in templates.answers.values() for t in group]
        lengths = round_lengths(np.geomspace(1e-3, 50, len(filled)), rng.random((len(filled), UNIFORMS))).texts
        kind = "numbers" if FAMILIES[name].kind is Kind.NUMBER else "words"
        for template, length in zip(filled, lengths, strict=True):
            a, b = NAMES
            answers.setdefault(kind, []).append((template.fill(a=a, b=b, win=a, lose=b, value=length), name))
    return answers


def phrases() -> list[Question]:
    """The phrases as people write them."""
    rows = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))["phrases"]
    return [(row["text"], row["family"] + _SUFFIX[row["kind"]]) for row in rows]


def rate(questions: list[Question]) -> float:
    """Median parses per second over `RUNS` passes."""
    rates = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for text, family in questions:
            parse_answer(text, family, *NAMES)
        rates.append(len(questions) / (time.perf_counter() - start))
    return statistics.median(rates)


def seconds_of(text_of: Callable[[int], str], characters: int) -> float:
    """Median seconds of one parse of a long text."""
    text, seconds = text_of(characters), []
    for _ in range(RUNS):
        start = time.perf_counter()
        parse_answer(text, "distance", *NAMES)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure() -> dict[str, float]:
    """All numbers of this benchmark."""
    answers = template_answers()

    def reasoning(n: int) -> str:
        return ("The mug is 10 cm tall, so 5 of them would be 50 cm. " * (n // 50 + 1))[:n]

    return {
        "template_lengths_per_s": rate(answers["numbers"]),
        "template_words_per_s": rate(answers["words"]),
        "phrases_per_s": rate(phrases()),
        "text_of_1000_characters_ms": 1e3 * seconds_of(reasoning, 1_000),
        "text_of_10000_characters_ms": 1e3 * seconds_of(reasoning, 10_000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    result = measure()
    if parser.parse_args().json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:32} {value:10.1f}")


if __name__ == "__main__":
    main()
