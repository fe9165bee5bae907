"""What a run needs to go on where it stopped: trained weights, the optimiser's moments, the step; no pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.faults import first_line
from spatialvlm_ros.optional import require

STATE_FILE, STEP_KEY, RECORD_KEY = "training_state.safetensors", "step", "run"


def save_state(folder: Path, step: int, trained: dict[str, Any], optimizer: Any, run: dict[str, Any]) -> None:
    """Write the state in one step: a run that is killed leaves the state before or after, never half of one.

    Args:
        folder: of the run.
        step: steps done.
        trained: name -> parameter.
        optimizer: of these parameters.
        run: settings and losses, JSON.

    Raises:
        TrainingError: it cannot be written.
    """
    save_file = require("safetensors.torch", EXTRA).save_file
    tensors = {f"weight/{name}": p.detach().cpu().contiguous() for name, p in trained.items()}
    for name, parameter in trained.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = value.detach().cpu().contiguous()
    partial = folder / f".{STATE_FILE}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, {STEP_KEY: str(step), RECORD_KEY: json.dumps(run)})
        os.replace(partial, folder / STATE_FILE)
    except OSError as error:
        raise TrainingError(f"cannot write the state of the run to {folder}", str(error), "Free some space.") from error
    finally:
        partial.unlink(missing_ok=True)


def load_state(folder: Path, trained: dict[str, Any], optimizer: Any) -> tuple[int, dict[str, Any]] | None:
    """Put a saved state into parameters and optimiser.

    Returns:
        Steps done and what was saved as ``run``; None where there is no state.

    Raises:
        TrainingError: the state is damaged, or of another model or other LoRA settings.
    """
    torch = require("torch", EXTRA)
    safe_open = require("safetensors", EXTRA).safe_open
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        step, run = int(metadata[STEP_KEY]), json.loads(metadata[RECORD_KEY])
    except Exception as error:  # safetensors has errors of its own
        raise TrainingError(
            f"the state of the run in {folder} is damaged", first_line(error), f"Remove {STATE_FILE} to start anew."
        ) from error
    saved = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith("weight/")}
    if {n: tuple(v.shape) for n, v in saved.items()} != {n: tuple(p.shape) for n, p in trained.items()}:
        raise TrainingError(
            f"the state of the run in {folder} is of another model or other LoRA settings",
            sorted(set(saved) ^ set(trained))[:3],
            "Choose another folder.",
        )
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(saved[name].to(parameter.device))
    for name, parameter in trained.items():
        moments = {kind: value for key, value in tensors.items() for kind, _, of in [key.partition("/")] if of == name}
        moments.pop("weight", None)
        # As the optimiser keeps them: the count of steps on the CPU, the rest beside the parameter.
        optimizer.state[parameter] = {
            kind: value if kind == "step" else value.to(parameter.device) for kind, value in moments.items()
        }
    return step, run
