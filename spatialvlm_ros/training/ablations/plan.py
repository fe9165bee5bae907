"""Which runs there are: groups of variants, each a set of changes to one training configuration."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.shared_files import read_yaml
from spatialvlm_ros.training.config import StageConfig, TrainConfig

_DIGEST = 8
_PARTS = ("base", "judging", "groups")
_GROUP_PARTS = ("title", "about", "changes", "splits", "variants")


@dataclass(frozen=True)
class Judging:
    """How every run is judged.

    Attributes:
        bench: folder of the frozen bench.
        views: of the bench, spread evenly over it (or over the splits of the group).
        queries_per_view: of the bench's measurements.
        general_views: held-out views with general questions, from the validation store.
        general_questions: on each of them (expected number).
    """

    bench: str = "build/bench"
    views: int = 200
    queries_per_view: int = 16
    general_views: int = 300
    general_questions: float = 4.0


@dataclass(frozen=True)
class AblationRun:
    """One training run and its judgement.

    Attributes:
        group, variant: names.
        config: of the training; its seed is the run's, its folder below the run's.
        splits: of the bench that it is judged on, () for all.
        judging: how.
        folder: of everything; its name changes with the configuration.
    """

    group: str
    variant: str
    config: TrainConfig
    splits: tuple[str, ...]
    judging: Judging
    folder: Path

    @property
    def seed(self) -> int:
        """Of the training."""
        return self.config.seed

    @property
    def name(self) -> str:
        """For logs."""
        return f"{self.group}: {self.variant}, seed {self.seed}"


@dataclass(frozen=True)
class Group:
    """Variants that are compared with each other.

    Attributes:
        name, title, about: for people.
        splits: of the bench that they are judged on, () for all.
        variants: name -> configuration.
    """

    name: str
    title: str
    about: str
    splits: tuple[str, ...]
    variants: Mapping[str, TrainConfig]


@dataclass(frozen=True)
class Ablations:
    """All groups.

    Attributes:
        judging: of every run.
        groups: by name, in the order of the file.
    """

    judging: Judging
    groups: Mapping[str, Group]

    @staticmethod
    def load(path: str | Path) -> Ablations:
        """Reads a YAML file: ``base`` (a training configuration), ``judging``, ``groups``.

        Raises:
            ConfigError: an unknown setting, or variants of one group that are trained for unequal steps.
        """
        content = _known(read_yaml(path), _PARTS, str(path))
        judging = _known(content.get("judging") or {}, [f.name for f in fields(Judging)], f"{path}: judging")
        base, groups = content.get("base") or {}, content.get("groups") or {}
        return Ablations(Judging(**judging), {n: _group(n, g, base, f"{path}: {n}") for n, g in groups.items()})

    def runs(self, out: str | Path, seeds: Sequence[int], only: Sequence[str] = ()) -> list[AblationRun]:
        """All runs of the groups ``only`` (all by default), seed by seed, so that a table is there early.

        Raises:
            ConfigError: there is no such group.
        """
        unknown = sorted(set(only) - set(self.groups))
        if unknown:
            raise ConfigError("there are no such ablations", unknown, f"Known: {', '.join(self.groups)}.")
        chosen = [g for g in self.groups.values() if not only or g.name in only]
        return [
            _run(group, variant, replace(config, seed=seed), self.judging, Path(out))
            for seed in seeds
            for group in chosen
            for variant, config in group.variants.items()
        ]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``, mapping by mapping; everything else, lists included, is replaced."""
    result = dict(base)
    for name, value in changes.items():
        there = result.get(name)
        both = isinstance(value, Mapping) and isinstance(there, Mapping)
        result[name] = merged(there, value) if both else value  # type: ignore[arg-type]
    return result


def _known(values: Any, names: Sequence[str], where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"the settings of {where} must be a mapping", values, "Write 'key: value' lines.")
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(f"unknown settings in {where}", unknown, f"Known: {', '.join(names)}.")
    return values


def _group(name: str, values: Any, base: Mapping[str, Any], where: str) -> Group:
    values = _known(values, _GROUP_PARTS, where)
    common = merged(base, values.get("changes") or {})
    variants = {
        str(variant): TrainConfig.of(merged(common, changes or {}), f"{where}: {variant}")
        for variant, changes in (values.get("variants") or {}).items()
    }
    steps = {variant: _language_steps(config) for variant, config in variants.items()}
    if len(set(steps.values())) > 1:
        raise ConfigError(f"the variants of {where} are trained for unequal steps", steps, "Compare at equal steps.")
    return Group(name, values.get("title", name), values.get("about", ""), tuple(values.get("splits", ())), variants)


def _language_steps(config: TrainConfig) -> tuple[int, ...]:
    """Steps of the stages that train the decoder; a limit of minutes would make them unequal."""
    if any(stage.minutes for stage in config.stages):
        raise ConfigError("stages of an ablation end after steps, not minutes", config.stages, "Leave minutes out.")
    return tuple(stage.steps for stage in config.stages if stage.language)


def _stated(config: TrainConfig) -> dict[str, Any]:
    """What differs from the defaults: a setting that is new in the code, and does nothing unless it is given, leaves
    finished runs what they are. (Who changes a default changes runs without a new name: their folders must go.)"""
    usual, stage = TrainConfig().to_dict(), asdict(StageConfig())
    stated = _differing({**config.to_dict(), "out": usual["out"]}, usual)
    return {**stated, "stages": [_differing(s, stage) for s in config.to_dict()["stages"]]}


def _differing(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that differ, mapping by mapping."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        there = usual.get(name)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            value, there = _differing(value, there), {}
        if value != there:
            result[name] = value
    return result


def _run(group: Group, variant: str, config: TrainConfig, judging: Judging, out: Path) -> AblationRun:
    """The folder's name holds a digest of its settings: a run whose settings have changed is another run."""
    settings = {**_stated(config), "judging": asdict(judging), "splits": group.splits}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:_DIGEST]
    short = re.sub(r"[^a-z0-9]+", "-", variant.lower()).strip("-")
    folder = out / group.name / f"{short}-{config.seed}-{digest}"
    config = replace(config, out=str(folder / "train"))
    return AblationRun(group.name, variant, config, group.splits, judging, folder)
