"""ROS recordings that were annotated, as `recordings.mcap_writer` writes them: a message for each judged picture."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from spatialvlm_ros.bags.reader import open_bag
from spatialvlm_ros.errors import ConfigError, DatasetError, SourceError
from spatialvlm_ros.rewards.check_sources.provenance import Made, made_with, no_rewards
from spatialvlm_ros.rewards.check_sources.steps import Episode, Played, RewardStep
from spatialvlm_ros.rewards.control_steps import ControlSteps
from spatialvlm_ros.rewards.recordings.mcap_writer import REWARD_TOPIC
from spatialvlm_ros.rewards.shaping import DROPPED
from spatialvlm_ros.rewards.task import RewardTask
from spatialvlm_ros.rewards.templates import task_of

_METADATA, _INFORMATION, _CUSTOM = "metadata.yaml", "rosbag2_bagfile_information", "custom_data"


def read_bag(path: Path) -> Played:
    """The one episode of a recording. Messages that are not valid hold no number: learners leave them out.

    Raises:
        DatasetError: it has no rewards of ours.
        SourceError: it cannot be read.
    """
    made = _made(path)
    messages = [_Said.of(item.message) for item in open_bag(path).messages([REWARD_TOPIC])]
    if not messages:
        return Played([], [], made.said)
    paid = _task(made, path).success.reward
    clock = ControlSteps(made.step_s)
    episode: Episode = []
    for number, message in enumerate(messages):
        last = number == len(messages) - 1
        steps = clock.until(message.stamp_ns, last and made.terminated)
        taken = (steps if made.step_s else made.every) if number else 0
        episode.append(_step(message, paid if message.success else 0.0, taken))
    episode[-1] = _ended(episode[-1], made)
    return Played([episode], [], {**made.said, "unseen": DROPPED})


def _made(path: Path) -> Made:
    described = (path if path.is_dir() else path.parent) / _METADATA
    if not described.is_file():
        raise no_rewards(path)
    try:
        content = yaml.safe_load(described.read_text(encoding="utf-8"))
        written = content[_INFORMATION][_CUSTOM]["spatialvlm_reward"]
    except OSError as error:
        raise SourceError(f"{described} cannot be read", str(error), "Check the file.") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise no_rewards(path) from error
    return made_with(str(written), path)


def _task(made: Made, path: Path) -> RewardTask:
    try:
        return task_of(made.values.get("task"))  # type: ignore[arg-type]  # it says itself what is none
    except ConfigError as error:
        raise DatasetError(f"{path} does not say the task of its rewards", str(error), "Annotate it again.") from error


class _Said(NamedTuple):
    """What is checked of a message: with all their terms those of an hour would take half a gigabyte."""

    stamp_ns: int
    reward: float
    potential: float
    success: bool
    valid: bool

    @staticmethod
    def of(message: Any) -> _Said:
        stamp = message.header.stamp
        time = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
        numbers = float(message.reward), float(message.potential)
        return _Said(time, *numbers, bool(message.success), bool(message.valid))


def _step(message: _Said, base: float, steps: int) -> RewardStep:
    silent = not message.valid and math.isnan(message.reward)
    reward = base if silent else message.reward
    return RewardStep(reward, message.potential, base, message.valid, steps)


def _ended(step: RewardStep, made: Made) -> RewardStep:
    potential = 0.0 if made.terminated and made.ends_at == 0 else step.potential
    return replace(step, potential=potential, terminated=made.terminated, truncated=not made.terminated)
