"""What a data set says of how its rewards were made."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import DatasetError
from spatialvlm_ros.rewards.recordings.annotate import ENDS, TERMINATED
from spatialvlm_ros.rewards.reward import ABSOLUTE, MODES
from spatialvlm_ros.rewards.shaping import DROPPED, KEPT

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


def made_with(text: str | bytes, path: Path) -> Made:
    """What is written in JSON.

    Raises:
        DatasetError: it is damaged.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(values, Mapping):
        raise _damaged(path, values)
    for name, is_meant in _MEANT.items():
        if name in values and not is_meant(values[name]):
            raise _damaged(path, {name: values[name]})
    return Made(values)


def _damaged(path: Path, value: object) -> DatasetError:
    return DatasetError(f"what {path} says of its rewards is damaged", value, "Annotate it again.")


def _is_number(value: object) -> bool:
    """Whether it is one that a float can hold: JSON also has numbers of any length."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


# What has to be true of each value that is used, where it is written.
_MEANT: dict[str, Callable[[Any], bool]] = {
    "gamma": lambda value: _is_number(value) and 0 < value <= 1,
    "mode": lambda value: value in MODES,
    "unseen": lambda value: value in (KEPT, DROPPED),
    "every": lambda value: _is_number(value) and value == int(value) >= 1,
    "step_s": lambda value: _is_number(value) and value >= 0,
    "end": lambda value: value in ENDS,
}


def no_rewards(path: Path) -> DatasetError:
    """The error of a data set without rewards of ours."""
    return DatasetError("there are no rewards in", str(path), "Pass the result of `spatialvlm reward annotate`.")
