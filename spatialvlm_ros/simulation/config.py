"""Settings of the simulated scenes (``config/simulation.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.setting_types import check_setting_types
from spatialvlm_ros.shared_files import read_yaml, shared_file
from spatialvlm_ros.simulation.variation import Variation

DEPTH_NOISES = ("none", "realsense")


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of `SimulatedViews`; ``config/simulation.yaml`` says what each one means.

    Raises:
        ConfigError: a value out of its range.
    """

    scenes: int = 1000
    views_per_layout: int = 20
    layouts_per_compile: int = 10
    width: int = 640
    height: int = 480
    room_share: float = 0.5
    robot_share: float = 0.4
    size_variation: float = 0.1
    shape_variation: float = 0.0
    color_variation: float = 0.0
    min_visible_pixels: int = 60
    min_objects: int = 2
    surface_samples: int = 256
    table_min_fraction: float = 0.5
    antialiasing: int = 4
    shadow_size: int = 2048
    depth_noise: str = "none"

    def __post_init__(self) -> None:
        for name in ("scenes", "views_per_layout", "layouts_per_compile", "width", "height"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("room_share", "robot_share", "table_min_fraction", "color_variation"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "0 to 1")
        for name in ("min_visible_pixels", "min_objects", "surface_samples"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        _check("size_variation", self.size_variation, 0 <= self.size_variation < 0.5, "0 to 0.5")
        _check("shape_variation", self.shape_variation, 0 <= self.shape_variation <= 0.5, "0 to 0.5")
        _check("antialiasing", self.antialiasing, self.antialiasing in (0, 2, 4, 8), "0, 2, 4 or 8")
        _check("shadow_size", self.shadow_size, 0 <= self.shadow_size <= 8192, "0 to 8192")
        _check("depth_noise", self.depth_noise, self.depth_noise in DEPTH_NOISES, f"one of {DEPTH_NOISES}")

    @property
    def variation(self) -> Variation:
        """Of shapes and colours."""
        return Variation(self.shape_variation, self.color_variation)

    @staticmethod
    def load(path: str | Path | None = None, **changes: Any) -> SimulationConfig:
        """Read a YAML file (default: the one that comes with the package), then apply ``changes``."""
        return SimulationConfig.of({**read_yaml(path or shared_file("config/simulation.yaml")), **changes})

    @staticmethod
    def of(values: SimulationConfig | Mapping[str, Any] | None) -> SimulationConfig:
        """From a mapping of settings (the others keep their defaults); None gives the defaults."""
        if isinstance(values, SimulationConfig):
            return values
        values = dict(values or {})
        known = [f.name for f in fields(SimulationConfig)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError("unknown simulation settings", unknown, f"Known: {', '.join(known)}.")
        check_setting_types(SimulationConfig, values, "the simulation")
        return SimulationConfig(**values)


def _check(name: str, value: object, good: bool, wanted: str) -> None:
    if not good:
        raise ConfigError(f"the simulation setting {name} is out of range", value, f"It must be {wanted}.")
