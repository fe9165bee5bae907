"""How a hub model is fine-tuned (``config/train/lora.yaml``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_setting_types
from spatialvlm_ros.shared_files import read_yaml, shared_file


@dataclass(frozen=True)
class LoraSettings:
    """Settings of one run.

    Attributes:
        steps: optimiser steps.
        batch_size: conversations in one forward pass of one process.
        accumulate: forward passes in one step.
        learning_rate: after the warm-up; it then falls to a tenth as a cosine.
        warmup: steps.
        weight_decay: of the LoRA matrices.
        largest_gradient: norm that gradients are clipped to.
        rank, alpha, dropout: of LoRA.
        targets: modules of the language model that get LoRA layers, by the last part of their name.
        quantity_tokens: add one token for each bin of lengths, and train their embeddings. A new run only.
        embedding_rate: learning rate of these embeddings as a multiple of ``learning_rate``.
        most_tokens: of one conversation; longer ones are skipped and counted.
        save_every: steps between two states to resume from; 0 is only the last.
        seed: of order, initial values and dropout.
        dtype, device: as `pick_dtype` and `pick_device` take them.
        gradient_checkpointing: less memory, a third more time.
        turns: questions in one conversation that is made from a data set.
        decimals: of the numbers in such a conversation, as `HubOptions.decimals`.

    Raises:
        ConfigError: a value out of range.
    """

    steps: int = 1000
    batch_size: int = 4
    accumulate: int = 1
    learning_rate: float = 2e-4
    warmup: int = 20
    weight_decay: float = 0.0
    largest_gradient: float = 1.0
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    quantity_tokens: bool = False
    embedding_rate: float = 5.0
    most_tokens: int = 4096
    save_every: int = 200
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    gradient_checkpointing: bool = False
    turns: int = 10
    decimals: int = 2

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "rank", "alpha", "most_tokens", "turns"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive", getattr(self, name), "Use 1 or more.")
        for name in ("learning_rate", "embedding_rate", "largest_gradient"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive", getattr(self, name), "Use more than 0.")
        for name in ("warmup", "save_every", "weight_decay", "decimals"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative", getattr(self, name), "Use 0 or more.")
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout out of range", self.dropout, "Use 0 or more and below 1.")
        if not self.targets:
            raise ConfigError("no modules to adapt", self.targets, "Name at least one, e.g. q_proj.")
        object.__setattr__(self, "targets", tuple(self.targets))

    @property
    def form(self) -> str:
        """Form of the lengths in conversations that are made from a data set: "digits" or "tokens"."""
        return "tokens" if self.quantity_tokens else "digits"

    @staticmethod
    def load(path: str | Path | None = None, **changes: Any) -> LoraSettings:
        """Read a YAML file (default: the one that comes with the package), then apply ``changes``."""
        return LoraSettings.from_dict({**read_yaml(path or shared_file("config/train/lora.yaml")), **changes})

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> LoraSettings:
        """Settings from a configuration file; `ConfigError` for unknown names and wrong types."""
        known = [field.name for field in dataclasses.fields(LoraSettings)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError("unknown settings of a LoRA run", unknown, f"Known ones: {', '.join(sorted(known))}.")
        check_setting_types(LoraSettings, values, "a LoRA run")
        return LoraSettings(**values)

    def as_dict(self) -> dict[str, Any]:
        """Settings that JSON holds."""
        return {**dataclasses.asdict(self), "targets": list(self.targets)}
