"""From judged episodes to the numbers of the result, with the baselines judged by the same rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.evaluation.intervals import Measured, median, share
from spatialvlm_ros.rewards.judging.episodes import Curve, EpisodeCurves
from spatialvlm_ros.rewards.judging.metrics import (
    NearContact,
    false_progress,
    final_false_progress,
    interval_coverage,
    mean_over_episodes,
    near_contact,
    spearman,
    success_auc,
)

Float = NDArray[np.float64]
Json = dict[str, Any]

TIME_INDEX = "time index"
_HALF = 0.5  # share of the target that is seen, from which an answer is expected
_SAME_THING_M = 0.06

# Name -> the potential (T,) that a baseline has in an episode.
BASELINES: dict[str, Callable[[EpisodeCurves], Float]] = {
    "true state": lambda episode: episode.true.potential,
    TIME_INDEX: lambda episode: np.linspace(0.0, 1.0, len(episode.time_s)),
    "sparse success": lambda episode: episode.done.astype(np.float64),
}


def score(episodes: Sequence[EpisodeCurves]) -> Json:
    """The numbers of all sources and baselines, by name; plain values."""
    sources = list(dict.fromkeys(name for episode in episodes for name in episode.estimated))
    judged: Json = {}
    for source in sources:
        curves = [episode.estimated[source] for episode in episodes]
        numbers = _of_potentials(episodes, [one.held for one in curves])
        near = {"near contact": _near(episodes, curves), "near contact, right thing": _near(*_right(episodes, curves))}
        judged[source] = {**numbers, **_of_answers(episodes, curves), **near}
    for name, baseline in BASELINES.items():
        judged[name] = _of_potentials(episodes, [baseline(episode) for episode in episodes])
    return {
        "episodes": len(episodes),
        "frames": sum(len(episode.time_s) for episode in episodes),
        "by outcome": dict(Counter(f"{e.case.task}, {e.case.outcome}" for e in episodes)),
        "judged": judged,
    }


def _of_potentials(episodes: Sequence[EpisodeCurves], potentials: Sequence[Float]) -> Json:
    """What can be said of any potential that is known in every frame."""
    succeeded = np.array([episode.succeeded for episode in episodes], dtype=bool)
    failed = [(e, p) for e, p in zip(episodes, potentials, strict=True) if not e.succeeded]
    ranks = np.array([spearman(p, e.true.potential) for e, p in zip(episodes, potentials, strict=True)])
    by_time = np.array([spearman(BASELINES[TIME_INDEX](e), e.true.potential) for e in episodes])
    ahead = (ranks - by_time)[~succeeded]
    ahead = ahead[np.isfinite(ahead)]
    last = np.array([p[-1] for p in potentials])
    return {
        "spearman": median(ranks).to_json(),
        "spearman by outcome": _by_outcome(episodes, ranks),
        "ahead of the time index on failures": median(ahead).to_json(),
        "beats the time index on failures": share(ahead > 0).to_json(),
        "success auc": _number(success_auc(last, succeeded)),
        "final false progress": final_false_progress(last, succeeded).to_json(),
        "false progress on failures": median(
            np.array([false_progress(p, e.true.potential) for e, p in failed])
        ).to_json(),
    }


def _of_answers(episodes: Sequence[EpisodeCurves], curves: Sequence[Curve]) -> Json:
    """What only estimates have: refusals and intervals."""
    refused = np.array([1.0 - one.answered.mean() for one in curves])
    seen = [
        float((~c.answered[half]).mean()) if (half := e.visible >= _HALF).any() else np.nan
        for e, c in zip(episodes, curves, strict=True)
    ]
    covered = [interval_coverage(c.low, c.high, e.true.potential) for e, c in zip(episodes, curves, strict=True)]
    return {
        "abstained": mean_over_episodes(refused).to_json(),
        "abstained, half visible": mean_over_episodes(np.array(seen)).to_json(),
        "coverage of the 90% interval": mean_over_episodes(np.array(covered)).to_json(),
        "right thing": share(np.array([is_right(one) for one in curves if np.isfinite(one.away).any()])).to_json(),
    }


def is_right(one: Curve) -> bool:
    """Whether what was followed was the target, in most frames."""
    return bool(np.nanmedian(one.away) < _SAME_THING_M) if np.isfinite(one.away).any() else False


def _right(episodes: Sequence[EpisodeCurves], curves: Sequence[Curve]) -> tuple[list[EpisodeCurves], list[Curve]]:
    """The episodes in which the right thing was followed."""
    kept = [(e, c) for e, c in zip(episodes, curves, strict=True) if is_right(c)]
    return [e for e, _ in kept], [c for _, c in kept]


def _near(episodes: Sequence[EpisodeCurves], curves: Sequence[Curve]) -> Json:
    true = np.concatenate([np.zeros(0), *(episode.true.gap for episode in episodes)])
    said = np.concatenate([np.zeros(0), *(one.gap for one in curves)])
    return _near_json(near_contact(true, said))


def _near_json(near: NearContact) -> Json:
    return {
        "frames of each cm": near.frames.tolist(),
        "answered": near.answered.to_json(),
        "answered, each cm alike": _number(near.answered_evenly),
        "mean error, m": _number(near.error_m),
        "mean error of the constant 5 cm, m": _number(near.constant_error_m),
        "slope": _number(near.slope),
    }


def _by_outcome(episodes: Sequence[EpisodeCurves], values: Float) -> Json:
    outcomes = np.array([episode.case.outcome for episode in episodes])
    found: dict[str, Measured] = {str(o): median(values[outcomes == o]) for o in dict.fromkeys(outcomes.tolist())}
    return {outcome: one.to_json() for outcome, one in found.items()}


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
