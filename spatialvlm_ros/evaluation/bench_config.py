"""What a bench is made of (``config/bench.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.shared_files import read_yaml, shared_file

SHIFTS = ("new_scenes", "new_objects", "new_cameras", "new_light_and_noise")
SETTINGS = ("table", "room")


@dataclass(frozen=True)
class BenchConfig:
    """Settings of a bench; ``config/bench.yaml`` says what each one means.

    Raises:
        ConfigError: a value out of its range, or an unknown one.
    """

    name: str = "simulated"
    seed: int = 0
    views_per_part: int = 250
    splits: tuple[str, ...] = SHIFTS
    settings: tuple[str, ...] = SETTINGS
    views_per_layout: int = 2
    questions_per_view: int = 16
    absent_per_view: int = 2
    ambiguous_per_view: int = 1
    out_of_range_per_view: int = 2
    out_of_range_every: int = 8
    out_of_range_m: tuple[float, float] = (25.0, 150.0)
    least_visible: float = 0.5
    least_side: float = 0.05
    least_questions: int = 8
    negative_share: float = 0.5
    camera_share: float = 0.15
    pack: str | None = "auto"
    simulation: Mapping[str, Any] = field(default_factory=dict)
    confusable: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        counts = ("views_per_part", "views_per_layout", "questions_per_view", "least_questions", "out_of_range_every")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"the bench setting {name} is out of range", getattr(self, name), "At least 1.")
        unknown = sorted(set(self.settings) - set(SETTINGS))
        if unknown or not self.settings or not self.splits:
            raise ConfigError("unknown settings of a bench", unknown, f"Known: {', '.join(SETTINGS)}.")
        low, high = self.out_of_range_m
        if not 0 < low < high:
            raise ConfigError("the lengths out of range are not a range", self.out_of_range_m, "Write [low, high].")

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """(split, setting) of each part; all parts have the same number of views."""
        return tuple((split, setting) for split in self.splits for setting in self.settings)

    @property
    def views(self) -> int:
        """Number of views."""
        return len(self.parts) * self.views_per_part

    def describe(self) -> dict[str, Any]:
        """Plain values, for the hash: where the asset pack lies is no part of what a bench is."""
        values = _plain(asdict(self))
        values["pack"] = None if self.pack is None else "pack"
        return values

    @staticmethod
    def load(path: str | Path | None = None, **changes: Any) -> BenchConfig:
        """Read a YAML file (default: the one that comes with the package), then apply ``changes``."""
        return BenchConfig.of({**read_yaml(path or shared_file("config/bench.yaml")), **changes})

    @staticmethod
    def of(values: Mapping[str, Any]) -> BenchConfig:
        """From a mapping; `ConfigError` for an unknown name."""
        known = {f.name for f in fields(BenchConfig)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError("unknown bench settings", unknown, f"Known: {', '.join(sorted(known))}.")
        return BenchConfig(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
