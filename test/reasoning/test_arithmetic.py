"""Sums over measurements: right values and errors, and nothing that is run."""

from __future__ import annotations

import builtins
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.models.estimate import QUANTILE_LEVELS, Estimate, Reason
from spatialvlm_ros.reasoning.arithmetic.draws import Drawn, draws_of
from spatialvlm_ros.reasoning.arithmetic.expressions import calculate
from spatialvlm_ros.reasoning.faults import ExpressionError
from spatialvlm_ros.scenes.relations import Relation


def length(value, std=0.0, shared=0.0, a="a", b="b", relation=Relation.DISTANCE, **more):
    return Estimate(relation, a, b, value, std, valid=True, reason=Reason.OK, shared_std=shared, **more)


def measured(**estimates):
    return {name: draws_of(e) for name, e in estimates.items()}


# ---- values ----

numbers = st.floats(0.05, 20)
NAMES = {"x": 0.4, "y": 1.7, "z": 3.0}


def expressions():
    leaf = st.sampled_from([*NAMES]) | st.floats(0.1, 9).map(lambda v: f"{v:.3f}")
    grow = lambda inner: (  # noqa: E731
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | st.tuples(inner, leaf).map(lambda t: f"({t[0]} / {t[1]})")
        | st.tuples(inner, inner).map(lambda t: f"min({t[0]}, {t[1]})")
        | st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})")
        | inner.map(lambda t: f"abs({t})")
    )
    return st.recursive(leaf, grow, max_leaves=8)


@given(expressions())
@settings(max_examples=150, deadline=None)
def test_values_are_those_of_python(text):
    plain = {name: Drawn.exactly(v) for name, v in NAMES.items()}
    assert calculate(text, plain).value == pytest.approx(eval(text, {"__builtins__": builtins}, NAMES), rel=1e-9)


@given(numbers, numbers, st.floats(0.01, 0.2), st.floats(0.01, 0.2))
@settings(max_examples=40, deadline=None)
def test_independent_errors_add_in_squares(a, b, share_a, share_b):
    known = measured(m=length(a, share_a * a), n=length(b, share_b * b, a="c"))
    total = calculate("m + n", known)
    assert total.value == pytest.approx(a + b, rel=0.02)  # five standard errors of a median of so many draws
    assert total.std == pytest.approx(math.hypot(share_a * a, share_b * b), rel=0.05)
    assert calculate("m - n", known).std == pytest.approx(total.std, rel=0.08)


@given(numbers, numbers, st.floats(0.02, 0.3))
@settings(max_examples=40, deadline=None)
def test_shared_errors_add_up_and_cancel_in_ratios(a, b, share):
    known = measured(m=length(a, share * a, share * a), n=length(b, share * b, share * b, a="c"))
    assert calculate("m + n", known).std == pytest.approx(share * (a + b), rel=0.05)
    ratio = calculate("m / n", known)
    assert ratio.value == pytest.approx(a / b, rel=1e-6) and ratio.std < 1e-6 * ratio.value + 1e-9
    if abs(a - b) > 1e-9 * b:  # of two that are alike but for a rounding either may be the smaller one
        assert calculate("m < n", known).value == (a < b)


def test_a_shared_error_moves_signed_lengths_away_from_zero():
    known = measured(
        left=length(-1.0, 0.1, 0.1, relation=Relation.LEFT_DIFF),
        far=length(1.0, 0.1, 0.1, a="c", relation=Relation.BEHIND_DIFF),
    )
    assert calculate("left + far", known).std < 1e-9


def test_the_same_measurement_has_the_same_error():
    there, back = length(1.0, 0.2, a="a", b="b"), length(1.0, 0.2, a="b", b="a")
    assert calculate("m - n", measured(m=there, n=back)).std == 0.0
    assert calculate("m - n", measured(m=there, n=length(1.0, 0.2, a="a", b="c"))).std == pytest.approx(0.28, abs=0.02)


def test_how_sure_a_comparison_is():
    known = measured(m=length(1.0, 0.1), n=length(1.1, 0.1, a="c"))
    assert calculate("m < n", known).value == pytest.approx(0.76, abs=0.02)  # 0.1 / 0.141 deviations
    assert calculate("not m < n", known).value == pytest.approx(0.24, abs=0.02)
    assert calculate("m < 1.2 and n > 0.9", known).value == pytest.approx(0.977**2, abs=0.02)
    assert calculate("0.9 < m < 1.1", known).value == pytest.approx(0.683, abs=0.01)


def predicate(probability, relation=Relation.ABOVE, a="a", b="b"):
    return Estimate(relation, a, b, probability, 0.4, unit="probability", valid=True, reason=Reason.OK)


def test_a_predicate_is_as_sure_as_it_was_measured():
    known = measured(p=predicate(0.6), q=predicate(0.3, a="c"), r=predicate(1.0, Relation.TOUCHING), m=length(1.0, 0.1))
    assert draws_of(predicate(0.6)).truth and calculate("p", known).value == pytest.approx(0.6, abs=0.001)
    assert calculate("not p", known).value == pytest.approx(0.4, abs=0.001)
    assert calculate("p and q", known).value == pytest.approx(0.18, abs=0.02)
    assert calculate("p or q", known).value == pytest.approx(0.72, abs=0.02)
    assert calculate("p and not p", known).value == 0.0
    assert calculate("r and m > 0.9", known).value == pytest.approx(0.841, abs=0.02)
    with pytest.raises(ExpressionError, match="truth value is no number"):
        calculate("p > 0.5", known)


