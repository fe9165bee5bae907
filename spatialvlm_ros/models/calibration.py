"""What was fitted on the calibration split, and its file.

Softmax is not calibration, and neither is a standard deviation that a network states. `fit_calibration`
(calibration_fit.py) compares a model's readings with the truth of views that are used for nothing else; the result
lies beside the weights and is refused for other ones.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spatialvlm_ros.errors import CalibrationError
from spatialvlm_ros.models.readings import N_BUCKETS
from spatialvlm_ros.scenes.relations import RELATIONS, Relation

FILE_NAME = "calibration.json"
FORMAT = 1

MONOCULAR, METRIC = "monocular", "metric"  # without and with all its objects measured in depth (or known exactly)
GROUPS = (MONOCULAR, METRIC)
COMBINE, DIRECT, COMPOSED = "combine", "direct", "composed"

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class LocationCalibration:
    """Corrections of located objects; errors are "said minus true", logs are natural.

    Attributes:
        range_bias: of the log range; range_factor: of its stated deviation.
        shared_std: log deviation of the scale error that all monocular lengths of a view share.
        size_bias, size_factor: of the log sizes along left, forward, up.
        size_shared: how much of the shared scale error the sizes follow, 0..1.
        center_factor, box_factor: of the stated deviations in pixels.
        height_bias, height_factor: of the camera's log height; up_factor: of the vertical's deviation.
        direct_bias: of the log of all lengths that the quantity tokens say.
        recognition: weights of `recognition.features`: log-odds that a box shows the one thing that was named; () for
            not known.
    """

    range_bias: float = 0.0
    range_factor: float = 1.0
    shared_std: float = 0.15
    size_bias: Triple = (0.0, 0.0, 0.0)
    size_factor: Triple = (1.0, 1.0, 1.0)
    size_shared: float = 0.5
    center_factor: float = 1.0
    box_factor: float = 1.0
    height_bias: float = 0.0
    height_factor: float = 1.0
    up_factor: float = 1.0
    direct_bias: float = 0.0
    recognition: tuple[float, ...] = ()


@dataclass(frozen=True)
class DepthCalibration:
    """Errors of objects measured in depth and completed, by `readings` bucket (clean, cut, thin).

    Attributes:
        center_bias, center_std: of the centre along the depth and width axes of its box, and of its bottom along up
            (how far up it reaches is part of the size), as a share of its scale.
        size_bias, size_std: of the log extents along the frame's forward, left and up axes.
    """

    center_bias: tuple[Triple, ...] = ((0.0, 0.0, 0.0),) * N_BUCKETS
    center_std: tuple[Triple, ...] = ((0.08, 0.05, 0.03), (0.12, 0.08, 0.05), (0.25, 0.15, 0.1))
    size_bias: tuple[Triple, ...] = ((0.0, 0.0, 0.0),) * N_BUCKETS
    size_std: tuple[Triple, ...] = ((0.2, 0.17, 0.1), (0.31, 0.28, 0.28), (0.38, 0.33, 0.4))


@dataclass(frozen=True)
class LengthCalibration:
    """Of the two read-outs of one length, in its coordinate (see `distributions`).

    Attributes:
        direct_bias, direct_factor, composed_bias, composed_factor: error of the median, and what the stated width is
            multiplied by.
        correlation: of the two errors.
        direct_outliers, composed_outliers: share of answers that are much farther off than their width says.
        mode: `COMBINE`, or the read-out that is used alone.
        spread: factor of the combined width.
        interval: factor of the 90% interval around the median.
        low, high: trained range of the median in metres.
    """

    direct_bias: float = 0.0
    direct_factor: float = 1.0
    composed_bias: float = 0.0
    composed_factor: float = 1.0
    correlation: float = 0.3
    direct_outliers: float = 0.02
    composed_outliers: float = 0.05
    mode: str = COMBINE
    spread: float = 1.0
    interval: float = 1.0
    low: float = 0.0
    high: float = 100.0


@dataclass(frozen=True)
class PredicateCalibration:
    """Log-odds of one predicate: intercept + direct * (direct log-odds) + composed * (composed log-odds), and the
    factors for where there is but one of them."""

    intercept: float = 0.0
    direct: float = 0.5
    composed: float = 0.5
    direct_alone: float = 1.0
    composed_alone: float = 1.0


@dataclass(frozen=True)
class Thresholds:
    """When to abstain.

    Attributes:
        present: least probability that an object is there, once, where the next two are not known.
        absent, several: weights of `presence.features`; a name whose sum is above 0 is refused as that of something
            that is not there, or is there several times. () for not known.
        overflow: most probability of "out of range".
    """

    present: float = 0.5
    absent: tuple[float, ...] = ()
    several: tuple[float, ...] = ()
    overflow: float = 0.5


@dataclass(frozen=True)
class IntervalShape:
    """Log factor of the interval: weights of features of an answer (see `fusion.interval_features`), by group."""

    monocular: tuple[float, ...] = ()
    metric: tuple[float, ...] = ()

    def of(self, group: str) -> tuple[float, ...]:
        """The weights of a group; () for none."""
        return self.metric if group == METRIC else self.monocular


@dataclass(frozen=True)
class Calibration:
    """All of it, for one model.

    Attributes:
        model: name of the model.
        fingerprint: hash of its weights, or its name where it has none.
        views: number of views it was fitted on; 0 for the defaults.
        lengths, predicates: by group, then by relation; missing ones have the group's "" entry, else the defaults.
    """

    model: str = ""
    fingerprint: str = ""
    views: int = 0
    location: LocationCalibration = field(default_factory=LocationCalibration)
    depth: DepthCalibration = field(default_factory=DepthCalibration)
    thresholds: Thresholds = field(default_factory=Thresholds)
    shape: IntervalShape = field(default_factory=IntervalShape)
    lengths: Mapping[str, Mapping[str, LengthCalibration]] = field(default_factory=lambda: MappingProxyType({}))
    predicates: Mapping[str, Mapping[str, PredicateCalibration]] = field(default_factory=lambda: MappingProxyType({}))

    def length(self, relation: Relation, group: str) -> LengthCalibration:
        """Of one length."""
        known = self.lengths.get(group, {})
        return known.get(relation.value) or known.get("") or _DEFAULT_LENGTHS[group]

    def predicate(self, relation: Relation, group: str) -> PredicateCalibration:
        """Of one predicate; objects measured in depth count more than what a network says, unless fitted."""
        known = self.predicates.get(group, {})
        return known.get(relation.value) or known.get("") or _DEFAULT_PREDICATES[group]

    def check(self, name: str, fingerprint: str) -> None:
        """Raises:
        CalibrationError: it belongs to another model.
        """
        if self.fingerprint and self.fingerprint != fingerprint:
            now = f"{name} with these weights and options" if name == self.model else name
            raise CalibrationError(
                f"this calibration was fitted for {self.model or 'another model'}, not for {now}",
                self.fingerprint[:16],
                "Fit one with `spatialvlm calibrate`.",
            )

    def digest(self) -> str:
        """SHA-256 of all of it, the same before and after it went through a file."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    # ---- file ----

    def save(self, path: str | Path) -> Path:
        """Write it as JSON, in one step; a folder gets ``calibration.json``."""
        path = _file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(self._text(), encoding="utf-8")
        temporary.replace(path)
        return path

    def _text(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("lengths", "predicates"):
            values[name] = {g: {r: asdict(c) for r, c in entries.items()} for g, entries in values[name].items()}
        for name in ("location", "depth", "thresholds", "shape"):
            values[name] = asdict(values[name])
        return json.dumps({"format": FORMAT, **_rounded(values)}, indent=1)

    @staticmethod
    def load(path: str | Path) -> Calibration:
        """Read a file (or the one in a folder).

        Raises:
            CalibrationError: it is not there, damaged, or of another version.
        """
        path = _file(path)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CalibrationError("there is no calibration here", str(path), "Run `spatialvlm calibrate`.") from error
        except ValueError as error:
            raise CalibrationError("the calibration file is damaged", str(path), "Fit it again.") from error
        if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
            raise CalibrationError("the calibration file is of another version", str(path), "Fit it again.")
        try:
            return _parsed(values)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise CalibrationError("the calibration file is damaged", str(error), "Fit it again.") from error


_DEFAULT_LENGTHS = {
    MONOCULAR: LengthCalibration(),
    METRIC: LengthCalibration(correlation=0.0, direct_outliers=0.1, composed_outliers=0.01),
}
_DEFAULT_PREDICATES = {
    MONOCULAR: PredicateCalibration(),
    METRIC: PredicateCalibration(direct=0.1, composed=1.0),
}
_PARTS: dict[str, type] = {
    "location": LocationCalibration,
    "depth": DepthCalibration,
    "thresholds": Thresholds,
    "shape": IntervalShape,
}
_BY_RELATION: dict[str, type] = {"lengths": LengthCalibration, "predicates": PredicateCalibration}


def _file(path: str | Path) -> Path:
    path = Path(path)
    return path / FILE_NAME if path.is_dir() or not path.suffix else path


def _parsed(values: dict[str, Any]) -> Calibration:
    parts: dict[str, Any] = {n: str(values.pop(n)) for n in ("model", "fingerprint")}
    parts["views"] = int(values.pop("views"))
    for name, kind in _PARTS.items():
        parts[name] = kind(**{k: _tuples(v) for k, v in values.pop(name).items()})
    for name, kind in _BY_RELATION.items():
        groups = values.pop(name)
        if unknown := set(groups) - set(GROUPS):
            raise ValueError(f"unknown groups {sorted(unknown)}")
        parts[name] = {
            g: {_known_relation(r): kind(**entry) for r, entry in entries.items()} for g, entries in groups.items()
        }
    if values:
        raise ValueError(f"unknown entries {sorted(values)}")
    return Calibration(**parts)


def _known_relation(name: str) -> str:
    if name and name not in {r.value for r in RELATIONS}:
        raise ValueError(f"unknown relation {name}")
    return name


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
