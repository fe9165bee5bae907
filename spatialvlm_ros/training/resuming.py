"""What must be equal for a run to go on: its settings are kept beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.embedded.weights import shipped_folder
from spatialvlm_ros.training.checkpoints import RunState
from spatialvlm_ros.training.config import StageConfig, TrainConfig

# What changes no weight, or is changed on purpose: how a run is kept and watched, and how far it goes.
_FREE = (
    "out",
    "checkpoint_minutes",
    "loader_processes",
    "validate_every",
    "validate_batches",
    "train.simulation.scenes",
)
_FREE_PARTS = ("validate.",)
_FREE_OF_THE_STAGE_UNDER_WAY = ("name", "steps", "minutes")
_STAGES = "stages."


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """All settings by dotted name ("stages.0.batch"), as JSON holds them; the same wherever the run's folder lies."""
    values = json.loads(json.dumps(config.to_dict()))
    folder = Path(config.train.folder)
    if folder.is_relative_to(config.out):  # the store of --data moves with the run
        values["train"]["folder"] = f"out/{folder.relative_to(config.out).as_posix()}"
    if config.start_from and Path(config.start_from) == shipped_folder():
        values["start_from"] = "embedded"
    return _flat(values)


def check_resumable(there: Mapping[str, Any], config: TrainConfig, state: RunState) -> None:
    """Whether a run with the settings ``there`` that has come to ``state`` may go on with ``config``.

    Stages that it has not begun may change, as may the steps and minutes of the one under way.

    Raises:
        TrainingError: settings differ that must not.
    """
    here = settings_of(config)
    usual = _flat(json.loads(json.dumps(asdict(TrainConfig()))))

    def value(settings: Mapping[str, Any], name: str) -> Any:
        return settings.get(name, _usual_of_stage(name) if name.startswith(_STAGES) else usual.get(name))

    names = sorted(n for n in {*there, *here} if not _may_change(n, state))
    different = {n: (value(there, n), value(here, n)) for n in names if value(there, n) != value(here, n)}
    if different:
        told = ", ".join(f"{name} was {before!r} and is {now!r}" for name, (before, now) in different.items())
        raise TrainingError(f"{config.out} holds a run with other settings", told, "Use its settings, or another out.")


def _may_change(name: str, state: RunState) -> bool:
    if not name.startswith(_STAGES):
        return name in _FREE or name.startswith(_FREE_PARTS)
    number, setting = _of_stage(name)
    if number == state.stage and state.step:
        return setting in _FREE_OF_THE_STAGE_UNDER_WAY
    return number >= state.stage


def _of_stage(name: str) -> tuple[int, str]:
    number, _, setting = name.removeprefix(_STAGES).partition(".")
    return int(number), setting


def _usual_of_stage(name: str) -> Any:
    return asdict(StageConfig()).get(_of_stage(name)[1])


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings, and lists of mappings, as one mapping by dotted name."""
    if isinstance(values, list) and any(isinstance(v, Mapping) for v in values):
        values = {str(k): v for k, v in enumerate(values)}
    if not isinstance(values, Mapping):
        return {name: values}
    return {n: v for key, value in values.items() for n, v in _flat(value, f"{name}.{key}" if name else key).items()}