def test_the_same_predicate_is_true_in_the_same_draws():
    both = measured(p=predicate(0.6, Relation.TOUCHING), q=predicate(0.6, Relation.TOUCHING, "b", "a"))
    assert calculate("p and q", both).value == calculate("p", both).value


def test_the_calibrated_distribution_is_used_where_there_is_one():
    levels = np.array(QUANTILE_LEVELS)
    skewed = length(1.0, 0.5, quantiles=tuple(np.exp(0.5 * (levels - 0.5))))
    drawn = draws_of(skewed)
    found = np.quantile(drawn.draws, levels)
    np.testing.assert_allclose(found, skewed.quantiles, rtol=0.005)
    assert drawn.draws.min() >= 0.0


def test_where_the_interval_ends_before_the_quantiles_it_is_believed():
    """It is the interval whose coverage was checked."""
    wild = np.linspace(0, 5000, len(QUANTILE_LEVELS))
    wild[len(wild) // 2] = 0.2
    drawn = draws_of(length(0.2, 600.0, quantiles=tuple(wild), interval=(0.1, 0.4), relation=Relation.FREE_WIDTH))
    np.testing.assert_allclose(np.quantile(drawn.draws, [0.05, 0.5, 0.95]), [0.1, 0.2, 0.4], atol=0.002)
    assert np.quantile(drawn.draws, 0.841) == pytest.approx(0.2 + 0.2 / 1.645, abs=0.002)


def test_an_interval_that_reaches_farther_moves_the_tail_alone():
    """Rare large errors make the interval long; they say nothing of the usual ones."""
    usual = np.linspace(0.01, 0.05, len(QUANTILE_LEVELS))
    drawn = draws_of(length(0.03, 0.1, quantiles=tuple(usual), interval=(0.0, 90.0), relation=Relation.FREE_WIDTH))
    np.testing.assert_allclose(np.quantile(drawn.draws, QUANTILE_LEVELS[1:-1]), usual[1:-1], atol=0.002)
    np.testing.assert_allclose(np.quantile(drawn.draws, [0.05, 0.95]), [0.0, 90.0], atol=0.5)
    passes = calculate("m > 0.07 m", {"m": drawn})
    assert 0.05 < passes.value < 0.12


def test_units():
    known = measured(m=length(2.0), n=length(0.5, a="c"))
    assert calculate("m * n", known).unit == "m2" and calculate("m / n", known).unit == ""
    assert calculate("sqrt(m**2 + n**2)", known).unit == "m"
    assert calculate("n < 55 cm", known).value == 1.0 and calculate("m - 30 cm", known).value == pytest.approx(1.7)
    assert calculate("m + 0.3 m", known).value == pytest.approx(2.3)
    with pytest.raises(ExpressionError, match="units"):
        calculate("m + m * n", known)


# ---- what is refused ----

ATTACKS = (
    "__import__('os').system('touch {path}')",
    "().__class__.__bases__[0].__subclasses__()",
    "m.__class__",
    "open('{path}', 'w')",
    "(lambda: open('{path}', 'w'))()",
    "[open('{path}', 'w') for _ in (1,)]",
    "f'{{open(1)}}'",
    "exec('1')",
    "eval('1')",
    "m if m else m",
    "(m := 3)",
    "min(*[m])",
    "max(m, key=abs)",
    "min.__self__",
    "globals()",
    "m; m",
    "import os",
    "m\nm",
    "metres.__globals__",
    "9**9**9",
    "9**9",
    "m**1000",
    "2**m",
    "m**-1",
    "10000000000 * m",
    "1e400",
    "m << 60",
    "m // 2",
    "m % 2",
    "'a' * 99",
    "1j",
    "m == m",
    "m is m",
    "m in m",
    "unknown + 1",
    "m / 0",
    "m / (m - m)",
    "sqrt(0 - m)",
    "(m < 1) + 1",
    "m and m",
    "sqrt()",
    "sqrt(m, m)",
    "",
    "   ",
    "(" * 290,
    "abs(" * 30 + "m" + ")" * 30,
    "-" * 290 + "m",
    "m" + " + m" * 70,
    "m" * 400,
    "\x00",
    "m + \ud800",
)


@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_what_is_no_sum_is_refused(text, tmp_path):
    path = tmp_path / "made"
    with pytest.raises(ExpressionError):
        calculate(text.replace("{path}", str(path)), measured(m=length(1.0, 0.1)))
    assert not path.exists()


@given(st.text(max_size=320))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_value_or_a_refusal(text):
    try:
        result = calculate(text, measured(m=length(1.0, 0.1)))
    except ExpressionError:
        return
    assert np.isfinite(result.draws).all()


@given(st.text(alphabet="m()+-*/<>.,0123456789 sqrtminabc_[]{}:=", max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_jumble_of_symbols_is_a_value_or_a_refusal(text):
    try:
        calculate(text, measured(m=length(1.0, 0.1)))
    except ExpressionError:
        pass
