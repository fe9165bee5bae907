from __future__ import annotations

import numpy as np

from spatialvlm_ros.questions.hashing import mix, slot_states, uniforms


def test_splitmix64_reference_values():
    # First outputs of the reference generator seeded with 0 (Vigna's splitmix64.c): state advances by the constant.
    golden = 0x9E3779B97F4A7C15
    states = np.array([(k * golden) & (2**64 - 1) for k in range(3)], dtype=np.uint64)
    assert [hex(v) for v in mix(states).tolist()] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


def test_uniform_and_independent_of_purpose_attempt_and_slot():
    states = slot_states(range(200), 100)
    a, b, c = uniforms(states, 0), uniforms(states, 1), uniforms(states, 0, attempt=1)
    for u in (a, b, c):
        assert 0 <= u.min() and u.max() < 1
        counts = np.histogram(u, bins=20, range=(0, 1))[0]
        assert np.abs(counts - 1000).max() < 160  # 5 standard deviations
    for x, y in ((a, b), (a, c), (a[:-1], a[1:]), (a[:-100], a[100:])):
        assert abs(np.corrcoef(x, y)[0, 1]) < 0.03


def test_a_slot_depends_on_its_seed_only():
    together = slot_states([5, -3, 2**70 + 1], 4).reshape(3, 4)
    assert (slot_states([-3], 4) == together[1]).all()
    assert (slot_states([-3], 7)[:4] == together[1]).all()
    assert len(np.unique(together)) == 12
