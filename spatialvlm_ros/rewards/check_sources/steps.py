"""An episode as a learner sees it, whatever it was read from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatialvlm_ros.rewards.frames import RewardFrame

FLOAT32 = 2.0**-24  # half of the step between 1 and the next number of four bytes


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
class Fault:
    """What was wrong while episodes were played: the check that finds it, where, and a sentence for people."""

    check: str
    episode: int
    frame: int
    message: str


@dataclass(frozen=True)
class Playing:
    """How a source is played or read; see `check_reward`."""

    episodes: int
    drop_rate: float
    seed: int
    transitions: bool


@dataclass(frozen=True)
class Played:
    """What a source gave.

    Attributes:
        episodes: that are checked.
        faults: what was wrong while they were played.
        made_with: what a data set says of its rewards: gamma, mode, unseen.
        rounding: relative error with which its rewards are stored.
    """

    episodes: list[Episode]
    faults: list[Fault] = field(default_factory=list)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    rounding: float = 0.0


def first_step(potential: float) -> RewardStep:
    """The first frame of an episode: nothing was done yet, so nothing is paid."""
    return RewardStep(0.0, potential, valid=math.isfinite(potential), steps=0)


def of_frame(frame: RewardFrame) -> RewardStep:
    """What a learner sees of a frame."""
    return RewardStep(
        frame.reward,
        frame.potential,
        frame.base,
        frame.valid,
        frame.steps,
        frame.terminated,
        frame.truncated,
    )


def in_episodes(steps: Iterable[RewardStep]) -> list[Episode]:
    """Frames of one environment, split after each end."""
    made: list[Episode] = []
    over = True
    for step in steps:
        if over:
            made.append([])
        made[-1].append(step)
        over = step.terminated or step.truncated
    return made


def first_difference(one: Episode, other: Episode) -> int | None:
    """The first frame in which two runs pay differently."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((k for k, (a, b) in pairs if not _same(a.reward, b.reward)), None)


def _same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
