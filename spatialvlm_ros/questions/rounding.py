"""Human rounding: a length in metres becomes the words a person would use.

The paper does not publish its decision tree; this is ours, with its examples as fixed points (0.86 m is said as
"1 meter" three times in four, else 0.8 m, 0.9 m, 90 cm or 3 feet; 23 m mostly as 20 m; a fifth is imperial).

    a length v
    |- imperial (20%, from half an inch on)
    |    below 1.25 in: quarter inches; 3 in: half inches; 11.5 in: whole inches
    |    below 10 ft, one in ten: feet and inches, to the inch
    |    below 6 ft: half feet; 20 ft: whole feet; 100 ft: fives; 300 ft: tens; coarser beyond (see IMPERIAL)
    |- metric, coarse (75%): see COARSE
    |    below 2 mm: half mm; 1 cm: whole mm; 3 cm: half cm; 10 cm: whole cm; 50 cm: fives; 80 cm: tens
    |    below 1.25 m: "1 meter"; 5 m: half metres; 10 m: whole metres; 20 m: fives; 100 m: tens; coarser beyond
    |- metric, fine (5%): see FINE
         below 1 cm: half mm; 10 cm: mm; 50 cm: whole cm;
         below 10 m: tenths of a metre, rounded or cut off ("0.8 meters"), or said in cm ("90 cm", to 3 m);
         above: whole metres

Every row of a table is (upper limit of the length, step): the length goes to the nearest multiple of the step. Each
step is at most 40% of its lower limit, so from 1 mm on a rounded length is off by at most 27%, and for fixed random
numbers it never falls when the length grows. A length that is not zero is never said as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import QuestionError

Float = NDArray[np.float64]

INCH = 0.0254
FOOT = 0.3048
UNIFORMS = 4  # random numbers that one rounding uses

IMPERIAL_SHARE = 0.20
COARSE_SHARE = 0.75  # of all lengths; the rest of the metric ones are fine
_IMPERIAL_FROM = 0.0125  # about half an inch
_CUT_OFF_SHARE = 0.2  # of fine tenths of a metre
_FEET_AND_INCHES_SHARE = 0.1
_FEET_AND_INCHES_TO = 10 * FOOT
_CENTIMETRES_TO = 3.0  # above this nobody says centimetres
_SPELLED_OUT_SHARE = 0.6  # "centimeters" rather than "cm"

Table = tuple[tuple[float, float], ...]
COARSE: Table = (
    (0.002, 0.0005),
    (0.01, 0.001),
    (0.03, 0.005),
    (0.1, 0.01),
    (0.5, 0.05),
    (0.8, 0.1),
    (1.25, 1.0),
    (5.0, 0.5),
    (10.0, 1.0),
    (20.0, 5.0),
    (100.0, 10.0),
    (300.0, 50.0),
    (1000.0, 100.0),
    (3000.0, 500.0),
    (np.inf, 1000.0),
)
FINE: Table = ((0.01, 0.0005), (0.1, 0.001), (0.5, 0.01), (10.0, 0.1), (np.inf, 1.0))
IMPERIAL: Table = (
    (1.25 * INCH, INCH / 4),
    (3 * INCH, INCH / 2),
    (11.5 * INCH, INCH),
    (6 * FOOT, FOOT / 2),
    (20 * FOOT, FOOT),
    (100 * FOOT, 5 * FOOT),
    (300 * FOOT, 10 * FOOT),
    (3000 * FOOT, 100 * FOOT),
    (np.inf, 1000 * FOOT),
)


class Unit(IntEnum):
    """Units an answer may be said in."""

    METRE = 0
    CENTIMETRE = 1
    MILLIMETRE = 2
    FOOT = 3
    INCH = 4
    FEET_AND_INCHES = 5

    @property
    def symbol(self) -> str:
        """m, cm, mm, ft, in or ft+in."""
        return ("m", "cm", "mm", "ft", "in", "ft+in")[self]


# Smallest difference said in a unit, metres; a rounded length is kept as a whole number of these.
_GRAIN = np.array([0.1, 0.005, 0.0005, FOOT / 2, INCH / 4, INCH])
_GRAINS_PER_UNIT = (10, 2, 2, 2, 4, 12)
_WORDS = (
    ("meter", "meters", "m"),
    ("centimeter", "centimeters", "cm"),
    ("millimeter", "millimeters", "mm"),
    ("foot", "feet", "ft"),
    ("inch", "inches", "in"),
)


@dataclass(frozen=True)
class Rounded:
    """N rounded lengths.

    Attributes:
        texts: e.g. "1 meter", "90 cm", "2 feet 10 inches"; magnitudes, without a sign.
        metres: (N,) what the text says, in metres.
        units: (N,) `Unit` values.
    """

    texts: list[str]
    metres: Float
    units: NDArray[np.int64]


def round_lengths(values: ArrayLike, uniforms: ArrayLike) -> Rounded:
    """Say N lengths (N,) in metres as people do, by N x `UNIFORMS` random numbers in [0, 1).

    The sign is dropped. Column 0 decides imperial or metric and coarse or fine, 1 and 2 the variant, 3 the spelling.

    Raises:
        QuestionError: a value is not finite, or the shapes do not fit.
    """
    v = np.abs(np.asarray(values, dtype=np.float64))
    u = np.asarray(uniforms, dtype=np.float64)
    if v.ndim != 1 or u.shape != (len(v), UNIFORMS):
        raise QuestionError("rounding needs values (N,) and uniforms (N, 4)", (v.shape, u.shape), "Align them.")
    if not np.isfinite(v).all():
        raise QuestionError("a length is not finite", v[~np.isfinite(v)][0], "Skip undefined quantities first.")
    imperial = (u[:, 0] < IMPERIAL_SHARE) & (v >= _IMPERIAL_FROM)
    # Too short for inches: metric, coarse or fine in the usual proportion.
    level = np.where(u[:, 0] < IMPERIAL_SHARE, u[:, 1], (u[:, 0] - IMPERIAL_SHARE) / (1 - IMPERIAL_SHARE))
    fine = ~imperial & (level >= COARSE_SHARE / (1 - IMPERIAL_SHARE))
    metres, units = _metric(v, u, fine)
    if imperial.any():
        metres[imperial], units[imperial] = _imperial(v[imperial], u[imperial])
    return Rounded(_texts(metres, units, u), metres, units)


def _steps(v: Float, table: Table) -> Float:
    limits = np.array([limit for limit, _ in table])
    return np.array([step for _, step in table])[np.searchsorted(limits, v, side="right").clip(max=len(table) - 1)]


def _to_step(v: Float, step: Float) -> Float:
    """Nearest multiple of the step, at least one step unless v is 0."""
    return np.where(v > 0, np.maximum(np.floor(v / step + 0.5), 1), 0) * step


def _metric(v: Float, u: Float, fine: NDArray[np.bool_]) -> tuple[Float, NDArray[np.int64]]:
    step = np.where(fine, _steps(v, FINE), _steps(v, COARSE))
    metres = _to_step(v, step)
    cut = fine & (v >= 0.5) & (v < 10) & (u[:, 1] < _CUT_OFF_SHARE)
    metres = np.where(cut, np.floor(v / 0.1 + 1e-9) * 0.1, metres)
    units = np.full(len(v), int(Unit.METRE), dtype=np.int64)
    tenths = (metres > 0.4999) & (metres < _CENTIMETRES_TO) & ~cut  # both 60 cm and 0.6 m are said
    whole = np.abs(metres - np.round(metres * 2) / 2) < 1e-9  # "1 meter", "1.5 meters": hardly ever in cm
    units[tenths & (u[:, 2] < np.where(whole & (metres > 0.75), 0.0, np.where(fine, 0.4, 0.6)))] = Unit.CENTIMETRE
    units[metres < 0.4999] = Unit.CENTIMETRE
    # Half centimetres are said in cm, other parts of a centimetre and everything below 1 cm in mm.
    halves = np.abs(metres / 0.005 - np.round(metres / 0.005)) < 1e-6
    units[(metres < 0.00999) & (metres > 0) | (metres < 0.1) & ~halves] = Unit.MILLIMETRE
    return metres, units


def _imperial(v: Float, u: Float) -> tuple[Float, NDArray[np.int64]]:
    metres = _to_step(v, _steps(v, IMPERIAL))
    units = np.where(v < 11.5 * INCH, int(Unit.INCH), int(Unit.FOOT))
    both = (v >= 11.5 * INCH) & (v < _FEET_AND_INCHES_TO) & (u[:, 1] < _FEET_AND_INCHES_SHARE)
    metres = np.where(both, np.floor(v / INCH + 0.5) * INCH, metres)
    units[both] = Unit.FEET_AND_INCHES
    return metres, units


def _texts(metres: Float, units: NDArray[np.int64], u: Float) -> list[str]:
    """The words; each distinct (unit, count, spelling) is written once."""
    counts = np.floor(metres / _GRAIN[units] + 0.5).astype(np.int64)
    spelled = u[:, 3] < _SPELLED_OUT_SHARE
    keys = (counts * len(Unit) + units) * 2 + spelled
    distinct, inverse = np.unique(keys, return_inverse=True)
    table = np.array(
        [_say(Unit(k // 2 % len(Unit)), k // 2 // len(Unit), bool(k % 2)) for k in distinct.tolist()], object
    )
    return table[inverse].tolist() if len(distinct) else []


def _say(unit: Unit, count: int, spelled: bool) -> str:
    """The words for ``count`` grains of a unit."""
    if count == 0:
        return "0 centimeters" if spelled else "0 cm"
    if unit is Unit.FEET_AND_INCHES:
        feet, inches = divmod(count, 12)
        parts = [_say(Unit.FOOT, 2 * feet, spelled)] if feet else []
        return " ".join(parts + ([_say(Unit.INCH, 4 * inches, spelled)] if inches else []))
    grains = _GRAINS_PER_UNIT[unit]
    singular, plural, symbol = _WORDS[unit]
    if spelled and unit in (Unit.METRE, Unit.INCH, Unit.FOOT) and 2 * count == grains:
        return f"half {'an' if unit is Unit.INCH else 'a'} {singular}"
    number = f"{count / grains:.2f}".rstrip("0").rstrip(".")
    if not spelled:
        return f"{number} {symbol}"
    return f"{number} {singular if count == grains else plural}"
