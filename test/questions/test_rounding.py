from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import QuestionError
from spatialvlm_ros.questions.rounding import UNIFORMS, Unit, round_lengths

METRES = {
    **dict.fromkeys(("meter", "meters", "m"), 1.0),
    **dict.fromkeys(("centimeter", "centimeters", "cm"), 0.01),
    **dict.fromkeys(("millimeter", "millimeters", "mm"), 0.001),
    **dict.fromkeys(("foot", "feet", "ft"), 0.3048),
    **dict.fromkeys(("inch", "inches", "in"), 0.0254),
}
unit_interval = st.floats(0, 1, exclude_max=True)
random_rows = st.lists(unit_interval, min_size=UNIFORMS, max_size=UNIFORMS)


def read(text: str) -> float:
    """Metres of a text, by a reader that shares nothing with the writer."""
    text = re.sub(r"\bhalf an? ", "0.5 ", text)
    parts = re.findall(r"([\d.]+) ([a-z]+)", text)
    assert parts and " ".join(f"{n} {u}" for n, u in parts) == text, text
    return sum(float(n) * METRES[u] for n, u in parts)


def say(value: float, n: int = 20000, seed: int = 0) -> list[str]:
    return round_lengths(np.full(n, value), np.random.default_rng(seed).random((n, UNIFORMS))).texts


def share(texts: list[str], *wanted: str) -> float:
    return sum(t in wanted for t in texts) / len(texts)


def test_the_papers_example_86_cm():
    texts = say(0.86)
    assert share(texts, "1 meter", "1 m") == pytest.approx(0.75, abs=0.015)
    imperial = [t for t in texts if re.search("f(ee|oo)?t", t)]
    assert len(imperial) / len(texts) == pytest.approx(0.2, abs=0.015)
    assert share(imperial, "3 feet", "3 ft") > 0.85
    assert {"0.8 meters", "0.9 meters", "90 centimeters", "90 cm", "3 feet", "2 feet 10 inches"} <= set(texts)
    metric = {re.sub("[^0-9.]", "", t) + t[-1] for t in texts if t not in imperial}
    assert metric <= {"1r", "1m", "0.8s", "0.8m", "0.9s", "0.9m", "90s", "90m"}


def test_the_papers_example_23_m():
    texts = say(23.0)
    assert share(texts, "20 meters", "20 m") == pytest.approx(0.75, abs=0.015)
    assert share(texts, "75 feet", "75 ft") == pytest.approx(0.2, abs=0.015)


@pytest.mark.parametrize("value", [0.013, 0.05, 0.3, 1.7, 4.0, 60.0, 500.0])
def test_a_fifth_is_imperial(value):
    texts = say(value)
    imperial = sum(bool(re.search(r"f(ee|oo)?t|in(ch(es)?)?\b", t)) for t in texts) / len(texts)
    assert imperial == pytest.approx(0.2, abs=0.015)


def test_below_half_an_inch_nobody_says_inches():
    assert {t.split()[-1] for t in say(0.007)} == {"mm", "millimeters"}


def test_singular_plural_half_and_mixed():
    assert {"1 meter", "1 m"} <= set(say(1.0)) and "1 meters" not in say(1.0)
    assert {"1 inch", "1 in"} <= set(say(0.0254))
    assert {"1 foot", "1 ft", "1 foot 1 inch"} <= set(say(0.33))
    assert "half a meter" in say(0.5) and "half an inch" in say(0.0127)
    assert "0.75 inches" in say(0.019)
    assert "6 feet" not in say(0.5)
    assert {"1 foot 8 inches", "1 ft 8 in"} <= set(say(0.508))


def test_zero_and_tiny():
    assert set(say(0.0, 100)) == {"0 cm", "0 centimeters"}
    tiny = round_lengths(np.array([1e-6, 2e-4, 4e-4]), np.full((3, UNIFORMS), 0.5))
    assert (tiny.metres > 0).all() and all("mm" in t or "milli" in t for t in tiny.texts)


@settings(max_examples=400, deadline=None)
@given(st.floats(1e-3, 900), random_rows)
def test_text_metres_and_unit_agree_and_stay_close(value, random):
    rounded = round_lengths([value], [random])
    text, metres, unit = rounded.texts[0], rounded.metres[0], Unit(int(rounded.units[0]))
    assert read(text) == pytest.approx(metres, rel=1e-6)
    assert abs(metres - value) <= 0.27 * value
    words = {"m": "meters?|m", "cm": "centimeters?|cm", "mm": "millimeters?|mm", "ft": "foot|feet|ft"}
    words |= {"in": "inch|inches|in", "ft+in": "(foot|feet|ft|inch|inches|in)"}
    assert re.search(rf" ({words[unit.symbol]})$", text)
    if metres > 3:
        assert unit in (Unit.METRE, Unit.FOOT, Unit.FEET_AND_INCHES)


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 900), random_rows)
def test_never_zero_unless_zero_and_sign_is_dropped(value, random):
    plus, minus = round_lengths([value], [random]), round_lengths([-value], [random])
    assert plus.texts == minus.texts
    assert (plus.metres[0] > 0) == (value > 0)
    assert plus.texts[0].startswith("0 ") == (value == 0)


@settings(max_examples=60, deadline=None)
@given(random_rows)
def test_longer_is_never_said_shorter(random):
    grid = np.geomspace(1e-3, 900, 3000)
    metres = round_lengths(grid, np.tile(random, (len(grid), 1))).metres
    assert (np.diff(metres) > -1e-9).all()


def test_a_row_does_not_depend_on_its_batch():
    rng = np.random.default_rng(3)
    values, random = rng.uniform(0.001, 20, 500), rng.random((500, UNIFORMS))
    together = round_lengths(values, random)
    alone = [round_lengths(values[k : k + 1], random[k : k + 1]).texts[0] for k in range(500)]
    assert together.texts == alone


def test_errors_and_empty():
    assert round_lengths([], np.zeros((0, UNIFORMS))).texts == []
    with pytest.raises(QuestionError, match="not finite"):
        round_lengths([np.nan], np.zeros((1, UNIFORMS)))
    with pytest.raises(QuestionError, match="uniforms"):
        round_lengths([1.0], np.zeros((2, UNIFORMS)))
