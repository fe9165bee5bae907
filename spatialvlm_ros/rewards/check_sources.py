"""Where the rewards that are checked come from: an engine, an environment, or a recording."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import ConfigError, DatasetError
from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.frames import RewardFrame
from spatialvlm_ros.scenes.relations import RELATIONS

_FRAMES = 40  # of a played episode, at most
_FRAME_NS = 100_000_000
_REASONS = (Reason.NOT_VISIBLE, Reason.AMBIGUOUS)
_LONGEST_M = 0.5
_COLUMNS = ("reward", "potential", "base", "valid", "steps", "terminated", "truncated")


@dataclass(frozen=True)
class RewardStep:
    """One frame of an episode as a learner sees it; ``potential`` counts only where ``valid``."""

    reward: float
    potential: float
    base: float = 0.0
    valid: bool = True
    steps: int = 1
    terminated: bool = False
    truncated: bool = False


Episode = list[RewardStep]


@dataclass(frozen=True)
class Played:
    """Episodes, and what was wrong while they were played: episode, frame, message."""

    episodes: list[Episode]
    faults: list[tuple[int, int, str]]


def played(source: Any, episodes: int, drop_rate: float, seed: int) -> Played:
    """The episodes of a source; see `check_reward`."""
    for fits, play in _SOURCES:
        if fits(source):
            return play(source, episodes, drop_rate, seed)
    raise ConfigError("this cannot be checked", type(source).__name__, "Pass an engine, an environment or a recording.")


# ---- engines ----


def _is_engine(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("queries", "step", "reset", "task"))


def _play_engine(engine: Any, episodes: int, drop_rate: float, seed: int) -> Played:
    made: list[Episode] = []
    faults: list[tuple[int, int, str]] = []
    for number in range(episodes):
        script = _script(engine.queries(), drop_rate, np.random.default_rng([seed, number]))
        first, again = (_run_engine(engine, script) for _ in range(2))
        made.append(first)
        for frame, (one, other) in enumerate(zip(first, again, strict=False)):
            if not _same(one.reward, other.reward):
                faults.append((number, frame, "The same estimates after a reset gave another reward."))
                break
    engine.reset()
    return Played(made, faults)


_Script = list[tuple[list[Estimate], bool, bool]]


def _run_engine(engine: Any, script: _Script) -> Episode:
    engine.reset()
    episode: Episode = []
    for index, (estimates, terminated, truncated) in enumerate(script):
        frame = engine.step(estimates, terminated, truncated, stamp_ns=index * _FRAME_NS)
        episode.append(_of_frame(frame))
        if frame.terminated or frame.truncated:
            break
    return episode


def _script(queries: Sequence[Query], drop_rate: float, rng: np.random.Generator) -> _Script:
    """Random estimates of one episode: lengths and probabilities that wander, and frames that are not seen."""
    length = int(rng.integers(2, _FRAMES))
    ends = int(rng.integers(3))  # terminated, truncated, or neither
    spans = np.array([_span(query) for query in queries])
    value = rng.uniform(spans[:, 0], spans[:, 1])
    script: _Script = []
    for index in range(length):
        value = np.clip(value + 0.2 * (spans[:, 1] - spans[:, 0]) * rng.standard_normal(len(spans)), *spans.T)
        lost = rng.random() < drop_rate
        estimates = [
            _lost(query, _REASONS[int(rng.integers(len(_REASONS)))])
            if lost and (n == 0 or rng.random() < 0.5)
            else _estimate(query, float(value[n]), rng)
            for n, query in enumerate(queries)
        ]
        last = index == length - 1
        script.append((estimates, last and ends == 0, last and ends == 1))
    return script


def _span(query: Query) -> tuple[float, float]:
    """Values of a quantity; some end up at 0, where things touch."""
    spec = RELATIONS[query.kind]
    if spec.predicate:
        return 0.0, 1.0
    return (-_LONGEST_M, _LONGEST_M) if spec.signed else (0.0, _LONGEST_M)


def _estimate(query: Query, value: float, rng: np.random.Generator) -> Estimate:
    std = 0.02 + 0.1 * abs(value)
    low = value - 1.645 * std if RELATIONS[query.kind].signed else max(0.0, value - 1.645 * std)
    return _lost(query, Reason.OK).with_(
        value=value,
        std=std,
        interval=(low, value + 1.645 * std),
        shared_std=float(rng.uniform(0, 0.8)) * std,
        sources=frozenset({Source.MONOCULAR}),
        valid=True,
    )


def _lost(query: Query, reason: Reason) -> Estimate:
    reference = "" if query.reference is None else str(query.reference)
    return Estimate.invalid(query.kind, str(query.subject), reference, reason, query.unit)


# ---- environments ----


def _is_environment(source: Any) -> bool:
    return all(hasattr(source, name) for name in ("reset", "step", "action_space"))


def _play_environment(env: Any, episodes: int, drop_rate: float, seed: int) -> Played:
    made: list[Episode] = []
    faults: list[tuple[int, int, str]] = []
    for number in range(episodes):
        env.action_space.seed(seed + number)
        actions = [env.action_space.sample() for _ in range(_FRAMES)]
        first, missing = _run_environment(env, seed + number, actions)
        made.append(first)
        if missing and not any(message.startswith("no ") for _, _, message in faults):
            faults.append((number, 1, missing))
        if number == 0:
            again, _ = _run_environment(env, seed, actions)
            apart = [k for k, (a, b) in enumerate(zip(first, again, strict=False)) if not _same(a.reward, b.reward)]
            if apart:
                faults.append((0, apart[0], "The same seed and actions gave another reward."))
    return Played(made, faults)


def _run_environment(env: Any, seed: int, actions: Sequence[Any]) -> tuple[Episode, str]:
    _, info = env.reset(seed=seed)
    missing = ""
    start = _of_info(info, 0.0, False, False)
    episode: Episode = [start or RewardStep(0.0, math.nan, valid=False, steps=0)]
    for action in actions:
        _, reward, terminated, truncated, info = env.step(action)
        step = _of_info(info, float(reward), bool(terminated), bool(truncated))
        if step is None:
            missing = "no 'potential' in info, so that its sum cannot be checked; add it, and 'base'."
            step = RewardStep(float(reward), math.nan, float(reward), False, 1, False, bool(truncated or terminated))
        episode.append(step)
        if terminated or truncated:
            break
    return episode, missing


def _of_info(info: Mapping[str, Any], reward: float, terminated: bool, truncated: bool) -> RewardStep | None:
    frame = info.get("reward_frame")
    if isinstance(frame, RewardFrame):
        found = _of_frame(frame)
        return RewardStep(reward, found.potential, found.base, found.valid, found.steps, terminated, truncated)
    if "potential" not in info:
        return None
    potential = float(info["potential"])
    return RewardStep(
        reward,
        potential,
        float(info.get("base", 0.0)),
        math.isfinite(potential),
        int(info.get("steps", 1)),
        terminated,
        truncated,
    )


# ---- recordings ----


def _is_recording(source: Any) -> bool:
    return isinstance(source, (Mapping, Iterable)) and not isinstance(source, (str, bytes))


def _read_recording(source: Any, episodes: int, drop_rate: float, seed: int) -> Played:
    rows = _rows(source) if isinstance(source, Mapping) else list(source)
    made: list[Episode] = []
    over = True
    for number, row in enumerate(rows):
        step = _of_frame(row) if isinstance(row, RewardFrame) else _of_row(row, number)
        if over:
            made.append([])
        made[-1].append(step)
        over = step.terminated or step.truncated
    if not made:
        raise DatasetError("the episode has no frame", len(rows), "Record at least the first frame.")
    return Played(made, [])


def _rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    arrays: dict[str, NDArray[Any]] = {
        name: np.atleast_1d(np.asarray(columns[name])) for name in _COLUMNS if name in columns
    }
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError("the columns of a recording have different lengths", lengths, "One entry per frame each.")
    count = next(iter(lengths.values()), 0)
    return [{name: array[k] for name, array in arrays.items()} for k in range(count)]


def _of_row(row: Any, number: int) -> RewardStep:
    if isinstance(row, RewardStep):
        return row
    if not isinstance(row, Mapping) or "reward" not in row or "potential" not in row:
        raise DatasetError(
            f"frame {number} has no reward and potential", row, "Record both in each frame, NaN where unknown."
        )
    potential = float(row["potential"])
    return RewardStep(
        float(row["reward"]),
        potential,
        float(row.get("base", 0.0)),
        bool(row.get("valid", math.isfinite(potential))),
        int(row.get("steps", 1)),
        bool(row.get("terminated", False)),
        bool(row.get("truncated", False)),
    )


def _of_frame(frame: RewardFrame) -> RewardStep:
    return RewardStep(
        frame.reward,
        frame.potential,
        frame.base,
        frame.valid,
        frame.steps,
        frame.terminated,
        frame.truncated,
    )


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


_SOURCES: tuple[tuple[Callable[[Any], bool], Callable[[Any, int, float, int], Played]], ...] = (
    (_is_engine, _play_engine),
    (_is_environment, _play_environment),
    (_is_recording, _read_recording),
)
