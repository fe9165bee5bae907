"""How a bench is scored, and what is wanted (``config/evaluate.yaml``)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatialvlm_ros.errors import ConfigError
from spatialvlm_ros.evaluation.bench import GIVEN
from spatialvlm_ros.evaluation.controls import MEDIANS, PICTURES
from spatialvlm_ros.evaluation.rows import GROUPS_ROW, ROWS
from spatialvlm_ros.setting_types import check_own_types
from spatialvlm_ros.shared_files import read_yaml, shared_file

CONTROL_NAMES = (*PICTURES, *MEDIANS)


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of `evaluate`; ``config/evaluate.yaml`` says what each one means.

    Raises:
        ConfigError: a value that is unknown or out of range.
    """

    model_width: int = 256
    queries_per_view: int = 16
    text_per_view: int = 4
    given: tuple[str, ...] = ()
    controls: tuple[str, ...] = CONTROL_NAMES
    limit: int | None = None
    bands_m: tuple[float, ...] = (0.75, 1.25, 2.0, 3.0)
    least_in_group: int = 100
    bootstrap_draws: int = 1000
    seed: int = 0
    beat_by: float = 0.15
    controlled_rows: tuple[str, ...] = ("within_25", "qualitative")
    targets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_own_types(self, "an evaluation")
        unknown = sorted(set(self.controls) - set(CONTROL_NAMES))
        if unknown:
            raise ConfigError("unknown controls", unknown, f"Known: {', '.join(CONTROL_NAMES)}, or none.")
        strange = sorted(set(self.given) - set(GIVEN))
        if strange:
            raise ConfigError("this cannot be given to a model", strange, f"Known: {', '.join(GIVEN)}.")
        for name, least in (("model_width", 1), ("queries_per_view", 1), ("text_per_view", 0), ("bootstrap_draws", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"the setting {name} is out of range", getattr(self, name), f"At least {least}.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError("a limit of views is at least 1", self.limit)
        if not self.bands_m or list(self.bands_m) != sorted(set(self.bands_m)):
            raise ConfigError(
                "the borders of the distance bands must rise", self.bands_m, "Give one or more, in metres."
            )
        _check_rows("controlled_rows", self.controlled_rows, ROWS)
        for name, wanted in self.targets.items():
            _check_targets(name, wanted)

    @staticmethod
    def load(path: str | Path | None = None, **changes: Any) -> EvaluationSettings:
        """Read a YAML file (default: the one that comes with the package); ``changes`` that are None are left out."""
        values = {**read_yaml(path or shared_file("config/evaluate.yaml"))}
        values.update({k: v for k, v in changes.items() if v is not None})
        unknown = sorted(set(values) - set(EvaluationSettings.__dataclass_fields__))
        if unknown:
            raise ConfigError("unknown settings of an evaluation", unknown)
        frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return EvaluationSettings(**frozen)

    def asking(self) -> dict[str, Any]:
        """The settings that decide what a model is asked: a run goes on only with the same ones."""
        names = ("queries_per_view", "text_per_view", "given", "seed")
        return {n: list(v) if isinstance(v := getattr(self, n), tuple) else v for n in names}

    def to_json(self) -> dict[str, Any]:
        """All settings but the targets, as plain values."""
        values = asdict(self)
        values.pop("targets")
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def band_names(self) -> tuple[str, ...]:
        """Names of the distance bands, nearest first."""
        edges = [f"{b:g}" for b in self.bands_m]
        inner = [f"{a}-{b} m" for a, b in zip(edges[:-1], edges[1:], strict=True)]
        return (f"< {edges[0]} m", *inner, f"> {edges[-1]} m")


def _check_rows(setting: str, rows: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(set(rows) - set(known))
    if unknown:
        raise ConfigError(f"the setting {setting} names unknown rows", unknown, f"Known: {', '.join(known)}.")


def _check_targets(name: str, wanted: Any) -> None:
    """One set of targets: row -> least and greatest value."""
    if not isinstance(wanted, Mapping):
        raise ConfigError(f"the targets {name} are not rows with their limits", wanted, "Write row: [least, greatest].")
    _check_rows(f"targets.{name}", wanted, (*ROWS, GROUPS_ROW))
    for row, limits in wanted.items():
        plain = isinstance(limits, (list, tuple)) and all(isinstance(v, (int, float)) for v in limits)
        if not plain or len(limits) != 2:
            raise ConfigError(f"the target of {row} in {name} is no range", limits, "Write [least, greatest].")
