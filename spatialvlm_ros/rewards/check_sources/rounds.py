"""Environments played with random actions in rounds, whether one at a time or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spatialvlm_ros.rewards.check_sources.steps import Episode, Fault, Played, Playing, first_difference

FRAMES = 40  # of a played round, at most
_NOT_REPEATED = "The same seed and actions gave another reward."
_SAYS_NOTHING = "no 'potential' in info, so that its sum cannot be checked; add it, and 'base'."

# (seed, actions) -> the episodes of a round, and whether info did not say their potential.
Run = Callable[[int, Sequence[Any]], tuple[list[Episode], bool]]


def play_rounds(action_space: Any, run: Run, at_once: int, playing: Playing) -> Played:
    """Rounds until there are enough episodes; the first one is played twice.

    Args:
        action_space: of a step; it is seeded for each round.
        run: plays one round.
        at_once: how many episodes a round has at least.
        playing: how many episodes, and from which seed on.
    """
    made: list[Episode] = []
    faults: list[Fault] = []
    for number in range(-(-playing.episodes // at_once)):
        seed = playing.seed + number * at_once
        action_space.seed(seed)
        actions = [action_space.sample() for _ in range(FRAMES)]
        episodes, silent = run(seed, actions)
        if silent and not any(fault.check == "missing" for fault in faults):
            faults.append(Fault("missing", len(made), 1, _SAYS_NOTHING))
        if number == 0:
            faults += _not_repeated(episodes, run(seed, actions)[0])
        made += episodes
    return Played(made, faults)


def _not_repeated(first: Sequence[Episode], again: Sequence[Episode]) -> Iterator[Fault]:
    for number, (one, other) in enumerate(zip(first, again, strict=False)):
        frame = first_difference(one, other)
        if frame is not None:
            yield Fault("repeat", number, frame, _NOT_REPEATED)
