"""The books of shaping, by hand and as a property: the discounted sum telescopes whatever happens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.shaping import DROPPED, KEPT, Discount, Shaping


def play(potentials, gamma=0.9, ends="", steps=None, **options):
    """Shaping of one episode; None is not seen. ``ends`` is "terminated" or "truncated"."""
    books = Shaping(Discount(gamma, **options), 1)
    paid = []
    for k, phi in enumerate(potentials):
        last = k == len(potentials) - 1
        row = books.pay(
            np.array([0.0 if phi is None else phi]),
            np.array([phi is not None]),
            np.array([last and ends == "terminated"]),
            np.array([last and ends == "truncated"]),
            np.array([1.0 if steps is None else steps[k]]),
        )
        paid.append(float(row.shaping[0]))
    return paid, books


def test_by_hand():
    paid, _ = play([0.2, 0.5, 0.4])
    assert paid == pytest.approx([0.0, 0.9 * 0.5 - 0.2, 0.9 * 0.4 - 0.5])


def test_an_unseen_frame_pays_nothing_and_the_next_closes_the_gap():
    paid, _ = play([0.2, None, None, 0.4])
    assert paid[1:3] == [0.0, 0.0]
    assert paid[3] == pytest.approx(0.9 * 0.4 - 0.2 / 0.9**2)
    assert math.fsum(0.9**k * f for k, f in enumerate(paid[1:])) == pytest.approx(0.9**3 * 0.4 - 0.2)


def test_a_learner_that_leaves_unseen_frames_out_gets_one_long_step():
    paid, _ = play([0.2, None, None, 0.4], unseen=DROPPED)
    assert paid == pytest.approx([0.0, 0.0, 0.0, 0.9**3 * 0.4 - 0.2])


def test_skipped_control_steps_discount_by_their_number():
    assert play([0.2, 0.4], steps=[5, 5])[0][1] == pytest.approx(0.9**5 * 0.4 - 0.2)


def test_the_end_is_zero_when_terminated_and_not_when_truncated():
    assert play([0.2, 0.7], ends="terminated")[0][1] == pytest.approx(-0.2)
    assert play([0.2, 0.7], ends="truncated")[0][1] == pytest.approx(0.9 * 0.7 - 0.2)


def test_the_end_closes_the_gap_also_when_it_is_not_seen():
    assert play([0.2, None, None], ends="terminated")[0][2] == pytest.approx(-0.2 / 0.9)
    assert play([0.2, None, None], ends="truncated")[0][2] == 0.0


def test_what_is_first_seen_later_is_earned_then():
    assert play([None, None, 0.4])[0] == pytest.approx([0.0, 0.0, 0.9 * 0.4])


def test_the_frame_after_an_end_is_the_first_of_the_next_episode():
    _, books = play([0.2, 0.7], ends="truncated")
    assert not books.running[0]
    row = books.pay(np.array([0.9]), np.ones(1, bool), np.zeros(1, bool), np.zeros(1, bool), np.ones(1))
    assert row.shaping[0] == 0.0 and books.running[0]


def test_a_potential_that_waits_too_long_is_paid_back_before_it_explodes():
    paid, _ = play([0.5, *[None] * 40, 0.6], gamma=0.9, most_growth=10.0)
    settled = next(k for k, f in enumerate(paid) if f)
    assert settled == math.floor(math.log(10) / -math.log(0.9)) + 1
    assert paid[settled] == pytest.approx(-0.5 / 0.9 ** (settled - 1)) and abs(paid[settled]) <= 10 * 0.5
    assert paid[-1] == pytest.approx(0.9 * 0.6)  # and is earned again
    assert math.fsum(0.9**k * f for k, f in enumerate(paid[1:])) == pytest.approx(0.9**41 * 0.6 - 0.5)


def test_hours_without_sight_stay_finite():
    paid, _ = play([0.5, *[None] * 5000, 0.6], gamma=0.5)
    assert np.isfinite(paid).all() and max(map(abs, paid)) <= 100


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("potentials", [[None, None, 0.4, 0.5], [0.2, None, None, 0.4, 0.5], [0.0, None, 0.4, 0.5]])
def test_so_many_steps_that_nothing_is_left_of_a_discount(potentials):
    """0.9**8000 is 0 to a computer."""
    paid, _ = play(potentials, steps=[8000] * len(potentials))
    known = [phi or 0.0 for phi in potentials]
    assert paid == pytest.approx([0.0, *(-before for before in known[:-1])])
    assert math.fsum(paid) == pytest.approx(-math.fsum(known[:-1]))


FRAMES = st.lists(st.tuples(st.one_of(st.none(), st.floats(0, 1)), st.integers(1, 4)), min_size=1, max_size=40)
ENDS = st.sampled_from(["", "terminated", "truncated"])


@settings(max_examples=300, deadline=None)
@given(FRAMES, st.floats(0.3, 1.0), ENDS, st.sampled_from([KEPT, DROPPED]), st.floats(1.5, 1e3))
def test_the_discounted_sum_telescopes(frames, gamma, ends, unseen, most):
    potentials, steps = [p for p, _ in frames], [k for _, k in frames]
    paid, _ = play(potentials, gamma, ends, steps, unseen=unseen, most_growth=most)
    start = potentials[0] or 0.0
    if ends == "terminated" and len(frames) == 1:
        assert paid == [0.0]
        return
    times = np.cumsum([0, *steps[1:]])  # control steps since the start
    seen = [p is not None for p in potentials]
    total, since, last, at = 0.0, 0, start, 0
    for k in range(1, len(frames)):
        total += gamma ** int(since) * paid[k]
        known = seen[k] or (ends == "terminated" and k == len(frames) - 1)
        if known or unseen == KEPT:
            since = times[k]
        if known:
            last, at = (0.0 if ends == "terminated" and k == len(frames) - 1 else potentials[k]), times[k]
        elif paid[k]:
            last, at = 0.0, times[k]  # paid back
    assert total == pytest.approx(gamma ** int(at) * last - start, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=8, max_size=8), min_size=2, max_size=5))
def test_environments_do_not_mix(columns):
    books = Shaping(Discount(0.95), len(columns))
    together = []
    for k in range(8):
        row = [c[k] for c in columns]
        flags = np.zeros(len(columns), dtype=bool)
        paid = books.pay(
            np.array([0.0 if p is None else p for p in row]), np.array([p is not None for p in row]), flags, flags,
            np.ones(len(columns)),
        )  # fmt: skip
        together.append(paid.shaping)
    for n, column in enumerate(columns):
        np.testing.assert_allclose(np.array(together)[:, n], play(column, 0.95)[0], atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        dict(gamma=0.0),
        dict(gamma=1.01),
        dict(gamma=float("nan")),
        dict(gamma="0.9"),
        dict(gamma=True),
        dict(gamma=0.9, every=0),
        dict(gamma=0.9, every=1.5),
        dict(gamma=0.9, unseen="forgotten"),
        dict(gamma=0.9, most_growth=1.0),
    ],
)
def test_impossible_discounts_are_refused(options):
    with pytest.raises(ConfigError):
        Discount(**options)
