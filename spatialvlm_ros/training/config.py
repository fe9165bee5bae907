"""Settings of a training run (``config/train/*.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.models.embedded.architecture import ModelShape
from spatialvlm_ros.models.embedded.folder import read_marker
from spatialvlm_ros.models.embedded.picture import CAMERA_MODES, RAYS
from spatialvlm_ros.models.embedded.weights import shipped_folder
from spatialvlm_ros.setting_types import check_setting_types
from spatialvlm_ros.shared_files import read_yaml
from spatialvlm_ros.training.augmentation import Augmentation
from spatialvlm_ros.training.label_noise import LabelNoise
from spatialvlm_ros.training.questions import QuestionPlan


@dataclass(frozen=True)
class StoreConfig:
    """Where the rendered views lie and how they are made.

    Attributes:
        folder: of the view store.
        split, seed: see `SimulatedViews`.
        pack: asset pack; "auto" takes the installed one.
        simulation: fields of `SimulationConfig`.
    """

    folder: str = "build/train_store"
    split: str = "train"
    seed: int = 2026
    pack: str = "auto"
    simulation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StageConfig:
    """One stage of a run.

    Attributes:
        name: for logs.
        steps: optimiser steps; the stage also ends when its minutes are over.
        minutes: of training time, 0 for no limit. The learning rate falls with whichever is further.
        batch: pictures per step and process.
        learning_rate: its peak.
        final_share: of the peak that is left at the end.
        warmup: steps.
        language: whether the decoder is trained; else dense supervision alone.
        frozen_vision: whether the encoder is left as it is.
        vision_share: of the learning rate that the encoder gets: one that has seen photographs forgets at the full one
            what it knows of shapes that are not in the simulation.
        weights: of losses that differ from the run's in this stage.

    Raises:
        ConfigError: an unknown loss, or a number out of range.
    """

    name: str = "joint"
    steps: int = 10_000
    minutes: float = 0.0
    batch: int = 16
    learning_rate: float = 1e-3
    final_share: float = 0.05
    warmup: int = 100
    language: bool = True
    frozen_vision: bool = False
    vision_share: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - {f.name for f in fields(LossWeights)})
        if unknown:
            raise ConfigError(f"unknown losses in the stage {self.name}", unknown, "See `LossWeights`.")
        _at_least(1, self, ("steps", "batch"), f" of the stage {self.name}")
        _at_least(0, self, ("minutes", "learning_rate", "final_share", "warmup"), f" of the stage {self.name}")


def _at_least(least: int, settings: Any, names: Iterable[str], whose: str = "") -> None:
    for name in names:
        value = getattr(settings, name)
        if not value >= least:  # NaN neither
            raise ConfigError(f"the setting {name}{whose} is out of range", value, f"Use {least} or more.")


@dataclass(frozen=True)
class LossWeights:
    """Weight of each loss; the dense ones only count while they are trained."""

    place: float = 1.0
    length: float = 1.0
    presence: float = 0.5
    yes_no: float = 1.0
    text: float = 0.5
    look: float = 0.5
    noun: float = 1.0
    attribute: float = 0.3
    depth: float = 2.0
    center: float = 2.0
    range: float = 3.0
    size: float = 2.0
    box: float = 2.0
    dense: float = 0.3  # of all dense losses together while the decoder is trained


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Attributes:
        out: folder of checkpoints, logs and the finished model.
        seed: of weights, order and augmentation.
        shape: of the model.
        start_from: folder of a finished model to warm-start from, "embedded" for the shipped one, "" for fresh
            weights. One with another encoder gives its decoder alone.
        encoder_from: weights that the encoder starts from (see `pretrained`), "" for none.
        train, validate: view stores.
        augmentation, plan: what the views become.
        camera_mode: what the model learns of the camera, one of the `CAMERA_MODES`.
        noise: errors of the metres that quantity tokens are trained on.
        blind: train without pictures (the control arm).
        stages: in order.
        weights: of the losses.
        weight_decay, clip: of the optimiser.
        checkpoint_minutes: how often the state is saved.
        validate_every: steps between validations.
        validate_batches: batches of a validation.
        dtype: "auto", "float32" or "bfloat16" of the computations (weights are float32).
        loader_processes: that make batches; 0 for a thread, which is enough for processors.
    """

    out: str = "output/train"
    seed: int = 0
    shape: ModelShape = field(default_factory=ModelShape)
    start_from: str = ""
    encoder_from: str = ""
    train: StoreConfig = field(default_factory=StoreConfig)
    validate: StoreConfig = field(default_factory=lambda: StoreConfig("build/calibrate_store", "calibrate", 2027))
    augmentation: Augmentation = field(default_factory=Augmentation)
    plan: QuestionPlan = field(default_factory=QuestionPlan)
    camera_mode: str = RAYS
    noise: LabelNoise = field(default_factory=LabelNoise)
    blind: bool = False
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    weights: LossWeights = field(default_factory=LossWeights)
    weight_decay: float = 0.05
    clip: float = 1.0
    checkpoint_minutes: float = 5.0
    validate_every: int = 500
    validate_batches: int = 10
    dtype: str = "auto"
    loader_processes: int = 0

    def __post_init__(self) -> None:
        if self.camera_mode not in CAMERA_MODES:
            raise ConfigError("unknown camera mode", self.camera_mode, f"Known: {', '.join(CAMERA_MODES)}.")
        if not self.stages:
            raise ConfigError("a run needs a stage", self.stages, "Write `stages` as in config/train/embedded.yaml.")
        _at_least(1, self, ("validate_every", "validate_batches"))
        _at_least(0, self, ("seed", "weight_decay", "clip", "checkpoint_minutes", "loader_processes"))

    @staticmethod
    def load(path: str | Path, **changes: Any) -> TrainConfig:
        """Reads a YAML file; ``changes`` replace top-level settings. See `of`."""
        return TrainConfig.of({**read_yaml(path), **changes}, str(path))

    @staticmethod
    def of(values: Mapping[str, Any], where: str) -> TrainConfig:
        """From plain values; ``where`` names them in errors.

        A warm start that names no shape or camera mode has that of the model it starts from.

        Raises:
            ConfigError: an unknown setting, or one of another type.
        """
        config: TrainConfig = _build(TrainConfig, values, where)
        if config.start_from == "embedded":
            config = replace(config, start_from=str(shipped_folder()))
        if config.start_from:
            there = read_marker(config.start_from)
            same: dict[str, Any] = {"shape": there.shape, "camera_mode": there.camera_mode}
            config = replace(config, **{name: value for name, value in same.items() if name not in values})
        return config

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _build(kind: Any, values: object, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"the settings of {where} must be a mapping", values, "Write 'key: value' lines.")
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"unknown settings in {where}", unknown, f"Known: {', '.join(sorted(known))}.")
    check_setting_types(kind, values, where)
    made: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if is_dataclass(hint):
            made[name] = _build(hint, value, f"{where}: {name}")
        elif name == "stages":
            made[name] = tuple(_build(StageConfig, v, f"{where}: stage") for v in value)
        elif isinstance(value, list):
            made[name] = tuple(value)
        else:
            made[name] = value
    return kind(**made)
