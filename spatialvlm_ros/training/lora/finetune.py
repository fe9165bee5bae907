"""The loop: LoRA on chat records with accelerate, the same on one CPU, one GPU or several processes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatialvlm_ros.errors import DatasetError, SpatialVLMError, TrainingError
from spatialvlm_ros.models.devices import EXTRA
from spatialvlm_ros.models.hub.faults import first_line, is_out_of_memory
from spatialvlm_ros.models.hub.loading import TUNING_EXTRA, HubSource
from spatialvlm_ros.optional import require
from spatialvlm_ros.training.lora.adapting import AdaptedModel, adapt
from spatialvlm_ros.training.lora.encoding import ChatEncoder, collate, single_turns
from spatialvlm_ros.training.lora.records import ChatRecord, digest_of
from spatialvlm_ros.training.lora.settings import LoraSettings
from spatialvlm_ros.training.lora.state import load_state, save_state

_log = logging.getLogger(__name__)

# What may differ between a run and its continuation.
_FREE = frozenset({"steps", "save_every", "device", "gradient_checkpointing"})
_LEAST_RATE = 0.1


@dataclass(frozen=True)
class FinetuneResult:
    """What a run left.

    Attributes:
        folder: of the adapter.
        step: steps done, those before a resumption included.
        losses: of each step, likewise.
        skipped: reason -> conversations that could not be used in this part of the run.
    """

    folder: Path
    step: int
    losses: tuple[float, ...]
    skipped: dict[str, int]


def finetune(
    model_name: str,
    records: Sequence[ChatRecord],
    out: str | Path,
    settings: LoraSettings | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> FinetuneResult:
    """Fine-tune a hub model; running it again with the same arguments goes on where it stopped.

    The order of conversations and the dropout of a step depend on the seed and the step alone: a run that was
    interrupted gives the adapter of one that was not.

    Args:
        model_name: hub id or folder of the base model.
        records: conversations, e.g. of `read_chat` or `measurement_records`.
        out: folder of the adapter and of the state to resume from.
        settings: how.
        revision: commit or tag on the hub.
        trust_remote_code: run code that the model brings.
        progress: called with the steps done and the loss of each.

    Raises:
        TrainingError: no records, none usable, another run's state in the folder, or the loss is not a number.
        ModelError: the model cannot be loaded.
        MissingDependencyError: peft, accelerate, torch or transformers is missing.
    """
    settings = settings or LoraSettings()
    if not records:
        raise TrainingError("there is nothing to train on", len(records), "Export a split with questions.")
    source = HubSource(str(model_name), settings.device, settings.dtype, revision, trust_remote_code)
    adapted = adapt(source, settings)
    return _Run(adapted, records, Path(out), settings, str(model_name), revision or "").go(progress)


@dataclass
class _Run:
    """One run in one process."""

    adapted: AdaptedModel
    records: Sequence[ChatRecord]
    out: Path
    settings: LoraSettings
    model_name: str
    revision: str
    losses: list[float] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.content = digest_of(self.records)
        processor = self.adapted.processor
        if not getattr(processor, "chat_template", None):
            self.records = single_turns(self.records)
        self.encoder = ChatEncoder(processor, self.adapted.image_token_id, self.settings.most_tokens)

    def go(self, progress: Callable[[int, float], None] | None) -> FinetuneResult:
        accelerate = require("accelerate", TUNING_EXTRA)
        optimizer = self._optimizer()
        done = self._resumed(optimizer)
        cpu = str(next(iter(self.adapted.trained().values())).device) == "cpu"
        accelerator = accelerate.Accelerator(
            cpu=cpu, gradient_accumulation_steps=self.settings.accumulate, step_scheduler_with_optimizer=False
        )
        model, optimizer = accelerator.prepare(self.adapted.model, optimizer)
        model.train()
        ahead = self._batches_ahead(done, accelerator.process_index, accelerator.num_processes)
        for step, batches in zip(range(done, self.settings.steps), ahead, strict=False):
            loss = self._step(step, batches, model, optimizer, accelerator)
            self.losses.append(loss)
            if progress is not None and accelerator.is_main_process:
                progress(step + 1, loss)
            last = step + 1 == self.settings.steps
            if last or self.settings.save_every and (step + 1) % self.settings.save_every == 0:
                self._save(step + 1, optimizer, accelerator)
        return FinetuneResult(self.out, max(done, self.settings.steps), tuple(self.losses), dict(self.skipped))

    def _optimizer(self) -> Any:
        torch = require("torch", EXTRA)
        trained = self.adapted.trained()
        lora = [p for name, p in trained.items() if "lora_" in name]
        others = [p for name, p in trained.items() if "lora_" not in name]
        groups = [{"params": lora, "weight_decay": self.settings.weight_decay, "share": 1.0}]
        if others:
            groups.append({"params": others, "weight_decay": 0.0, "share": self.settings.embedding_rate})
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate)

    def _resumed(self, optimizer: Any) -> int:
        found = load_state(self.out, self.adapted.trained(), optimizer)
        if found is None:
            return 0
        step, run = found
        mine, theirs = self._identity(), run["identity"]
        different = sorted(key for key in mine if key in theirs and mine[key] != theirs[key])
        if different:
            raise TrainingError(
                f"{self.out} holds a run with other settings", different, "Choose another folder, or these settings."
            )
        self.losses = list(run["losses"])
        return step

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a run to go on."""
        kept = {key: value for key, value in self.settings.as_dict().items() if key not in _FREE}
        given = {"model": self.model_name, "revision": self.revision}
        return {**kept, **given, "records": len(self.records), "content": self.content}

    def _step(
        self, step: int, batches: Sequence[dict[str, Any]], model: Any, optimizer: Any, accelerator: Any
    ) -> float:
        torch = require("torch", EXTRA)
        torch.manual_seed(_seed(self.settings.seed, step, accelerator.process_index))
        self._set_rates(optimizer, step)
        total = 0.0
        try:
            for batch in batches:
                with accelerator.accumulate(model):
                    inputs = _on_device(batch, accelerator.device, self.adapted.model.dtype)
                    loss = model(**inputs).loss
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(model.parameters(), self.settings.largest_gradient)
                    optimizer.step()
                    optimizer.zero_grad()
                total += float(accelerator.reduce(loss.detach(), "mean"))
        except SpatialVLMError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise TrainingError(
                    "out of memory",
                    first_line(error),
                    "Use a smaller batch_size with accumulate, gradient_checkpointing, or dtype bfloat16.",
                ) from error
            raise
        mean = total / self.settings.accumulate
        if not math.isfinite(mean):
            raise TrainingError(f"the loss of step {step + 1} is not a number", mean, "Use a smaller learning_rate.")
        return mean

    def _set_rates(self, optimizer: Any, step: int) -> None:
        """Linear warm-up, then a cosine down to a tenth: a function of the step alone."""
        settings = self.settings
        if step < settings.warmup:
            factor = (step + 1) / (settings.warmup + 1)
        else:
            through = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
            factor = _LEAST_RATE + (1 - _LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * through))
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor * group["share"]

    def _batches_ahead(self, first: int, process: int, processes: int) -> Iterator[list[dict[str, Any]]]:
        """The batches of each step, made while the step before is computed."""
        last = self.settings.steps - 1
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._batches, first, process, processes)
            for step in range(first, last):
                batches = ahead.result()
                ahead = pool.submit(self._batches, step + 1, process, processes)
                yield batches
            yield ahead.result()

    def _batches(self, step: int, process: int, processes: int) -> list[dict[str, Any]]:
        """The batches of one step of this process; unusable conversations are replaced by the next ones."""
        settings = self.settings
        per_step = settings.batch_size * settings.accumulate * processes
        first = step * per_step + process * settings.batch_size * settings.accumulate
        starts = [first + k * settings.batch_size for k in range(settings.accumulate)]
        return [collate([self._example(start + i) for i in range(settings.batch_size)]) for start in starts]

    def _example(self, position: int) -> dict[str, Any]:
        epoch, place = divmod(position, len(self.records))
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(self.records))
        for shift in range(len(self.records)):
            try:
                return self.encoder.encode(self.records[int(order[(place + shift) % len(order)])])
            except DatasetError as error:
                self.skipped[error.fault] = self.skipped.get(error.fault, 0) + 1
                _log.warning("skipped: %s", error)
        raise TrainingError("not one conversation can be used", len(self.records), "See the log for the reasons.")

    def _save(self, step: int, optimizer: Any, accelerator: Any) -> None:
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            inner = getattr(optimizer, "optimizer", optimizer)
            run = {"identity": self._identity(), "losses": self.losses, "seed": self.settings.seed}
            self.adapted.save(self.out)
            save_state(self.out, step, self.adapted.trained(), inner, run)


def _on_device(batch: dict[str, Any], device: Any, dtype: Any) -> dict[str, Any]:
    return {n: v.to(device, dtype) if v.is_floating_point() else v.to(device) for n, v in batch.items()}


def _seed(seed: int, step: int, process: int) -> int:
    """One seed for each step and process."""
    return int(np.random.SeedSequence([seed, step, process]).generate_state(1)[0])
