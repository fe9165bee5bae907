"""The state of a run on disk: safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.training.splitting import is_split, split_like, whole

Optimizers = Sequence[torch.optim.Optimizer]

_STATE, _WEIGHTS, _MOMENTS = "state.json", "weights.safetensors", "moments.safetensors"
_SETTINGS = "settings"


@dataclass(frozen=True)
class RunState:
    """How far a run has come.

    Attributes:
        stage: index of the stage under way; of the last one where the run is finished.
        step: steps done in it.
        seconds: of training time spent in it.
        total: steps done in all.
        pictures: shown in all.
    """

    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    total: int = 0
    pictures: int = 0


@dataclass(frozen=True)
class CheckpointTensors:
    """What a checkpoint holds of a model and its optimisers, whole and by name.

    Attributes:
        weights: parameters and buffers; a tied parameter under its first name.
        moments: of the optimisers, as "exp_avg/<parameter>".
    """

    weights: dict[str, torch.Tensor]
    moments: dict[str, torch.Tensor]


def checkpoint_tensors(model: nn.Module, optimizers: Optimizers, kept: bool = True) -> CheckpointTensors:
    """Gathers what a checkpoint holds; where the model is split, all processes must call this.

    Args:
        model, optimizers: of the run.
        kept: whether this process keeps what it gathers, on the CPU where the model is split; otherwise nothing.
    """
    return CheckpointTensors(
        _gathered(_weights(model), kept), _gathered(_moments(model, optimizers), kept) or {"none": torch.zeros(1)}
    )


def _gathered(tensors: Mapping[str, torch.Tensor], kept: bool) -> dict[str, torch.Tensor]:
    """One tensor after the other: a process that keeps none never holds more than one of them whole."""
    found = {}
    for name, tensor in tensors.items():
        gathered = whole(tensor).cpu() if is_split(tensor) else tensor
        if kept:
            found[name] = gathered
    return found


def save_checkpoint(folder: Path, tensors: CheckpointTensors, state: RunState, settings: Mapping[str, Any]) -> None:
    """Replaces the checkpoint in ``folder``; ``settings`` are those of the run (see `resuming.settings_of`)."""
    from safetensors.torch import save_file

    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file(tensors.weights, fresh / _WEIGHTS)
    save_file(tensors.moments, fresh / _MOMENTS)
    content = {**asdict(state), _SETTINGS: dict(settings)}
    (fresh / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read_state(folder: Path) -> tuple[RunState, dict[str, Any] | None] | None:
    """How far the run in ``folder`` has come, and its settings (None where it was begun before they were kept).

    Returns:
        None where there is no checkpoint.

    Raises:
        TrainingError: the file is damaged.
    """
    place = _place(folder)
    if place is None:
        return None
    try:
        content = json.loads((place / _STATE).read_text(encoding="utf-8"))
        settings = content.pop(_SETTINGS, None)
        return RunState(**content), settings
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise TrainingError(
            "the state of a run is damaged", f"{place / _STATE}: {error}", "Use another folder."
        ) from error


def load_checkpoint(folder: Path, model: nn.Module, optimizers: Optimizers) -> RunState | None:
    """Restores the checkpoint in ``folder`` (or the one it was about to replace); None where there is none.

    Raises:
        TrainingError: it does not fit the model.
    """
    from safetensors.torch import load_file

    place, found = _place(folder), read_state(folder)
    if place is None or found is None:
        return None
    try:
        load_weights(model, load_file(str(place / _WEIGHTS)))
        _restore_moments(model, optimizers, load_file(str(place / _MOMENTS)))
    except (KeyError, ValueError, TypeError, OSError, RuntimeError) as error:
        raise TrainingError(
            "a checkpoint does not fit this run", f"{place}: {error}", "Use its configuration, or another folder."
        ) from error
    return found[0]


def _place(folder: Path) -> Path | None:
    """Where the newest whole checkpoint lies."""
    places = (folder, folder.with_name(folder.name + ".old"))
    return next((place for place in places if (place / _STATE).exists()), None)


def load_weights(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copies weights by name; tied weights are stored once. `ValueError` names what is missing or of another shape."""
    own = _weights(model)
    missing = sorted(set(own) - set(weights))
    if missing:
        raise ValueError(f"weights are missing: {missing[:3]}")
    with torch.no_grad():
        for name, tensor in own.items():
            if tensor.shape != weights[name].shape:
                raise ValueError(f"{name} is {tuple(weights[name].shape)}, the model has {tuple(tensor.shape)}")
            tensor.copy_(split_like(weights[name], tensor))


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; a tied parameter appears under its first name only."""
    buffers = {n: b for n, b in model.named_buffers() if n in model.state_dict()}
    return {n: t.detach() for n, t in (*model.named_parameters(), *buffers.items())}


def _moments(model: nn.Module, optimizers: Optimizers) -> dict[str, torch.Tensor]:
    named: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        for optimizer in optimizers:
            for key, value in optimizer.state.get(parameter, {}).items():
                tensor = value.detach().clone() if torch.is_tensor(value) else torch.tensor(float(value))
                named[f"{key}/{name}"] = tensor
    return named


def _restore_moments(model: nn.Module, optimizers: Optimizers, moments: dict[str, torch.Tensor]) -> None:
    parameters = dict(model.named_parameters())
    state: dict[Any, dict[str, torch.Tensor]] = {}
    for entry, value in moments.items():
        if entry == "none":
            continue
        key, name = entry.split("/", 1)
        parameter = parameters[name]
        state.setdefault(parameter, {})[key] = split_like(value, parameter) if key != "step" else value
    for optimizer in optimizers:
        own = {p for group in optimizer.param_groups for p in group["params"]}
        optimizer.state.update({p: s for p, s in state.items() if p in own})
