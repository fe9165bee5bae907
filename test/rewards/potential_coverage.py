"""How often the 90% interval of the potential, and of the reward, holds the true one over whole robot episodes.

True quantities of scripted episodes get errors as a calibrated model has them: one scale error for all lengths of an
episode, and errors of their own that last. `python test/rewards/potential_coverage.py` prints the table of
docs/rewards.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tracking"))

from tracked_episodes import Z90, Errors  # noqa: E402

from spatialvlm_ros.models.distributions import RELATION_INDEX, coordinate_scale, from_coordinate, to_coordinate
from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.measured import Measured
from spatialvlm_ros.rewards.reward import BatchRewardEngine
from spatialvlm_ros.rewards.robot_scene import true_estimates
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import template
from spatialvlm_ros.scenes.relations import RELATIONS
from spatialvlm_ros.simulation.robot.episodes import simulate_episode
from spatialvlm_ros.tracking.settings import FilterSettings

ERRORS = {"monocular": Errors(), "depth": Errors(shared=0.01, own=0.03)}
EPISODES = (("success", 2), ("success", 3), ("success", 4), ("stops_short", 2), ("miss", 3))
SURE = 0.02  # what a predicate says is so far from 0 or 1


@dataclass(frozen=True)
class Truth:
    """True quantities (T, Q) of an episode at times (T,) in seconds."""

    task: RewardTask
    values: np.ndarray
    times: np.ndarray


@cache
def truth_of(task: str, outcome: str, seed: int) -> Truth:
    """One scripted episode."""
    recording = simulate_episode(task, outcome, seed)
    objects = {"target": recording.info.target}
    if recording.info.container:
        objects["container"] = recording.info.container
    made = template(task, **objects)
    rows = []
    for moment in recording.moments:
        recording.restore(moment)
        rows.append([e.value for e in true_estimates(recording.world, made.queries)])
    return Truth(made, np.array(rows), np.array([moment.time_s for moment in recording.moments]))


def estimates(truth: Truth, errors: Errors, n: int, seed: int) -> list[list[list[Estimate]]]:
    """What a calibrated model would say: T frames of n variants of Q answers."""
    rng = np.random.default_rng(seed)
    scale_error = rng.standard_normal((n, 1))
    columns = [
        _column(query, np.repeat(truth.values[None, :, k], n, axis=0), truth.times, errors, scale_error, rng)
        for k, query in enumerate(truth.task.queries)
    ]
    return [[[column[m][t] for column in columns] for m in range(n)] for t in range(len(truth.times))]


def _column(
    query: Query, true: np.ndarray, times: np.ndarray, errors: Errors, scale_error: np.ndarray, rng
) -> list[list[Estimate]]:
    n, frames = true.shape
    said = {
        "relation": query.kind,
        "subject": str(query.subject),
        "reference": "" if query.reference is None else str(query.reference),
        "unit": query.unit,
        "sources": frozenset({Source.MONOCULAR}),
        "valid": True,
        "reason": Reason.OK,
    }
    if RELATIONS[query.kind].predicate:
        chance = SURE + (1 - 2 * SURE) * true
        return [[Estimate(value=p, std=(p * (1 - p)) ** 0.5, interval=(p, p), **said) for p in row] for row in chance]
    index = np.full(n, RELATION_INDEX[query.kind])
    scale = coordinate_scale(query.kind)
    lasting = np.zeros((n, frames))
    lasting[:, 0] = rng.standard_normal(n)
    for k in range(1, frames):
        keep = np.exp(-(times[k] - times[k - 1]) / errors.lasting_s)
        lasting[:, k] = keep * lasting[:, k - 1] + np.sqrt(1 - keep**2) * rng.standard_normal(n)
    own = np.sqrt(errors.lasting) * lasting + np.sqrt(1 - errors.lasting) * rng.standard_normal((n, frames))
    z = to_coordinate(true, index) + errors.own * own + errors.shared * scale_error * true / np.hypot(true, scale)
    measured = from_coordinate(z, index)
    shared = errors.shared * np.abs(measured) / np.hypot(measured, scale)
    stated = np.hypot(shared, errors.own) * np.exp(errors.jitter * rng.standard_normal((n, frames)))

    def at(deviations: float) -> np.ndarray:
        return from_coordinate(z + deviations * stated, index)

    std = (at(1) - at(-1)) / 2
    rows = np.stack([measured, std, at(-Z90), at(Z90), std * np.minimum(shared / stated, 1)], axis=-1).tolist()
    return [[Estimate(value=v, std=s, interval=(lo, hi), shared_std=c, **said) for v, s, lo, hi, c in r] for r in rows]


@dataclass(frozen=True)
class Coverage:
    """Shares of all frames: of the potential, of the reward, and of the right phase; and how far off the first is."""

    potential: float
    reward: float
    phase: float
    error: float


def coverage(task: str, kind: str, filtered: bool, n: int = 20, episodes=EPISODES) -> Coverage:
    """Over all frames of all episodes, each with n variants of errors."""
    rows = [_of_episode(truth_of(task, *episode), ERRORS[kind], filtered, n, k) for k, episode in enumerate(episodes)]
    return Coverage(*np.concatenate(rows, axis=1).mean(axis=1).tolist())


def _of_episode(truth: Truth, errors: Errors, filtered: bool, n: int, seed: int) -> np.ndarray:
    engine = BatchRewardEngine(truth.task, n, gamma=0.99, filtered=FilterSettings() if filtered else None)
    exact = BatchRewardEngine(truth.task, 1, gamma=0.99)
    columns = []
    for k, rows in enumerate(estimates(truth, errors, n, seed)):
        stamps = [int(truth.times[k] * 1e9)] * n
        frames = engine.step(rows, stamps_ns=stamps)
        true = exact.step_measured(Measured.exact(truth.values[k], truth.task.queries))
        found, value = frames.potentials, true.potentials.value[0]
        inside = (found.low <= value + 1e-9) & (value <= found.high + 1e-9)
        near = np.abs(frames.shaping - true.shaping[0]) <= Z90 * frames.reward_std + 1e-9
        columns.append([inside, near, frames.phase == true.phase[0], np.abs(found.value - value)])
    return np.concatenate(np.array(columns, dtype=float), axis=1)


def table() -> str:
    """Markdown."""
    lines = [
        "| errors | task | estimates | potential | reward | right phase | error of the potential |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in ERRORS:
        for task in ("reach", "pick", "place_in"):
            for filtered in (False, True):
                c = coverage(task, kind, filtered)
                name = "filtered" if filtered else "as they come"
                shares = " | ".join(f"{100 * v:.1f}" for v in (c.potential, c.reward, c.phase))
                lines.append(f"| {kind} | {task} | {name} | {shares} | {c.error:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
