"""What must hold for any length and any text."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.questions.families import FAMILY_NAMES
from spatialvlm_ros.questions.parsing.answers import ParseReason, parse_answer, parse_length
from spatialvlm_ros.questions.parsing.units import UNITS

# One unit in metres, exactly.
METRES = {
    "um": Fraction(1, 10**6),
    "mm": Fraction(1, 1000),
    "cm": Fraction(1, 100),
    "dm": Fraction(1, 10),
    "m": Fraction(1),
    "km": Fraction(1000),
    "in": Fraction(254, 10_000),
    "ft": Fraction(3048, 10_000),
    "yd": Fraction(9144, 10_000),
    "mi": Fraction(1_609_344, 1000),
}
WORDS = {"m": "metres", "cm": "centimeters", "mm": "mm", "in": "inches", "ft": "feet", "yd": "yards", "km": "km"}
UNIT = st.sampled_from(sorted(WORDS))
HUNDREDTHS = st.integers(min_value=1, max_value=99_999_99)
AXES = (("left", "right"), ("behind", "front"), ("above", "below"))

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_ONES += "seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelt(n: int) -> str:
    """1 to 999 in English words."""
    if n >= 100:
        rest = n % 100
        return f"{_ONES[n // 100 - 1]} hundred" + (f" and {spelt(rest)}" if rest else "")
    if n >= 20:
        return _TENS[n // 10 - 2] + (f"-{_ONES[n % 10 - 1]}" if n % 10 else "")
    return _ONES[n - 1]


def value_of(text: str, family: str = "distance", **names: str) -> float:
    answer = parse_answer(text, family, **names)
    assert answer.reason is ParseReason.OK and answer.value is not None, (text, answer)
    return answer.value.value_m


@pytest.mark.parametrize("name", UNITS)
def test_units_are_exact(name: str) -> None:
    assert UNITS[name].to_metres(1) == float(METRES[name])
    assert UNITS[name].to_metres(7) == float(7 * METRES[name])


@settings(deadline=None)
@given(HUNDREDTHS, UNIT, st.sampled_from(("", " ")), st.sampled_from(("", "about ", "It is ", "~", "**")))
def test_a_written_length_is_read_back(hundredths: int, unit: str, space: str, before: str) -> None:
    text = f"{before}{hundredths / 100}{space}{WORDS[unit]}"
    assert value_of(text) == pytest.approx(float(Fraction(hundredths, 100) * METRES[unit]), rel=1e-12)
    assert parse_length(text).unit == unit


@settings(deadline=None)
@given(HUNDREDTHS, UNIT)
def test_decimal_comma_and_point_are_the_same(hundredths: int, unit: str) -> None:
    point = f"{hundredths // 100}.{hundredths % 100:02d} {WORDS[unit]}"
    assert value_of(point.replace(".", ",")) == value_of(point)


@settings(deadline=None)
@given(st.integers(min_value=1000, max_value=9_999_999))
def test_separators_of_thousands_are_dropped(millimetres: int) -> None:
    for separator in (",", " ", "'"):
        assert value_of(f"{millimetres:,} mm".replace(",", separator)) == pytest.approx(millimetres / 1000, rel=1e-12)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=999), UNIT)
def test_number_words_mean_their_digits(n: int, unit: str) -> None:
    assert value_of(f"{spelt(n)} {WORDS[unit]}") == value_of(f"{n} {WORDS[unit]}")
    assert value_of(f"{spelt(n)} and a half {WORDS[unit]}") == value_of(f"{n}.5 {WORDS[unit]}")


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=99), st.integers(min_value=1, max_value=11))
def test_feet_and_inches_add_up(feet: int, inches: int) -> None:
    metres = float(feet * METRES["ft"] + inches * METRES["in"])
    for text in (
        f"{feet} ft {inches} in",
        f"{feet}'{inches}\"",
        f"{feet} feet and {inches} inches",
        f"{feet}ft{inches}in",
    ):
        assert value_of(text) == pytest.approx(metres, rel=1e-12), text


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=50), st.integers(min_value=10, max_value=99))
def test_metres_and_centimetres_add_up(metres: int, centimetres: int) -> None:
    for text in (
        f"{metres} m {centimetres} cm",
        f"{metres}m{centimetres}",
        f"{metres} metres and {centimetres} centimetres",
    ):
        assert value_of(text) == pytest.approx(metres + centimetres / 100, rel=1e-12), text


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=10_000), st.sampled_from(("m", "cm", "mm", "km")))
def test_the_same_length_in_two_units_is_the_same(millimetres: int, unit: str) -> None:
    text = f"{float(Fraction(millimetres, 1000) / METRES[unit]):.7f} {unit}"
    assert value_of(text) == pytest.approx(value_of(f"{millimetres} mm"), rel=1e-9)


@settings(deadline=None)
@given(HUNDREDTHS, HUNDREDTHS, UNIT, st.sampled_from(("{}-{} {}", "{} to {} {}", "between {} and {} {}", "{}–{}{}")))
def test_a_range_has_its_ends_and_its_middle(a: int, b: int, unit: str, form: str) -> None:
    low, high = min(a, b), max(a, b) + 1
    length = parse_length(form.format(low / 100, high / 100, WORDS[unit]))
    assert length is not None and length.approximate
    ends = [float(Fraction(x, 100) * METRES[unit]) for x in (low, high)]
    assert [length.low_m, length.high_m] == pytest.approx(ends, rel=1e-12)
    assert length.value_m == pytest.approx(sum(ends) / 2, rel=1e-12)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=10_000), UNIT, st.sampled_from(AXES))
def test_the_opposite_direction_has_the_opposite_sign(n: int, unit: str, axis: tuple[str, str]) -> None:
    said = {
        "left": "to the left",
        "right": "to the right",
        "behind": "further back",
        "front": "in front of it",
        "above": "higher",
        "below": "lower",
    }
    metres = float(n * METRES[unit])
    for asked, other in (axis, axis[::-1]):
        same, opposite = (f"It is {n} {WORDS[unit]} {said[word]}." for word in (asked, other))
        assert value_of(same, f"{asked}_diff") == pytest.approx(metres, rel=1e-12)
        assert value_of(opposite, f"{asked}_diff") == pytest.approx(-metres, rel=1e-12)
        assert value_of(f"-{n} {WORDS[unit]}", f"{asked}_diff") == pytest.approx(-metres, rel=1e-12)


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=500), st.sampled_from(("left", "right")))
def test_swapping_the_objects_of_a_sentence_swaps_the_sign(n: int, side: str) -> None:
    names = {"subject": "the red mug", "reference": "a bowl"}
    forth = value_of(f"The red mug is {n} cm to the {side} of the bowl.", "left_diff", **names)
    back = value_of(f"The bowl is {n} cm to the {side} of the red mug.", "left_diff", **names)
    assert forth == -back == pytest.approx(n / 100 if side == "left" else -n / 100)


@settings(deadline=None)
@given(st.floats(min_value=0.001, max_value=1e6), st.sampled_from(("{}", "about {}.", "The answer is {}", "it's {}")))
def test_a_number_without_a_unit_has_no_value(value: float, form: str) -> None:
    text = form.format(f"{value:.3f}")
    answer = parse_answer(text, "distance")
    assert answer.value is None
    assert answer.reason is ParseReason.NO_UNIT
    metres = parse_answer(text, "distance", default_unit="cm").value
    assert metres is not None and metres.value_m == pytest.approx(float(f"{value:.3f}") / 100)


_PIECES = st.sampled_from(
    "1 2.5 0,5 1,200 . , - – ± ~ < > ( ) [ ] { } \" ' / ^ : = m cm ft in inches feet a half one two and or to between "
    "not no yes left right behind above mug bowl the of less more than so but answer \\boxed{ </think> "
    '\\frac{1}{2} ½ ″ ² \n e9 e999 10 x unit "unit": _m'.split(" ")
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300), st.lists(_PIECES, max_size=60).map(" ".join), st.lists(_PIECES, max_size=60).map("".join)
    )
)
def test_no_text_raises(text: str) -> None:
    for family in ("distance", "left_diff", "gap", "left_predicate", "big_choice", "behind_front_classify"):
        for unit in (None, "cm"):
            answer = parse_answer(text, family, "red mug", "bowl", default_unit=unit)
            assert answer.ok == (answer.value is not None or answer.label is not None)
            if answer.value is not None:
                assert answer.value.low_m <= answer.value.value_m <= answer.value.high_m
                assert answer.value.value_m == answer.value.value_m  # no NaN


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,.!?", max_size=200).filter(lambda t: not set(t) & set("0123456789"))
)
def test_noise_without_digits_is_never_zero_metres(text: str) -> None:
    value = parse_answer(text, "elevation").value
    assert (
        value is None or value.value_m != 0 or any(w in text for w in ("zero", "nil", "nought", "no ", "on ", "none"))
    )


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "\ud800", "🙂" * 50, "1" * 9999, "((((" * 500, "½" * 500])
def test_odd_texts_have_no_value_in_any_family(family: str, text: str) -> None:
    answer = parse_answer(text, family, "mug", "bowl")
    assert answer.value is None and answer.label is None and not answer.ok
