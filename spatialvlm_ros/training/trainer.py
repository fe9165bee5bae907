"""The training loop: the same code on one CPU, one GPU, or several processes that repeat or split the model."""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatialvlm_ros.errors import TrainingError
from spatialvlm_ros.models.devices import pick_dtype
from spatialvlm_ros.training.checkpoints import (
    RunState,
    checkpoint_tensors,
    load_checkpoint,
    read_state,
    save_checkpoint,
)
from spatialvlm_ros.training.config import StageConfig, TrainConfig
from spatialvlm_ros.training.deadline import NEVER, Deadline
from spatialvlm_ros.training.loader import BatchKind, Loader, Prepared
from spatialvlm_ros.training.losses import Batch
from spatialvlm_ros.training.metrics import Validation
from spatialvlm_ros.training.model import TrainedModel
from spatialvlm_ros.training.optimizers import make_optimizers, set_rate
from spatialvlm_ros.training.resuming import check_resumable, settings_of
from spatialvlm_ros.training.splitting import split, split_wanted, whole

logger = logging.getLogger(__name__)

_SMOOTHING = 0.98


class Trainer:
    """Trains a `TrainedModel` through the stages of a configuration.

    Args:
        config: of the run.
        model: to be trained.
        loader, validation: batches of the training and the validation store (None leaves validation out).
        accelerator: of accelerate; it owns devices and processes.

    Raises:
        TrainingError: the model is to be split over processes in a way that is not supported.
    """

    def __init__(
        self, config: TrainConfig, model: TrainedModel, loader: Loader, validation: Loader | None, accelerator: Any
    ) -> None:
        self.config, self.loader, self.validation, self.accelerator = config, loader, validation, accelerator
        self.out = Path(config.out)
        self.dtype = pick_dtype(config.dtype, accelerator.device.type)
        self.bare = model.to(accelerator.device)
        self.split = split_wanted()
        self.model = split(self.bare, accelerator.device) if self.split else accelerator.prepare(self.bare)
        self.optimizers = make_optimizers(self.bare, config.weight_decay)
        self.averages: dict[str, float] = {}
        self._board: Any = None

    def run(self, deadline: Deadline = NEVER) -> RunState:
        """Trains to the end of the last stage, from the checkpoint where there is one, or until the deadline.

        Raises:
            TrainingError: the checkpoint is of a run with other settings, or damaged; the loss is no number any more.
        """
        state, stages = self._begun(), self.config.stages
        for number in range(state.stage, len(stages)):
            done = self._stage(stages[number], state, deadline)
            ended = _progress(stages[number], done) >= 1
            if ended and number + 1 < len(stages):
                done = replace(done, stage=number + 1, step=0, seconds=0.0)
            if done != state:
                self._save(done)
            state = done
            if not ended or self._late(deadline):
                break
        if self._board is not None:
            self._board.close()
        return state

    def finished(self, state: RunState) -> bool:
        """Whether the last stage is at its end."""
        stages = self.config.stages
        return state.stage >= len(stages) or (
            state.stage == len(stages) - 1 and _progress(stages[state.stage], state) >= 1
        )

    def _begun(self) -> RunState:
        folder = self.out / "checkpoint"
        found = read_state(folder)
        if found is None:
            return RunState()
        state, settings = found
        if settings is not None:  # runs begun before settings were kept go on unasked
            check_resumable(settings, self.config, state)
        elif state.stage >= len(self.config.stages):
            logger.warning("this run ended before settings were kept: it is not trained further")
        load_checkpoint(folder, self.bare, self.optimizers)
        logger.info("going on from step %d of stage %d", state.step, state.stage)
        return state

    # ---- one stage ----

    def _stage(self, stage: StageConfig, state: RunState, deadline: Deadline) -> RunState:
        for parameter in self.bare.vlm.model.vision_tower.parameters():
            parameter.requires_grad_(not stage.frozen_vision)
        self.bare.weights = replace(self.config.weights, **stage.weights)
        stream = self.loader.stream(state.total, BatchKind(stage.batch, stage.language, not self.config.blind))
        before, began, saved = state.seconds, time.monotonic(), time.monotonic()
        self.model.train()
        while (progress := _progress(stage, state)) < 1:  # asked first: the last step's checkpoint may be the newest
            self._step(next(stream), stage, state.step, progress)
            pictures = stage.batch * self.accelerator.num_processes
            state = replace(
                state,
                step=state.step + 1,
                total=state.total + 1,
                pictures=state.pictures + pictures,
                seconds=agreed(self.accelerator, before + time.monotonic() - began),
            )
            if state.step % 50 == 0:
                self._log(stage, state, progress)
            if self.validation is not None and state.total % self.config.validate_every == 0:
                self._validate(stage, state)
            if agreed(self.accelerator, time.monotonic() - saved) > 60 * self.config.checkpoint_minutes:
                self._save(state)
                saved = time.monotonic()
            if self._late(deadline):
                break
        return state

    def _step(self, batch: Prepared, stage: StageConfig, step: int, progress: float) -> None:
        rate = _learning_rate(stage, step, progress)
        set_rate(self.optimizers, rate, stage.vision_share)
        questions = None if batch.packed is None else self._questions(batch)
        pixels = self._on_device(batch.pixels) if questions is None else questions.pixels
        with torch.autocast(self.accelerator.device.type, self.dtype, enabled=self.dtype != torch.float32):
            loss, losses, _ = self.model(pixels, questions, batch.dense, batch.looks)
        if not bool(torch.isfinite(loss)):
            raise TrainingError("the loss is no number any more", losses, "Lower the learning rate; resume.")
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.accelerator.backward(loss)
        norm = whole(self.accelerator.clip_grad_norm_(self.bare.parameters(), self.config.clip))
        for optimizer in self.optimizers:
            optimizer.step()
        said = {**losses, "gradient": torch.as_tensor(norm)}
        values = torch.stack([value.float().to(loss.device) for value in said.values()]).tolist()  # read back at once
        for name, value in zip(said, values, strict=True):
            known = self.averages.get(name, value)
            self.averages[name] = _SMOOTHING * known + (1 - _SMOOTHING) * value

    def _on_device(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.accelerator.device)

    def _questions(self, batch: Prepared) -> Batch:
        assert batch.packed is not None
        return Batch.of(batch.packed, batch.pixels, self.accelerator.device, self.dtype)

    @torch.no_grad()
    def _validate(self, stage: StageConfig, state: RunState) -> None:
        assert self.validation is not None
        if not stage.language or not self._takes_part():
            return
        collected = Validation()
        self.model.eval()
        embedding = whole(self.bare.vlm.get_input_embeddings().weight)
        for k in range(self.config.validate_batches):
            prepared = self.validation.prepare(k, BatchKind(16, language=True, dense=False))
            batch = self._questions(prepared)
            with torch.autocast(self.accelerator.device.type, self.dtype, enabled=self.dtype != torch.float32):
                _, _, hidden = self.bare(batch.pixels, batch, None)
            assert hidden is not None
            collected.add(hidden, embedding, batch)
        self.model.train()
        if not self.accelerator.is_main_process:
            return
        shares = collected.shares()
        logger.info("step %d validation %s", state.total, {k: round(x, 3) for k, x in shares.items()})
        self._write({f"validation/{k}": x for k, x in shares.items()}, state.total)

    # ---- logs and checkpoints ----

    def _log(self, stage: StageConfig, state: RunState, progress: float) -> None:
        if not self.accelerator.is_main_process:
            return
        shown = {k: round(x, 3) for k, x in self.averages.items()}
        rate = state.step * stage.batch * self.accelerator.num_processes / max(state.seconds, 1e-9)
        logger.info("%s step %d (%.0f%%) %.1f pictures/s %s", stage.name, state.step, 100 * progress, rate, shown)
        self._write({**self.averages, "pictures_per_second": rate}, state.total)

    def _write(self, values: dict[str, float], step: int) -> None:
        if self._board is None:
            self._board = _board(self.out)
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        with (self.out / "curves.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def _save(self, state: RunState) -> None:
        first = self.accelerator.is_main_process
        if self._takes_part():
            tensors = checkpoint_tensors(self.bare, self.optimizers, kept=first)
            if first:
                save_checkpoint(self.out / "checkpoint", tensors, state, settings_of(self.config))
        self.accelerator.wait_for_everyone()

    def _takes_part(self) -> bool:
        """The first process validates and writes; where the model is split, the others bring their parts."""
        return self.split or bool(self.accelerator.is_main_process)

    def _late(self, deadline: Deadline) -> bool:
        return math.isfinite(deadline.at) and agreed(self.accelerator, float(deadline.passed())) > 0


def agreed(accelerator: Any, number: float) -> float:
    """The first process's number in all of them: by its clock they stop at the same step."""
    if accelerator.num_processes == 1:
        return number
    shared = torch.tensor([number], device=accelerator.device)
    torch.distributed.broadcast(shared, 0)
    return float(shared)


class _NoBoard:
    """Stands in where TensorBoard is not installed: the curves are in ``curves.jsonl`` all the same."""

    def add_scalar(self, *_: object) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return _NoBoard()
    return SummaryWriter(str(folder / "tensorboard"))


def _progress(stage: StageConfig, state: RunState) -> float:
    by_time = state.seconds / (60 * stage.minutes) if stage.minutes else 0.0
    return max(state.step / stage.steps, by_time)


def _learning_rate(stage: StageConfig, step: int, progress: float) -> float:
    """Warm-up, then a cosine down to the final share."""
    warm = min((step + 1) / max(stage.warmup, 1), 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return stage.learning_rate * warm * (stage.final_share + (1 - stage.final_share) * fall)
