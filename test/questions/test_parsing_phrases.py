"""The parser on the phrase lists: 95% right on the half it was developed on and on the half that was held out."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
import yaml

from spatialvlm_ros.questions.parsing.answers import ParsedAnswer, parse_answer

DATA = Path(__file__).parent / "data"
HALVES = ("dev", "heldout")
TARGET = 0.95
_SUFFIX = {"yes_no": "_predicate", "choice": "_choice", "classify": "_classify", "number": ""}


def _load(half: str) -> dict:
    return yaml.safe_load((DATA / f"phrases_{half}.yaml").read_text(encoding="utf-8"))


def _parse(row: dict) -> ParsedAnswer:
    names = row.get("subject", "mug"), row.get("reference", "bowl")
    return parse_answer(row["text"], row["family"] + _SUFFIX[row["kind"]], *names, row.get("default_unit"))


def _is_right(row: dict, answer: ParsedAnswer) -> bool:
    if "none" in row:
        return answer.value is None and answer.label is None and answer.reason.value == row["none"]
    if "label" in row:
        return answer.label == row["label"]
    if answer.value is None:
        return False
    wanted = [float(row.get(key, row["value"])) for key in ("value", "low", "high")]
    got = [answer.value.value_m, answer.value.low_m, answer.value.high_m]
    return all(a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(got, wanted, strict=True))


def _has_wrong_unit(row: dict, answer: ParsedAnswer) -> bool:
    """A length where none was said, or in another unit than was written."""
    if row["kind"] != "number" or answer.value is None:
        return False
    return "none" in row or answer.value.unit not in (row["unit"], row.get("accept_unit"), "")


@pytest.mark.parametrize("half", HALVES)
def test_95_percent_of_the_phrases_are_read_right(half: str) -> None:
    rows = _load(half)["phrases"]
    right = sum(_is_right(row, _parse(row)) for row in rows)
    assert right >= TARGET * len(rows), f"{right} of {len(rows)}"


@pytest.mark.parametrize("half", HALVES)
def test_no_phrase_gets_a_wrong_unit(half: str) -> None:
    wrong = sum(_has_wrong_unit(row, _parse(row)) for row in _load(half)["phrases"])
    assert wrong == 0  # the phrases stay unnamed: those of the held-out half are not to be developed against


def test_at_least_300_phrases_half_of_them_held_out() -> None:
    sizes = [len(_load(half)["phrases"]) for half in HALVES]
    assert sum(sizes) >= 300
    assert abs(sizes[0] - sizes[1]) <= 1


def test_the_halves_are_the_ones_that_the_seed_gives() -> None:
    files = [_load(half) for half in HALVES]
    assert files[0]["seed"] == files[1]["seed"]

    def rank(row: dict) -> str:
        parts = (row["kind"], row["family"], row.get("subject", ""), row.get("default_unit", ""), row["text"])
        return hashlib.sha256("|".join((str(files[0]["seed"]), *parts)).encode()).hexdigest()

    dev, held_out = ({rank(row) for row in file["phrases"]} for file in files)
    assert max(held_out) < min(dev)
