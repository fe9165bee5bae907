"""The potential: monotone, informative down to contact, rising over the phases, with an honest error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewarding import REACH, answers, said

from spatialvlm_ros.models.estimate import Estimate, Reason
from spatialvlm_ros.rewards.layout import Layout
from spatialvlm_ros.rewards.measured import Measured
from spatialvlm_ros.rewards.potential import potentials, term_scores
from spatialvlm_ros.rewards.templates import parse_task, template, template_names

LENGTHS = st.floats(0.0, 3.0)


def one_term(line: str, weight_of_other: str = ""):
    """A task of one phase and one term."""
    return parse_task(
        f"name: t\nobjects: {{cup: cup, box: box}}\nphases:\n  - name: only\n    terms:\n      - {{{line}}}\n"
        f"{weight_of_other}success:\n  when:\n    - {{gap: cup | box, at_most: 5}}\n"
    )


def value_of(task, phase: int, columns: list[Measured]):
    layout = Layout.of(task)
    return [potentials(layout, m, np.array([phase])) for m in columns]


def score(line: str, metres) -> np.ndarray:
    task = one_term(line)
    values = np.broadcast_to(np.asarray(metres, dtype=float)[:, None], (len(metres), 1))
    return term_scores(Layout.of(task).terms, values)[:, 0]


def test_a_score_is_one_at_the_goal_and_one_half_where_it_says():
    for shape in ("reciprocal", "linear"):
        line = f"gap: cup | box, at_most: 0.02, half: 0.1, shape: {shape}"
        np.testing.assert_allclose(score(line, [0.0, 0.02, 0.12]), [1, 1, 0.5])
        line = f"gap: cup | box, at_least: 0.3, half: 0.1, shape: {shape}"
        np.testing.assert_allclose(score(line, [0.5, 0.3, 0.2]), [1, 1, 0.5])
        line = f"above_diff: cup | box, at_least: -0.1, at_most: 0.1, half: 0.1, shape: {shape}"
        np.testing.assert_allclose(score(line, [-0.2, -0.1, 0.0, 0.1, 0.2]), [0.5, 1, 1, 1, 0.5])


@given(LENGTHS, LENGTHS)
def test_nearer_is_never_worse_and_with_the_default_shape_always_better(a, b):
    near, far = sorted((a, b))
    for shape in ("reciprocal", "linear"):
        at_near, at_far = score(f"gap: cup | box, at_most: 0, half: 0.1, shape: {shape}", [near, far])
        assert 0 <= at_far <= at_near <= 1
        if shape == "reciprocal" and far - near > 1e-6:
            assert at_near > at_far


def test_the_last_centimetres_count_more_than_the_first():
    """Where the distances of the paper's figure are flat, the potential is steepest."""
    metres = np.array([0.70, 0.53, 0.42, 0.33, 0.23, 0.10, 0.06, 0.0])
    gain = np.diff(score("gap: cup | box, at_most: 0, half: 0.1", metres)) / -np.diff(metres)
    assert (np.diff(gain) > 0).all() and gain[-1] > 4


def test_a_predicate_counts_by_its_probability():
    wanted = one_term("inside: cup | box")
    denied = one_term("inside: cup | box, is: false")
    values = np.array([[0.8]])
    assert term_scores(Layout.of(wanted).terms, values)[0, 0] == pytest.approx(0.8)
    assert term_scores(Layout.of(denied).terms, values)[0, 0] == pytest.approx(0.2)


def test_phases_are_stacked_by_their_weights():
    task = template("pick", target="apple")
    layout = Layout.of(task)
    far = Measured.of([answers(task, dict(gap=5.0, touching=0.0, elevation=-1.0, lifted=0.0))])
    there = Measured.of([answers(task, dict(gap=0.0, touching=1.0, elevation=0.2, lifted=1.0))])
    low = [float(potentials(layout, far, np.array([p])).value[0]) for p in range(3)]
    high = [float(potentials(layout, there, np.array([p])).value[0]) for p in range(3)]
    np.testing.assert_allclose(high, [0.4, 0.6, 1.0])
    np.testing.assert_allclose(low, [0.4 * 0.1 / 5.1, 0.4 + 0.2 * 0.5 * 0.02 / 5.02, 0.6 + 0.1 * 0.05 / 5.05])


