"""The stated 90% intervals of potential and reward hold in 85 to 95% of all frames of whole episodes."""

from __future__ import annotations

import pytest

pytest.importorskip("mujoco")

from potential_coverage import coverage

EPISODES = (("success", 2), ("success", 3), ("miss", 3))


@pytest.mark.parametrize("kind", ["monocular", "depth"])
@pytest.mark.parametrize("filtered", [False, True], ids=["as they come", "filtered"])
def test_intervals_hold_as_often_as_they_say(filtered, kind):
    found = [coverage(task, kind, filtered, n=10, episodes=EPISODES) for task in ("reach", "pick", "place_in")]
    assert 0.85 <= sum(c.potential for c in found) / 3 <= 0.95, found
    assert 0.85 <= sum(c.reward for c in found) / 3 <= 0.95, found
    assert all(0.82 <= c.potential <= 0.97 and c.phase > 0.95 for c in found), found
