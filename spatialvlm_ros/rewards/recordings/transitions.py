"""From pictures to rows: what an action in one picture earned is judged in the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.recordings.episode import Bool, EpisodeAnnotations, EpisodeInfo, Float


@dataclass(frozen=True)
class Rows:
    """The annotations of N rows (observation, action, reward, next observation).

    Attributes:
        reward, reward_std, base: (N,) of the step from this row's picture to the next one; base is its sparse part.
        next_success: (N,) the task is done in the next picture.
        next_valid: (N,) the next picture's potential is known.
        next_reason: N codes.
        last: (N,) the episode ends with this row.
        potential, potential_std, success_probability: (N,) of this row's own picture.
    """

    reward: Float
    reward_std: Float
    base: Float
    next_success: Bool
    next_valid: Bool
    next_reason: tuple[str, ...]
    last: Bool
    potential: Float
    potential_std: Float
    success_probability: Float


def rows_of(annotations: EpisodeAnnotations, episode: EpisodeInfo) -> Rows:
    """The rows of an episode.

    Raises:
        DatasetError: the annotations are those of another episode.
    """
    if len(annotations) != episode.steps + 1:
        raise DatasetError(
            f"{episode.name} has {episode.steps} steps, and its annotations are of as many pictures",
            len(annotations),
            "They belong to another recording: remove the folder of the report and run again.",
        )
    last = np.zeros(episode.steps, dtype=bool)
    last[-1:] = True
    return Rows(
        reward=annotations.reward[1:],
        reward_std=annotations.reward_std[1:],
        base=annotations.base[1:],
        next_success=annotations.success[1:],
        next_valid=annotations.valid[1:],
        next_reason=annotations.reason[1:],
        last=last,
        potential=annotations.potential[:-1],
        potential_std=annotations.potential_std[:-1],
        success_probability=annotations.success_probability[:-1],
    )
