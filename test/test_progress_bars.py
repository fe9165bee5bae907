"""Bars of long runs whose stderr is a file."""

import io
import sys

import pytest

tqdm_std = pytest.importorskip("tqdm.std")

from spatialvlm_ros.datasets.engine import _Bar  # noqa: E402
from spatialvlm_ros.datasets.shards import ShardSummary  # noqa: E402
from spatialvlm_ros.evaluation.evaluate import progress_bar  # noqa: E402


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture()
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of the bars."""
    now = [1000.0]
    monkeypatch.setattr(tqdm_std, "time", lambda: now[0])
    return now


def drawn(monkeypatch: pytest.MonkeyPatch, clock: list[float], stderr: io.StringIO, seconds: float) -> int:
    """How often the bar of an hour is drawn that is moved once in so many seconds."""
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_bar(int(3600 / seconds), "bench") as report:
        for _ in range(int(3600 / seconds)):
            clock[0] += seconds
            report(1)
    return stderr.getvalue().count("\r")


@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_the_bar_of_an_hour_leaves_few_lines_in_a_log(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], seconds: float
) -> None:
    assert 20 < drawn(monkeypatch, clock, io.StringIO(), seconds) < 200


def test_in_a_terminal_it_is_alive(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    assert drawn(monkeypatch, clock, Terminal(), 5.0) > 600


def test_the_counts_of_generate_do_not_draw_the_bar(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with _Bar(10, 0, True) as bar:
        for _ in range(1000):
            bar.progress(64, 1280)
        clock[0] += 60
        bar.done(ShardSummary({}, 0, 0, 10))
    assert stderr.getvalue().count("\r") < 6 and "64000 views" in stderr.getvalue()
