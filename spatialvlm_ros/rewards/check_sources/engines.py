"""Reward engines, played with random estimates and random drop-outs: one, or a batch side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spatialvlm_ros.models.estimate import Estimate, Reason, Source
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.check_sources.steps import (
    Episode,
    Fault,
    Played,
    Playing,
    first_difference,
    in_episodes,
    of_frame,
)
from spatialvlm_ros.rewards.reward import BatchRewardEngine
from spatialvlm_ros.scenes.relations import RELATIONS

_FRAMES = 40  # of a played episode, at most
_FRAME_NS = 100_000_000
_REASONS = (Reason.NOT_VISIBLE, Reason.AMBIGUOUS)
_LONGEST_M = 0.5
_NOT_REPEATED = "The same estimates after a reset gave another reward."


def is_engine(source: Any) -> bool:
    """Whether it steps like a `RewardEngine`."""
    return all(hasattr(source, name) for name in ("queries", "step", "reset", "task"))


def is_batch(source: Any) -> bool:
    """Whether it is an engine of environments side by side."""
    return isinstance(source, BatchRewardEngine)


def play_engine(engine: Any, playing: Playing) -> Played:
    """Episodes of random estimates, each played twice."""
    return _played_twice(
        engine, playing.episodes, lambda number: _run_engine(engine, _scripts(engine, playing, number))
    )


def play_batch(engine: BatchRewardEngine, playing: Playing) -> Played:
    """The same in all environments at once, each with estimates of its own."""
    rounds = -(-playing.episodes // len(engine))
    return _played_twice(engine, rounds, lambda number: _run_batch(engine, _scripts(engine, playing, number)))


def _played_twice(engine: Any, rounds: int, run: Callable[[int], list[Episode]]) -> Played:
    made: list[Episode] = []
    faults: list[Fault] = []
    for number in range(rounds):
        first, again = (run(number) for _ in range(2))
        for k, (one, other) in enumerate(zip(first, again, strict=False), len(made)):
            frame = first_difference(one, other)
            if frame is not None:
                faults.append(Fault("repeat", k, frame, _NOT_REPEATED))
        made += first
    engine.reset()
    return Played(made, faults)


_Script = list[tuple[list[Estimate], bool, bool]]


def _scripts(engine: Any, playing: Playing, number: int) -> list[_Script]:
    """One for each environment, all of one length."""
    rng = np.random.default_rng([playing.seed, number])
    length = int(rng.integers(2, _FRAMES))
    count = len(engine) if is_batch(engine) else 1
    return [_script(engine.queries(), playing.drop_rate, length, rng) for _ in range(count)]


def _run_engine(engine: Any, scripts: list[_Script]) -> list[Episode]:
    engine.reset()
    episode: Episode = []
    for index, (estimates, terminated, truncated) in enumerate(scripts[0]):
        frame = engine.step(estimates, terminated, truncated, stamp_ns=index * _FRAME_NS)
        episode.append(of_frame(frame))
        if frame.terminated or frame.truncated:
            break
    return [episode]


def _run_batch(engine: BatchRewardEngine, scripts: list[_Script]) -> list[Episode]:
    engine.reset()
    columns: list[Episode] = [[] for _ in scripts]
    for index, rows in enumerate(zip(*scripts, strict=True)):
        estimates, terminated, truncated = zip(*rows, strict=True)
        frames = engine.step(estimates, terminated, truncated, stamps_ns=[index * _FRAME_NS] * len(rows))
        for row, column in enumerate(columns):
            column.append(of_frame(frames.frame(row)))
    return [episode for column in columns for episode in in_episodes(column)]


def _script(queries: Sequence[Query], drop_rate: float, length: int, rng: np.random.Generator) -> _Script:
    """Random estimates of one episode: lengths and probabilities that wander, and frames that are not seen."""
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
