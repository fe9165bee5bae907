"""Relations that are the same question with the other sign: what is said of one holds for the other.

Each relation is calibrated on questions of its own. Where a model reads "right of" off its answer to "left of", both
have the same errors, and what was fitted for the two differs by chance alone: applied apart, a thing would be bigger
and smaller than another at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from spatialvlm_ros.models.calibration import COMBINE, Calibration, LengthCalibration, PredicateCalibration
from spatialvlm_ros.scenes.relations import Relation

_Entry = TypeVar("_Entry", LengthCalibration, PredicateCalibration)

_TURNED = ("direct_bias", "composed_bias", "intercept")  # change their sign with the relation's
_LIMITS = {"low": min, "high": max}


def with_opposites_alike(calibration: Calibration, opposites: Mapping[Relation, Relation]) -> Calibration:
    """A calibration in which each relation and its opposite have the mean of what was fitted for the two.

    Args:
        calibration: of a model.
        opposites: relations that the model reads off its answer to another one, with the other sign.
    """
    if not opposites:
        return calibration
    return replace(
        calibration,
        lengths={group: _alike(entries, opposites) for group, entries in calibration.lengths.items()},
        predicates={group: _alike(entries, opposites) for group, entries in calibration.predicates.items()},
    )


def _alike(entries: Mapping[str, _Entry], opposites: Mapping[Relation, Relation]) -> dict[str, _Entry]:
    made = dict(entries)
    for one, other in opposites.items():
        if one.value in entries and other.value in entries:
            mean = _mean(entries[other.value], _turned(entries[one.value]))
            made[other.value], made[one.value] = mean, _turned(mean)
    return made


def _turned(entry: _Entry) -> _Entry:
    """The same for the opposite."""
    turned = {name: -getattr(entry, name) for name in _TURNED if name in entry.__dataclass_fields__}
    return replace(entry, **turned)


def _mean(one: _Entry, other: _Entry) -> _Entry:
    """Of both, which have the same sign; both read-outs count where they are not used alike."""
    values = {name: (getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__}
    means: dict[str, Any] = {name: _middle(name, *pair) for name, pair in values.items()}
    return replace(one, **means)


def _middle(name: str, a: float | str, b: float | str) -> float | str:
    if isinstance(a, str) or isinstance(b, str):
        return a if a == b else COMBINE
    return _LIMITS[name](a, b) if name in _LIMITS else (a + b) / 2
