"""What is judged, and on which episodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.rewards.judging.sources import SOURCES, USUAL_SOURCES
from spatialvlm_ros.simulation.robot.scripts import OUTCOMES

SUCCESS = "success"
ALL_OUTCOMES = tuple(dict.fromkeys(outcome for outcomes in OUTCOMES.values() for outcome in outcomes))


@dataclass(frozen=True)
class JudgeSettings:
    """What is judged.

    Args:
        tasks: of reach, pick and place_in; the reward task is the template of that name.
        outcomes: of the scripts; an outcome that a task cannot have (a reach drops nothing) is left out there.
        episodes: how many of each task and outcome.
        first_seed: of the episodes; each of the same task and outcome has the next one.
        sources: what the model is given (`sources.SOURCES`).
        every: one picture in so many control steps is judged.
        width, height: of the pictures, pixels.
        split: which objects of the asset pack: "new_objects" are those that no training uses.

    Raises:
        ConfigError: a value out of its range.
    """

    tasks: tuple[str, ...] = ("reach", "pick", "place_in")
    outcomes: tuple[str, ...] = ALL_OUTCOMES
    episodes: int = 50
    first_seed: int = 90_000
    sources: tuple[str, ...] = USUAL_SOURCES
    every: int = 1
    width: int = 640
    height: int = 480
    split: str = "new_objects"

    def __post_init__(self) -> None:
        _known("task", self.tasks, tuple(OUTCOMES))
        _known("outcome", self.outcomes, ALL_OUTCOMES)
        _known("source", self.sources, tuple(SOURCES))
        if min(self.episodes, self.every, self.width, self.height) < 1:
            raise ConfigError(
                "a size of the judged episodes is below 1",
                (self.episodes, self.every, self.width, self.height),
                "Set episodes, every, width and height to 1 or more.",
            )

    def cases(self) -> Iterator[Case]:
        """All episodes; one of each task and outcome first, then the second of each, so that any part is balanced."""
        for number in range(self.episodes):
            for task in self.tasks:
                for outcome in self.outcomes:
                    if outcome in OUTCOMES[task]:
                        yield Case(task, outcome, self.first_seed + number)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def of_one_episode(self) -> dict[str, Any]:
        """The settings that decide what is measured in an episode: a result with others is not this one's."""
        return {name: getattr(self, name) for name in ("every", "width", "height", "split")}


@dataclass(frozen=True)
class Case:
    """One episode that is to be judged."""

    task: str
    outcome: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}-{self.outcome}-{self.seed}"


def _known(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    wrong = [name for name in given if name not in known]
    if wrong or not given:
        raise ConfigError(f"unknown {what} to judge", wrong or given, f"Choose of {', '.join(known)}.")
