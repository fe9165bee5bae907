"""A short soak: order, counts and limits for hangs. `make soak` is the long one, with its times and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("psutil")

from node_probe import HANG_S  # noqa: E402
from soak_run import SoakOptions, run_soak  # noqa: E402

QUERIES = ("distance: [80, 80, 160, 160] | [200, 20, 300, 100]", "height: [80, 80, 160, 160]")


def test_pictures_parameters_and_questions_get_along(ros_domain: int, tmp_path: Path) -> None:
    found = run_soak(SoakOptions(0.25, 15.0, QUERIES), ros_domain, tmp_path)
    assert found.exit_statuses == (0, 0)
    assert found.in_order and found.longest_gap_s < HANG_S
    # Every picture that the node took has one fate, and every answer that it gave was heard.
    assert found.received == found.published + found.dropped + found.stale
    assert found.heard == found.published > 0
    assert found.sent >= found.received > 0
    assert found.parameters_lost == 0 and found.parameters_longest_ms < 1e3 * HANG_S
    assert found.asks > 0 and found.asks_lost == 0 and found.asks_valid > 0