@pytest.mark.parametrize("name", template_names())
def test_no_phase_of_a_template_can_be_worth_more_than_the_next(name):
    needed = {"pick": {}, "reach": {}, "place_in": {"container": "b"}, "place_on": {"support": "b"}}
    others = needed.get(name, {"goal": "b"} if name == "push_to" else {"socket": "b"})
    layout = Layout.of(template(name, target="a", **others))
    np.testing.assert_allclose(layout.phase_start[1:], layout.phase_start[:-1] + layout.phase_weight[:-1])
    assert layout.phase_start[-1] + layout.phase_weight[-1] == pytest.approx(1.0)


def test_many_frames_at_once_are_each_as_alone():
    task = template("pick", target="apple")
    layout, rng = Layout.of(task), np.random.default_rng(0)
    rows = [
        answers(task, dict(gap=g, touching=t, elevation=e, lifted=t), std=0.03)
        for g, t, e in zip(rng.uniform(0, 0.5, 20), rng.random(20), rng.uniform(0, 0.2, 20), strict=True)
    ]
    phases = rng.integers(0, 3, 20)
    together = potentials(layout, Measured.of(rows), phases)
    for n, row in enumerate(rows):
        alone = potentials(layout, Measured.of([row]), phases[n : n + 1])
        for name in ("value", "low", "high", "shared", "own"):
            np.testing.assert_allclose(getattr(together, name)[n], getattr(alone, name)[0], atol=1e-12)


# ---- errors ----


def spread_of(task, estimates, phase=0):
    found = potentials(Layout.of(task), Measured.of([estimates]), np.array([phase]))
    return {name: float(getattr(found, name)[0]) for name in ("value", "low", "high", "shared", "own", "std")}


def test_the_interval_of_one_term_is_that_of_its_estimate():
    (query,) = REACH.queries
    estimate = said(query, 0.10, std=0.02).with_(interval=(0.05, 0.2))
    found = spread_of(REACH, [estimate])
    assert found["value"] == pytest.approx(0.5)
    assert found["low"] == pytest.approx(0.1 / 0.3) and found["high"] == pytest.approx(0.1 / 0.15)


def test_at_contact_the_interval_ends_at_one():
    (query,) = REACH.queries
    found = spread_of(REACH, [said(query, 0.0, std=0.02).with_(interval=(0.0, 0.04))])
    assert found["value"] == found["high"] == 1.0 and found["low"] == pytest.approx(0.1 / 0.14)


def test_an_interval_around_the_goal_reaches_the_best_score_inside_it():
    task = one_term("left_diff: cup | box, at_least: -0.01, at_most: 0.01, half: 0.1")
    left, gap = task.queries
    found = spread_of(task, [said(left, 0.1, std=0.1), said(gap, 0.1)])
    assert found["value"] == pytest.approx(0.1 / 0.19) and found["high"] == pytest.approx(1.0)


TWO = """
name: two
objects: {{cup: cup, box: box}}
phases:
  - name: only
    terms:
      - {{gap: gripper | cup, at_most: 0, half: 0.1}}
      - {{distance: cup | box, {goal}, half: 0.1}}
success:
  when:
    - {{gap: gripper | cup, at_most: 0.02}}
"""


def two(goal: str, shared: float):
    """Two lengths of 0.2 m, of which one scale error explains a share."""
    task = parse_task(TWO.format(goal=goal))
    estimates = [said(q, 0.2, std=0.02, shared=shared * 0.02) for q in task.queries]
    return spread_of(task, estimates)


