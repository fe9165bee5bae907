"""Filters simulated episodes and says how often the 90% interval holds the truth.

`python test/tracking/filter_coverage.py` prints the table of docs/tracking.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tracked_episodes import Episodes, Errors, approach, simulate

from spatialvlm_ros.models.distributions import RELATION_INDEX, to_coordinate
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.scenes.relations import Relation
from spatialvlm_ros.tracking.quantity_filter import FilterBank
from spatialvlm_ros.tracking.settings import FilterSettings

TIMES = np.arange(60) * 0.1


@dataclass(frozen=True)
class Filtered:
    """What came out, (N, T) each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    std: np.ndarray
    shared_std: np.ndarray
    rate: np.ndarray
    rate_std: np.ndarray
    valid: np.ndarray

    def covered(self, truth: np.ndarray) -> float:
        """Share of valid frames whose interval holds the truth."""
        return float(((self.low <= truth) & (truth <= self.high))[self.valid].mean())


def run(
    episodes: Episodes,
    settings: FilterSettings | None = None,
    change: Callable[[Estimate], Estimate] | None = None,
) -> Filtered:
    """Filter all episodes side by side."""
    bank = FilterBank(settings)
    rows = []
    for frame, stamp in enumerate(episodes.stamps_ns):
        estimates = episodes.estimates(frame)
        if change is not None:
            estimates = [change(e) for e in estimates]
        rows.append([_numbers(f) for f in bank.update(int(stamp), estimates)])
    columns = np.array(rows).transpose(2, 1, 0)
    return Filtered(*columns[:-1], columns[-1] > 0)


def _numbers(filtered) -> tuple[float, ...]:
    e = filtered.estimate
    return (e.value, *e.interval, e.std, e.shared_std, filtered.rate, filtered.rate_std, e.valid)


def own_error(values: np.ndarray, episodes: Episodes) -> float:
    """Deviation in the coordinate of what is not constant over an episode: the part that filtering may shrink."""
    index = np.full(len(episodes), RELATION_INDEX[episodes.relation])
    seen = np.isfinite(episodes.measured) & np.isfinite(values)
    error = to_coordinate(np.nan_to_num(values), index) - to_coordinate(episodes.truth, index)
    error = np.where(seen, error, np.nan)
    return float(np.sqrt(np.nanmean((error - np.nanmean(error, axis=1, keepdims=True)) ** 2)))


def naive(estimate: Estimate) -> Estimate:
    """For the textbook filter: the whole stated error taken for noise of this frame alone."""
    return estimate.with_(shared_std=0.0)


NAIVE = FilterSettings(correlated_share=0.0)


def truths(n: int, seed: int) -> dict[str, tuple[Relation, np.ndarray]]:
    """Scenario -> relation and (n, T) true lengths."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(rng.uniform(np.log(0.2), np.log(3), n))
    start = rng.uniform(0, 2, n)
    swing = np.sin(2 * np.pi * (TIMES[None] / 6 + rng.random((n, 1))))
    return {
        "static": (Relation.DISTANCE, np.repeat(lengths[:, None], len(TIMES), axis=1)),
        "moving": (Relation.DISTANCE, approach(TIMES, lengths, 0.3 * lengths, start, 3.0)),
        "swinging": (Relation.DISTANCE, lengths[:, None] + np.minimum(0.3, 0.4 * lengths)[:, None] * swing),
        "to contact": (Relation.GAP, approach(TIMES, np.full(n, 0.4), np.zeros(n), start, 3.0)),
        "through zero": (Relation.LEFT_DIFF, approach(TIMES, np.full(n, 0.4), np.full(n, -0.4), start, 3.0)),
    }


def drop_outs(n: int, seed: int) -> np.ndarray:
    """(n, T) whether it is seen: three frames in ten are lost, and 1.2 s at once."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n, len(TIMES))) > 0.3
    first = rng.integers(5, 40, n)
    frames = np.arange(len(TIMES))
    return seen & ~((frames >= first[:, None]) & (frames < first[:, None] + 12))


ERRORS = {
    "monocular": Errors(),
    "depth": Errors(shared=0.01, own=0.03),
    "less lasting than believed": Errors(lasting=0.5, lasting_s=1.0),
    "more lasting than believed": Errors(lasting=0.97, lasting_s=10.0),
    "white": Errors(lasting=0.0),
    "5% outliers": Errors(outliers=0.05),
}


def table(n: int = 400) -> str:
    """Markdown."""
    lines = [
        "| errors | episode | raw | filtered | textbook | own error, raw | own error, filtered |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, errors in ERRORS.items():
        for name, (relation, truth) in truths(n, 1).items():
            for lost in (False, True):
                if (lost and name not in ("static", "moving")) or (lost and kind != "monocular"):
                    continue
                episodes = simulate(truth, TIMES, relation, errors, 2)
                episodes = episodes.seen(drop_outs(n, 3)) if lost else episodes
                seen = np.isfinite(episodes.measured)
                raw = ((episodes.low <= truth) & (truth <= episodes.high))[seen].mean()
                filtered, simple = run(episodes), run(episodes, NAIVE, naive)
                covers = f"{100 * raw:.1f} | {100 * filtered.covered(truth):.1f} | {100 * simple.covered(truth):.1f}"
                own = f"{own_error(episodes.measured, episodes):.4f} | {own_error(filtered.value, episodes):.4f}"
                lines.append(f"| {kind} | {name}{', with drop-outs' if lost else ''} | {covers} | {own} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
