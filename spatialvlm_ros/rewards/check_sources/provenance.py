"""What a data set says of how its rewards were made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.recordings.annotate import TERMINATED
from spatialvlm_ros.rewards.reward import ABSOLUTE

_SAID = ("gamma", "mode", "unseen")


@dataclass(frozen=True)
class Made:
    """How the rewards of a data set were made (`recordings.episode.Provenance`).

    Attributes:
        values: as written beside the rewards.
    """

    values: Mapping[str, Any]

    @property
    def said(self) -> dict[str, Any]:
        """What `check_reward` wants to know, as far as it is written."""
        return {name: self.values[name] for name in _SAID if self.values.get(name)}

    @property
    def every(self) -> int:
        """Control steps from one picture to the next."""
        return int(self.values.get("every", 1))

    @property
    def step_s(self) -> float:
        """Seconds of a control step; 0: each picture is one."""
        return float(self.values.get("step_s", 0.0))

    @property
    def terminated(self) -> bool:
        """Whether the end of each episode is one of the task."""
        return self.values.get("end") == TERMINATED

    @property
    def ends_at(self) -> float:
        """Potential of a terminated frame, NaN where it is as measured."""
        return math.nan if self.values.get("mode") == ABSOLUTE else 0.0


def made_with(text: str, path: Path) -> Made:
    """What is written in JSON.

    Raises:
        DatasetError: it is damaged.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"what {path} says of its rewards is damaged", str(error), "Annotate it again.") from error
    if not isinstance(values, Mapping):
        raise DatasetError(f"what {path} says of its rewards is damaged", values, "Annotate it again.")
    return Made(values)


def no_rewards(path: Path) -> DatasetError:
    """The error of a data set without rewards of ours."""
    return DatasetError("there are no rewards in", str(path), "Pass the result of `spatialvlm reward annotate`.")