def test_shared_errors_of_terms_that_go_the_same_way_add_up():
    apart, together = two("at_most: 0", 0.0), two("at_most: 0", 1.0)
    assert together["own"] == pytest.approx(0.0, abs=1e-12) and apart["shared"] == 0.0
    assert together["std"] == pytest.approx(apart["std"] * np.sqrt(2), rel=1e-6)
    assert together["high"] - together["low"] == pytest.approx((apart["high"] - apart["low"]) * np.sqrt(2), rel=1e-6)


def test_and_cancel_where_they_go_opposite_ways():
    apart, together = two("at_least: 0.4", 0.0), two("at_least: 0.4", 1.0)
    assert together["std"] < 0.5 * apart["std"]
    assert together["high"] - together["low"] < 0.6 * (apart["high"] - apart["low"])


def test_the_deviation_is_that_of_a_simulation():
    task, rng = parse_task(TWO.format(goal="at_least: 0.4")), np.random.default_rng(3)
    scale, own = 0.06, 0.04
    true = np.array([0.2, 0.25])
    errors = scale * rng.standard_normal((20_000, 1)) + own * rng.standard_normal((20_000, 2))
    values = true * (1 + errors)
    exact = potentials(Layout.of(task), Measured.exact(values, task.queries), np.zeros(len(values), dtype=np.int64))
    estimates = [
        said(q, v, std=v * np.hypot(scale, own), shared=v * scale) for q, v in zip(task.queries, true, strict=True)
    ]
    assert spread_of(task, estimates)["std"] == pytest.approx(exact.value.std(), rel=0.05)


def test_a_predicate_is_as_uncertain_as_the_toss_of_its_coin():
    task = one_term("inside: cup | box")
    inside, gap = task.queries
    for p, low, high in ((0.5, 0.0, 1.0), (0.97, 1.0, 1.0), (0.02, 0.0, 0.0)):
        found = spread_of(task, [said(inside, p), said(gap, 0.1)])
        assert found["std"] == pytest.approx(np.sqrt(p * (1 - p)))
        assert found["low"] == pytest.approx(min(low, p)) and found["high"] == pytest.approx(max(high, p))


@given(LENGTHS, st.floats(0, 0.5), st.floats(0, 1))
def test_the_interval_holds_the_value_and_stays_within_zero_and_one(metres, std, share):
    (query,) = REACH.queries
    found = spread_of(REACH, [said(query, metres, std=std, shared=share * std)])
    assert 0 <= found["low"] <= found["value"] + 1e-12 and found["value"] <= found["high"] + 1e-12 <= 1 + 2e-12


# ---- estimates that cannot be used ----


@pytest.mark.parametrize(
    "change",
    [
        dict(value=float("nan")),
        dict(value=float("inf")),
        dict(std=float("nan"), interval=(float("nan"), float("nan"))),
        dict(std=-1.0),
        dict(valid=False),
    ],
)
def test_no_potential_comes_of_a_number_that_is_none(change):
    (query,) = REACH.queries
    measured = Measured.of([[said(query, 0.1, std=0.02).with_(**change)]])
    assert not measured.valid.any() and not potentials(Layout.of(REACH), measured, np.array([0])).valid[0]


def test_an_error_may_come_as_an_interval_or_as_a_deviation_alone():
    (query,) = REACH.queries
    both = said(query, 0.1, std=0.02)
    for one in (both.with_(std=float("nan")), both.with_(interval=(float("nan"), float("nan")))):
        measured = Measured.of([[one]])
        assert measured.valid.all()
        np.testing.assert_allclose([measured.std[0, 0], measured.low[0, 0]], [0.02, 0.1 - 1.645 * 0.02], rtol=1e-3)


def test_only_the_terms_of_the_phase_are_needed():
    task = template("place_in", target="apple", container="bowl")
    layout = Layout.of(task)
    gap, *rest = task.queries
    lost = [Estimate.invalid(q.kind, str(q.subject), str(q.reference or ""), Reason.NOT_VISIBLE) for q in rest]
    measured = Measured.of([[said(gap, 0.1), *lost]])
    found = [potentials(layout, measured, np.array([p])).valid[0] for p in range(len(task.phases))]
    assert found == [True, False, False, False, False, True]  # release is about the gap alone
